"""How much a call may send, and for how long."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from tracking_server.limits import DRAINED, Limits


class Application:
    """Says how much it was given, and whether the client went away then."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.after = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        self.asked.append(message["body"])
        if not message["more_body"]:
            self.after = (await receive())["type"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def application() -> Application:
    return Application()


def ask(
    limits: Limits, parts: Iterable[bytes], method: str = "POST", path: str = "/api/2.0/x"
) -> tuple[list[int], int]:
    """The statuses of the answers, and how many parts of the body were read."""
    sent: list[int] = []
    left, read = list(parts), 0

    async def receive() -> Any:
        nonlocal read
        if read == len(left):
            return {"type": "http.disconnect"}
        read += 1
        if left[read - 1] == b"never":
            await asyncio.sleep(3600)
        return {"type": "http.request", "body": left[read - 1], "more_body": read < len(left)}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    asyncio.run(limits(scope, receive, send))
    return sent, read


def test_a_body_arrives_whole_and_what_follows_it_too(application: Application) -> None:
    assert ask(Limits(application, 6), [b"abc", b"def"])[0] == [200]
    assert application.asked == [b"abcdef"]
    assert application.after == "http.disconnect"


def test_one_that_is_too_large_is_read_and_refused(application: Application) -> None:
    """Who is sending reads no answer."""
    assert ask(Limits(application, 6), [b"abc", b"def", b"g", b"h"]) == ([413], 4)
    assert application.asked == []


def test_one_without_an_end_is_not_read_for_ever(application: Application) -> None:
    statuses, read = ask(Limits(application, 6), [b"abc"] * 1000)
    assert statuses == [413]
    assert read == 2 * DRAINED + 1


def test_one_that_does_not_come_is_refused(application: Application) -> None:
    assert ask(Limits(application, 6, 0.01), [b"a", b"never", b"b"])[0] == [408]
    assert application.asked == []


def test_a_client_that_goes_away_is_not_answered(application: Application) -> None:
    assert ask(Limits(application, 6), [])[0] == []
    assert application.asked == []


@pytest.mark.parametrize("prefix", ["/api", "/ajax-api"])
def test_a_file_is_as_large_as_it_likes(prefix: str, application: Application) -> None:
    path = f"{prefix}/2.0/mlflow-artifacts/artifacts/1/x"
    assert ask(Limits(application, 2), [b"abc", b"def"], "PUT", path)[0] == [200]
    assert ask(Limits(application, 2), [b"abc", b"def"], "POST", path)[0] == [413]
    assert application.asked == [b"abc"]
