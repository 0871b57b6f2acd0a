"""`tracking-server`: opens the database, then becomes MLflow's own server."""

import os
import sys
from typing import NoReturn

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tracking_server.database import DatabaseError, ensure_schema, open_database, read_secret
from tracking_server.settings import Settings, SettingsError

ENVIRONMENT = {
    # Nothing leaves the network.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # Seven processes for evaluation jobs that this platform does not run: 1.3 GB.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    # log_batch takes two connections at once: with the default pool of 15, 32 clients deadlock.
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "20",
    "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "80",
}

# uvloop sets TCP_NODELAY, which asyncio's workers lack: 44 ms for each kept-alive request.
UVICORN_OPTIONS = "--loop uvloop --http httptools --timeout-graceful-shutdown 20"


def command(settings: Settings, uri: str) -> list[str]:
    """MLflow's own command line.

    Parameters
    ----------
    settings
        How to run it.
    uri
        Address of the database, without its password.
    """
    # A Host header may carry the port.
    hosts = [pattern for host in settings.allowed_hosts for pattern in (host, f"{host}:*")]
    return [
        *("mlflow", "server"),
        *("--host", settings.host, "--port", str(settings.port)),
        *("--workers", str(settings.workers)),
        *("--backend-store-uri", uri),
        *("--artifacts-destination", settings.artifacts, "--serve-artifacts"),
        *("--allowed-hosts", ",".join(hosts)),
        *("--uvicorn-opts", UVICORN_OPTIONS),
    ]


def main() -> NoReturn:
    """Prepare, and replace this process with the server; exit with 1 where that cannot be."""
    try:
        settings = Settings.read()
        secret = read_secret(boto3.client("secretsmanager"), settings.secret_arn)
        database = open_database(secret, settings.certificates)
        os.environ.update(ENVIRONMENT)
        ensure_schema(database)
    except (SettingsError, DatabaseError, BotoCoreError, ClientError) as error:
        print(f"tracking-server: {error}", file=sys.stderr)
        sys.exit(1)
    words = command(settings, database.uri)
    os.execvp(words[0], words)  # noqa: S606 - words of our own, and no shell wanted


if __name__ == "__main__":
    main()
