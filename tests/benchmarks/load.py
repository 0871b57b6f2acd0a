"""Clients that keep their connection and do nothing but send and read."""

import json
import socket
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MakeRequest = Callable[[int, int], bytes]
"""What a client sends, by the client's number and the request's."""


@dataclass(frozen=True)
class Load:
    """What came of some seconds of load.

    Parameters
    ----------
    seconds
        How long it took.
    times
        Seconds that each answered request took.
    refused
        Requests that were answered by an error, or not before the end.
    """

    seconds: float
    times: Sequence[float]
    refused: int

    @property
    def per_second(self) -> float:
        """Requests that were answered well, a second."""
        return len(self.times) / self.seconds

    def percentile(self, percent: int) -> float:
        """Milliseconds that this part of the requests took at most."""
        if len(self.times) < 2:
            return 1000 * self.seconds
        return 1000 * statistics.quantiles(self.times, n=100, method="inclusive")[percent - 1]


def request(
    method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """A request as it goes over the wire.

    Parameters
    ----------
    method, path
        What is asked for.
    body
        Sent as JSON, or as it is where it is bytes.
    headers
        What it has besides.
    """
    content = (
        body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    )
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


class Client:
    """A kept connection.

    Parameters
    ----------
    port
        Where to, on 127.0.0.1.
    timeout
        Seconds that an answer may take.
    """

    def __init__(self, port: int, timeout: float = 120) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def limit(self, seconds: float) -> None:
        """Wait no longer than this for what comes next."""
        self._socket.settimeout(max(seconds, 0.001))

    def send(self, message: bytes) -> tuple[int, bytes]:
        """Send a request; the status and the body of its answer.

        Raises
        ------
        OSError
            Where none comes in time, or the connection ends.
        """
        self._socket.sendall(message)
        received = self._more(b"")
        while b"\r\n\r\n" not in received:
            received = self._more(received)
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines[1:])
        if b"content-length" in headers:
            length = int(headers[b"content-length"])
            parts, count = [body], len(body)
            while count < length:
                part = self._more(b"")
                parts.append(part)
                count += len(part)
            body = b"".join(parts)
        else:
            while not body.endswith(b"0\r\n\r\n"):
                body = self._more(body)
        return int(lines[0].split()[1]), body

    def _more(self, received: bytes) -> bytes:
        part = self._socket.recv(1 << 20)
        if not part:
            raise ConnectionResetError("the server ended the connection")
        return received + part


def run_load(port: int, clients: int, seconds: float, make: MakeRequest) -> Load:
    """Send requests, each client the next as soon as the last is answered.

    Parameters
    ----------
    port
        Where to, on 127.0.0.1.
    clients
        Number of clients.
    seconds
        How long; what is not answered by then counts as refused.
    make
        Makes a request.
    """
    times: list[float] = []
    refused: list[int] = []
    ready = threading.Barrier(clients + 1)

    def run(client: int) -> None:
        number = 0
        with Client(port) as connection:
            ready.wait()
            end = time.perf_counter() + seconds
            while (started := time.perf_counter()) < end:
                message = make(client, number)
                connection.limit(end - started + 0.5)
                try:
                    status, _ = connection.send(message)
                except OSError:
                    refused.append(0)
                    return
                if status == 200:
                    times.append(time.perf_counter() - started)
                else:
                    refused.append(status)
                number += 1

    threads = [threading.Thread(target=run, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    ready.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    return Load(time.perf_counter() - started, times, len(refused))
