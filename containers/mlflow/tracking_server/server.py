"""`tracking-server`: opens the database, then becomes MLflow's own server."""

import os
import sys
from typing import NoReturn

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tracking_server.application import THREADS
from tracking_server.database import DatabaseError, ensure_schema, open_database, read_secret
from tracking_server.settings import DIRECT, Settings, SettingsError

ENVIRONMENT = {
    # Nothing leaves the network.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # Seven processes for evaluation jobs that this platform does not run: 1.3 GB.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}

OPTIONS = {
    # Its processes share connections, and it sets TCP_NODELAY, which asyncio's workers lack: 44 ms
    # for each kept-alive request.
    "loop": "tracking_server.loop:Loop",
    "http": "httptools",
    # Clients keep a connection for minutes; a load balancer forgets one silently after 350 s.
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html
    "timeout-keep-alive": "300",
    # ECS kills what still runs 30 s after it was told to stop.
    "timeout-graceful-shutdown": "20",
}
"""How uvicorn is run."""


def environment(settings: Settings) -> dict[str, str]:
    """What MLflow reads from its environment.

    Parameters
    ----------
    settings
        How to run it.
    """
    return {
        **ENVIRONMENT,
        # One beyond the pool at least: MLflow reads 0 as its default, which is 10.
        "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": str(settings.pool - 1),
        "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "1",
        THREADS: str(settings.threads),
    }


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
    if settings.access == DIRECT:
        artifacts = ["--default-artifact-root", settings.artifacts, "--no-serve-artifacts"]
    else:
        artifacts = ["--artifacts-destination", settings.artifacts, "--serve-artifacts"]
    uvicorn = " ".join(f"--{name} {value}" for name, value in OPTIONS.items())
    return [
        *("mlflow", "server", "--app-name", "tracking-server"),
        *("--host", settings.host, "--port", str(settings.port)),
        *("--workers", str(settings.workers)),
        *("--backend-store-uri", uri),
        *artifacts,
        *("--allowed-hosts", ",".join(hosts)),
        *("--uvicorn-opts", f"{uvicorn} --no-proxy-headers --no-server-header"),
    ]


def main() -> NoReturn:
    """Prepare, and replace this process with the server; exit with 1 where that cannot be."""
    try:
        settings = Settings.read()
        secret = read_secret(boto3.client("secretsmanager"), settings.secret_arn)
        database = open_database(secret, settings.certificates)
        os.environ.update(environment(settings))
        ensure_schema(database)
    except (SettingsError, DatabaseError, BotoCoreError, ClientError) as error:
        print(f"tracking-server: {error}", file=sys.stderr)
        sys.exit(1)
    words = command(settings, database.uri)
    os.execvp(words[0], words)  # noqa: S606 - words of our own, and no shell wanted


if __name__ == "__main__":
    main()
