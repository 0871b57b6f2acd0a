"""`tracking-server serve`: opens the database, then becomes MLflow's server.

`mlflow server` would set these variables and start uvicorn so; the image's tests compare the two.
"""

import os
import sys
import uuid
from typing import NoReturn

import boto3

from tracking_server.access import configure
from tracking_server.application import THREADS
from tracking_server.database import open_database, read_secret
from tracking_server.entrance import NAMES
from tracking_server.login import OPTIONS as OPTIONS_FILE
from tracking_server.migration import require_current
from tracking_server.settings import DIRECT, ENVIRONMENT, Settings
from tracking_server.webhooks import configure_webhooks

OPTIONS = {
    # Its processes share connections, and it sets TCP_NODELAY, which asyncio's workers lack: 44 ms
    # for each kept-alive request.
    "loop": "tracking_server.loop:Loop",
    # Its own parser, with a limit for what it holds.
    "http": "tracking_server.heads:Protocol",
    # Clients keep a connection for minutes; a load balancer forgets one silently after 350 s.
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html
    "timeout-keep-alive": "300",
    # A process that is not heard of for so long is killed. On a busy processor that may be longer
    # than the five seconds that uvicorn gives it.
    "timeout-worker-healthcheck": "30",
    # ECS kills what still runs 30 s after it was told to stop.
    "timeout-graceful-shutdown": "20",
}
"""How uvicorn is run."""


def environment(settings: Settings, uri: str) -> dict[str, str]:
    """What MLflow reads from its environment: the variables that `mlflow server` sets.

    Parameters
    ----------
    settings
        How to run it.
    uri
        Address of the database, without user and password.
    """
    # A Host header may carry the port.
    hosts = [pattern for host in settings.allowed_hosts for pattern in (host, f"{host}:*")]
    if settings.files == DIRECT:
        files = {"_MLFLOW_SERVER_ARTIFACT_ROOT": settings.artifacts}
    else:
        files = {
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": settings.artifacts,
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        }
    return {
        **ENVIRONMENT,
        **files,
        "_MLFLOW_SERVER_FILE_STORE": uri,
        "_MLFLOW_SERVER_REGISTRY_STORE": uri,
        "_MLFLOW_SERVER_BOOT_ID": uuid.uuid4().hex,
        "_MLFLOW_IN_JOB_EXECUTOR": "false",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_ENABLE_WORKSPACES": "false",
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(hosts),
        # One beyond the pool at least: MLflow reads 0 as its default, which is 10.
        "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": str(settings.pool - 1),
        "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "1",
        # What is opened anew is opened by the login that the secret has now.
        "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": str(settings.connection_seconds),
        THREADS: str(settings.threads),
        NAMES: ",".join(settings.allowed_hosts),
    }


def command(settings: Settings) -> list[str]:
    """The command line of the server's processes, which is uvicorn's.

    Parameters
    ----------
    settings
        How to run it.
    """
    options = [word for name, value in OPTIONS.items() for word in (f"--{name}", value)]
    return [
        *(sys.executable, "-m", "tracking_server.workers"),
        *options,
        *("--no-proxy-headers", "--no-server-header"),
        *("--host", settings.host, "--port", str(settings.port)),
        *("--workers", str(settings.workers)),
        *("--factory", "tracking_server.application:create_app"),
    ]


def prepare(settings: Settings) -> tuple[list[str], dict[str, str]]:
    """Open the database and see that its schemas are the image's.

    Parameters
    ----------
    settings
        How to run the server.

    Returns
    -------
    tuple
        What is to be run, and its environment.

    Raises
    ------
    DatabaseError
        Where the database cannot be used, or has other schemas.
    """
    manager = boto3.client("secretsmanager")
    database = open_database(read_secret(manager, settings.secret_arn), settings.certificates)
    require_current(database)
    session = manager.get_secret_value(SecretId=settings.session_secret_arn)["SecretString"]
    access = configure(
        database,
        database.options.parent,
        default_permission=settings.default_permission,
        session_key=session,
    )
    key = settings.webhook_key_secret_arn
    webhooks = configure_webhooks(
        database.options.parent,
        hosts=settings.webhook_hosts,
        key=manager.get_secret_value(SecretId=key)["SecretString"] if key else "",
        listens_on=settings.host,
    )
    given = {
        **environment(settings, database.uri),
        **access,
        **webhooks,
        OPTIONS_FILE: str(database.options),
    }
    return command(settings), {**os.environ, **given}


def serve(settings: Settings) -> NoReturn:
    """Replace this process with MLflow's server.

    Parameters
    ----------
    settings
        How to run it.
    """
    words, given = prepare(settings)
    os.execvpe(words[0], words, given)  # noqa: S606 - words of our own, and no shell wanted
