"""The tracking server as a service: tasks behind a load balancer, replaced when they die."""

import itertools
import os
import signal
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from local.extensions.load_balancer import LoadBalancers
from local.host import Host
from local.processes import Process
from local.servers import Server
from local.state import StateFolder
from tests.evidence.database import RunningDatabase
from tests.evidence.programs import START_SECONDS, run_in_image
from tests.evidence.storage import Storage
from tracking_server.scratch import PREFIX

TASKS = 2
GROUP = "tasks"


class Service:
    """Tasks that run, and the port that leads to them.

    A task that dies gets no more connections, and another takes its place once it is healthy. One
    that is unhealthy stays: the load balancer would wait for 150 s
    (`mlops_constructs.internal_balancer`), which no fault here lasts.

    Parameters
    ----------
    database, storage
        What they keep records and files in.
    folder
        For their homes, temporary files and logs.
    variables
        What their environment says beside what it always says.

    Attributes
    ----------
    database : tests.evidence.database.RunningDatabase
        What they keep records in.
    port : int
        Where clients come in, on 127.0.0.1.
    tasks : list of local.servers.Server
        The tasks.
    """

    def __init__(
        self,
        database: RunningDatabase,
        storage: Storage,
        folder: Path,
        variables: Mapping[str, str],
    ) -> None:
        self.database, self._storage, self._folder = database, storage, folder
        self._variables = variables
        self._numbers = itertools.count(1)
        self._folders: dict[int, Path] = {}
        state = StateFolder(folder / "balancer")
        state.run.mkdir(parents=True)
        self._balancers = LoadBalancers(Host(state, storage.address))
        with ThreadPoolExecutor(TASKS) as pool:
            self.tasks = list(pool.map(self._task, range(TASKS)))
        self._balancers.set_targets(GROUP, self.tasks)
        self.port = self._balancers.listen(GROUP, GROUP, GROUP)

    def wait(self) -> None:
        """Wait until as many tasks run as should."""
        deadline = time.monotonic() + START_SECONDS
        while not all(task.port for task in self.tasks):
            assert time.monotonic() < deadline, "no other task took its place"
            time.sleep(0.05)

    def kill(self, task: Server) -> None:
        """End a task's processes as a machine that fails does."""
        os.killpg(task.pid, signal.SIGKILL)
        while task.port:
            time.sleep(0.001)

    def process_that_has(self, task: Server, file: str) -> int:
        """The process of a task that has a file open, by the file's name."""
        # In a container the program has a process group beside that of its first process.
        session = os.getsid(task.pid)
        for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
            process = int(descriptor.parts[2])
            with suppress(OSError):  # it ended or was closed meanwhile
                if os.getsid(process) == session and descriptor.readlink().name == file:
                    return process
        raise AssertionError(f"no process of the task has {file} open")

    def temporary_files(self) -> dict[str, set[str]]:
        """What the tasks that run have in their folders for temporary files, by the task."""
        folders = [self._folders[task.port] / "tmp" for task in self.tasks if task.port]
        return {
            folder.parent.name: {
                str(path.relative_to(folder))
                for path in folder.rglob("*")
                # Each process has one, which goes with the task.
                if not path.name.startswith(PREFIX)
            }
            for folder in folders
        }

    def logs(self) -> str:
        """What all tasks said."""
        return "".join(log.read_text() for log in sorted(self._folder.glob("task-*/*.log")))

    def stop(self) -> None:
        """Stop them all."""
        self._balancers.close(GROUP)
        for task in self.tasks:
            task.stop()

    def _task(self, number: int) -> Server:
        return Server(f"task {number}", self._start, "/health", START_SECONDS)

    def _start(self, port: int) -> Process:
        folder = self._folder / f"task-{next(self._numbers)}"
        self._folders[port] = folder
        return run_in_image(
            ["tracking-server"],
            self.database,
            self._storage.uri,
            folder,
            port=port,
            variables={**self._storage.variables, **self._variables},
        )


@contextmanager
def running(
    database: RunningDatabase, storage: Storage, folder: Path, **variables: str
) -> Iterator[Service]:
    """Run the service."""
    service = Service(database, storage, folder, variables)
    try:
        yield service
    finally:
        service.stop()
