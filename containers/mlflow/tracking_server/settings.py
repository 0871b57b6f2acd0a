"""What the task's environment says, read once."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = {
    # Nothing leaves the network.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # MLflow would look up what models there are elsewhere, for minutes, for whoever asks.
    "MLFLOW_MODEL_CATALOG_URI": "",
    # Seven processes for evaluation jobs that this platform does not run: 1.3 GB.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    # Its pages then do not offer what `tracking_server.off` refuses.
    "MLFLOW_ENABLE_AI_GATEWAY": "false",
}
"""What every program of MLflow is told."""

PROXIED, DIRECT = "proxied", "direct"
"""Whether clients send files through the server, or to S3 themselves."""

MASTER, ADMINISTRATOR = "DATABASE_MASTER_SECRET_ARN", "ADMINISTRATOR_SECRET_ARN"
DECLARATION = "ACCESS"
"""Variables that only one-off tasks have."""

WEBHOOK_KEY, WEBHOOK_HOSTS = "WEBHOOK_KEY_SECRET_ARN", "WEBHOOK_HOSTS"
"""Variables of an environment whose registry tells of its aliases."""

STORES = 3
"""MLflow's stores in each process, each with a pool: runs, registry, access."""

PERMISSIONS = ("NO_PERMISSIONS", "READ", "EDIT", "MANAGE")
"""What users may do with what no permission names, from nothing on."""

CONNECTIONS_PER_WORKER = 60
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
    session_secret_arn
        The secret that signs sessions, the same for all tasks.
    webhook_key_secret_arn
        The secret that those of webhooks are encrypted by, the same for all tasks; nothing where
        there are no webhooks.
    webhook_hosts
        What hosts of webhooks may end with.
    default_permission
        What a user may do with what no permission names.
    artifacts
        S3 address that files are kept under.
    allowed_hosts
        Names that clients may call the server by; it answers 403 to any other.
    files
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
    secret_seconds
        The longest time until each process reads the database's secret again, in seconds.
    connection_seconds
        How long a connection to the database is used before another takes its place, in seconds.
    master_secret_arn
        The secret of the database's master user, where the task has one.
    administrator_secret_arn
        The secret with the ``username`` and ``password`` of MLflow's administrator, where the task
        has one.
    declaration
        Who may do what, as JSON, where the task has it.
    """

    secret_arn: str
    session_secret_arn: str
    default_permission: str
    artifacts: str
    allowed_hosts: tuple[str, ...]
    files: str
    workers: int
    connections: int
    host: str
    port: int
    certificates: Path
    secret_seconds: int
    connection_seconds: int
    webhook_key_secret_arn: str = ""
    webhook_hosts: tuple[str, ...] = ()
    master_secret_arn: str = ""
    administrator_secret_arn: str = ""
    declaration: str = ""

    @property
    def threads(self) -> int:
        """Calls that a process works on at once.

        Each may take a connection of each pool, and one beside them: what `tracking_server.store`
        does by itself takes the latter, and nothing else. What MLflow does may take two of a pool:
        it then waits until another call is done, for which what is spare always suffices.
        """
        return max((self._each - STORES * SPARE) // (STORES + 1), 1)

    @property
    def pool(self) -> int:
        """The most connections of each pool: one for each store of each process."""
        return (self._each - self.threads) // STORES

    @property
    def _each(self) -> int:
        return self.connections // self.workers

    @classmethod
    def read(
        cls, environment: Mapping[str, str] = os.environ, also: Sequence[str] = ()
    ) -> "Settings":
        """Read the settings.

        Parameters
        ----------
        environment
            Where from; the task's own environment.
        also
            Variables that must be there beside those that the server needs.

        Raises
        ------
        SettingsError
            With every fault together.
        """
        faults = [
            f"{name} is not set"
            for name in (
                *("DATABASE_SECRET_ARN", "SESSION_SECRET_ARN"),
                *("ARTIFACTS_DESTINATION", "ALLOWED_HOSTS"),
                *also,
            )
            if not environment.get(name)
        ]
        numbers = {
            "WORKERS": 2,
            "PORT": 5000,
            "DATABASE_SECRET_SECONDS": 300,
            "DATABASE_CONNECTION_SECONDS": 3600,
        }
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
        files = environment.get("ARTIFACTS", PROXIED)
        if files not in (PROXIED, DIRECT):
            faults.append(f"ARTIFACTS is '{files}', which is neither {PROXIED} nor {DIRECT}")
        permission = environment.get("DEFAULT_PERMISSION", PERMISSIONS[0])
        if permission not in PERMISSIONS:
            known = ", ".join(PERMISSIONS)
            faults.append(f"DEFAULT_PERMISSION is '{permission}', which is none of {known}")
        key, hosts = environment.get(WEBHOOK_KEY, ""), environment.get(WEBHOOK_HOSTS, "")
        if bool(key) != bool(hosts):
            faults.append(f"{WEBHOOK_KEY} is '{key}', and {WEBHOOK_HOSTS} '{hosts}': set both")
        certificates = Path(environment.get("DATABASE_CA", "/etc/ssl/rds/global-bundle.pem"))
        if not certificates.is_file():
            faults.append(f"DATABASE_CA is '{certificates}', which is no file")
        if faults:
            raise SettingsError("; ".join(faults))
        return cls(
            secret_arn=environment["DATABASE_SECRET_ARN"],
            session_secret_arn=environment["SESSION_SECRET_ARN"],
            default_permission=permission,
            artifacts=environment["ARTIFACTS_DESTINATION"],
            allowed_hosts=tuple(environment["ALLOWED_HOSTS"].split(",")),
            files=files,
            workers=workers,
            connections=connections,
            host=environment.get("MLFLOW_HOST", "127.0.0.1"),
            port=numbers["PORT"],
            certificates=certificates,
            master_secret_arn=environment.get(MASTER, ""),
            administrator_secret_arn=environment.get(ADMINISTRATOR, ""),
            declaration=environment.get(DECLARATION, ""),
            secret_seconds=numbers["DATABASE_SECRET_SECONDS"],
            connection_seconds=numbers["DATABASE_CONNECTION_SECONDS"],
            webhook_key_secret_arn=key,
            webhook_hosts=tuple(hosts.split(",")) if hosts else (),
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
