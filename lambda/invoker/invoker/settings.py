"""What the function's environment says: its contract with the stack that makes it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

ENDPOINT_PREFIX = "ENDPOINT_PREFIX"
READ_SECONDS = "READ_SECONDS"
BUCKET = "BUCKET"


@dataclass(frozen=True)
class Settings:
    """The function's settings.

    Parameters
    ----------
    endpoint_prefix
        What the names of the SageMaker endpoints start with.
    read_seconds
        How long to wait for an endpoint's answer, in seconds.
    bucket
        Where requests that are answered later stand, and their answers.
    """

    endpoint_prefix: str
    read_seconds: float
    bucket: str

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings.

        Parameters
        ----------
        environment
            Where from; the function's own environment.

        Raises
        ------
        ValueError
            Where one is missing or wrong: the function is not deployed as its stack says.
        """
        names = (ENDPOINT_PREFIX, READ_SECONDS, BUCKET)
        missing = [name for name in names if not environment.get(name)]
        if missing:
            raise ValueError(f"{', '.join(missing)} must be set in the function's environment")
        return cls(
            environment[ENDPOINT_PREFIX], float(environment[READ_SECONDS]), environment[BUCKET]
        )
