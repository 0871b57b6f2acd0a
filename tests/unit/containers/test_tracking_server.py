"""The tracking server's own part: settings, the option file, how it is run."""

import asyncio
import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pymysql
import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError, EndpointConnectionError
from mlflow.exceptions import MlflowException
from mlflow.store.artifact import artifact_repo
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository
from starlette.routing import Mount, Route

from tests.conftest import ROOT
from tracking_server import server as server_module
from tracking_server import webhooks
from tracking_server.access import SESSION_KEY
from tracking_server.application import ShortWay, create_app, direct_paths
from tracking_server.artifacts import ProxiedS3ArtifactRepository
from tracking_server.database import (
    Database,
    DatabaseError,
    open_database,
    read_secret,
    write_options,
)
from tracking_server.loop import Loop
from tracking_server.server import OPTIONS, command
from tracking_server.server import environment as mlflow_environment
from tracking_server.settings import ADMINISTRATOR, MASTER, STORES, Settings, SettingsError

CONTAINER = ROOT / "containers" / "mlflow"
URI = "mysql+pymysql://mlflow@db/mlflow"

SECRET: dict[str, Any] = {
    "username": "mlflow",
    "password": "p'a\\ss=word",
    "host": "db.internal",
    "port": 3307,
    "dbname": "mlflow",
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    certificates = tmp_path / "ca.pem"
    certificates.touch()
    return {
        "DATABASE_SECRET_ARN": "arn:secret",
        "SESSION_SECRET_ARN": "arn:session",
        "ARTIFACTS_DESTINATION": "s3://bucket/mlflow",
        "ALLOWED_HOSTS": "mlflow.internal,127.0.0.1",
        "DATABASE_CA": str(certificates),
    }


class TestSettings:
    def test_defaults(self, environment: dict[str, str]) -> None:
        settings = Settings.read(environment)
        assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 5000, 2)
        assert settings.allowed_hosts == ("mlflow.internal", "127.0.0.1")
        assert (settings.files, settings.connections) == ("proxied", 120)
        assert settings.secret_seconds == 300

    @pytest.mark.parametrize("workers", [1, 2, 7])
    def test_connections_follow_the_workers(
        self, workers: int, environment: dict[str, str]
    ) -> None:
        settings = Settings.read({**environment, "WORKERS": str(workers)})
        assert settings.connections == 60 * workers
        assert (settings.pool, settings.threads) == (16, 12)

    @pytest.mark.parametrize(("workers", "connections"), [(2, 36), (2, 37), (3, 100), (1, 400)])
    def test_no_call_waits_for_a_connection_and_no_task_has_more_than_it_may(
        self, workers: int, connections: int, environment: dict[str, str]
    ) -> None:
        settings = Settings.read(
            {**environment, "WORKERS": str(workers), "DATABASE_CONNECTIONS": str(connections)}
        )
        given = mlflow_environment(settings, URI)
        pool = int(given["MLFLOW_SQLALCHEMYSTORE_POOL_SIZE"])
        overflow = int(given["MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW"])
        assert overflow > 0, "MLflow reads 0 as nothing said"
        threads = int(given["TRACKING_SERVER_THREADS"])
        # The fast store has one for each thread, beside the pools.
        assert workers * (STORES * (pool + overflow) + threads) <= connections
        # Whichever wait for a second one, one of them gets it.
        assert threads < pool
        assert threads >= 1

    @pytest.mark.parametrize(
        "missing",
        ["DATABASE_SECRET_ARN", "SESSION_SECRET_ARN", "ARTIFACTS_DESTINATION", "ALLOWED_HOSTS"],
    )
    def test_each_is_needed(self, missing: str, environment: dict[str, str]) -> None:
        del environment[missing]
        with pytest.raises(SettingsError, match=f"{missing} is not set"):
            Settings.read(environment)

    def test_the_server_needs_no_secret_of_one_off_tasks(self, environment: dict[str, str]) -> None:
        settings = Settings.read(environment)
        assert (settings.master_secret_arn, settings.administrator_secret_arn) == ("", "")

    @pytest.mark.parametrize("name", [MASTER, ADMINISTRATOR])
    def test_a_task_may_need_more(self, name: str, environment: dict[str, str]) -> None:
        with pytest.raises(SettingsError, match=f"{name} is not set"):
            Settings.read(environment, also=[name])
        settings = Settings.read({**environment, name: "arn:more"}, also=[name])
        assert "arn:more" in (settings.master_secret_arn, settings.administrator_secret_arn)

    def test_webhooks_have_a_key_and_hosts_or_neither(self, environment: dict[str, str]) -> None:
        settings = Settings.read(environment)
        assert (settings.webhook_key_secret_arn, settings.webhook_hosts) == ("", ())
        key, hosts = {"WEBHOOK_KEY_SECRET_ARN": "arn:key"}, {"WEBHOOK_HOSTS": ".a,.b"}
        settings = Settings.read({**environment, **key, **hosts})
        assert (settings.webhook_key_secret_arn, settings.webhook_hosts) == (
            "arn:key",
            (".a", ".b"),
        )
        for half in (key, hosts):
            with pytest.raises(SettingsError, match="set both"):
                Settings.read({**environment, **half})

    def test_all_faults_come_together(self) -> None:
        with pytest.raises(SettingsError) as raised:
            Settings.read(
                {
                    "WORKERS": "none",
                    "PORT": "0",
                    "DATABASE_CA": "/nowhere",
                    "DATABASE_CONNECTIONS": "23",
                    "ARTIFACTS": "both",
                }
            )
        text = str(raised.value)
        for part in (
            "DATABASE_SECRET_ARN",
            "WORKERS is 'none'",
            "PORT is '0'",
            "/nowhere",
            "DATABASE_CONNECTIONS is '23', which is no number of 36 or more",
            "ARTIFACTS is 'both'",
        ):
            assert part in text


class TestOptionFile:
    def test_only_this_user_can_read_it(self, tmp_path: Path) -> None:
        options = open_database(SECRET, tmp_path / "ca.pem").options
        assert options.stat().st_mode & 0o777 == 0o600

    def test_the_address_holds_no_user_and_no_password(self, tmp_path: Path) -> None:
        database = open_database({**SECRET, "username": "somebody"}, tmp_path / "ca.pem")
        assert SECRET["password"] not in database.uri
        assert "somebody" not in database.uri
        assert database.uri.startswith("mysql+pymysql://db.internal:3307/mlflow?charset=utf8mb4&")

    @pytest.mark.parametrize("password", ["x#1", "-=.,^_", "p'a\\ss=w%rd", 'a"b', "[client]"])
    def test_pymysql_reads_the_login_from_it(
        self, password: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pymysql.connections.Connection, "connect", lambda self: None)
        monkeypatch.setattr(
            pymysql.connections.Connection, "_create_ssl_ctx", lambda self, ssl: ssl
        )
        secret = {**SECRET, "password": password}
        database = open_database(secret, tmp_path / "ca.pem")
        connection = database.connect()
        assert connection.user == "mlflow"
        assert connection.password == password.encode("latin1")
        assert vars(connection)["ctx"] == {"ca": str(tmp_path / "ca.pem")}

    def test_a_secret_that_lacks_a_part_is_named_without_its_values(self) -> None:
        with pytest.raises(DatabaseError) as raised:
            open_database({"username": "u", "password": "hidden"}, Path("ca"))
        assert "lacks host, port, dbname" in str(raised.value)
        assert "hidden" not in str(raised.value)

    def test_is_written_whole_and_only_where_it_changes(self, tmp_path: Path) -> None:
        options, ca = tmp_path / "client.cnf", tmp_path / "ca.pem"
        assert write_options(options, SECRET, ca)
        before = options.stat()
        assert not write_options(options, SECRET, ca)
        assert options.stat() == before
        with options.open() as reading:
            assert write_options(options, {**SECRET, "username": "mlflow_clone"}, ca)
            assert 'user = "mlflow"' in reading.read(), "who reads it goes on reading the old one"
        assert 'user = "mlflow_clone"' in options.read_text()
        assert options.stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.iterdir()) == [options]

    @pytest.mark.parametrize("part", ["username", "password"])
    def test_what_it_cannot_say_is_refused_unsaid(self, part: str, tmp_path: Path) -> None:
        with pytest.raises(DatabaseError, match=f"the {part.removesuffix('name')}") as raised:
            write_options(tmp_path / "o", {**SECRET, part: 'a"\nhost = "evil'}, tmp_path / "ca")
        assert "evil" not in str(raised.value)
        assert not list(tmp_path.iterdir())

    def test_reads_the_secret_it_is_told_to(self) -> None:
        class Client:
            def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803
                assert SecretId == "arn:secret"
                return {"SecretString": json.dumps(SECRET)}

        assert read_secret(Client(), "arn:secret") == SECRET


class TestCommand:
    def test_its_environment_is_mlflows_own_with_no_secret(
        self, environment: dict[str, str]
    ) -> None:
        given = mlflow_environment(Settings.read(environment), URI)
        assert given["_MLFLOW_SERVER_FILE_STORE"] == URI
        hosts = given["MLFLOW_SERVER_ALLOWED_HOSTS"]
        assert hosts == "mlflow.internal,mlflow.internal:*,127.0.0.1,127.0.0.1:*"
        assert given["_MLFLOW_SERVER_SERVE_ARTIFACTS"] == "true"

    def test_files_go_to_s3_directly_where_that_is_chosen(
        self, environment: dict[str, str]
    ) -> None:
        given = mlflow_environment(Settings.read({**environment, "ARTIFACTS": "direct"}), URI)
        assert given["_MLFLOW_SERVER_ARTIFACT_ROOT"] == "s3://bucket/mlflow"
        assert "_MLFLOW_SERVER_SERVE_ARTIFACTS" not in given

    def test_nothing_is_told_to_anybody(self, environment: dict[str, str]) -> None:
        given = mlflow_environment(Settings.read(environment), URI)
        assert given["MLFLOW_DISABLE_TELEMETRY"] == "true"
        assert given["DO_NOT_TRACK"] == "true"
        assert given["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"

    def test_a_connection_is_opened_anew_long_before_a_login_is_rotated_twice(
        self, environment: dict[str, str]
    ) -> None:
        given = mlflow_environment(Settings.read(environment), URI)
        assert 0 < int(given["MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE"]) <= 3600

    def test_what_it_names_is_there(self, environment: dict[str, str]) -> None:
        words = command(Settings.read(environment))
        for named, wanted in ((OPTIONS["loop"], Loop), (words[-1], create_app)):
            module, name = named.split(":")
            assert getattr(importlib.import_module(module), name) is wanted

    def test_the_load_balancer_never_forgets_a_connection_first(self) -> None:
        assert int(OPTIONS["timeout-keep-alive"]) < 350


class TestServe:
    @pytest.fixture
    def became(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
        """What the process became."""
        found: list[tuple[list[str], dict[str, str]]] = []
        monkeypatch.setattr(server_module, "read_secret", lambda client, arn: SECRET)
        manager = SimpleNamespace(get_secret_value=lambda **_: {"SecretString": "session key"})
        monkeypatch.setattr(server_module, "boto3", SimpleNamespace(client=lambda name: manager))
        monkeypatch.setattr(
            os, "execvpe", lambda program, words, given: found.append((words, given))
        )
        return found

    def test_becomes_mlflows_server(
        self,
        environment: dict[str, str],
        became: list[tuple[list[str], dict[str, str]]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        looked: list[Database] = []
        monkeypatch.setattr(server_module, "require_current", looked.append)
        server_module.serve(Settings.read(environment))
        ((words, given),) = became
        assert words == command(Settings.read(environment))
        assert given["_MLFLOW_SERVER_FILE_STORE"] == looked[0].uri
        assert given.items() >= {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}.items()
        assert SECRET["password"] not in str(became)
        assert "session key" not in str(became)
        assert Path(given[SESSION_KEY]).read_text() == "session key"

    def test_the_key_of_webhooks_is_in_a_file_that_only_this_user_reads(
        self,
        environment: dict[str, str],
        became: list[tuple[list[str], dict[str, str]]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(server_module, "require_current", lambda _: None)
        more = {"WEBHOOK_KEY_SECRET_ARN": "arn:key", "WEBHOOK_HOSTS": ".execute-api"}
        server_module.serve(Settings.read({**environment, **more, "MLFLOW_HOST": "10.0.0.7"}))
        ((_, given),) = became
        assert given[webhooks.HOSTS] == ".execute-api"
        file = Path(given[webhooks.KEY])
        assert file.read_text() == "session key"
        assert file.stat().st_mode & 0o777 == 0o600

    def test_does_not_where_a_schema_is_another(
        self,
        environment: dict[str, str],
        became: list[tuple[list[str], dict[str, str]]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def refuse(database: Database) -> None:
            raise DatabaseError("older")

        monkeypatch.setattr(server_module, "require_current", refuse)
        with pytest.raises(DatabaseError, match="older"):
            server_module.serve(Settings.read(environment))
        assert became == []


def flask(environment: dict[str, Any], start: Callable[..., object]) -> list[bytes]:
    """A WSGI application that says what it was asked."""
    asked = {name: value for name, value in environment.items() if not name.startswith("wsgi.")}
    asked["body"] = environment["wsgi.input"].read().decode()
    asked["thread"] = threading.current_thread().name
    SEEN.set(SEEN.get() + 1)
    asked["seen"] = SEEN.get()
    start("201 CREATED", [("Content-Type", "application/json"), ("X-Who", "flask")])
    return [json.dumps(asked).encode()]


SEEN = ContextVar("SEEN", default=0)


async def fastapi(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that says who it is."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fastapi"})


def ask(
    path: str,
    messages: list[dict[str, Any]] | None = None,
    application: ShortWay | None = None,
    **scope: Any,
) -> list[dict[str, Any]]:
    """What the application sends for a request."""
    sent: list[dict[str, Any]] = []
    left = messages or [{"type": "http.request", "body": b""}]

    async def receive() -> Any:
        return left.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    whole = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
        "headers": [],
        **scope,
    }
    application = application or ShortWay(fastapi, flask, frozenset({"/api/x"}), 2)
    asyncio.run(application(whole, receive, send))
    return sent


class TestShortWay:
    def test_flask_gets_what_was_sent(self) -> None:
        start, body = ask(
            "/api/x",
            [
                {"type": "http.request", "body": b"one ", "more_body": True},
                {"type": "http.request", "body": b"two"},
            ],
            query_string=b"a=%2Fb",
            headers=[(b"host", b"mlflow:5000"), (b"x-a", b"1"), (b"x-a", b"2")],
            client=("10.0.0.9", 1234),
            server=("10.0.0.1", 5000),
        )
        assert start["status"] == 201
        assert start["headers"] == [(b"content-type", b"application/json"), (b"x-who", b"flask")]
        asked = json.loads(body["body"])
        assert asked["body"] == "one two"
        assert asked["CONTENT_LENGTH"] == "7"
        assert asked["QUERY_STRING"] == "a=%2Fb"
        assert asked["HTTP_HOST"] == "mlflow:5000"
        assert asked["HTTP_X_A"] == "1,2"
        assert asked["REMOTE_ADDR"] == "10.0.0.9"
        assert asked["thread"].startswith("call")

    @pytest.mark.parametrize("path", ["/", "/api/x/", "/api/y", "/health", "/api/%78"])
    def test_what_is_not_named_goes_the_long_way(self, path: str) -> None:
        assert ask(path)[1]["body"] == b"fastapi"

    def test_other_than_http_goes_the_long_way(self) -> None:
        assert ask("/api/x", type="websocket")[1]["body"] == b"fastapi"

    def test_a_client_that_leaves_early_is_not_answered(self) -> None:
        messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": b"half", "more_body": True},
            {"type": "http.disconnect"},
        ]
        assert ask("/api/x", messages) == []

    def test_nothing_of_one_call_is_left_for_the_next(self) -> None:
        application = ShortWay(fastapi, flask, frozenset({"/api/x"}), 1)
        answers = [ask("/api/x", application=application)[1]["body"] for _ in range(3)]
        assert [json.loads(answer)["seen"] for answer in answers] == [1, 1, 1]

    def test_only_paths_that_flask_alone_takes_go_the_short_way(self) -> None:
        rules = [
            ("/api/2.0/mlflow/runs/create", set()),
            ("/api/3.0/native", set()),
            ("/api/2.0/mlflow/traces/<id>", {"id"}),
            ("/get-artifact", set()),
        ]
        table = SimpleNamespace(
            iter_rules=lambda: [SimpleNamespace(rule=r, arguments=a) for r, a in rules]
        )
        routes = [
            Route("/api/3.0/native", lambda request: None, methods=["POST"]),
            Mount("/", fastapi),
        ]
        found = direct_paths(SimpleNamespace(routes=routes), SimpleNamespace(url_map=table))
        assert found == {"/api/2.0/mlflow/runs/create"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """uvicorn with the options of the image, two processes, and calls that take a second."""
    (tmp_path / "slow.py").write_text(
        "import os, time\n"
        "from tracking_server.application import ShortWay\n"
        "def flask(environment, start):\n"
        "    time.sleep(float(environment['QUERY_STRING'] or 0))\n"
        "    start('200 OK', [('Content-Length', str(len(str(os.getpid()))))])\n"
        "    return [str(os.getpid()).encode()]\n"
        "app = ShortWay(None, flask, frozenset({'/x'}), 8)\n"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [word for name, value in OPTIONS.items() for word in (f"--{name}", value)]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", *options, "--lifespan", "off"),
            *("--port", str(port), "--workers", "2", "slow:app"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{CONTAINER}{os.pathsep}{tmp_path}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 30
        while len({call(port) for _ in range(8)} - {b""}) < 2:
            assert time.monotonic() < deadline, "never were there two processes that answer"
            time.sleep(0.1)
        yield process, port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def call(port: int, seconds: float = 0) -> bytes:
    """Which process answered; nothing where none did."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/x?{seconds}", timeout=20) as answer:
            content: bytes = answer.read()
            return content
    except OSError:
        return b""


class TestProcesses:
    def test_share_clients_that_come_together(
        self, server: tuple[subprocess.Popen[bytes], int]
    ) -> None:
        _, port = server
        clients = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(32)]
        said = []
        for client in clients:
            with client:
                client.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                said.append(client.makefile("rb").read().rpartition(b"\n")[2])
        assert min(Counter(said).values()) >= 8
        assert len(set(said)) == 2

    def test_finish_what_they_are_at_when_told_to_stop(
        self, server: tuple[subprocess.Popen[bytes], int]
    ) -> None:
        process, port = server
        with ThreadPoolExecutor(4) as pool:
            under_way = [pool.submit(call, port, 2) for _ in range(4)]
            time.sleep(0.7)
            process.send_signal(signal.SIGTERM)
            assert all(future.result() for future in under_way)
        assert process.wait(10) is not None
        assert call(port) == b""


class TestFiles:
    def test_no_link_can_be_made(self) -> None:
        """MLflow's server offers links, and clients take them, where its store is one of these."""
        repository = ProxiedS3ArtifactRepository("s3://bucket/mlflow")
        for kind in (
            artifact_repo.MultipartUploadMixin,
            artifact_repo.MultipartDownloadMixin,
            artifact_repo.PresignedUploadMixin,
        ):
            assert isinstance(repository._s3, kind), "MLflow's own no longer makes links either"
            assert not isinstance(repository, kind)

    def test_takes_the_place_of_mlflows_own(self) -> None:
        project = tomllib.loads((CONTAINER / "pyproject.toml").read_text())["project"]
        module, name = project["entry-points"]["mlflow.artifact_repository"]["s3"].split(":")
        assert getattr(importlib.import_module(module), name) is ProxiedS3ArtifactRepository

    def test_whatever_mlflows_own_does_otherwise_than_every_store_is_passed_on(self) -> None:
        """But for links, which it has from its other parents."""
        links = {
            name
            for parent in S3ArtifactRepository.__mro__[1:]
            if parent.__name__.endswith("Mixin")
            for name in vars(parent)
        }
        own = {
            name
            for name, value in vars(S3ArtifactRepository).items()
            if hasattr(ArtifactRepository, name) and callable(value)
        }
        assert own - links - {"__init__"} <= set(vars(ProxiedS3ArtifactRepository))

    @pytest.mark.parametrize(
        ("method", "arguments"),
        [
            ("log_artifact", ("file", "path")),
            ("log_artifacts", ("folder", "path")),
            ("list_artifacts", ("path",)),
            ("delete_artifacts", ("path",)),
            ("upload_archived_trace_data_bytes", (b"spans",)),
            ("_download_file", ("remote", "local")),
        ],
    )
    def test_passes_on(self, method: str, arguments: tuple[Any, ...]) -> None:
        said: list[tuple[Any, ...]] = []
        repository = ProxiedS3ArtifactRepository("s3://bucket/mlflow")
        repository._s3 = SimpleNamespace(**{method: lambda *given: said.append(given)})
        getattr(repository, method)(*arguments)
        assert said == [arguments]

    @pytest.mark.parametrize(
        ("status", "answered"), [(500, 503), (503, 503), (404, 404), (403, None)]
    )
    @pytest.mark.parametrize("method", ["log_artifact", "_download_file"])
    def test_what_s3_answers_is_said_as_mlflow_says_it(
        self, method: str, status: int, answered: int | None
    ) -> None:
        """But for what neither passes nor is a missing file: that is the platform's fault."""
        metadata = {"HTTPStatusCode": status}
        answer = ClientError({"Error": {}, "ResponseMetadata": metadata}, "Do")

        def fail(*_: str) -> None:
            if method == "_download_file":
                raise answer
            try:
                raise answer
            except ClientError as error:
                # As boto3 raises it: without a cause.
                raise S3UploadFailedError(f"Failed to upload: {error}")  # noqa: B904

        repository = ProxiedS3ArtifactRepository("s3://bucket/mlflow")
        repository._s3 = SimpleNamespace(**{method: fail})
        expected = MlflowException if answered else (ClientError, S3UploadFailedError)
        with pytest.raises(expected) as raised:
            getattr(repository, method)("file", "path")
        if answered:
            assert raised.value.get_http_status_code() == answered

    def test_an_s3_that_cannot_be_reached_is_away(self) -> None:
        def fail(*_: str) -> None:
            raise EndpointConnectionError(endpoint_url="https://s3")

        repository = ProxiedS3ArtifactRepository("s3://bucket/mlflow")
        repository._s3 = SimpleNamespace(list_artifacts=fail)
        with pytest.raises(MlflowException, match="S3 cannot be reached") as raised:
            repository.list_artifacts("path")
        assert raised.value.get_http_status_code() == 503
