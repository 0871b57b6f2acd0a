"""The smoke test, against a server that answers as MLflow does, or otherwise in one thing."""

import base64
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tracking_server import smoke as module
from tracking_server.settings import Settings
from tracking_server.smoke import SmokeError, smoke

PROGRAM = """
import json, os, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

port, folder, fault = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
(folder / "pid").write_text(str(os.getpid()))
if fault == "ends":
    sys.exit(3)


def stop(*_):
    (folder / "stopped").touch()
    if fault != "goes on":
        os._exit(0)


signal.signal(signal.SIGTERM, stop)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        host, path = self.headers["Host"], self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        asked = [self.command, self.path, host, self.headers["Authorization"], body]
        with (folder / "asked").open("a") as log:
            log.write(json.dumps(asked) + "\\n")
        status, answer = 200, {}
        if path.endswith("experiments/search"):
            answer = {"experiments": [] if fault == "empty" else [{"experiment_id": "0"}]}
        if not self.headers["Authorization"] and fault != "anybody":
            status = 401
        if host == "stranger.invalid" and fault != "any host":
            status = 403
        if path == fault or path == "/health" and fault == "never ready":
            status = 500
        content = b"<html>" if fault == "pages" else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET


HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""

Run = Callable[..., int]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    certificates = tmp_path / "ca.pem"
    certificates.touch()
    return Settings.read(
        {
            "DATABASE_SECRET_ARN": "arn:server",
            "SESSION_SECRET_ARN": "arn:session",
            "ADMINISTRATOR_SECRET_ARN": "arn:administrator",
            "ARTIFACTS_DESTINATION": "s3://bucket/mlflow",
            "ALLOWED_HOSTS": "mlflow.internal,*.vpce.test",
            "DATABASE_CA": str(certificates),
            "WORKERS": "4",
            "DATABASE_CONNECTIONS": "100",
        }
    )


@pytest.fixture
def run(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the smoke test on a server with a fault; afterwards none may be left."""
    (tmp_path / "server.py").write_text(PROGRAM)
    secret = json.dumps({"username": "admin", "password": "größer: 1"})

    class Client:
        def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803
            assert SecretId == "arn:administrator"
            return {"SecretString": secret}

    monkeypatch.setattr(module, "boto3", SimpleNamespace(client=lambda _: Client()))
    monkeypatch.setattr(module, "STOP_SECONDS", 1)

    def go(fault: str = "none", seconds: float = 10, **changes: Any) -> int:
        def prepare(given: Settings) -> tuple[list[str], dict[str, str]]:
            assert (given.host, given.workers, given.connections) == ("127.0.0.1", 1, 25)
            words = [sys.executable, str(tmp_path / "server.py"), str(given.port)]
            return [*words, str(tmp_path), fault], dict(os.environ)

        monkeypatch.setattr(module, "prepare", prepare)
        for name, value in changes.items():
            object.__setattr__(settings, name, value)
        try:
            return smoke(settings, seconds)
        finally:
            with pytest.raises(ProcessLookupError):
                os.kill(int((tmp_path / "pid").read_text()), 0)

    return go


def asked(folder: Path) -> list[list[str]]:
    """What the server was asked."""
    return [json.loads(line) for line in (folder / "asked").read_text().splitlines()]


def test_asks_by_every_name_as_the_administrator(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    calls = [call for call in asked(tmp_path) if call[1] != "/health" and call[3]]
    for host in ("mlflow.internal", "any.vpce.test"):
        words = [f"{method} {path}" for method, path, name, *_ in calls if name == host]
        assert words == [
            "POST /api/2.0/mlflow/experiments/search",
            "POST /api/2.0/mlflow/runs/search",
            "GET /api/2.0/mlflow/registered-models/search?max_results=1",
            "GET /api/2.0/mlflow/model-versions/search?max_results=1",
            "GET /api/2.0/mlflow-artifacts/artifacts?path=0",
        ]
    word = base64.b64encode("admin:größer: 1".encode()).decode()
    assert {authorization for *_, authorization, _ in calls} == {f"Basic {word}"}
    assert json.loads(calls[1][-1])["experiment_ids"] == ["0"]
    assert "answered as mlflow.internal, any.vpce.test" in capsys.readouterr().out


def test_writes_nothing(run: Run, tmp_path: Path) -> None:
    run()
    assert {call[0] for call in asked(tmp_path) if not call[1].endswith("/search")} == {"GET"}


def test_files_that_clients_fetch_themselves_are_not_asked_for(run: Run, tmp_path: Path) -> None:
    assert run(files="direct") == 0
    assert not any("artifacts" in path for _, path, *_ in asked(tmp_path))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("/api/2.0/mlflow/runs/search", "POST /api/2.0/mlflow/runs/search as mlflow.internal"),
        ("/api/2.0/mlflow/model-versions/search", "answered 500"),
        ("/api/2.0/mlflow-artifacts/artifacts", "answered 500"),
        ("pages", "answered 200: <html>"),
        ("empty", "not even the default"),
        ("anybody", "a call without a login answered 200, and not 401"),
        ("any host", "stranger.invalid answered 200, and not 403"),
        ("ends", "the server ended with 3"),
    ],
)
def test_says_what_was_answered_otherwise(fault: str, said: str, run: Run) -> None:
    with pytest.raises(SmokeError) as raised:
        run(fault)
    assert said in str(raised.value)


def test_ends_in_time(run: Run) -> None:
    started = time.monotonic()
    with pytest.raises(SmokeError, match="did not come up in time"):
        run("never ready", seconds=1)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("fault", ["none", "goes on"])
def test_the_server_is_told_to_stop_and_killed_where_it_does_not(
    fault: str, run: Run, tmp_path: Path
) -> None:
    assert run(fault) == 0
    assert (tmp_path / "stopped").is_file()
