"""The server is started as `mlflow server` would start it, and its processes can be forked."""

import subprocess
import sys
from typing import Any

import mlflow.server
import pytest
from click.testing import CliRunner
from mlflow import cli
from mlflow.server import handlers
from mlflow.tracing import trace_rollup_service
from uvicorn import _subprocess
from uvicorn.main import main as uvicorn

from tracking_server.server import OPTIONS, command, environment
from tracking_server.settings import DIRECT, PROXIED, Settings
from tracking_server.workers import fork_from

URI = "mysql+pymysql://db/mlflow?read_default_file=/tmp/a.cnf"
BUCKET = "s3://bucket/mlflow"
FLAGS = {
    PROXIED: ["--artifacts-destination", BUCKET, "--serve-artifacts"],
    DIRECT: ["--default-artifact-root", BUCKET, "--no-serve-artifacts"],
}

UNSAID = {
    "_MLFLOW_SERVER_BOOT_ID",
    "MLFLOW_SERVER_SECRETS_CACHE_TTL",
    "MLFLOW_SERVER_SECRETS_CACHE_MAX_SIZE",
}


class Stopped(Exception):  # noqa: N818
    """In the place of what MLflow would start."""


def settings(files: str) -> Settings:
    given = {
        "DATABASE_SECRET_ARN": "a",
        "SESSION_SECRET_ARN": "b",
        "ARTIFACTS_DESTINATION": BUCKET,
        "ARTIFACTS": files,
        "ALLOWED_HOSTS": "mlflow.internal,other.internal",
        "DATABASE_CA": __file__,
    }
    return Settings.read(given)


@pytest.mark.parametrize("files", [PROXIED, DIRECT])
def test_mlflow_would_start_the_same(files: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    def start(words: list[str], *, extra_env: dict[str, str], **_: Any) -> None:
        started.extend((words, extra_env))
        raise Stopped

    wanted = environment(settings(files), URI)
    for name in wanted:
        monkeypatch.delenv(name, raising=False)
    for name in ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"):
        monkeypatch.setenv(name, wanted[name])
    monkeypatch.setattr(mlflow.server, "_exec_cmd", start)
    # What MLflow asks the database by then: `require_current` asks for the revisions, and rollups
    # of traces need the jobs that are off.
    monkeypatch.setattr(handlers, "initialize_backend_stores", lambda *_, **__: None)
    monkeypatch.setattr(trace_rollup_service, "validate_sql_trace_rollup_startup", lambda _: None)
    own = [word for name, value in OPTIONS.items() for word in (f"--{name}", value)]
    own += ["--no-proxy-headers", "--no-server-header"]
    result = CliRunner().invoke(
        cli.cli,
        [
            *("server", "--host", "127.0.0.1", "--port", "5000", "--workers", "2"),
            *("--backend-store-uri", URI, *FLAGS[files]),
            *("--allowed-hosts", wanted["MLFLOW_SERVER_ALLOWED_HOSTS"]),
            *("--uvicorn-opts", " ".join(own)),
        ],
    )
    assert isinstance(result.exception, Stopped), result.output
    words, extra = started
    monkeypatch.setattr("os.environ", {})
    # Another one each time, or what MLflow's own defaults are.
    for name in UNSAID:
        extra.pop(name)
    if files == DIRECT:
        # MLflow's default, from which nothing is served then.
        assert extra.pop("_MLFLOW_SERVER_ARTIFACT_DESTINATION") == "./mlartifacts"
    assert extra.items() <= wanted.items()
    assert {name for name in wanted if name.startswith("_MLFLOW")} - UNSAID == extra.keys()
    ours = command(settings(files))
    assert _options(ours[3:]) == _options(words[3:])


def _options(words: list[str]) -> dict[str, Any]:
    """What uvicorn takes of a command line, without what is other for good reasons."""
    found = uvicorn.make_context("uvicorn", list(words)).params
    for name in ("app", "factory", "log_config"):
        del found[name]
    return found


def test_what_is_shared_starts_no_thread_and_opens_nothing() -> None:
    script = (
        "import os\n"
        "from tracking_server.workers import share\n"
        "before = set(os.listdir('/proc/self/fd'))\n"
        "share()\n"
        "print(sorted(os.readlink(f'/proc/self/fd/{n}') for n in"
        " set(os.listdir('/proc/self/fd')) - before if os.path.exists(f'/proc/self/fd/{n}')))\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"


def test_uvicorn_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_subprocess, "spawn", _subprocess.spawn)
    fork_from(_subprocess)
    assert _subprocess.spawn.get_start_method() == "fork"
