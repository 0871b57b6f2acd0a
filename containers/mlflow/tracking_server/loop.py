"""uvloop, whose processes share new connections fairly.

All processes wait on one socket, and uvloop takes every connection that waits there at once. Of
eight clients that come together, all go to one process, and the others stand idle for as long as
those clients keep their connections, which MLflow's do. Here a process takes one, and leaves the
next to the others for a moment.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import uvloop

MOMENT = 0.001
"""Seconds that a process that took a connection leaves the next to the others."""


class Loop(uvloop.Loop):
    """uvloop's loop, with a fair server on a socket that processes share."""

    async def create_server(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], *args: Any, **options: Any
    ) -> Any:
        """Start a server: a fair one where it is given its socket."""
        shared = options.get("sock")
        if shared is None or options.get("ssl"):
            return await super().create_server(protocol_factory, *args, **options)
        return FairServer(self, protocol_factory, shared, options.get("backlog", 100))


class FairServer:
    """Takes connections one by one from a socket that other processes wait on too.

    Parameters
    ----------
    loop
        The loop that serves them.
    protocol_factory
        Makes what speaks to one.
    shared
        The socket, which is bound.
    backlog
        How many connections may wait.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        shared: socket.socket,
        backlog: int,
    ) -> None:
        self._loop = loop
        self._protocol_factory = protocol_factory
        self._shared = shared
        self._begun: set[asyncio.Task[Any]] = set()
        self._open = True
        shared.setblocking(False)
        shared.listen(backlog)
        self._listen()

    def close(self) -> None:
        """Take no more connections; those that are open stay."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._shared)

    async def wait_closed(self) -> None:
        """Wait until connections that were just taken are served."""
        await asyncio.gather(*self._begun, return_exceptions=True)

    def _listen(self) -> None:
        if self._open:
            self._loop.add_reader(self._shared, self._take)

    def _take(self) -> None:
        try:
            connection, _ = self._shared.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # another process was faster, or the client went away
        except OSError:
            # No descriptor is free: the connection waits until one is.
            self._rest()
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begun = self._loop.create_task(
            self._loop.connect_accepted_socket(self._protocol_factory, connection)
        )
        self._begun.add(begun)
        begun.add_done_callback(self._begun.discard)
        self._rest()

    def _rest(self) -> None:
        self._loop.remove_reader(self._shared)
        self._loop.call_later(MOMENT, self._listen)
