"""How large the head of a request may be, and what its address begins with."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from tracking_server.heads import HEAD_BYTES, Protocol


async def _application(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()[:20]})


def ask(*parts: bytes) -> bytes:
    """What comes back to what is sent, part by part."""

    async def exchange() -> bytes:
        received: list[bytes] = []
        transport = SimpleNamespace(
            write=received.append,
            close=lambda: None,
            is_closing=lambda: False,
            get_extra_info=lambda name, default=None: default,
            pause_reading=lambda: None,
            resume_reading=lambda: None,
        )
        config = Config(_application, log_config=None, lifespan="off")
        config.load()
        protocol = Protocol(config=config, server_state=ServerState(), app_state={})
        protocol.connection_made(transport)  # type: ignore[arg-type]
        for part in parts:
            protocol.data_received(part)
            for _ in range(5):
                await asyncio.sleep(0)
        protocol._unset_keepalive_if_required()
        return b"".join(received)

    return asyncio.run(exchange())


def head(*headers: bytes, target: bytes = b"/x") -> bytes:
    return b"\r\n".join([b"GET %b HTTP/1.1" % target, b"Host: a", *headers, b"", b""])


def test_a_usual_one_is_answered() -> None:
    assert ask(head(b"X: " + b"x" * (HEAD_BYTES - 1000))).startswith(b"HTTP/1.1 200")
    body = b"POST /y HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000
    assert ask(body[:30], body[30:]).startswith(b"HTTP/1.1 200")
    assert ask(body, head(), head()).count(b"HTTP/1.1 200") == 3


@pytest.mark.parametrize(
    "parts",
    [
        [head(b"X: " + b"x" * HEAD_BYTES)],
        [head(b"x" * HEAD_BYTES + b": x")],
        [head(*(b"X-%d: xxxxxxxx" % number for number in range(10_000)))],
        [head()[:-2] + b"X: ", *[b"x" * 1000] * 70],
        [head()[:-2], *[b"X: x\r\n"] * 12_000],
        [b"GET /", *[b"x" * 1000] * 70],
    ],
    ids=["value", "name", "many", "endless value", "endless many", "endless address"],
)
def test_a_large_one_is_refused_once(parts: list[bytes]) -> None:
    answer = ask(*parts)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"connection: close" in answer


def test_nothing_more_is_taken_of_its_connection() -> None:
    large = head(b"X: " + b"x" * HEAD_BYTES)
    assert ask(large + head(), head(), large).count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("target", [b"http://evil.test/x", b"*"])
def test_an_address_is_a_path(target: bytes) -> None:
    assert ask(head(target=target)).startswith(b"HTTP/1.1 400 ")
