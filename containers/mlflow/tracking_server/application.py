"""MLflow's application, with the short way for the calls that clients make most.

MLflow 3 is a Flask application mounted in a FastAPI one. A call of the API goes through eleven
layers of the latter, two of which start tasks and streams of their own, before Flask sees it: two
thirds of what logging a metric costs. Flask checks the host, the origin, the workspace and the
user itself, as it does where MLflow is run by gunicorn; so such a call may go to it directly.
"""

import asyncio
import gc
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

from tracking_server.access import protect
from tracking_server.asgi import Application, Receive, Scope, Send
from tracking_server.entrance import Entrance, database_question, names
from tracking_server.faster import take_faster_parts
from tracking_server.latency import Latency
from tracking_server.limits import Limits
from tracking_server.login import keep_login_fresh
from tracking_server.off import turn_off
from tracking_server.places import keep_places
from tracking_server.promotions import note_promoters, sender
from tracking_server.scratch import use_own_folder
from tracking_server.silence import give_up_on_silence
from tracking_server.webhooks import HOSTS, KEY, bind_webhooks

THREADS = "TRACKING_SERVER_THREADS"
"""The variable that says how many calls a process works on at once."""

API = ("/api/", "/ajax-api/")
"""What the paths of calls begin with; the others are pages and files, which are streamed."""

FlaskApplication = Callable[[dict[str, Any], Any], Iterable[bytes]]


def create_app() -> Application:
    """MLflow's application as the server's processes run it."""
    import graphql
    import sqlparse
    from mlflow.server import app as flask
    from mlflow.server import artifact_router, auth, gateway_api, handlers, otel_api
    from mlflow.server.constants import BACKEND_STORE_URI_ENV_VAR
    from mlflow.store.model_registry import sqlalchemy_store as registry
    from mlflow.store.model_registry.dbmodels import models as registry_models
    from mlflow.store.tracking import sqlalchemy_store
    from mlflow.utils import search_logged_model_utils, search_utils
    from mlflow.version import VERSION
    from mlflow.webhooks import delivery

    from tracking_server.guard import guard

    threads = int(os.environ[THREADS])
    use_own_folder(Path(tempfile.gettempdir()))
    keep_login_fresh()
    give_up_on_silence()
    take_faster_parts(handlers, VERSION, threads)
    keep_places(handlers, sqlalchemy_store, artifact_router, auth)
    note_promoters(registry, lambda: sender(auth))
    bind_webhooks(
        delivery,
        registry,
        registry_models,
        hosts=[host for host in os.environ[HOSTS].split(",") if host],
        key=Path(os.environ[KEY]).read_text(encoding="utf-8"),
    )
    guard(
        flask,
        {
            "handlers": handlers,
            "auth": auth,
            "store": sqlalchemy_store,
            "otel": otel_api,
            "searches": search_utils,
            "models": search_logged_model_utils,
            "sqlparse": sqlparse,
            "graphql": graphql,
        },
    )
    fastapi = protect(flask)
    turn_off(flask, fastapi, gateway_api)
    _warm_up()
    short_way = ShortWay(fastapi, flask, direct_paths(fastapi, flask), threads)
    question = database_question(os.environ[BACKEND_STORE_URI_ENV_VAR])
    return Entrance(Limits(Latency(short_way)), names(), question)


def _warm_up() -> None:
    """Import and open what MLflow leaves to the first call.

    Two first calls at once could find a module that is half imported, and answer 500.
    """
    from mlflow.server import handlers

    handlers._get_tracking_store()
    handlers._get_model_registry_store()
    # What stands now stays: the collector need not look at a million objects again and again.
    gc.collect()
    gc.freeze()


def direct_paths(fastapi: Any, flask: Any) -> frozenset[str]:
    """The paths of the API that are Flask's alone and hold no variable.

    Parameters
    ----------
    fastapi, flask
        MLflow's two applications.
    """
    # The last route is the mount of Flask, which takes every path.
    *native, _ = fastapi.routes
    paths = {
        rule.rule
        for rule in flask.url_map.iter_rules()
        if rule.rule.startswith(API) and not rule.arguments
    }
    return frozenset(path for path in paths if not any(_takes(route, path) for route in native))


def _takes(route: Any, path: str) -> bool:
    """Whether a route takes a path, with any method."""
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
    match, _ = route.matches(scope)
    return bool(match.value)


class ShortWay:
    """An application that sends some paths to Flask directly, and all others the long way.

    Parameters
    ----------
    fastapi
        The long way.
    flask
        The short way.
    paths
        What goes the short way.
    threads
        How many calls Flask works on at once; the others wait. Each may take two connections of
        the database.

    Examples
    --------
    >>> ShortWay(fastapi, flask, frozenset({"/api/2.0/mlflow/runs/create"}), 8)  # doctest: +SKIP
    """

    def __init__(
        self, fastapi: Application, flask: FlaskApplication, paths: frozenset[str], threads: int
    ) -> None:
        self._fastapi = fastapi
        self._flask = flask
        self._paths = paths
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="call")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call."""
        if scope["type"] != "http" or scope["path"] not in self._paths:
            await self._fastapi(scope, receive, send)
            return
        body = await _body(receive)
        if body is None:
            return
        status, headers, content = await asyncio.get_running_loop().run_in_executor(
            self._threads, copy_context().run, self._call, _environment(scope, body)
        )
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _call(self, environment: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Call Flask: the status, the headers and the body of its answer."""
        started: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], _: Any = None) -> object:
            started[:] = [int(status[:3]), headers]
            return None

        parts = self._flask(environment, start)
        try:
            content = b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        status, headers = started
        return (
            status,
            [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            content,
        )


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or nothing where the client went away before its end."""
    parts = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _environment(scope: Scope, body: bytes) -> dict[str, Any]:
    """What WSGI wants to know of a request.

    https://peps.python.org/pep-3333/#environ-variables
    """
    host, port = scope.get("server") or ("localhost", 80)
    environment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        if name not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            name = f"HTTP_{name}"
        value = raw_value.decode("latin-1")
        environment[name] = f"{environment[name]},{value}" if name in environment else value
    # What was read is what there is, even of a body that came in chunks.
    environment["CONTENT_LENGTH"] = str(len(body))
    return environment
