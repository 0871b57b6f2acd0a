"""An alias is set in a real MLflow: who did it is noted, and the promoter hears of it."""

import asyncio
import base64
import configparser
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy
import uvicorn
from mlflow.tracking import MlflowClient

from operations.errors import OperationError
from operations.login import logged_in
from operations.webhook import register_webhook
from promoter.hearing import Hearing
from promoter.looking import Promoter
from promoter.messages import BODY_BYTES
from promoter.registry import Registry
from promoter.secrets import Secret
from promoter.store import Store
from tests.unit.lambda_functions.promoting import (
    BUCKET,
    FOLLOWED,
    LOGIN,
    SECRET,
    WEBHOOK,
    FakeManager,
    FakeS3,
)
from tracking_server import promotions, webhooks
from tracking_server.promotions import PromotionsError, is_promoter, note_promoters, sender
from tracking_server.webhooks import WebhooksError, bind_webhooks, encrypt_with

ADMINISTRATOR, ANA, RELEASE = "administrator", "ana", "release"
API = "/api/2.0/mlflow"
MOVED = {"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}


def login(user: str) -> dict[str, str]:
    pair = base64.b64encode(f"{user}:password-of-{user}".encode()).decode()
    return {"Authorization": f"Basic {pair}", "Content-Type": "application/json"}


@dataclass
class Server:
    """A MLflow that is asked over HTTP."""

    url: str

    def ask(self, method: str, path: str, body: Any = None, user: str = ANA) -> tuple[int, Any]:
        """Status and words of an answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, login(user), method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
                return error.code, json.loads(text) if text.startswith(b"{") else text

    def set_alias(
        self, version: int, alias: str = "champion", user: str = ANA, api: str = API
    ) -> tuple[int, Any]:
        body = {"name": "iris", "alias": alias, "version": str(version)}
        return self.ask("POST", f"{api}/registered-models/alias", body, user)

    def tags(self, version: int) -> dict[str, str]:
        path = f"{API}/model-versions/get?name=iris&version={version}"
        found = self.ask("GET", path)[1]["model_version"]
        return {tag["key"]: tag["value"] for tag in found.get("tags", ())}

    def new_version(self, **more: Any) -> int:
        _, made = self.ask("POST", f"{API}/runs/create", {"experiment_id": "0"}, ADMINISTRATOR)
        run = made["run"]["info"]
        body = {"name": "iris", "source": f"{run['artifact_uri']}/m", "run_id": run["run_id"]}
        body.update(more)
        status, said = self.ask("POST", f"{API}/model-versions/create", body, ADMINISTRATOR)
        assert status == 200, said
        return int(said["model_version"]["version"])


@dataclass
class Receiver:
    """The promoter behind an API like API Gateway's, which may refuse."""

    port: int = 0
    hearing: Hearing | None = None
    refusing: int = 0
    redirect: str = ""
    statuses: list[int] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    def answer(self, headers: dict[str, str], body: str) -> tuple[int, str]:
        if self.refusing:
            self.refusing -= 1
            status, text = 503, "{}"
        else:
            assert self.hearing
            event = {"httpMethod": "POST", "headers": headers, "body": body}
            answered = self.hearing.hear(event)
            status, text = answered["statusCode"], answered["body"]
        self.statuses.append(status)
        self.bodies.append(body)
        return status, text

    def wait_for(self, number: int) -> list[int]:
        until = time.monotonic() + 30
        while len(self.statuses) < number and time.monotonic() < until:
            time.sleep(0.02)
        return self.statuses


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if made.redirect:
                self.send_response(307)
                self.send_header("Location", made.redirect)
                self.send_header("Content-Length", "0")
                self.end_headers()
                made.statuses.append(307)
                return
            status, text = made.answer(dict(self.headers), body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """MLflow with its access control, on SQLite, and with what is ours of the two modules."""
    folder = tmp_path_factory.mktemp("mlflow")
    config = configparser.ConfigParser()
    config["mlflow"] = {
        "default_permission": "NO_PERMISSIONS",
        "auth_cache_ttl_seconds": "60",
        "database_uri": f"sqlite:///{folder / 'access.db'}",
        "grant_default_workspace_access": "false",
    }
    with (folder / "access.ini").open("w") as text:
        config.write(text)
    uri = f"sqlite:///{folder / 'runs.db'}"
    os.environ.update(
        MLFLOW_AUTH_CONFIG_PATH=str(folder / "access.ini"),
        MLFLOW_FLASK_SERVER_SECRET_KEY="session",
        MLFLOW_AUTH_ADMIN_PASSWORD=f"password-of-{ADMINISTRATOR}",
        MLFLOW_AUTH_ADMIN_USERNAME=ADMINISTRATOR,
        _MLFLOW_AUTH_ADMIN_BOOTSTRAPPED="true",
        _MLFLOW_SGI_NAME="uvicorn",
        _MLFLOW_SERVER_FILE_STORE=uri,
        _MLFLOW_SERVER_REGISTRY_STORE=uri,
        _MLFLOW_SERVER_ARTIFACT_ROOT="mlflow-artifacts:/",
        **webhooks.ENVIRONMENT,
    )
    from mlflow.server import app, auth
    from mlflow.store.model_registry import sqlalchemy_store
    from mlflow.store.model_registry.dbmodels import models
    from mlflow.webhooks import delivery

    note_promoters(sqlalchemy_store, lambda: sender(auth))
    bind_webhooks(delivery, sqlalchemy_store, models, hosts=["127.0.0.1"], key="of all tasks")
    fastapi = auth.create_app(app)
    for user in (ADMINISTRATOR, ANA, "ben", RELEASE):
        auth.store.create_user(user, f"password-of-{user}", is_admin=user == ADMINISTRATOR)
    server = uvicorn.Server(uvicorn.Config(fastapi, port=0, log_level="warning"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    made = Server(f"http://127.0.0.1:{port}")
    made.ask("POST", f"{API}/registered-models/create", {"name": "iris"}, ADMINISTRATOR)
    editors = auth.store.create_role("editors", "default")
    auth.store.add_role_permission(editors.id, "registered_model", "*", "EDIT")
    readers = auth.store.create_role("readers", "default")
    auth.store.add_role_permission(readers.id, "registered_model", "*", "READ")
    auth.store.assign_role_to_user(auth.store.get_user(RELEASE).id, readers.id)
    for user in (ANA, "ben"):
        auth.store.assign_role_to_user(auth.store.get_user(user).id, editors.id)
    yield made
    server.should_exit = True
    thread.join(10)


class TestWhoPromoted:
    @pytest.mark.parametrize("api", [API, "/ajax-api/2.0/mlflow"])
    @pytest.mark.parametrize("user", [ANA, "ben"])
    def test_is_a_tag_of_the_version(self, user: str, api: str, mlflow: Server) -> None:
        version = mlflow.new_version()
        assert mlflow.set_alias(version, user=user, api=api)[0] == 200
        assert mlflow.tags(version) == {"promoted.champion.by": user}

    def test_is_who_did_it_last(self, mlflow: Server) -> None:
        version = mlflow.new_version()
        for user in (ANA, "ben", ANA):
            mlflow.set_alias(version, user=user)
            assert mlflow.tags(version)["promoted.champion.by"] == user
        mlflow.set_alias(version, "live", "ben")
        assert mlflow.tags(version) == {"promoted.champion.by": ANA, "promoted.live.by": "ben"}

    def test_is_nobody_where_it_failed(self, mlflow: Server) -> None:
        version = mlflow.new_version()
        assert mlflow.set_alias(version, user=RELEASE)[0] == 403
        assert mlflow.set_alias(version, "latest")[0] == 400
        assert mlflow.set_alias(version, "not this")[0] == 400
        assert mlflow.set_alias(version, "a" * 201)[0] == 400
        assert mlflow.set_alias(99_999)[0] == 404
        assert mlflow.tags(version) == {}
        assert mlflow.set_alias(version, "a" * 200)[0] == 200

    @pytest.mark.parametrize("key", ["promoted.champion.by", "Promoted.live.BY", "promóted.x.by"])
    def test_is_written_by_nobody_else(self, key: str, mlflow: Server) -> None:
        version = mlflow.new_version()
        mlflow.set_alias(version)
        before = mlflow.tags(version)
        named = {"name": "iris", "version": str(version), "key": key}
        for method, path, body in (
            ("POST", "set-tag", {**named, "value": "eve"}),
            ("DELETE", "delete-tag", named),
        ):
            status, said = mlflow.ask(method, f"{API}/model-versions/{path}", body, ADMINISTRATOR)
            assert (status, said["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert mlflow.tags(version) == before

    def test_why_is_for_the_user_to_say(self, mlflow: Server) -> None:
        version = mlflow.new_version()
        body = {"name": "iris", "version": str(version), "key": "promoted.champion.reason"}
        assert (
            mlflow.ask("POST", f"{API}/model-versions/set-tag", {**body, "value": "AUC"})[0] == 200
        )
        mlflow.set_alias(version)
        assert mlflow.tags(version) == {
            "promoted.champion.reason": "AUC",
            "promoted.champion.by": ANA,
        }

    def test_does_not_come_along_with_a_copy(self, mlflow: Server) -> None:
        tags = [{"key": "promoted.champion.by", "value": "eve"}, {"key": "kept", "value": "1"}]
        assert mlflow.tags(mlflow.new_version(tags=tags)) == {"kept": "1"}

    @pytest.mark.parametrize(
        ("key", "expected"),
        [
            ("promoted.champion.by", True),
            ("PROMOTED.a.b.By", True),
            ("prømoted.x.bÿ", True),
            ("promoted.champion.reason", False),
            ("promoted.by", False),
            ("promoted", False),
            ("release.dev.iris", False),
            ("", False),
        ],
    )
    def test_its_tags_are_known_by_their_names(self, key: str, expected: bool) -> None:
        assert is_promoter(key) is expected

    @pytest.mark.parametrize("name", ["set_registered_model_alias", "_get_sql_model_version"])
    def test_a_version_without_what_is_changed_is_refused(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from mlflow.store.model_registry import sqlalchemy_store

        monkeypatch.setattr(sqlalchemy_store.SqlAlchemyStore, name, None)
        with pytest.raises(PromotionsError, match=name):
            note_promoters(sqlalchemy_store, lambda: None)
        monkeypatch.undo()
        monkeypatch.setattr(sqlalchemy_store, promotions.USED[0], None)
        with pytest.raises(PromotionsError, match=promotions.USED[0]):
            note_promoters(sqlalchemy_store, lambda: None)


def registry_session() -> Any:
    from mlflow.server import handlers

    store: Any = handlers._get_model_registry_store()
    return store.ManagedSessionMaker(read_only=False)


@dataclass
class Told:
    """A webhook that is registered, and the bucket of what came of it."""

    webhook: str
    s3: FakeS3
    manager: FakeManager


@pytest.fixture
def told(mlflow: Server, receiver: Receiver) -> Iterator[Told]:
    manager = FakeManager()
    manager.values[LOGIN] = json.dumps({"username": RELEASE, "password": f"password-of-{RELEASE}"})
    s3 = FakeS3(time.time)  # type: ignore[arg-type]
    store = Store(s3, BUCKET)
    promoter = Promoter(FOLLOWED, Registry(mlflow.url, Secret(manager, LOGIN)), store)
    receiver.hearing = Hearing(promoter, store, Secret(manager, WEBHOOK))
    receiver.statuses.clear()
    receiver.bodies.clear()
    receiver.redirect, receiver.refusing = "", 0
    from mlflow.webhooks import delivery

    body = {
        "name": "release",
        "url": f"http://127.0.0.1:{receiver.port}/v1/promotions",
        "events": [MOVED],
        "secret": SECRET,
    }
    status, said = mlflow.ask("POST", f"{API}/webhooks", body, ADMINISTRATOR)
    assert status == 200, said
    webhook = said["webhook"]["webhook_id"]
    # What the server knows of webhooks, it knows for a while.
    delivery._webhook_cache = None
    yield Told(webhook, s3, manager)
    mlflow.ask("DELETE", f"{API}/webhooks/{webhook}", {}, ADMINISTRATOR)


class TestWebhook:
    def test_an_alias_that_is_set_is_promoted(
        self, told: Told, mlflow: Server, receiver: Receiver
    ) -> None:
        version = mlflow.new_version()
        body = {"name": "iris", "version": str(version), "key": "promoted.champion.reason"}
        mlflow.ask("POST", f"{API}/model-versions/set-tag", {**body, "value": "AUC 0.93"})
        mlflow.set_alias(version)
        assert receiver.wait_for(1) == [200]
        (promotion,) = told.s3.promotions()
        assert promotion["models"]["model"]["version"] == version
        assert (promotion["promoted_by"], promotion["reason"]) == (ANA, "AUC 0.93")
        assert max(map(len, receiver.bodies)) < BODY_BYTES / 10

    def test_it_is_told_again_where_nobody_could_look(
        self, told: Told, mlflow: Server, receiver: Receiver
    ) -> None:
        receiver.refusing = 2
        mlflow.set_alias(mlflow.new_version())
        assert receiver.wait_for(3) == [503, 503, 200]
        assert len(told.s3.promotions()) == 1
        assert len({key for key in told.s3.versions if key.startswith("deliveries/")}) == 1

    def test_what_is_gone_and_what_is_not_shown(self, told: Told, mlflow: Server) -> None:
        from promoter.errors import LookError
        from promoter.settings import Alias

        registry = Registry(mlflow.url, Secret(told.manager, LOGIN))
        assert registry.meaning(Alias("iris", "nobody-set-it")) is None
        # Whether it is gone or hidden, MLflow does not say.
        with pytest.raises(LookError, match="MLflow answers 403"):
            registry.meaning(Alias("nobody-made-it", "champion"))
        told.manager.values[LOGIN] = '{"username": "release", "password": "wrong"}'
        with pytest.raises(LookError, match="MLflow answers 401"):
            Registry(mlflow.url, Secret(told.manager, LOGIN)).meaning(Alias("iris", "champion"))

    def test_mlflows_own_test_of_it_is_answered(self, told: Told, mlflow: Server) -> None:
        path = f"{API}/webhooks/{told.webhook}/test"
        status, said = mlflow.ask("POST", path, {}, ADMINISTRATOR)
        assert (status, said["result"]["response_status"]) == (200, 200), said
        told.manager.values[WEBHOOK] = "another"
        _, said = mlflow.ask("POST", path, {}, ADMINISTRATOR)
        assert said["result"]["response_status"] == 200, "the secret is not read every second"

    def test_an_answer_leads_nowhere_else(
        self, told: Told, mlflow: Server, receiver: Receiver
    ) -> None:
        receiver.redirect = f"http://127.0.0.1:{receiver.port}/elsewhere"
        _, said = mlflow.ask("POST", f"{API}/webhooks/{told.webhook}/test", {}, ADMINISTRATOR)
        assert not said["result"].get("success", False)
        assert "Exceeded 0 redirects" in said["result"]["error_message"]
        assert receiver.statuses == [307]

    def test_another_task_reads_its_secret_and_one_of_another_key_sends_unsigned(
        self, told: Told, mlflow: Server, receiver: Receiver
    ) -> None:
        from mlflow.store.model_registry.dbmodels import models

        def secret_is(text: str) -> None:
            with registry_session() as session:
                where = {"id": told.webhook, "secret": text}
                change = "UPDATE webhooks SET secret = :secret WHERE webhook_id = :id"
                session.execute(sqlalchemy.text(change), where)

        def status_of_test() -> int:
            _, said = mlflow.ask("POST", f"{path}/test", {}, ADMINISTRATOR)
            return int(said["result"]["response_status"])

        path = f"{API}/webhooks/{told.webhook}"
        ours, another = SimpleNamespace(), SimpleNamespace()
        encrypt_with(ours, "of all tasks")
        encrypt_with(another, "of another environment")
        secret_is(ours.process_bind_param(None, SECRET, None))
        assert status_of_test() == 200
        secret_is(another.process_bind_param(None, SECRET, None))
        assert mlflow.ask("GET", f"{API}/webhooks", None, ADMINISTRATOR)[0] == 200
        assert status_of_test() == 400
        assert mlflow.ask("PATCH", path, {"secret": SECRET}, ADMINISTRATOR)[0] == 200
        assert status_of_test() == 200
        with registry_session() as session:
            (stored,) = session.execute(sqlalchemy.text("SELECT secret FROM webhooks")).first()
            assert SECRET not in stored
        assert models.SqlWebhook.__table__.c.secret.type.process_bind_param(None, None) is None

    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.2:9/",
            "https://127.0.0.1/",
            "http://localhost/",
            "https://example.com/",
            "http://169.254.169.254/latest/meta-data/",
            "http://127.0.0.1@example.com/",
            "http://127.0.0.1\\@example.com/",
            "http://127.0.0.1:80/?x=1",
        ],
    )
    def test_it_leads_nowhere_else(self, url: str, told: Told, mlflow: Server) -> None:
        body = {"name": "other", "url": url, "events": [MOVED]}
        for method, path in (("POST", "webhooks"), ("PATCH", f"webhooks/{told.webhook}")):
            status, said = mlflow.ask(method, f"{API}/{path}", body, ADMINISTRATOR)
            assert (status, said["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), said
            assert "Webhooks lead to the platform's own API" in said["message"]

    def test_one_that_was_registered_before_is_checked_when_it_is_called(
        self, told: Told, mlflow: Server
    ) -> None:
        from mlflow.store.model_registry.dbmodels import models

        with registry_session() as session:
            found = session.query(models.SqlWebhook).filter_by(webhook_id=told.webhook).one()
            found.url = "http://127.0.0.2:9/"
        _, said = mlflow.ask("POST", f"{API}/webhooks/{told.webhook}/test", {}, ADMINISTRATOR)
        assert "Webhooks lead to the platform's own API" in said["result"]["error_message"]

    def test_it_is_for_administrators(self, told: Told, mlflow: Server) -> None:
        for method, path in (("GET", "webhooks"), ("POST", f"webhooks/{told.webhook}/test")):
            assert mlflow.ask(method, f"{API}/{path}", None if method == "GET" else {})[0] == 403

    def test_a_version_without_what_is_changed_is_refused(self) -> None:
        kind = SimpleNamespace(__name__="EncryptedString")
        empty = SimpleNamespace(__name__="mlflow.webhooks.delivery", EncryptedString=kind)
        with pytest.raises(WebhooksError, match="_validate_webhook_url"):
            bind_webhooks(empty, empty, empty, hosts=[], key="")


class TestCommand:
    """`make webhook`, by MLflow's own client."""

    def test_registers_once_and_follows_what_changes(
        self, told: Told, mlflow: Server, receiver: Receiver
    ) -> None:
        url = f"http://127.0.0.1:{receiver.port}/v1/promotions"
        login = {
            "MLFLOW_TRACKING_USERNAME": ADMINISTRATOR,
            "MLFLOW_TRACKING_PASSWORD": f"password-of-{ADMINISTRATOR}",
        }
        said: list[str] = []

        def register(**changes: str) -> str:
            given = {"name": "blue-release", "url": url, "secret": SECRET, "version": "v1"}
            said.clear()
            with logged_in(login):
                client = MlflowClient(mlflow.url, mlflow.url)
                register_webhook(client, say=said.append, **{**given, **changes})
            return said[0]

        assert register().startswith("made the webhook")
        assert "answered 200" in said[1]
        assert register().endswith("is as it is to be")
        assert register(url=f"{url}/2").startswith("changed")
        with pytest.raises(OperationError, match="answered 401"):
            register(secret="another", version="v2")
        assert register().startswith("changed")
        with pytest.raises(OperationError, match="the platform's own API"):
            register(url="https://example.com/")


def test_no_other_file_of_mlflow_sets_an_alias_in_a_way_of_its_own() -> None:
    """Whoever sets one calls the store, whose method notes who."""
    import mlflow as package

    root = Path(package.__file__).parent
    callers = {
        str(path.relative_to(root))
        for folder in ("server", "gateway", "genai", "mcp")
        for path in (root / folder).rglob("*.py")
        if "SqlRegisteredModelAlias(" in path.read_text(encoding="utf-8")
    }
    assert callers == set()
