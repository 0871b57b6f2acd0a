"""Connections whose other end is gone are given up."""

import socket
from types import SimpleNamespace

from tracking_server.silence import ASKED_AFTER, SECONDS, limit


def test_linux_is_told_how_long_to_wait() -> None:
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_USER_TIMEOUT)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as opened,
    ):
        limit(SimpleNamespace(_sock=opened))
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        told = [opened.getsockopt(socket.IPPROTO_TCP, option) for option in options]
    assert told == [ASKED_AFTER, ASKED_AFTER, 1000 * SECONDS]
