"""HTTP/1.1 on a connection: what comes in becomes calls, and answers go out in order.

llhttp parses, through httptools; what it does not do is here: limits, answers, streams. A framework
or an ASGI server between the two would take longer than all of this: see docs/adr/0027.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from http import HTTPStatus
from time import monotonic
from typing import Any, cast

import httptools

from model_server.calls import ATTRIBUTES, Answer, Call, enter
from model_server.errors import error_body
from model_server.prediction import model_failure

LARGEST_HEAD = 64 * 1024
"""Bytes of a request's line and headers."""

MOST_ATTRIBUTES = 1024

KEPT = {
    b"content-type": "content-type",
    b"accept": "accept",
    ATTRIBUTES.encode(): ATTRIBUTES,
    b"expect": "expect",
}
"""The headers that are of use, by their names in lower case."""

STREAMS = ThreadPoolExecutor(8, "stream")
"""Where the parts of streams are made that are no asynchronous ones."""

log = logging.getLogger("model_server")

_END = object()

Route = Callable[[str, str, Call], None]
"""Answers a call, by its method and path."""


class Connection(asyncio.Protocol):
    """One connection.

    Parameters
    ----------
    loop
        The loop.
    route
        Answers what comes.
    connections
        Where it stands while it is open.
    answered
        Told each call that is answered, and the status.
    largest
        The most bytes of a body.
    patience
        Seconds that a client, or a part of a stream, may take.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        route: Route,
        connections: "set[Connection]",
        *,
        answered: Callable[[Call, int], None],
        largest: int,
        patience: float,
    ) -> None:
        self._loop = loop
        self._route = route
        self._connections = connections
        self._answered = answered
        self._largest = largest
        self._patience = patience
        self._parser = httptools.HttpRequestParser(self)
        self._transport = cast("asyncio.Transport", None)
        self._path = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._head = 0
        self._reading_since = 0.0
        self._refused = False
        self._closing = False
        self._last = False
        self._current: Call | None = None
        self._kept = True
        self._pipelined: deque[tuple[str, str, Call, bool]] = deque()
        self._stream: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End: nobody waits for an answer any more."""
        self._connections.discard(self)
        self._closing = True
        if self._current:
            self._current.done = True
        if self._stream:
            self._stream.cancel()
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._closing:
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._closing:
                self._refuse(400, "bad_request", "This is no HTTP/1.1 that is understood here.")

    def pause_writing(self) -> None:
        """The client reads too slowly: wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._writable.set()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._path = b""
        self._headers = {}
        self._body = []
        self._size = self._head = 0
        self._reading_since = monotonic()

    def on_url(self, url: bytes) -> None:
        """A part of its path."""
        self._path += url
        self._measure_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        kept = KEPT.get(name.lower())
        if kept:
            self._headers[kept] = value.decode("latin-1")
        self._measure_head(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """The body begins."""
        if self._headers and self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self._size += len(body)
        if self._size <= self._largest:
            self._body.append(body)
        elif not self._refused:
            message = f"The body holds more than {self._largest} bytes."
            self._refuse(413, "too_large", message)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._reading_since = 0.0
        if self._refused:
            self._close()
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        call = Call(self._headers, body, self, monotonic())
        method = self._parser.get_method().decode("latin-1")
        path = self._path.partition(b"?")[0].decode("latin-1")
        keep = self._parser.should_keep_alive()
        if self._current:
            if not self._pipelined:
                self._transport.pause_reading()
            self._pipelined.append((method, path, call, keep))
        else:
            self._begin(method, path, call, keep)

    # Answers.

    def answer(self, call: Call, answer: Answer) -> None:
        """Send an answer, and go on with the next request."""
        if self._closing:
            return
        if answer.streams:
            self._stream = self._loop.create_task(self._send_stream(call, answer))
            return
        self._answered(call, answer.status)
        keep = self._kept and not self._last
        self._transport.write(
            b"%b%d\r\n%b\r\n%b"
            % (
                _head(answer.status, answer.kind, keep),
                len(answer.body),
                self._more_headers(call, answer),
                answer.body,
            )
        )
        self._done(keep)

    def finish(self, *, now: bool) -> None:
        """Take no more requests than those that came.

        Parameters
        ----------
        now
            Close the connection, unless a request is under way; else the next answer is the last.
        """
        self._last = True
        if now and not self._current and not self._reading_since:
            self._close()

    def give_up_slow(self, moment: float) -> None:
        """Close the connection where a request has been coming in for too long."""
        if self._reading_since and moment - self._reading_since > self._patience:
            if self._refused or self._current:
                self._close()
            else:
                self._refuse(408, "too_slow", f"No whole request in {self._patience} seconds.")
                self._close()

    def _begin(self, method: str, path: str, call: Call, keep: bool) -> None:
        self._current = call
        self._kept = keep
        self._route(method, path, call)

    def _done(self, keep: bool) -> None:
        self._current = None
        if not keep:
            self._close()
        elif self._pipelined:
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        if self._pipelined and not self._current and not self._closing:
            self._begin(*self._pipelined.popleft())
            if not self._pipelined:
                self._transport.resume_reading()

    def _measure_head(self, size: int) -> None:
        self._head += size
        if self._head > LARGEST_HEAD and not self._refused:
            self._refuse(431, "too_large", f"The headers hold more than {LARGEST_HEAD} bytes.")
            self._close()

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer before the request is whole: what still comes of it is read, and left."""
        self._refused = True
        self._body = []
        if self._current or self._closing:
            self._close()
            return
        body = error_body(code, message)
        self._transport.write(
            b"%b%d\r\n\r\n%b" % (_head(status, "application/json", False), len(body), body)
        )
        if code == "bad_request":
            self._close()

    def _close(self) -> None:
        self._closing = True
        self._transport.close()

    def _more_headers(self, call: Call, answer: Answer) -> bytes:
        text = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        attributes = call.attributes
        if attributes:
            if attributes.isascii() and attributes.isprintable():
                text += f"{ATTRIBUTES}: {attributes[:MOST_ATTRIBUTES]}\r\n"
            else:
                log.warning("Custom attributes that are no visible ASCII are not sent back")
        return text.encode("latin-1")

    async def _send_stream(self, call: Call, answer: Answer) -> None:
        """Send each part as it is made; what fails before the first is an answer of its own."""
        parts = answer.body
        try:
            part = await self._part(call, parts)
        except Exception as error:
            self.answer(call, model_failure(error))
            return
        chunked = self._parser.get_http_version() != "1.0"
        keep = chunked and self._kept and not self._last
        head = _stream_head(answer.kind, chunked, keep)
        self._transport.write(head + self._more_headers(call, answer) + b"\r\n")
        try:
            while part is not _END:
                data = part.encode() if isinstance(part, str) else bytes(part)
                if data:
                    self._transport.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
                await self._writable.wait()
                part = await self._part(call, parts)
        except Exception as error:
            # The client sees that the end is missing.
            model_failure(error)
            self._close()
            return
        self._answered(call, 200)
        if chunked:
            self._transport.write(b"0\r\n\r\n")
        self._stream = None
        self._done(keep)

    async def _part(self, call: Call, parts: Any) -> Any:
        """The next part of a stream, or `_END`."""
        if isinstance(parts, AsyncIterator):
            enter(call)
            coming = anext(parts, _END)
            return await asyncio.wait_for(_awaited(coming), self._patience)

        def step() -> Any:
            enter(call)
            return next(parts, _END)

        return await asyncio.wait_for(self._loop.run_in_executor(STREAMS, step), self._patience)


async def _awaited(coming: Any) -> Any:
    return await coming


@lru_cache(256)
def _head(status: int, kind: str, keep: bool) -> bytes:
    """The answer's head up to the value of its length."""
    return (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {kind}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\nContent-Length: "
    ).encode("latin-1")


@lru_cache(64)
def _stream_head(kind: str, chunked: bool, keep: bool) -> bytes:
    transfer = "Transfer-Encoding: chunked\r\n" if chunked else ""
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{transfer}"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n"
    ).encode("latin-1")
