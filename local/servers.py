"""Programs that answer on a port, and are started again when they die."""

import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Callable

from local.processes import Process, ProcessError
from local.state import free_port

LONGEST_PAUSE = 30.0

log = logging.getLogger(__name__)


class Server:
    """A program that listens on a loopback port, kept running until it is stopped.

    Parameters
    ----------
    name
        What it is called in the log.
    start
        Starts the program on a port.
    health
        Path that answers 200 when the program is ready.
    seconds
        How long it may take to be ready.

    Raises
    ------
    ProcessError
        Where it does not become ready the first time.

    Attributes
    ----------
    port : int or None
        Where it listens; nothing while it is dead.
    """

    def __init__(
        self, name: str, start: Callable[[int], Process], health: str, seconds: float
    ) -> None:
        self.name = name
        self.port: int | None = None
        self._start = start
        self._health = health
        self._seconds = seconds
        self._stopped = threading.Event()
        self._process = self._begin()
        threading.Thread(target=self._keep, name=f"keep-{name}", daemon=True).start()

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self._process.pid

    def stop(self) -> None:
        """Stop it for good."""
        self._stopped.set()
        self.port = None
        self._process.stop()

    def _begin(self) -> Process:
        port = free_port()
        process = self._start(port)
        process.wait_until(lambda: answers(port, self._health), self._seconds)
        self.port = port
        return process

    def _keep(self) -> None:
        pause = 0.5
        while True:
            self._process.wait()
            if self._stopped.is_set():
                return
            self.port = None
            log.warning("%s died: %s", self.name, self._process.last_words())
            while not self._stopped.wait(pause):
                try:
                    self._process = self._begin()
                    break
                except ProcessError as error:
                    log.warning("%s cannot be started again: %s", self.name, error)
                    pause = min(2 * pause, LONGEST_PAUSE)
            if self._stopped.is_set():
                # Stopped while it was being started again.
                self._process.stop()
                return


def answers(port: int, path: str) -> bool:
    """Whether a program on a loopback port answers 200 to a path."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False
