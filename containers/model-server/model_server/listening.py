"""A socket that processes share fairly.

All processes wait on it, and a loop takes every connection that waits there at once: of clients
that come together all would go to one process, and keep it. Here a process takes one, and leaves
the next to the others for a moment.
"""

import asyncio
import socket
from collections.abc import Callable

MOMENT = 0.001
"""Seconds that a process that took a connection leaves the next to the others."""


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens, for processes that are forked later.

    Parameters
    ----------
    host, port
        Where.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    shared = socket.socket(family, socket.SOCK_STREAM)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    shared.bind((host, port))
    shared.listen(1024)
    shared.setblocking(False)
    return shared


class Listener:
    """Takes connections one by one.

    Parameters
    ----------
    loop
        The loop that serves them.
    shared
        The socket.
    factory
        Makes what speaks to one.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        shared: socket.socket,
        factory: Callable[[], asyncio.Protocol],
    ) -> None:
        self._loop = loop
        self._shared = shared
        self._factory = factory
        self._begun: set[asyncio.Task[object]] = set()
        self._open = True
        self._listen()

    @property
    def idle(self) -> bool:
        """Whether no connection is on its way to the one that speaks to it."""
        return not self._begun

    def close(self) -> None:
        """Take those that wait, and no more."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._shared)
            while self._accept():
                pass
            self._shared.close()

    def _listen(self) -> None:
        if self._open:
            self._loop.add_reader(self._shared, self._take)

    def _take(self) -> None:
        if self._accept():
            self._rest()

    def _rest(self) -> None:
        self._loop.remove_reader(self._shared)
        self._loop.call_later(MOMENT, self._listen)

    def _accept(self) -> bool:
        try:
            connection, _ = self._shared.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False  # another process was faster, or the client went away
        except OSError:
            # No descriptor is free: the connection waits until one is.
            if self._open:
                self._rest()
            return False
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begun = self._loop.create_task(
            self._loop.connect_accepted_socket(self._factory, connection)
        )
        self._begun.add(begun)
        begun.add_done_callback(self._begun.discard)
        return True
