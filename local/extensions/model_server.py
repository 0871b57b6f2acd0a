"""The container of an endpoint: its `serve`, on the model that its data source names."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.host import Host
from local.images import find_image
from local.processes import Process, ProcessError
from local.servers import Server
from operations.errors import OperationError

START_SECONDS = 60

_numbers = itertools.count(1)


class ModelServerError(Exception):
    """Why a model cannot be served."""


class ModelServer:
    """A model container that runs.

    Parameters
    ----------
    host
        Where it runs.
    region
        Region of the environment.
    endpoint
        Name of its endpoint.
    container
        The container, as ``CreateModel`` takes it.
    seconds
        How long it may take to answer ``/ping``.

    Raises
    ------
    ModelServerError
        Where image or model cannot be had, or the program does not become ready.
    """

    def __init__(
        self,
        host: Host,
        region: str,
        endpoint: str,
        container: Mapping[str, Any],
        seconds: float = START_SECONDS,
    ) -> None:
        name = f"{endpoint}-{next(_numbers)}"
        folder = host.state.run / "endpoints" / name
        log = host.state.logs / f"endpoint-{name}.log"
        try:
            image = find_image(container["Image"])
            command = image.command(["serve"])
            _fetch_model(host.client("s3", region), container, folder / "model")
            environment = {
                **image.environment(host.environment(region, folder)),
                **container.get("Environment", {}),
                "SAGEMAKER_BASE_DIR": str(folder),
            }

            def start(port: int) -> Process:
                given = {**environment, "SAGEMAKER_BIND_TO_PORT": str(port)}
                return host.run(command, log, given, folder)

            self._server = Server(name, start, "/ping", seconds)
            host.on_stop(self._server.stop)
        except (OperationError, ProcessError) as error:
            raise ModelServerError(str(error)) from error

    @property
    def port(self) -> int | None:
        """Where it listens, on 127.0.0.1; nothing while it is dead."""
        return self._server.port

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._server.pid

    def stop(self) -> None:
        """Stop it."""
        self._server.stop()


def _fetch_model(s3: Any, container: Mapping[str, Any], folder: Path) -> None:
    """Copy the objects below the model's prefix to where the container looks for them.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3ModelDataSource.html
    """
    folder.mkdir(parents=True)
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if container.get("ModelDataUrl") or not source:
        raise ModelServerError(
            "Only models of ModelDataSource.S3DataSource are fetched here, not ModelDataUrl."
        )
    if (source["S3DataType"], source["CompressionType"]) != ("S3Prefix", "None"):
        raise ModelServerError(
            f"A model of {source['S3DataType']} with compression {source['CompressionType']} is"
            " not fetched here: name an uncompressed prefix."
        )
    bucket, _, prefix = source["S3Uri"].removeprefix("s3://").partition("/")
    count = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            name = entry["Key"].removeprefix(prefix)
            if name and not name.endswith("/"):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket, entry["Key"], str(target))
                count += 1
    if not count:
        raise ModelServerError(f"There is no object below {source['S3Uri']}.")
