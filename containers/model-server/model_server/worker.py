"""One process that answers."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Sequence
from time import monotonic

import orjson
import uvloop

from model_server.batching import Batcher
from model_server.calls import Answer, Call
from model_server.errors import error_body
from model_server.health import Health, Slot
from model_server.http import Connection
from model_server.listening import Listener
from model_server.metrics import Metrics
from model_server.model import Model
from model_server.prediction import Predictor
from model_server.settings import Settings

TICK = 0.5
"""Seconds between two looks at what takes too long."""

GRACE = 1.0
"""Seconds that a kept connection may still bring a request after the container was told to stop."""

PING = "/ping"
INVOCATIONS = "/invocations"
PARAMETERS = "/execution-parameters"
METHODS = {PING: "GET", INVOCATIONS: "POST", PARAMETERS: "GET"}

_NOT_READY = error_body("loading", "The model is being loaded. Try again.")


class Application:
    """What is answered at which path.

    Parameters
    ----------
    settings
        How to serve.
    health
        How all processes are.
    add
        Takes an invocation; none while there is no model.
    """

    def __init__(
        self, settings: Settings, health: Health, add: Callable[[Call], None] | None
    ) -> None:
        self._health = health
        self._add = add
        # What a batch transform job asks before it begins.
        # https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
        parameters = {
            "MaxConcurrentTransforms": 4 * settings.workers,
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": max(settings.largest // 2**20, 1),
        }
        self._parameters = orjson.dumps(parameters)

    def route(self, method: str, path: str, call: Call) -> None:
        """Answer a call, now or later."""
        if path == INVOCATIONS and method == "POST":
            call.counts = True
            if self._add:
                self._add(call)
            else:
                call.answer(Answer(503, _NOT_READY, headers={"retry-after": "1"}))
        elif path not in METHODS:
            known = ", ".join(METHODS)
            call.answer(Answer(404, error_body("not_found", f"There is {known}.")))
        elif method != METHODS[path]:
            body = error_body("method_not_allowed", f"{path} takes {METHODS[path]}.")
            call.answer(Answer(405, body, headers={"allow": METHODS[path]}))
        elif path == PING:
            fault = self._health.fault()
            body = error_body(fault, f"The model is {fault}.") if fault else b""
            call.answer(Answer(503 if fault else 200, body))
        else:
            call.answer(Answer(200, self._parameters))


class Worker:
    """A process's part.

    Parameters
    ----------
    settings
        How to serve.
    health
        How all processes are.
    slot
        How this one is.
    shared
        The socket that all processes listen on.
    model
        The model, which is loaded; none in a process that says so.
    parent
        Number of the process that this one ends with.
    """

    def __init__(
        self,
        settings: Settings,
        health: Health,
        slot: Slot,
        shared: socket.socket,
        model: Model | None,
        parent: int,
    ) -> None:
        self._parent = parent
        self._settings = settings
        self._health = health
        self._slot = slot
        self._shared = shared
        self._model = model
        self._metrics = Metrics(settings.name)
        self._connections: set[Connection] = set()

    def run(self) -> None:
        """Answer until SIGTERM, then finish what is under way."""
        uvloop.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        batcher = self._batcher(loop) if self._model else None
        application = Application(self._settings, self._health, batcher.add if batcher else None)

        def connect() -> Connection:
            return Connection(
                loop,
                application.route,
                self._connections,
                answered=self._answered,
                largest=self._settings.largest,
                patience=self._settings.timeout,
            )

        listener = Listener(loop, self._shared, connect)
        written = loop.time()
        self._slot.ready = self._model is not None
        while not stopped.is_set() and os.getppid() == self._parent:
            await _first(stopped, TICK)
            self._look(batcher)
            if self._settings.metrics and loop.time() - written >= self._settings.metrics:
                self._write()
                written = loop.time()
        await self._finish(loop, listener, batcher)
        self._write()

    def _batcher(self, loop: asyncio.AbstractEventLoop) -> Batcher:
        model, settings = self._model, self._settings
        assert model is not None  # noqa: S101 - the caller looked
        predictor = Predictor(model, rows=settings.rows, failures=settings.failures)

        def run(calls: Sequence[Call]) -> list[Answer]:
            answers = predictor.run(calls)
            self._slot.broken = predictor.broken
            return answers

        batches = model.batches if settings.batching == "auto" else settings.batching == "on"
        return Batcher(
            loop,
            run,
            self._slot,
            most=settings.batch if batches else 1,
            waiting=settings.waiting,
            timeout=settings.timeout,
            ran=self._metrics.ran,
        )

    def _look(self, batcher: Batcher | None) -> None:
        if batcher:
            batcher.give_up_late()
        for connection in list(self._connections):
            connection.give_up_slow(monotonic())

    def _answered(self, call: Call, status: int) -> None:
        if call.counts:
            self._metrics.answered(status, monotonic() - call.started)

    def _write(self) -> None:
        line = self._metrics.line()
        if line and self._settings.metrics:
            print(line, flush=True)

    async def _finish(
        self, loop: asyncio.AbstractEventLoop, listener: Listener, batcher: Batcher | None
    ) -> None:
        """Take no more connections; answer what came, and what kept ones still bring."""
        listener.close()
        grace = GRACE if self._model else 0.0
        began = loop.time()
        while self._connections or not listener.idle or (batcher and not batcher.idle):
            now = loop.time()
            if now - began > self._settings.drain:
                break
            for connection in list(self._connections):
                connection.finish(now=now - began >= grace)
            self._look(batcher)
            await asyncio.sleep(0.05)


async def _first(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
