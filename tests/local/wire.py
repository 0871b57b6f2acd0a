"""Requests as they go over the wire: clients refuse to send what a hostile one does."""

import contextlib
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

HOST = b"127.0.0.1"
SECONDS = 20
"""How long an answer may take to come."""

Header = tuple[bytes, bytes]


@dataclass(frozen=True)
class Answer:
    """What came back.

    Parameters
    ----------
    status
        Its status; 0 where the connection ended without an answer.
    head, body
        All that came before the empty line, and after it.
    """

    status: int
    head: bytes
    body: bytes


def message(
    method: str,
    target: str | bytes,
    headers: Sequence[Header] = (),
    body: bytes = b"",
    *,
    version: bytes = b"1.1",
    host: bytes | None = HOST,
) -> bytes:
    """A request with its length, after which the server is to end the connection.

    Parameters
    ----------
    method, target, version
        The first line; the target as it is.
    headers
        Sent as they are.
    body
        The body.
    host
        The Host header; none where None.
    """
    target = target if isinstance(target, bytes) else target.encode()
    lines = [b"%s %s HTTP/%s" % (method.encode(), target, version), b"Connection: close"]
    lines += [b"Host: " + host] if host is not None else []
    lines += [name + b": " + value for name, value in headers]
    if body or method in ("POST", "PUT", "PATCH", "DELETE"):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def exchange(uri: str, parts: bytes | Iterable[bytes], seconds: float = SECONDS) -> Answer:
    """Send a request, and read until the server ends the connection.

    Parameters
    ----------
    uri
        The server's address.
    parts
        What to send; what the server does not want any more is not sent.
    seconds
        How long it may take until something comes.
    """
    address = urlsplit(uri)
    with socket.create_connection((address.hostname, address.port), seconds) as connection:
        with contextlib.suppress(ConnectionError):
            for part in [parts] if isinstance(parts, bytes) else parts:
                connection.sendall(part)
        received = []
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(1 << 20):
                received.append(part)
    head, _, body = b"".join(received).partition(b"\r\n\r\n")
    return Answer(int(head.split(b" ", 2)[1]) if head else 0, head, body)
