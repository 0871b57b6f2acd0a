"""A database that is gone without a word.

Where its machine fails, nobody closes the connections that were open. Linux gives one up after a
quarter of an hour, and for so long each call that had one would wait, while new connections find
the standby and `/health` is well. https://man7.org/linux/man-pages/man7/tcp.7.html
"""

import socket
from typing import Any

SECONDS = 30
"""How long nothing may answer. A machine that is there does, however long a statement takes."""

ASKED_AFTER = 10
"""Seconds after which a connection that is silent is asked, and asked again."""


def give_up_on_silence() -> None:
    """Have this process give up each connection to the database whose other end is gone."""
    from sqlalchemy import Engine, event

    event.listen(Engine, "connect", limit)


def limit(connection: Any, _: Any = None) -> None:
    """Have Linux end a connection where nothing answers any more.

    Parameters
    ----------
    connection
        One of PyMySQL, which has just been opened.
    """
    opened: socket.socket = connection._sock
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, ASKED_AFTER),
        (socket.TCP_KEEPINTVL, ASKED_AFTER),
        (socket.TCP_USER_TIMEOUT, 1000 * SECONDS),
    ):
        opened.setsockopt(socket.IPPROTO_TCP, option, value)
