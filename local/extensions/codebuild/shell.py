"""The shell of a build: one for all its commands, so that what one sets the next finds.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html#build-spec-ref-versions
"""

import os
import select
from collections.abc import Callable, Sequence
from pathlib import Path

from local.processes import Process

LOOK_SECONDS = 0.1
"""How often it is looked at whether a command was stopped."""

DRIVER = """\
# Nothing of a build outlives the platform, however that ends.
(while kill -0 "$2" 2>/dev/null; do sleep 1; done; kill -KILL 0) &
exec 3<"$1/commands" 4>"$1/statuses"
while IFS= read -r next <&3; do
  . "$next" </dev/null 3<&- 4>&-
  echo $? >&4
done
"""


class ShellError(Exception):
    """Why a command has no exit status of its own: it was stopped, or its shell was killed."""


class Shell:
    """A shell that is given its commands one by one.

    Parameters
    ----------
    program
        ``sh`` or ``bash``.
    folder
        Where it keeps what it is given.
    start
        Starts a program.
    """

    def __init__(
        self, program: str, folder: Path, start: Callable[[Sequence[str]], Process]
    ) -> None:
        self._program = program
        self._folder = folder
        self._start = start
        self._number = 0
        self._process: Process | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "driver").write_text(DRIVER, encoding="utf-8")
        self._commands = self._pipe("commands")
        self._statuses = self._pipe("statuses")

    def run(self, text: str, stopped: Callable[[], str | None]) -> int:
        """Run a command; its exit status.

        Where it ends the shell, the next command has a new one.

        Parameters
        ----------
        text
            The command.
        stopped
            Why it is to be stopped; nothing as long as it is not.

        Raises
        ------
        ShellError
            Where it is stopped, or a signal ends the shell.
        """
        if self._process is None or not self._process.running:
            self._drain()
            driver = [self._program, str(self._folder / "driver"), str(self._folder)]
            self._process = self._start([*driver, str(os.getpid())])
        self._number += 1
        file = self._folder / f"{self._number}.sh"
        file.write_text(f"{text}\n", encoding="utf-8")
        os.write(self._commands, f"{file}\n".encode())
        while True:
            running = self._process.running
            if select.select([self._statuses], [], [], LOOK_SECONDS if running else 0)[0]:
                return int(os.read(self._statuses, 16))
            reason = stopped()
            if reason:
                self._process.stop()
                raise ShellError(reason)
            if not running:
                return self._ended(self._process)

    def close(self) -> None:
        """End it, and all that it has started."""
        if self._process:
            self._process.stop()
        os.close(self._commands)
        os.close(self._statuses)

    def _ended(self, process: Process) -> int:
        status = process.wait()
        process.stop()
        if status < 0:
            raise ShellError(f"signal {-status} ended the build")
        return status

    def _pipe(self, name: str) -> int:
        path = self._folder / name
        os.mkfifo(path)
        # Opened for both, so that neither side waits for the other to open.
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def _drain(self) -> None:
        """Forget what an ended shell has not read."""
        while select.select([self._commands], [], [], 0)[0]:
            os.read(self._commands, 4096)
