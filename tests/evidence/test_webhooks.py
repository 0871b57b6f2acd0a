"""Two tasks on a database of MySQL's protocol: who set an alias, and that each tells of it."""

import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from local.database import ServerProgram
from promoter.messages import SIGNATURE, read_delivery
from promoter.signing import sign
from tests.evidence.database import LOGIN, RunningDatabase, create_database
from tests.evidence.programs import prepare
from tests.evidence.service import Service, running
from tests.evidence.storage import Storage
from tests.evidence.writers import API, authorization

KEY, SECRET = "the webhooks'", "what-mlflow-signs-with"
ANA = {"username": "ana", "password": "the-password-of-ana"}
EVENTS = [{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}]
MOVES = 12


@pytest.fixture(scope="module")
def database(
    program: ServerProgram, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningDatabase]:
    folder = tmp_path_factory.mktemp("webhooks")
    database = create_database(program, folder / "database")
    database.held |= {KEY: {"key": "of all tasks"}, "ana's": ANA}
    users = {"ana": {"secret": "ana's", "administrator": False}}
    grants = [{"kind": "registered_model", "name": "*", "permission": "EDIT"}]
    teams = {"team": {"members": ["ana"], "create": True, "grants": grants}}
    declared = {"ACCESS": json.dumps({"users": users, "teams": teams})}
    try:
        for word in ("migrate", "grant"):
            status, said = prepare(word, database, "s3://none/", folder, declared)
            assert status == 0, said
        yield database
    finally:
        database.stop()


@pytest.fixture(scope="module")
def service(
    database: RunningDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    storage = Storage(tmp_path_factory.mktemp("storage"))
    variables = {"WEBHOOK_KEY_SECRET_ARN": KEY, "WEBHOOK_HOSTS": ".execute-api.aws.internal"}
    try:
        folder = tmp_path_factory.mktemp("service")
        with running(database, storage, folder, **variables) as service:
            yield service
    finally:
        storage.stop()


class Receiver:
    """What is told, and whether MLflow signed it."""

    def __init__(self) -> None:
        self.told: list[tuple[int, bool]] = []
        handler = self._handler()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/promotions"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                delivery = read_delivery({"headers": dict(self.headers), "body": body})
                signed = sign(SECRET, delivery.signed) == self.headers[SIGNATURE]
                told.append((int(json.loads(body)["data"]["version"]), signed))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


def ask(port: int, method: str, path: str, body: Any, login: dict[str, str]) -> tuple[int, Any]:
    headers = {**authorization(login), "Content-Type": "application/json"}
    url, data = f"http://127.0.0.1:{port}{API}/{path}", json.dumps(body).encode()
    request = urllib.request.Request(url, data if method != "GET" else None, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def new_version(port: int) -> int:
    run = ask(port, "POST", "runs/create", {"experiment_id": "0"}, LOGIN)[1]["run"]["info"]
    ask(port, "POST", "registered-models/create", {"name": "iris"}, ANA)
    body = {"name": "iris", "source": f"{run['artifact_uri']}/m", "run_id": run["run_id"]}
    status, said = ask(port, "POST", "model-versions/create", body, LOGIN)
    assert status == 200, said
    return int(said["model_version"]["version"])


def set_alias(port: int, version: int, login: dict[str, str] = ANA) -> int:
    body = {"name": "iris", "alias": "champion", "version": str(version)}
    return ask(port, "POST", "registered-models/alias", body, login)[0]


def tags(port: int, version: int) -> dict[str, str]:
    path = f"registered-models/alias?name=iris&alias=champion&version={version}"
    found = ask(port, "GET", path, None, ANA)[1]["model_version"]
    assert int(found["version"]) == version
    return {tag["key"]: tag["value"] for tag in found.get("tags", ())}


def test_who_set_an_alias_is_said_by_nobody_else(
    service: Service, say: Callable[[str], None]
) -> None:
    version = new_version(service.port)
    assert set_alias(service.port, version) == 200
    assert tags(service.port, version) == {"promoted.champion.by": "ana"}
    refused = 0
    for key in ("promoted.champion.by", "PROMOTED.champion.by", "Promóted.champion.bý"):
        body = {"name": "iris", "version": str(version), "key": key, "value": "eve"}
        refused += ask(service.port, "POST", "model-versions/set-tag", body, LOGIN)[0] == 400
    assert tags(service.port, version) == {"promoted.champion.by": "ana"}
    assert set_alias(service.port, version, LOGIN) == 200
    assert tags(service.port, version) == {"promoted.champion.by": LOGIN["username"]}
    say(f"who set an alias: as MLflow knew it, and {refused} of 3 other spellings refused")
    assert refused == 3


def test_each_task_tells_and_signs(
    service: Service,
    database: RunningDatabase,
    receiver: Receiver,
    say: Callable[[str], None],
) -> None:
    body = {"name": "release", "url": receiver.url, "events": EVENTS, "secret": SECRET}
    status, said = ask(service.port, "POST", "webhooks", body, LOGIN)
    assert status == 200, said
    body["url"] = "https://example.com/"
    assert ask(service.port, "POST", "webhooks", body, LOGIN)[0] == 400
    ((stored,),) = database.ask("SELECT secret FROM webhooks")
    assert SECRET not in stored
    # Each process knows for 10 s which webhooks there are.
    time.sleep(11)
    service.kill(service.tasks[0])
    service.wait()
    versions = [new_version(service.port) for _ in range(MOVES)]
    ports = [task.port for task in service.tasks if task.port]
    for number, version in enumerate(versions):
        assert set_alias(ports[number % len(ports)], version) == 200
    deadline = time.monotonic() + 60
    while len(receiver.told) < MOVES and time.monotonic() < deadline:
        time.sleep(0.1)
    counted = Counter(signed for _, signed in receiver.told)
    say(f"{MOVES} aliases set at two tasks, one of them new: told {dict(counted)} as signed")
    assert sorted(receiver.told) == [(version, True) for version in versions]


def test_no_process_has_the_key_in_its_environment(service: Service) -> None:
    seen = 0
    for task in service.tasks:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.getsid(int(folder.name)) != os.getsid(task.pid):
                    continue
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            seen += b"WEBHOOK_HOSTS" in environment
            assert b"of all tasks" not in environment
    assert seen >= 2
