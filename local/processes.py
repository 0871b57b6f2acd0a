"""Programs that the platform runs, each in a process group of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# The kernel ends a child when the *thread* that started it ends, so one thread starts them all
# and lives as long as the process.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")


class ProcessError(Exception):
    """A program that did not start, with the end of its log."""


class Process:
    """A running program.

    It ends with this process, however this one ends, and never outlives `stop`.

    Parameters
    ----------
    command
        Program and arguments.
    log
        File that its output is added to.
    environment
        Its whole environment.
    folder
        Where it runs.

    Examples
    --------
    >>> process = Process(["sleep", "9"], Path("log"), {}, Path())  # doctest: +SKIP
    >>> process.stop()  # doctest: +SKIP
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path
    ) -> None:
        self.log = log
        self.name = Path(command[0]).name
        log.parent.mkdir(parents=True, exist_ok=True)
        setpriv = shutil.which("setpriv")
        follow = [setpriv, "--pdeathsig", "TERM"] if setpriv else []
        with log.open("ab") as output:
            self._popen = _STARTER.submit(
                subprocess.Popen,
                [*follow, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            ).result()

    @property
    def pid(self) -> int:
        """The process id, which is the group's too."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._popen.poll() is None

    def wait(self) -> int:
        """Wait for its end; the exit status."""
        return self._popen.wait()

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until the program is ready; stop it where it is not in time.

        Parameters
        ----------
        ready
            Whether it is.
        seconds
            How long it may take.

        Raises
        ------
        ProcessError
            Where it ends before, or takes too long.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                status = self._popen.returncode
                raise ProcessError(f"{self.name} ended with status {status}: {self.last_words()}")
            if time.monotonic() > deadline:
                self.stop()
                raise ProcessError(
                    f"{self.name} was not ready after {seconds:.0f} s: {self.last_words()}"
                )
            time.sleep(0.05)

    def stop(self, seconds: float = 10) -> None:
        """End the whole group: politely, and after `seconds` without mercy."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)
        self._signal(signal.SIGKILL)
        self._popen.wait()

    def last_words(self, lines: int = 5) -> str:
        """The end of its log, on one line."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.is_file() else ""
        words = [line.strip() for line in text.splitlines() if line.strip()]
        return " | ".join(words[-lines:]) or "it said nothing"

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._popen.pid, number)
        except ProcessLookupError:
            return
