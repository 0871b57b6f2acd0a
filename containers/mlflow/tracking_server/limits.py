"""What a call may send: so much, and not for ever.

MLflow holds the whole body of a call before it looks who calls.
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from tracking_server.asgi import Application, Receive, Scope, Send, answer

BODY_BYTES = 32 * 1024 * 1024
"""The largest body of a call. MLflow's own largest are a batch of 1 MB, and the profile of a
dataset of 16 MB."""

BODY_SECONDS = 60
"""How long a body may take."""

DRAINED = 4
"""How many times as much is read, and thrown away, before the answer that it is too much."""

FILES = (
    "/api/2.0/mlflow-artifacts/artifacts/",
    "/ajax-api/2.0/mlflow-artifacts/artifacts/",
)
"""What the paths of files begin with: MLflow writes one down as it comes, whatever its size."""


class Limits:
    """An application that is called once the whole body is there; files are no such bodies.

    Parameters
    ----------
    application
        What answers.
    most
        Bytes of the largest body.
    seconds
        How long a body may take.

    Examples
    --------
    >>> Limits(application)  # doctest: +SKIP
    """

    def __init__(
        self, application: Application, most: int = BODY_BYTES, seconds: float = BODY_SECONDS
    ) -> None:
        self._application = application
        self._most = most
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call."""
        if scope["type"] != "http" or (
            scope["method"] == "PUT" and scope["path"].startswith(FILES)
        ):
            await self._application(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._read(receive)
        except TimeoutError:
            await answer(send, 408, f"The body did not come within {self._seconds} s.")
            return
        except ConnectionError:
            return
        if body is None:
            await answer(send, 413, f"The body is larger than the {self._most} bytes allowed.")
            return
        await self._application(scope, _once(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The whole body; nothing where it is too large."""
        parts, count, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("the client went away")
            part = message.get("body", b"")
            count += len(part)
            if count <= self._most:
                parts.append(part)
            else:
                parts.clear()
            # Who still sends does not read what is said; who sends for ever need not.
            more = message.get("more_body", False) and count <= DRAINED * self._most
        return b"".join(parts) if count <= self._most else None


def _once(body: bytes, receive: Receive) -> Receive:
    """Say the body, and then whatever comes after it."""
    said = False

    async def again() -> MutableMapping[str, Any]:
        nonlocal said
        if said:
            return await receive()
        said = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
