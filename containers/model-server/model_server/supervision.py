"""The process that loads the model, and sees that those that serve it live."""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from model_server.errors import ModelError
from model_server.health import Health, Slot
from model_server.model import Model
from model_server.prediction import Predictor
from model_server.privileges import drop
from model_server.settings import Settings
from model_server.worker import Worker

LOOK = 0.1
"""Seconds between two looks at the processes."""

DEATHS, DEATH_SECONDS = 5, 60
"""So many processes that end within so many seconds end the container."""

UNUSABLE = 3
"""Exit status of a process whose model cannot be loaded, or not answer its probe."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)

log = logging.getLogger("model_server")


class UnusableError(Exception):
    """Why a model cannot be served."""


@dataclass
class Child:
    """A process.

    Parameters
    ----------
    pid
        Its number.
    slot
        How it is.
    """

    pid: int
    slot: Slot


class Supervisor:
    """Starts processes, and others in the place of those that end or are stuck.

    Parameters
    ----------
    settings
        How to serve.
    shared
        The socket that they listen on.
    """

    def __init__(self, settings: Settings, shared: socket.socket) -> None:
        self._settings = settings
        self._shared = shared
        # One second more: what can still answer says so itself.
        self.health = Health(settings.workers, settings.timeout + 1)
        self._children: dict[int, Child] = {}
        self._deaths: list[float] = []
        self._greeter = 0
        # Asked for before a fork: a process may end before the one that it forked asks.
        self._pid = os.getpid()

    def greet(self) -> int:
        """Start a process that says that the model is being loaded.

        Returns
        -------
        int
            Its number.
        """
        spare = Health(1, self._settings.timeout).slots[0]

        def run() -> None:
            drop(self._settings.user)
            Worker(self._settings, self.health, spare, self._shared, None, self._pid).run()

        return _fork(run)

    def serve(self, make: Callable[[], Model], greeter: int) -> int:
        """Serve until SIGTERM.

        Parameters
        ----------
        make
            Gives the model: the one that is loaded, or in each process another.
        greeter
            Number of the process that says that the model is being loaded.

        Returns
        -------
        int
            Exit status: 0 where the container was told to stop.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, {*SIGNALS, signal.SIGCHLD})
        for slot in self.health.slots:
            self._start(make, slot)
        self._greeter = greeter
        while True:
            received = signal.sigtimedwait({*SIGNALS, signal.SIGCHLD}, LOOK)
            if received and received.si_signo in SIGNALS:
                self._stop()
                return 0
            try:
                self._bury(make)
            except UnusableError as error:
                log.error("%s", error)
                self._kill()
                return 1
            if self._greeter and all(slot.ready for slot in self.health.slots):
                os.kill(self._greeter, signal.SIGTERM)
            for child in list(self._children.values()):
                if self.health.stuck(child.slot):
                    log.error("Process %d has been at work for too long: ended", child.pid)
                    os.kill(child.pid, signal.SIGKILL)

    def _start(self, make: Callable[[], Model], slot: Slot) -> None:
        def run() -> None:
            try:
                model = make()
            except ModelError as error:
                log.error("%s", error)
                raise SystemExit(UNUSABLE) from error
            # One that loads its own reads it as the user that the container was started as.
            drop(self._settings.user)
            predictor = Predictor(model, rows=self._settings.rows, failures=1)
            if model.probe is not None and not predictor.try_again():
                raise SystemExit(UNUSABLE)
            Worker(self._settings, self.health, slot, self._shared, model, self._pid).run()

        pid = _fork(run)
        self._children[pid] = Child(pid, slot)

    def _bury(self, make: Callable[[], Model]) -> None:
        """Start others in the place of those that ended.

        Raises
        ------
        UnusableError
            Where that would go on for ever.
        """
        for child in list(self._children.values()):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if not pid:
                continue
            del self._children[pid]
            code = os.waitstatus_to_exitcode(status)
            if code == UNUSABLE:
                raise UnusableError("The model cannot be served.")
            log.error("Process %d ended with status %d", pid, code)
            now = time.monotonic()
            self._deaths = [moment for moment in self._deaths if moment > now - DEATH_SECONDS]
            self._deaths.append(now)
            if len(self._deaths) >= DEATHS:
                raise UnusableError(f"{DEATHS} processes ended within {DEATH_SECONDS} seconds.")
            child.slot.clear()
            self._start(make, child.slot)
        if self._greeter and os.waitpid(self._greeter, os.WNOHANG)[0]:
            self._greeter = 0
            self.health.start()

    def _stop(self) -> None:
        """Let each finish what is under way, and end what does not in time."""
        self.health.drain()
        self._shared.close()
        waiting = self._all()
        for pid in waiting:
            os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + self._settings.drain + 1
        while waiting and time.monotonic() < end:
            waiting -= {pid for pid in waiting if os.waitpid(pid, os.WNOHANG)[0]}
            time.sleep(0.02)
        for pid in waiting:
            log.error("Process %d did not finish in %d seconds", pid, self._settings.drain)
            os.kill(pid, signal.SIGKILL)

    def _kill(self) -> None:
        for pid in self._all():
            os.kill(pid, signal.SIGKILL)

    def _all(self) -> set[int]:
        return {*self._children, *([self._greeter] if self._greeter else [])}


def _fork(run: Callable[[], None]) -> int:
    """A process that runs something, and nothing after it."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*SIGNALS, signal.SIGCHLD})
        run()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        log.exception("The process failed")
    finally:
        logging.shutdown()
        os._exit(status)
