"""The containers of an endpoint: each its image's `serve`, on the files of its model."""

import itertools
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from local.extensions.sagemaker.artifacts import fetch_model
from local.extensions.sagemaker.errors import StartError
from local.host import Host
from local.images import ProcessImage, find_image
from local.processes import Process, ProcessError
from local.servers import Server
from local.stand_ins import STAND_IN, aws_repository, find_stand_in
from operations.errors import OperationError

START_SECONDS = 60
MOST_PROCESSES = 64
"""Containers that run at once on this machine, of all endpoints and jobs."""

Record = Mapping[str, Any]

log = logging.getLogger(__name__)


class Container(Protocol):
    """A container that runs."""

    @property
    def port(self) -> int | None:
        """Where it listens, on 127.0.0.1; nothing while it is dead."""
        ...

    @property
    def pid(self) -> int:
        """The id of its process, and of its session."""
        ...

    def stop(self) -> None:
        """Stop it."""
        ...


class Instance:
    """One instance of a variant: its containers, in the order of the model.

    Parameters
    ----------
    containers
        What runs.
    """

    def __init__(self, containers: Sequence[Container]) -> None:
        self.containers = tuple(containers)
        self.in_flight = 0

    @property
    def ready(self) -> bool:
        """Whether every container answers."""
        return all(container.port is not None for container in self.containers)

    def stop(self) -> None:
        """Stop all of them."""
        for container in self.containers:
            container.stop()


StartInstance = Callable[[], Instance]


class Launcher:
    """Starts instances on this machine.

    Parameters
    ----------
    host
        Where they run.
    account
        The platform's account: images of another are AWS's own.
    """

    def __init__(self, host: Host, account: str) -> None:
        self._host = host
        self._account = account
        self._numbers = itertools.count(1)
        self._running: set[_Program] = set()

    def prepare(self, name: str, region: str, containers: Sequence[Record]) -> StartInstance:
        """Fetch the models of a variant, once for all its instances.

        Parameters
        ----------
        name
            What they are called: the endpoint and its variant.
        region
            Region of the environment.
        containers
            The containers of its model, as ``CreateModel`` takes them.

        Returns
        -------
        callable
            Starts an instance.

        Raises
        ------
        StartError
            Where an image or a model cannot be had.
        """
        folder = self._host.state.run / "endpoints" / f"{name}-{next(self._numbers)}"
        images: list[ProcessImage] = []
        try:
            for container in containers:
                images.append(self._image(container["Image"]))
        except OperationError as error:
            raise StartError(str(error)) from error
        s3 = self._host.client("s3", region)
        for number, container in enumerate(containers, 1):
            fetch_model(s3, container, folder / f"model-{number}")

        def start() -> Instance:
            started: list[_Program] = []
            try:
                for number, (image, container) in enumerate(
                    zip(images, containers, strict=True), 1
                ):
                    started.append(self._start(folder, number, image, region, container))
            except (OperationError, ProcessError) as error:
                for program in started:
                    program.stop()
                raise StartError(str(error)) from error
            return Instance(started)

        return start

    def _image(self, reference: str) -> ProcessImage:
        repository = aws_repository(reference, self._account)
        if repository is None:
            return find_image(reference)
        stand_in = find_stand_in(reference, repository)
        log.warning("%s: a stand-in for AWS's image runs: %s", reference, stand_in.folder)
        self._host.announce(f"{STAND_IN} {repository}", str(stand_in.folder))
        return stand_in

    def _start(
        self,
        shared: Path,
        number: int,
        image: ProcessImage,
        region: str,
        container: Record,
    ) -> "_Program":
        if len(self._running) >= MOST_PROCESSES:
            raise OperationError(
                f"{MOST_PROCESSES} containers run on this machine, and no more do.",
                "Lower the instances of the endpoints, or delete some.",
            )
        name = f"{shared.name}-{next(self._numbers)}"
        folder = shared / name
        environment = {
            **image.environment(self._host.environment(region, folder)),
            **container.get("Environment", {}),
            "SAGEMAKER_BASE_DIR": str(folder),
        }
        # Files of its own, without copies: a link of the folder would lead out of it.
        shutil.copytree(shared / f"model-{number}", folder / "model", copy_function=os.link)
        command = image.command(["serve"])

        def run(port: int) -> Process:
            given = {**environment, "SAGEMAKER_BIND_TO_PORT": str(port)}
            return self._host.run(
                command, self._host.state.logs / f"endpoint-{name}.log", given, folder
            )

        program = _Program(Server(name, run, "/ping", START_SECONDS), self._running)
        self._host.on_stop(program.stop)
        return program


class _Program:
    """A container that is counted while it runs."""

    def __init__(self, server: Server, running: "set[_Program]") -> None:
        self._server = server
        self._running = running
        running.add(self)

    @property
    def port(self) -> int | None:
        return self._server.port

    @property
    def pid(self) -> int:
        return self._server.pid

    def stop(self) -> None:
        self._running.discard(self)
        self._server.stop()
