"""Work that is done again and again while the platform runs."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Heartbeat:
    """One thread that does everything that is to be done regularly, one after the other.

    Parameters
    ----------
    seconds
        How long it rests.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._work: list[Callable[[], None]] = []
        self._stopped = threading.Event()

    def add(self, work: Callable[[], None]) -> None:
        """Do this too: where it fails, that is logged, and it is done again next time."""
        self._work.append(work)

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def stop(self) -> None:
        """End."""
        self._stopped.set()

    def _beat(self) -> None:
        while not self._stopped.wait(self._seconds):
            for work in self._work:
                try:
                    work()
                except Exception:
                    log.exception("%s failed", work)
