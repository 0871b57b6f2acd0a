"""Health that means something, and pages of other sites."""

import asyncio
from typing import Any

import pytest

from tracking_server.entrance import ANSWER_SECONDS, PROBE, Entrance


class Application:
    """MLflow, which answers 403 to any name but those it knows."""

    def __init__(self, *known: str) -> None:
        self.known = known
        self.asked: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        host = dict(scope["headers"]).get(b"host", b"").decode()
        self.asked.append(f"{host}{scope['path']}")
        status = 401 if host in self.known else 403
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"mlflow"})


class Database:
    """Answers, until it is told not to."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.asked = 0

    def __call__(self) -> None:
        self.asked += 1
        if self.fault:
            raise self.fault


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def ask(
    entrance: Entrance, path: str = "/health", headers: Any = (), kind: str = "http"
) -> tuple[int, str]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": kind, "path": path, "headers": list(headers)}
    asyncio.run(entrance(scope, receive, send))
    return sent[0]["status"], sent[1]["body"].decode()


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def clock() -> Clock:
    return Clock()


class TestHealth:
    def test_is_the_api_by_every_name_and_the_database(
        self, database: Database, clock: Clock
    ) -> None:
        application = Application("nlb.internal", "mlflow.bank")
        entrance = Entrance(application, ["nlb.internal", "mlflow.bank"], database, clock)
        assert ask(entrance) == (200, "OK")
        assert set(application.asked) == {f"nlb.internal{PROBE}", f"mlflow.bank{PROBE}"}
        assert database.asked == 1

    def test_a_name_that_the_api_refuses_is_said(self, database: Database, clock: Clock) -> None:
        entrance = Entrance(Application("nlb.internal"), ["nlb.internal", "other"], database, clock)
        for _ in range(2):
            assert ask(entrance) == (503, "The API answers 403 to the name other.")

    def test_a_database_that_does_not_answer_is_said_until_it_does(
        self, database: Database, clock: Clock
    ) -> None:
        entrance = Entrance(Application("a"), ["a"], database, clock)
        database.fault = ConnectionError("password hidden")
        assert ask(entrance) == (503, "The database does not answer: ConnectionError")
        database.fault = None
        clock.now += ANSWER_SECONDS
        assert ask(entrance) == (200, "OK")

    def test_many_who_ask_cost_one_login(self, database: Database, clock: Clock) -> None:
        entrance = Entrance(Application("a"), ["a"], database, clock)
        for _ in range(20):
            ask(entrance)
        assert database.asked == 1
        clock.now += ANSWER_SECONDS
        ask(entrance)
        assert database.asked == 2


class TestOrigin:
    @pytest.mark.parametrize(
        ("origin", "status"),
        [
            (None, 401),
            (b"https://mlflow.bank:5000", 401),
            (b"http://localhost:3000", 403),
            (b"https://mlflow.bank", 403),
            (b"https://mlflow.bank:5000.evil.test", 403),
            (b"null", 403),
            (b"", 403),
            (b"http://[", 403),
            (b"https://mlflow.bank:5000\xff", 400),
        ],
    )
    def test_only_pages_of_this_server_may_call_it(
        self, origin: bytes | None, status: int, database: Database
    ) -> None:
        entrance = Entrance(Application("mlflow.bank:5000"), [], database)
        headers = [(b"host", b"mlflow.bank:5000")]
        headers += [(b"origin", origin)] if origin is not None else []
        assert ask(entrance, "/api/x", headers)[0] == status

    @pytest.mark.parametrize(
        ("hosts", "status"),
        [
            ([b"mlflow.bank:5000"], 401),
            ([b"evil.test"], 403),
            ([], 403),
            ([b"mlflow.bank:5000", b"mlflow.bank:5000"], 400),
            ([b"evil.test", b"mlflow.bank:5000"], 400),
            ([b"mlflow.bank:5000@evil.test"], 400),
            ([b"mlflow.bank:evil.test"], 400),
            ([b"mlflow.bank:5000, evil.test"], 400),
            ([b"\xff"], 400),
            ([b"[::1]:5000"], 403),
        ],
    )
    def test_a_call_names_one_host(
        self, hosts: list[bytes], status: int, database: Database
    ) -> None:
        application = Application("mlflow.bank:5000")
        headers = [(b"host", host) for host in hosts]
        assert ask(Entrance(application, [], database), "/api/x", headers)[0] == status
        assert len(application.asked) == (status != 400)

    @pytest.mark.parametrize(
        ("path", "workspace", "status"),
        [
            ("/api/x", b"default", 400),
            ("/api/x", b" ", 401),
            ("/api/3.0/mlflow/server-info", b"default", 401),
        ],
    )
    def test_there_are_no_workspaces(
        self, path: str, workspace: bytes, status: int, database: Database
    ) -> None:
        headers = [(b"host", b"a"), (b"x-mlflow-workspace", workspace)]
        assert ask(Entrance(Application("a"), [], database), path, headers)[0] == status

    def test_other_than_http_is_mlflows(self, database: Database) -> None:
        origin = [(b"origin", b"http://evil.test")]
        assert ask(Entrance(Application(), [], database), "/x", origin, "websocket")[1] == "mlflow"
