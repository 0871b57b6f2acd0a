"""What the task's environment says, read once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingsError(Exception):
    """Every setting that is missing or wrong, and where it comes from."""


@dataclass(frozen=True)
class Settings:
    """How to run the server.

    Parameters
    ----------
    secret_arn
        The secret with the database's user, password, host, port and name.
    artifacts
        S3 address that files are kept under.
    allowed_hosts
        Names that clients may call the server by; it answers 403 to any other.
    workers
        Number of server processes.
    host, port
        Where to listen.
    certificates
        File with the certificates that the database's own must come from.
    """

    secret_arn: str
    artifacts: str
    allowed_hosts: tuple[str, ...]
    workers: int
    host: str
    port: int
    certificates: Path

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings.

        Parameters
        ----------
        environment
            Where from; the task's own environment.

        Raises
        ------
        SettingsError
            With every fault together.
        """
        faults = [
            f"{name} is not set"
            for name in ("DATABASE_SECRET_ARN", "ARTIFACTS_DESTINATION", "ALLOWED_HOSTS")
            if not environment.get(name)
        ]
        numbers = {"WORKERS": "2", "PORT": "5000"}
        for name, default in numbers.items():
            numbers[name] = environment.get(name, default)
            if not numbers[name].isdecimal() or int(numbers[name]) < 1:
                faults.append(f"{name} is '{numbers[name]}', which is no number above 0")
        certificates = Path(environment.get("DATABASE_CA", "/etc/ssl/rds/global-bundle.pem"))
        if not certificates.is_file():
            faults.append(f"DATABASE_CA is '{certificates}', which is no file")
        if faults:
            raise SettingsError("; ".join(faults))
        return cls(
            secret_arn=environment["DATABASE_SECRET_ARN"],
            artifacts=environment["ARTIFACTS_DESTINATION"],
            allowed_hosts=tuple(environment["ALLOWED_HOSTS"].split(",")),
            workers=int(numbers["WORKERS"]),
            host=environment.get("MLFLOW_HOST", "127.0.0.1"),
            port=int(numbers["PORT"]),
            certificates=certificates,
        )
