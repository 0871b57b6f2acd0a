"""What the function's environment says: its contract with the stack that makes it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

DATABASE_CA = "DATABASE_CA"


@dataclass(frozen=True)
class Settings:
    """The function's settings.

    Parameters
    ----------
    certificates
        File with what the database's certificate must come from.
    """

    certificates: str

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
            Where one is missing: the function is not deployed as its stack says.
        """
        if not environment.get(DATABASE_CA):
            raise ValueError(f"{DATABASE_CA} must be set in the function's environment")
        return cls(environment[DATABASE_CA])
