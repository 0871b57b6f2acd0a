"""What goes wrong in SageMaker."""


class RefusedError(Exception):
    """A request that SageMaker refuses.

    Parameters
    ----------
    code
        The error's code.
    message
        What is wrong.
    status
        HTTP status.
    further
        What else the error carries.
    """

    def __init__(
        self, code: str, message: str, status: int = 400, further: dict[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.further = further or {}


class StartError(Exception):
    """Why a model cannot be served."""


def invalid(message: str) -> RefusedError:
    """A request that does not fit."""
    return RefusedError("ValidationException", message)
