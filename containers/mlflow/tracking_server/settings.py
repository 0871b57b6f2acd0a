"""What the task's environment says, read once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROXIED, DIRECT = "proxied", "direct"
"""Whether clients send files through the server, or to S3 themselves."""

STORES = 2
"""MLflow's stores in each process, runs and registry, each with a pool of its own."""

CONNECTIONS_PER_WORKER = 40
"""Connections that each process may hold, where the environment names no number for the task."""

SPARE = 4
"""Connections of each pool for what does not take the short way: traces, and pages."""


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
    access
        ``proxied`` where clients send files through the server, ``direct`` where they have rights
        of their own on the S3 address.
    workers
        Number of server processes.
    connections
        The most connections to the database that all of them hold.
    host, port
        Where to listen.
    certificates
        File with the certificates that the database's own must come from.
    """

    secret_arn: str
    artifacts: str
    allowed_hosts: tuple[str, ...]
    access: str
    workers: int
    connections: int
    host: str
    port: int
    certificates: Path

    @property
    def pool(self) -> int:
        """The most connections of each pool: one for each store of each process."""
        return self.connections // (self.workers * STORES)

    @property
    def threads(self) -> int:
        """Calls that a process works on at once. Logging a batch takes two connections for each."""
        return (self.pool - SPARE) // 2

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
        numbers = {"WORKERS": 2, "PORT": 5000}
        for name in numbers:
            numbers[name] = _number(environment, name, numbers[name], 1, faults)
        workers = numbers["WORKERS"]
        least = workers * STORES * (SPARE + 2)
        connections = _number(
            environment,
            "DATABASE_CONNECTIONS",
            CONNECTIONS_PER_WORKER * workers,
            least,
            faults,
        )
        access = environment.get("ARTIFACTS", PROXIED)
        if access not in (PROXIED, DIRECT):
            faults.append(f"ARTIFACTS is '{access}', which is neither {PROXIED} nor {DIRECT}")
        certificates = Path(environment.get("DATABASE_CA", "/etc/ssl/rds/global-bundle.pem"))
        if not certificates.is_file():
            faults.append(f"DATABASE_CA is '{certificates}', which is no file")
        if faults:
            raise SettingsError("; ".join(faults))
        return cls(
            secret_arn=environment["DATABASE_SECRET_ARN"],
            artifacts=environment["ARTIFACTS_DESTINATION"],
            allowed_hosts=tuple(environment["ALLOWED_HOSTS"].split(",")),
            access=access,
            workers=workers,
            connections=connections,
            host=environment.get("MLFLOW_HOST", "127.0.0.1"),
            port=numbers["PORT"],
            certificates=certificates,
        )


def _number(
    environment: Mapping[str, str], name: str, default: int, least: int, faults: list[str]
) -> int:
    """A number of the environment; `default`, and a fault, where it is none of at least `least`."""
    text = environment.get(name, str(default))
    if text.isdecimal() and int(text) >= least:
        return int(text)
    faults.append(f"{name} is '{text}', which is no number of {least} or more")
    return default
