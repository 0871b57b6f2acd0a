"""What stands before MLflow's application: whether the task is healthy, and foreign pages."""

import asyncio
import os
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from tracking_server.access import HEALTH, OPEN
from tracking_server.asgi import Application, Receive, Scope, Send, answer

PROBE = "/api/2.0/mlflow/experiments/search"
"""A call of the API; nobody is logged in, so that 401 is the answer of a server in order."""

NAMES = "TRACKING_SERVER_NAMES"
"""The variable with the names that clients call the server by, with commas."""

HOST = re.compile(rb"(?:[A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]*\])(?::[0-9]*)?")
"""A name or an address, and a port: https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2"""

WORKSPACE = b"x-mlflow-workspace"
"""The header with the workspace that a call is about."""

ANSWER_SECONDS = 5
"""How long an answer on the health is true, so that many who ask cost one login."""

DATABASE_SECONDS = 3
"""How long the database may take; the load balancer waits for 6 s."""


class Entrance:
    """Answers `/health` by itself, and refuses what comes from pages of other sites.

    Healthy is a task whose database takes a new login and answers, and whose API answers to each
    name that clients call it by: MLflow answers 403 to any other, and its own `/health` 200.

    Parameters
    ----------
    application
        MLflow's.
    names
        What clients call the server by.
    ask_database
        Raises where the database does not answer.
    now
        Seconds that only grow.

    Examples
    --------
    >>> Entrance(application, ("mlflow.internal",), ask_database)  # doctest: +SKIP
    """

    def __init__(
        self,
        application: Application,
        names: Sequence[str],
        ask_database: Callable[[], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._application = application
        self._unasked = list(names)
        self._ask_database = ask_database
        self._now = now
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="health")
        self._lock = asyncio.Lock()
        self._until = float("-inf")
        self._fault = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
        elif scope["path"] == HEALTH:
            fault = await self._health()
            await answer(send, 503 if fault else 200, fault or "OK")
        elif not _is_plain(scope):
            await answer(send, 400, "A call has one Host, a name and maybe a port, and one Origin.")
        elif _names_workspace(scope):
            await answer(send, 400, "This server has no workspaces. Leave X-MLFLOW-WORKSPACE out.")
        elif _is_foreign(scope):
            await answer(send, 403, "Pages of other sites may not call this server.")
        else:
            await self._application(scope, receive, send)

    async def _health(self) -> str:
        """What is wrong; nothing where all is well."""
        async with self._lock:
            if self._now() >= self._until:
                self._fault = await self._look()
                self._until = self._now() + ANSWER_SECONDS
            return self._fault

    async def _look(self) -> str:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._ask_database)
        except Exception as error:  # whatever a driver raises, the database did not answer
            return f"The database does not answer: {type(error).__name__}"
        while self._unasked:
            status = await _status(self._application, self._unasked[-1])
            if status != 401:
                return f"The API answers {status} to the name {self._unasked[-1]}."
            self._unasked.pop()
        return ""


async def _status(application: Application, name: str) -> int:
    """What the API answers to a name."""
    said: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            said.append(message["status"])

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PROBE,
        "raw_path": PROBE.encode(),
        "query_string": b"max_results=1",
        "root_path": "",
        "headers": [(b"host", name.encode())],
        "server": (name, 80),
        "client": ("127.0.0.1", 0),
    }
    await application(scope, receive, send)
    return said[0]


def _is_plain(scope: Scope) -> bool:
    """Whether a call names its host and its origin no more than once, as they are written.

    Of two hosts, MLflow's two applications would each check another; of what looks like a port,
    neither does.
    https://www.rfc-editor.org/rfc/rfc9112#section-3.2
    """
    said = [pair for pair in scope["headers"] if pair[0] in (b"host", b"origin")]
    names: dict[bytes, bytes] = dict(said)
    return (
        len(said) == len(names)
        and names.get(b"origin", b"").isascii()
        and HOST.fullmatch(names.get(b"host", b"")) is not None
    )


def _names_workspace(scope: Scope) -> bool:
    """Whether a call is about a workspace, which MLflow calls a fault of the server."""
    return scope["path"] not in OPEN and bool(dict(scope["headers"]).get(WORKSPACE, b"").strip())


def _is_foreign(scope: Scope) -> bool:
    """Whether a browser sends this for a page that another host gave it."""
    headers = dict(scope["headers"])
    origin = headers.get(b"origin")
    if origin is None:
        return False
    host: bytes = headers.get(b"host", b"")
    try:
        page: str = urlsplit(origin.decode()).netloc
    except ValueError:
        return True  # no browser sends an address that is none
    return page != host.decode()


def database_question(uri: str) -> Callable[[], None]:
    """What asks the database, by a login of its own each time.

    Parameters
    ----------
    uri
        Its address.
    """
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    seconds = DATABASE_SECONDS
    limits = {"connect_timeout": seconds, "read_timeout": seconds, "write_timeout": seconds}
    engine = create_engine(uri, poolclass=NullPool, connect_args=limits)

    def ask() -> None:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    return ask


def names() -> tuple[str, ...]:
    """What clients call the server by, as the environment says."""
    return tuple(os.environ[NAMES].split(","))
