"""Servers that do nothing but answer: as ASGI for uvicorn, as RSGI for granian."""

from typing import Any

BODY = b'{"predictions":[0]}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, and answer."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


async def rsgi(scope: Any, protocol: Any) -> None:
    """Read the body, and answer."""
    await protocol()
    protocol.response_bytes(200, [("content-type", "application/json")], BODY)
