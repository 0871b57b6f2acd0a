"""How each process is, where all of them see it."""

import mmap
from time import monotonic

FIELDS = 3
BUSY, BROKEN, READY = range(FIELDS)
STARTED, DRAINING = range(2)


class Slot:
    """How one process is.

    Parameters
    ----------
    values
        Its part of the shared memory.
    """

    def __init__(self, values: "memoryview[float]") -> None:
        self._values = values

    @property
    def busy_since(self) -> float:
        """Since when its model is at work, by the monotonic clock; 0 where it is not."""
        return self._values[BUSY]

    @busy_since.setter
    def busy_since(self, moment: float) -> None:
        self._values[BUSY] = moment

    @property
    def broken(self) -> bool:
        """Whether its model fails with what it could answer before."""
        return bool(self._values[BROKEN])

    @broken.setter
    def broken(self, broken: bool) -> None:
        self._values[BROKEN] = broken

    @property
    def ready(self) -> bool:
        """Whether its model is loaded and tried."""
        return bool(self._values[READY])

    @ready.setter
    def ready(self, ready: bool) -> None:
        self._values[READY] = ready

    def clear(self) -> None:
        """Begin anew, with another process."""
        for field in range(FIELDS):
            self._values[field] = 0.0


class Health:
    """How all processes are.

    Parameters
    ----------
    processes
        How many there are.
    timeout
        Seconds that a model may be at work on a request.
    """

    def __init__(self, processes: int, timeout: float) -> None:
        memory = mmap.mmap(-1, (processes + 1) * FIELDS * 8)
        values = memoryview(memory).cast("d")
        self._all = values
        self._timeout = timeout
        self.slots = [
            Slot(values[FIELDS * number : FIELDS * (number + 1)])
            for number in range(1, processes + 1)
        ]

    @property
    def started(self) -> bool:
        """Whether every process had its model once, and nobody says any more that it is loaded."""
        return bool(self._all[STARTED])

    def start(self) -> None:
        """Say that it is so."""
        self._all[STARTED] = 1.0

    @property
    def draining(self) -> bool:
        """Whether the container was told to stop."""
        return bool(self._all[DRAINING])

    def drain(self) -> None:
        """Say that it was."""
        self._all[DRAINING] = 1.0

    def stuck(self, slot: Slot) -> bool:
        """Whether a process's model has been at work for longer than a request may take."""
        since = slot.busy_since
        return since > 0 and monotonic() - since > self._timeout

    def fault(self) -> str:
        """Why ``/ping`` says 503; empty where it says 200."""
        if self.draining:
            return "draining"
        if not self.started or not any(slot.ready for slot in self.slots):
            return "loading"
        for slot in self.slots:
            if slot.broken:
                return "broken"
            if self.stuck(slot):
                return "stuck"
        return ""
