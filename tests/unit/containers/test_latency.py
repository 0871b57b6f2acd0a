"""What the log says of how long calls took."""

import asyncio
import json
from typing import Any

import pytest

from tracking_server.latency import Latency


class Clock:
    """Time that only calls take."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said() -> list[Any]:
    return []


@pytest.fixture
def latency(clock: Clock, said: list[Any]) -> Latency:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        clock.now += scope["takes"]
        if scope.get("fails"):
            raise ConnectionError

    return Latency(application, lambda line: said.append(json.loads(line)), clock)


def call(latency: Latency, takes: float, path: str = "/api/2.0/x", **scope: Any) -> None:
    whole = {"type": "http", "path": path, "takes": takes, **scope}
    asyncio.run(latency(whole, None, None))  # type: ignore[arg-type]


def test_a_minute_of_calls_is_one_line(latency: Latency, said: list[Any]) -> None:
    for _ in range(98):
        call(latency, 0.01)
    call(latency, 2)
    assert said == []
    call(latency, 60)
    assert said == [{"calls": 100, "p50_ms": 10.0, "p99_ms": 2000.0}]


def test_the_next_minute_begins_anew(latency: Latency, said: list[Any]) -> None:
    call(latency, 61)
    call(latency, 59)
    assert len(said) == 1
    call(latency, 1)
    assert said[1] == {"calls": 2, "p50_ms": 1000.0, "p99_ms": 59000.0}


def test_one_that_fails_took_its_time_too(latency: Latency, said: list[Any]) -> None:
    with pytest.raises(ConnectionError):
        call(latency, 60, fails=True)
    assert said[0]["calls"] == 1


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "http"),
        ("/api/2.0/mlflow-artifacts/artifacts/x", "http"),
        ("/get-artifact", "http"),
        ("/api/x", "websocket"),
    ],
)
def test_files_and_pages_are_not_timed(
    path: str, kind: str, latency: Latency, said: list[Any]
) -> None:
    call(latency, 100, path, type=kind)
    assert said == []
