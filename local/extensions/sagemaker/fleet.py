"""The instances of a variant: as many as are asked for, and which of them a request goes to."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random

from local.extensions.sagemaker.containers import Instance, StartInstance
from local.extensions.sagemaker.errors import StartError

AT_ONCE = 4
"""Instances that are started at the same time."""
DRAIN_SECONDS = 60.0
"""How long a request may still be at work in an instance that gets no more of them."""


class Fleet:
    """Instances that are alike.

    Parameters
    ----------
    start
        Starts one.
    """

    def __init__(self, start: StartInstance) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._instances: tuple[Instance, ...] = ()
        self._stopped = False

    @property
    def count(self) -> int:
        """How many instances there are."""
        return len(self._instances)

    @property
    def ready(self) -> Sequence[Instance]:
        """Those that answer."""
        return [instance for instance in self._instances if instance.ready]

    def resize(self, count: int) -> None:
        """Start or stop instances until there are `count`; those that stay are not touched.

        Raises
        ------
        StartError
            Where one does not start; then there are as many as before.
        """
        with self._lock:
            missing = count - self.count
            if missing > 0:
                self._instances += self._started(missing)
            elif missing < 0:
                stopped = self._instances[count:]
                self._instances = self._instances[:count]
                _drain(stopped)
                for instance in stopped:
                    instance.stop()

    def grow(self) -> None:
        """Start one more.

        Raises
        ------
        StartError
            Where it does not start.
        """
        with self._lock:
            self._instances += self._started(1)

    def stop(self) -> None:
        """Stop all, for good."""
        self._stopped = True
        self.resize(0)

    def choose(self, random: Random, *, least_busy: bool) -> Instance | None:
        """The instance that a request goes to; nothing where none answers.

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariantRoutingConfig.html

        Parameters
        ----------
        random
            What chances are taken from.
        least_busy
            Whether it goes to one of those with the fewest requests at work.
        """
        ready = self.ready
        if not ready:
            return None
        if least_busy:
            fewest = min(instance.in_flight for instance in ready)
            ready = [instance for instance in ready if instance.in_flight == fewest]
        return random.choice(ready)

    def _started(self, count: int) -> tuple[Instance, ...]:
        if self._stopped:
            raise StartError("The fleet has been stopped.")
        with ThreadPoolExecutor(AT_ONCE, "start") as pool:
            attempts = [pool.submit(self._start) for _ in range(count)]
        failures = [error for attempt in attempts if (error := attempt.exception())]
        if failures:
            for attempt in attempts:
                if not attempt.exception():
                    attempt.result().stop()
            raise failures[0]
        return tuple(attempt.result() for attempt in attempts)


def _drain(instances: Sequence[Instance]) -> None:
    """Wait until no request is at work in instances that were taken out."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while any(instance.in_flight for instance in instances) and time.monotonic() < deadline:
        time.sleep(0.02)
