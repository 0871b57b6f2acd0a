"""The one folder that a local platform keeps anything in."""

import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from operations.errors import OperationError

ROOT = Path(__file__).resolve().parent.parent


class StateFolder:
    """Where a local platform keeps its database, models, logs and releases while it runs.

    Parameters
    ----------
    path
        The folder; it is created.

    Examples
    --------
    >>> state = StateFolder(Path(".local"))
    >>> state.logs.name
    'logs'
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.run = self.path / "run"
        self.logs = self.run / "logs"
        self.releases = self.run / "releases"
        self.addresses = self.run / "addresses.json"

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Own the folder: start with an empty one, and keep any second platform out.

        Raises
        ------
        OperationError
            Where another platform owns it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise OperationError(
                    f"A local platform already runs from {self.path}: {lock.read().strip()}.",
                    "Use that one, or end it with Ctrl-C where it runs; or start a second one"
                    " beside it with STATE=<another folder>.",
                ) from None
            lock.truncate(0)
            lock.write(f"process {os.getpid()}, since {time.strftime('%H:%M:%S')}")
            lock.flush()
            shutil.rmtree(self.run, ignore_errors=True)
            self.logs.mkdir(parents=True)
            yield

    def write_addresses(self, addresses: dict[str, str]) -> None:
        """Record which loopback address stands for what."""
        partial = self.addresses.with_suffix(".partial")
        partial.write_text(json.dumps(addresses, indent=2), encoding="utf-8")
        partial.replace(self.addresses)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def check_port(port: int) -> None:
    """Make sure that a port of the loopback interface is free.

    Raises
    ------
    OperationError
        Where it is not.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise OperationError(
                f"Port {port} of 127.0.0.1 cannot be used: {error.strerror}.",
                "End what listens there, or choose another with PORT=<number>; without PORT a free"
                " one is found.",
            ) from None
