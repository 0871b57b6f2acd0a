"""The containers of a pipeline on this machine, to see whether neighbours fit.

Each is its image's `serve` on the files of a folder; for AWS's own images a stand-in answers.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from local.images import ProcessImage, install_image
from local.processes import Process, ProcessError
from local.servers import answers
from local.stand_ins import find_stand_in
from local.state import free_port
from mlops_constructs.aws_images import FRAMEWORKS
from operations.contract import (
    Exchange,
    Neighbour,
    check_sample,
    expected_columns,
)
from operations.errors import OperationError
from operations.release import named_endpoint
from stacks.config import Environment
from stacks.endpoint_containers import aws_image, container_settings

START_SECONDS = 60


@dataclass(frozen=True)
class Part:
    """A container that can be started.

    Parameters
    ----------
    name
        Its name in the configuration.
    image
        What it runs.
    model
        The folder of its model.
    environment
        Its own environment.
    """

    name: str
    image: ProcessImage
    model: Path
    environment: dict[str, str]


def check(environment: Environment, endpoint: str, models: Path, sample: Path) -> list[Exchange]:
    """Start the containers of an endpoint, and send a sample through.

    Parameters
    ----------
    environment
        Whose configuration names the containers.
    endpoint
        Name of the endpoint.
    models
        A folder that holds one for each container, by its name.
    sample
        What a client sends.

    Returns
    -------
    list of Exchange
        What was handed on.

    Raises
    ------
    OperationError
        Where a container cannot be had, does not start, or does not fit its neighbour.
    """
    with running(parts_of(environment, endpoint, models)) as neighbours:
        return check_sample(neighbours, sample)


def parts_of(environment: Environment, endpoint: str, models: Path) -> list[Part]:
    """The containers of an endpoint, with their images installed.

    Parameters
    ----------
    environment
        Whose configuration names them.
    endpoint
        Name of the endpoint.
    models
        A folder that holds one for each container, by its name.
    """
    settings = named_endpoint(environment, endpoint)
    return [
        Part(
            part.name,
            _image(part.image, environment.region, settings.instance),
            models / part.name,
            container_settings(part).variables,
        )
        for part in settings.parts.values()
    ]


def _image(name: str, region: str, instance: str) -> ProcessImage:
    aws = aws_image(name)
    if aws is None:
        return install_image(name)
    return find_stand_in(aws.address(region, instance), FRAMEWORKS[aws.framework].repository)


@contextmanager
def running(parts: Sequence[Part]) -> Iterator[list[Neighbour]]:
    """Start the containers; stop them at the end, whatever that is.

    Parameters
    ----------
    parts
        The containers in the order of the pipeline.

    Raises
    ------
    OperationError
        Where one has no model, or does not start.
    """
    with TemporaryDirectory() as scratch, ExitStack() as started:
        neighbours = []
        for part in parts:
            process, port = _start(part, Path(scratch) / part.name)
            started.callback(process.stop)
            try:
                process.wait_until(partial(answers, port, "/ping"), START_SECONDS)
            except ProcessError as error:
                raise OperationError(
                    f"The container '{part.name}' does not start on {part.model}: {error}",
                    "Mend what it says: it would not start when it is deployed either.",
                ) from error
            columns = expected_columns(part.model, part.environment)
            neighbours.append(Neighbour(part.name, f"http://127.0.0.1:{port}", columns))
        yield neighbours


def _start(part: Part, folder: Path) -> tuple[Process, int]:
    if not part.model.is_dir():
        raise OperationError(
            f"There is no folder {part.model}, for the container '{part.name}'.",
            "Give a folder that holds one for each container, by its name.",
        )
    temporary, port = folder / "tmp", free_port()
    temporary.mkdir(parents=True)
    # No symbolic link: MLflow loads no file that is outside of its folder.
    shutil.copytree(part.model, folder / "model")
    environment = {
        **part.image.environment({"PATH": os.environ.get("PATH", os.defpath)}),
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(temporary),
        **part.environment,
        "SAGEMAKER_BASE_DIR": str(folder),
        "SAGEMAKER_BIND_TO_PORT": str(port),
    }
    return Process(part.image.command(["serve"]), folder / "log", environment, folder), port
