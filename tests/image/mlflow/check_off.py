"""What of MLflow is off is refused by both applications, and what has moved ends the server."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from mlflow.exceptions import MlflowException
from mlflow.server import app, gateway_api
from werkzeug.test import Client

from tracking_server.guard import answered
from tracking_server.off import EXAMPLES, GATEWAY, OFF, OffError, turn_off

RULES = [
    *("/api/3.0/mlflow/gateway/secrets/create", "/ajax-api/3.0/mlflow/gateway/supported-models"),
    *("/ajax-api/3.0/mlflow/demo/generate", "/ajax-api/2.0/mlflow/gateway-proxy"),
]
NATIVE = [
    *("/gateway/mlflow/v1/chat/completions", "/gateway/openai/v1/embeddings"),
    *("/gateway/proxy/x/x", "/gateway/x/mlflow/invocations"),
]


def flask(*rules: str) -> Flask:
    """An application that says what it is asked."""
    made = Flask("test")
    made.register_error_handler(MlflowException, answered)
    for rule in rules:
        made.add_url_rule(rule, rule, lambda: "asked", methods=["GET", "POST"])
    return made


@pytest.fixture
def fastapi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    # What is not refused opens a database where it is.
    monkeypatch.chdir(tmp_path)
    made = FastAPI()
    made.include_router(gateway_api.gateway_router)
    return made


def post(application: Any, path: str) -> tuple[int, bytes]:
    """What an application of ASGI answers."""
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "server": ("test", 80),
        "client": ("test", 1),
    }
    asyncio.run(application(scope, receive, send))
    return said[0]["status"], b"".join(message.get("body", b"") for message in said)


def test_the_calls_that_are_off_are_refused(fastapi: FastAPI) -> None:
    application = flask(*RULES)
    turn_off(application, fastapi, gateway_api)
    client = Client(application)
    for rule, message in zip(RULES, (GATEWAY, GATEWAY, EXAMPLES), strict=False):
        for method in ("GET", "POST"):
            answer = client.open(rule, method=method)
            assert answer.status_code == 403
            assert answer.json["error_code"] == "PERMISSION_DENIED"
            assert answer.json["message"] == message
    # It answers that there is nothing, and calls nobody.
    assert client.get(RULES[-1]).text == "asked"
    assert client.get("/api/3.0/mlflow/gateway").status_code == 404


@pytest.mark.parametrize("path", NATIVE)
def test_the_gateway_calls_no_model(path: str, fastapi: FastAPI) -> None:
    turn_off(flask(*RULES), fastapi, gateway_api)
    status, body = post(fastapi, path)
    assert (status, GATEWAY.encode() in body) == (403, True)


@pytest.mark.parametrize("part", OFF)
def test_mlflow_has_such_calls(part: str) -> None:
    assert any(part in rule.rule for rule in app.url_map.iter_rules())


@pytest.mark.parametrize(
    ("rules", "gateway", "lacks"),
    [
        (RULES, SimpleNamespace(), "_ensure_gateway_enabled"),
        (RULES[2:], gateway_api, "/mlflow/gateway/"),
        (RULES[:2], gateway_api, "/mlflow/demo/generate"),
    ],
)
def test_a_version_where_they_moved_is_refused(
    rules: list[str], gateway: Any, lacks: str, fastapi: FastAPI
) -> None:
    with pytest.raises(OffError, match=lacks):
        turn_off(flask(*rules), fastapi, gateway)
