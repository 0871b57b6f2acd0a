"""Resources that nothing on this machine can stand for: deploying one fails, and says so."""

from local.extensions.hooks import Created, Properties
from operations.errors import OperationError


class AwsOnly:
    """A type that is a service of AWS as a whole.

    Parameters
    ----------
    what
        What it is.
    instead
        The key and the value of the configuration that runs here instead.
    """

    def __init__(self, what: str, instead: str) -> None:
        self._error = OperationError(
            f"{what} cannot run on this machine: it is AWS's own.",
            f"Write '{instead}', or deploy to an account.",
        )

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Refuse; CloudFormation rolls the stack back."""
        raise self._error

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Refuse."""
        raise self._error

    def delete(self, physical_id: str, properties: Properties) -> None:
        """There never was one."""
