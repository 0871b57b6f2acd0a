"""When requests are predicted, and which together.

A request that comes alone is predicted at once. What comes while the model is at work waits, and
is predicted together when it is done: a batch grows with the load, and nobody waits for one to
fill.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic

from model_server.calls import Answer, Call
from model_server.errors import error_body
from model_server.health import Slot
from model_server.prediction import model_failure

QUICK = 0.005
"""Seconds below which the loop itself predicts: a thread would cost more than it frees."""

SMALL = 64 * 1024
"""Bytes of bodies up to which it does."""

log = logging.getLogger("model_server")

Run = Callable[[Sequence[Call]], list[Answer]]


class Batcher:
    """Gives requests to the model.

    Parameters
    ----------
    loop
        The loop that requests come from.
    run
        Answers calls; runs in the loop while that is quick, else in a thread.
    slot
        Where the other processes see since when the model is at work.
    most
        The most calls of a run.
    waiting
        The most calls that may wait.
    timeout
        Seconds after which a call is given up.
    ran
        Told how many calls a run had, and how many seconds it took.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        run: Run,
        slot: Slot,
        *,
        most: int,
        waiting: int,
        timeout: float,
        ran: Callable[[int, float], None] = lambda _, __: None,
    ) -> None:
        self._loop = loop
        self._run = run
        self._slot = slot
        self._most = most
        self._most_waiting = waiting
        self._timeout = timeout
        self._ran = ran
        self._waiting: deque[Call] = deque()
        self._running: Sequence[Call] = ()
        self._scheduled = False
        self._quick = False
        self._thread = ThreadPoolExecutor(1, "predict")

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self._waiting and not self._running

    def add(self, call: Call) -> None:
        """Take a call; it is answered later, or at once where too many wait."""
        if len(self._waiting) >= self._most_waiting:
            message = f"{len(self._waiting)} requests wait already. Try again."
            headers = {"retry-after": "1"}
            call.answer(Answer(503, error_body("overloaded", message), headers=headers))
            return
        self._waiting.append(call)
        if not self._scheduled and not self._running:
            self._scheduled = True
            # When the loop has read what other connections have sent by now.
            self._loop.call_soon(self._start)

    def give_up_late(self) -> None:
        """Answer calls that have waited too long; to be called every now and then."""
        late = monotonic() - self._timeout
        for call in [*self._running, *self._waiting]:
            if call.started < late and not call.done:
                message = f"The model gave no answer in {self._timeout} seconds."
                call.answer(Answer(504, error_body("timeout", message)))

    def _start(self) -> None:
        self._scheduled = False
        calls: list[Call] = []
        size = 0
        while self._waiting and len(calls) < self._most:
            call = self._waiting.popleft()
            if not call.done:
                calls.append(call)
                size += len(call.body)
        if not calls:
            return
        started = monotonic()
        self._slot.busy_since = started
        if self._quick and size <= SMALL:
            answers = self._run(calls)
            seconds = monotonic() - started
            self._quick = seconds < 4 * QUICK
            self._finished(calls, answers, seconds)
        else:
            self._running = calls
            future = self._thread.submit(self._run, calls)
            future.add_done_callback(
                lambda future: self._loop.call_soon_threadsafe(self._came, started, future)
            )

    def _came(self, started: float, future: "Future[list[Answer]]") -> None:
        calls, self._running = self._running, ()
        seconds = monotonic() - started
        self._quick = seconds < QUICK
        failed = future.exception()
        answers = [model_failure(failed) for _ in calls] if failed else future.result()
        self._finished(calls, answers, seconds)

    def _finished(self, calls: Sequence[Call], answers: Sequence[Answer], seconds: float) -> None:
        self._slot.busy_since = 0.0
        self._ran(len(calls), seconds)
        for call, answer in zip(calls, answers, strict=True):
            call.answer(answer)
        if self._waiting and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._start)
