"""The promoter: what it hears, where it looks, what it writes."""

import base64
import importlib
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from typing import Any, ClassVar
from unittest.mock import Mock

import boto3
import pytest
from mlflow.entities.webhook import Webhook, WebhookAction, WebhookEntity, WebhookEvent
from mlflow.webhooks import constants
from mlflow.webhooks import delivery as theirs

from promoter.errors import LookError, RefusedError
from promoter.looking import TRIES
from promoter.messages import BODY_BYTES, DELIVERY, SIGNATURE, TIMESTAMP, answer, read_delivery
from promoter.registry import Promoted, Registry
from promoter.secrets import Secret
from promoter.settings import NAMES, Alias, Settings
from promoter.signing import sign
from tests.unit.lambda_functions.promoting import (
    IRIS,
    LOGIN,
    SECRET,
    WEBHOOK,
    Clock,
    FakeManager,
    World,
    alias_body,
    signed_event,
    world,
)

ENVIRONMENT = {
    "RELEASE_BUCKET": "releases",
    "TRACKING_URI": "https://mlflow.internal:5000/",
    "LOGIN_SECRET_ARN": LOGIN,
    "WEBHOOK_SECRET_ARN": WEBHOOK,
    "FOLLOWED": "iris=model:iris@champion",
}
PAIR = {
    "two": {"first": Alias("features", "live"), "second": Alias("trees", "live")},
    "iris": {"model": IRIS},
}


@pytest.fixture
def here() -> World:
    return world()


class TestSettings:
    def test_are_what_the_environment_says(self) -> None:
        settings = Settings.read(ENVIRONMENT)
        assert settings.tracking_uri == "https://mlflow.internal:5000"
        assert settings.followed == {"iris": {"model": IRIS}}

    @pytest.mark.parametrize("missing", NAMES)
    def test_each_is_needed(self, missing: str) -> None:
        with pytest.raises(ValueError, match=f"{missing} must be set"):
            Settings.read({**ENVIRONMENT, missing: ""})

    @pytest.mark.parametrize(
        "text",
        [
            "iris",
            "iris=",
            "iris=model:",
            "iris=model:iris/3",
            "a=b=c:d@e",
            "bz2:",
            "bz2:x y",
            "bz2:abcd",
        ],
    )
    def test_what_is_followed_is_an_alias(self, text: str) -> None:
        with pytest.raises(ValueError, match="FOLLOWED names no alias"):
            Settings.read({**ENVIRONMENT, "FOLLOWED": text})


class TestSignature:
    def test_is_mlflows(self) -> None:
        signature = theirs._generate_hmac_signature("secret", "id", "12", '{"a": 1}')
        assert sign("secret", b'id.12.{"a": 1}') == signature
        assert (SIGNATURE, DELIVERY, TIMESTAMP) == (
            constants.WEBHOOK_SIGNATURE_HEADER,
            constants.WEBHOOK_DELIVERY_ID_HEADER,
            constants.WEBHOOK_TIMESTAMP_HEADER,
        )

    def test_a_secret_that_was_replaced_is_read_again(self, here: World) -> None:
        here.registry.move(1)
        assert here.hear(here.alias_event(1))[0] == 200
        here.manager.values[WEBHOOK] = "another"
        here.clock.pass_(60)
        assert here.hear(here.alias_event(1, secret="another"))[0] == 200
        assert here.hear(here.alias_event(1))[0] == 401

    def test_forgers_do_not_have_it_read_for_each_of_them(self, here: World) -> None:
        for _ in range(100):
            assert here.hear(here.alias_event(1, secret="guess"))[0] == 401
        assert here.manager.read == 1

    def test_a_secret_that_cannot_be_read_is_tried_again(self, here: World) -> None:
        here.manager.down = True
        assert here.hear(here.alias_event(1))[0] == 503


class TestRefusals:
    @pytest.mark.parametrize("name", [SIGNATURE, DELIVERY, TIMESTAMP])
    @pytest.mark.parametrize("text", [None, "", "x y", "../../promotions/iris.json", "٣", "1\n"])
    def test_headers_are_of_mlflows_form(self, name: str, text: str | None, here: World) -> None:
        event = here.alias_event(1)
        event["headers"][name] = text
        status, said = here.hear(event)
        assert status == 400
        assert name in said["error"]

    def test_there_may_be_none(self, here: World) -> None:
        assert here.hear({"httpMethod": "POST", "headers": None, "body": None})[0] == 400

    def test_their_names_have_no_case(self, here: World) -> None:
        here.registry.move(1)
        event = here.alias_event(1)
        event["headers"] = {name.lower(): text for name, text in event["headers"].items()}
        assert here.hear(event)[0] == 200

    @pytest.mark.parametrize("encoded", [False, True])
    def test_a_body_is_not_endless(self, encoded: bool, here: World) -> None:
        for size, status in ((BODY_BYTES, 400), (BODY_BYTES + 1, 413), (10_000_000, 413)):
            body = b"x" * size
            text = base64.b64encode(body).decode() if encoded else body.decode()
            event = signed_event(body, at=here.clock())
            assert here.hear({**event, "body": text, "isBase64Encoded": encoded})[0] == status

    def test_a_body_may_be_encoded(self, here: World) -> None:
        here.registry.move(3)
        event = here.alias_event(3)
        event.update(body=base64.b64encode(event["body"].encode()).decode(), isBase64Encoded=True)
        assert here.hear(event)[1]["endpoints"] == {"iris": "promoted"}
        assert here.hear({**event, "body": "%%%"})[0] == 400

    @pytest.mark.parametrize("seconds", [-301, 301, 3600])
    def test_what_is_old_or_not_yet_is_refused(self, seconds: int, here: World) -> None:
        event = here.alias_event(1)
        here.clock.pass_(seconds)
        assert here.hear(event)[0] == 401

    @pytest.mark.parametrize("seconds", [-300, 0, 300])
    def test_what_is_of_these_minutes_counts(self, seconds: int, here: World) -> None:
        here.registry.move(1)
        event = here.alias_event(1)
        here.clock.pass_(seconds)
        assert here.hear(event)[0] == 200

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"{", b'{"entity": "model_version_alias", "action": "created"}', b"[" * 9000],
    )
    def test_what_mlflow_would_not_say_is_refused_though_it_is_signed(
        self, body: bytes, here: World
    ) -> None:
        assert here.hear(signed_event(body, at=here.clock()))[0] == 400

    def test_each_has_one_line_and_no_secret(
        self, here: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        event = here.alias_event(1, secret="another")
        _, said = here.hear(event)
        (record,) = caplog.records
        assert record.getMessage() == "r1: refused with 401: The signature is not MLflow's."
        for text in (record.getMessage(), str(said), repr(read_delivery(event))):
            assert SECRET not in text
            assert event["headers"][SIGNATURE] not in text
            assert sign(SECRET, read_delivery(event).signed) not in text


class TestLooking:
    def test_the_first_look_promotes(self, here: World) -> None:
        here.registry.move(7)
        assert here.hear(here.alias_event(7)) == (
            200,
            {"heard": "now", "endpoints": {"iris": "promoted"}, "requestId": "r1"},
        )
        assert here.s3.promotions() == [
            {
                "endpoint": "iris",
                "models": {"model": {"name": "iris", "alias": "champion", "version": 7}},
                "promoted_by": "ana",
                "reason": "better than 6",
                "cause": "webhook",
                "follows": None,
            }
        ]

    def test_what_is_asked_for_already_is_not_asked_for_again(self, here: World) -> None:
        here.registry.move(7)
        for cause in ("schedule", "webhook"):
            here.promoter.look(["iris"], cause)
        assert here.s3.promoted() == [7]

    def test_the_present_counts_and_not_what_the_webhook_says(self, here: World) -> None:
        here.registry.move(9)
        here.hear(here.alias_event(3))
        assert here.s3.promoted() == [9]

    def test_each_promotion_names_the_one_before(self, here: World) -> None:
        for version in (1, 2, 1):
            here.registry.move(version)
            here.promoter.reconcile()
        ids = [version.id for version in here.s3.versions["promotions/iris.json"]]
        assert [it["follows"] for it in here.s3.promotions()] == [None, *ids[:2]]

    def test_an_alias_that_is_gone_releases_nothing_and_is_said(
        self, here: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        here.registry.move(1)
        here.promoter.reconcile()
        here.registry.remove()
        assert here.promoter.reconcile() == {"iris": "no alias"}
        assert here.s3.promoted() == [1]
        assert "there is no models:/iris@champion" in caplog.text
        here.registry.move(2)
        here.promoter.reconcile()
        assert here.s3.promoted() == [1, 2]

    def test_of_several_containers_who_moved_what_is_told(self) -> None:
        here = world(PAIR)
        first, second = PAIR["two"].values()
        here.registry.move(1, first, "ana")
        here.registry.move(1, second, "ben")
        here.promoter.look(["two"], "webhook")
        here.registry.move(2, second, "eve")
        here.promoter.look(["two"], "webhook")
        assert [it["promoted_by"] for it in here.s3.promotions("two")] == ["ana, ben", "eve"]
        assert here.s3.promotions("two")[1]["models"]["first"]["version"] == 1

    def test_only_endpoints_that_are_concerned_are_looked_at(self) -> None:
        here = world(PAIR)
        for alias in (*PAIR["two"].values(), IRIS):
            here.registry.move(1, alias)
        body = alias_body(Alias("trees", "live"), 1)
        assert here.hear(signed_event(body, at=here.clock()))[1]["endpoints"] == {"two": "promoted"}
        body = alias_body(Alias("trees", "challenger"), 1)
        assert here.hear(signed_event(body, at=here.clock()))[1]["endpoints"] == {}
        assert not here.s3.promotions("iris")

    def test_what_was_asked_for_with_more_stays_while_the_alias_does(self, here: World) -> None:
        """A rollback names the record that it goes back to."""
        here.registry.move(3)
        here.promoter.reconcile()
        last = here.promoter._store.promotion("iris")
        assert here.promoter._store.promote(
            "iris", {**last.content, "cause": "rollback", "record": {"model": {"version": 3}}}, last
        )
        here.promoter.reconcile()
        assert [it["cause"] for it in here.s3.promotions()] == ["schedule", "rollback"]

    def test_who_loses_a_race_looks_again(self, here: World) -> None:
        here.registry.move(1)

        def raced(**words: Any) -> None:
            if not here.s3.versions:
                here.promoter._store._client = here.s3
                here.promoter.look(["iris"], "webhook")
                here.registry.move(2)
            here.s3.put_object(**words)

        here.promoter._store._client = Mock(put_object=raced, get_object=here.s3.get_object)
        assert here.promoter.reconcile() == {"iris": "promoted"}
        assert here.s3.promoted() == [1, 2]

    def test_a_promotion_that_came_back_is_not_the_one_that_was_seen(self, here: World) -> None:
        """Both ask for the same, so that S3 might have one digest for the two."""
        here.registry.move(1)
        here.promoter.reconcile()

        def raced(**words: Any) -> None:
            here.promoter._store._client = here.s3
            here.promoter.reconcile()
            here.registry.move(1)
            here.promoter.reconcile()
            here.s3.put_object(**words)

        here.registry.move(2)
        here.promoter._store._client = Mock(put_object=raced, get_object=here.s3.get_object)
        here.promoter.reconcile()
        assert here.s3.promoted() == [1, 2, 1]

    def test_who_loses_a_race_every_time_says_so(self, here: World) -> None:
        here.registry.move(1)
        put, numbers = Mock(side_effect=here.s3.put_object), count()

        def raced(**words: Any) -> None:
            here.s3.put_object(
                **{
                    **words,
                    "Body": json.dumps({"by": next(numbers)}).encode(),
                    "IfMatch": "",
                    "IfNoneMatch": "",
                }
            )
            put(**words)

        here.promoter._store._client = Mock(put_object=raced, get_object=here.s3.get_object)
        with pytest.raises(LookError, match=f"written by others {TRIES} times"):
            here.promoter.reconcile()

    @pytest.mark.parametrize("body", [b"", b"[]", b"{"])
    def test_what_is_no_promotion_is_not_written_over(self, body: bytes, here: World) -> None:
        here.registry.move(1)
        here.s3.put_object("", "promotions/iris.json", body, "")
        with pytest.raises(LookError, match=r"promotions/iris\.json holds no JSON object"):
            here.promoter.reconcile()

    def test_one_endpoint_that_fails_keeps_no_other(self) -> None:
        here = world(PAIR)
        here.registry.move(1)
        here.s3.put_object("", "promotions/two.json", b"{", "")
        with pytest.raises(LookError, match="two: "):
            here.promoter.reconcile()
        assert here.s3.promoted() == [1]


class TestLostEvents:
    """A promotion whose pipeline was never started is written once more."""

    def test_after_ten_minutes_without_an_attempt(
        self, here: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        here.registry.move(1)
        here.promoter.reconcile()
        here.clock.pass_(599)
        assert here.promoter.reconcile() == {"iris": "unchanged"}
        here.clock.pass_(1)
        assert here.promoter.reconcile() == {"iris": "promoted again"}
        assert "started no release in 600 s" in caplog.text
        first, second = here.s3.promotions()
        assert {**second, "follows": None} == {**first, "repeated": 1}
        here.clock.pass_(300)
        assert here.promoter.reconcile() == {"iris": "unchanged"}

    def test_three_times_and_then_who_can_mend_it_is_told(self, here: World) -> None:
        here.registry.move(1)
        here.promoter.reconcile()
        for _ in range(3):
            here.clock.pass_(600)
            assert here.promoter.reconcile() == {"iris": "promoted again"}
        for _ in range(2):
            here.clock.pass_(600)
            with pytest.raises(LookError, match=r"iris: .* written 3 times more, and no release"):
                here.promoter.reconcile()
        assert here.s3.promoted() == [1, 1, 1, 1]
        here.registry.move(2)
        assert here.promoter.reconcile() == {"iris": "promoted"}
        here.clock.pass_(600)
        assert here.promoter.reconcile() == {"iris": "promoted again"}

    def test_where_one_of_another_promotion_is_there_alone(self, here: World) -> None:
        here.registry.move(1)
        here.promoter.reconcile()
        here.s3.attempt("another", closed=("yet-another",))
        here.clock.pass_(600)
        assert here.promoter.reconcile() == {"iris": "promoted again"}

    @pytest.mark.parametrize("place", ["latest", "earlier", "closed"])
    def test_not_where_it_was_attempted(self, place: str, here: World) -> None:
        here.registry.move(1)
        here.promoter.reconcile()
        (written,) = here.s3.versions["promotions/iris.json"]
        if place == "latest":
            here.s3.attempt(written.id)
        elif place == "earlier":
            here.s3.attempt("another", written.id)
        else:
            here.s3.attempt("another", closed=(written.id,))
        here.clock.pass_(86_400)
        assert here.promoter.reconcile() == {"iris": "unchanged"}

    def test_not_by_a_webhook(self, here: World) -> None:
        here.registry.move(1)
        here.promoter.reconcile()
        here.clock.pass_(3600)
        assert here.hear(here.alias_event(1))[1]["endpoints"] == {"iris": "unchanged"}

    @pytest.mark.parametrize("journal", [b"[]", b'{"promotion": 3}', b'{"earlier": 3}', b"{}"])
    def test_a_journal_that_cannot_be_read_is_a_failure(self, journal: bytes, here: World) -> None:
        here.registry.move(1)
        here.promoter.reconcile()
        here.s3.put_object("", "attempts/iris.json", journal, "")
        here.clock.pass_(600)
        with pytest.raises(LookError, match=r"attempts/iris\.json"):
            here.promoter.reconcile()
        assert here.s3.promoted() == [1]


class TestAgain:
    """What MLflow sends again, and what is made of it."""

    @pytest.mark.parametrize("part", ["registry", "s3", "manager"])
    def test_what_failed_is_not_taken_for_heard(self, part: str, here: World) -> None:
        here.registry.move(5)
        event = here.alias_event(5)
        getattr(here, part).down = True
        status, said = here.hear(event)
        assert (status, "Try again" in said["error"]) == (503, True)
        getattr(here, part).down = False
        assert here.hear(event)[1]["endpoints"] == {"iris": "promoted"}
        assert here.hear(event)[1]["heard"] == "before"
        assert here.s3.promoted() == [5]

    def test_a_look_whose_answer_was_lost_is_looked_again(self, here: World) -> None:
        """The function ended between the promotion and the claim."""
        here.registry.move(5)
        event, claim = here.alias_event(5), here.hearing._store.claim
        here.hearing._store.claim = Mock(side_effect=KeyboardInterrupt)  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            here.hear(event)
        here.hearing._store.claim = claim  # type: ignore[method-assign]
        assert here.hear(event)[1]["endpoints"] == {"iris": "unchanged"}
        assert here.s3.promoted() == [5]


class TestMlflow:
    """MLflow's own client of webhooks, which posts to the function."""

    class Session:
        """What MLflow posts with."""

        def __init__(self, here: World) -> None:
            self._here = here

        def post(self, url: str, data: bytes, headers: dict[str, str], timeout: int) -> Any:
            event = {"httpMethod": "POST", "headers": headers, "body": data.decode()}
            answered = self._here.hearing.hear({**event, "requestContext": {"requestId": "r1"}})
            return Mock(status_code=answered["statusCode"], text=answered["body"])

    def test_its_test_is_answered(self, here: World, monkeypatch: pytest.MonkeyPatch) -> None:
        module = "mlflow.webhooks.delivery"
        monkeypatch.setattr(f"{module}._validate_webhook_url", lambda _: None)
        monkeypatch.setattr(f"{module}._get_or_create_webhook_session", lambda: self.Session(here))
        monkeypatch.setattr(f"{module}.time.time", here.clock)
        event = WebhookEvent(WebhookEntity.MODEL_VERSION_ALIAS, WebhookAction.CREATED)
        webhook = Webhook("w", "release", "https://api", [event], 0, 0, secret=SECRET)
        result = theirs.test_webhook(webhook)
        assert (result.success, result.response_status) == (True, 200), result.error_message
        assert json.loads(str(result.response_body))["endpoints"] == {}
        other = WebhookEvent(WebhookEntity.REGISTERED_MODEL, WebhookAction.CREATED)
        assert theirs.test_webhook(webhook, other).success
        webhook = Webhook("w", "release", "https://api", [event], 0, 0, secret="another")
        assert theirs.test_webhook(webhook).response_status == 401


class FakeMlflow(BaseHTTPRequestHandler):
    """MLflow's answers to what an alias means."""

    password: ClassVar[str] = "of-release"
    answers: ClassVar[tuple[int, bytes]] = (200, b"{}")
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        pair = base64.b64encode(f"release:{self.password}".encode()).decode()
        allowed = self.headers["Authorization"] == f"Basic {pair}"
        status, body = self.answers if allowed else (401, b"You are not authenticated.")
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class TestRegistry:
    @pytest.fixture
    def mlflow(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        monkeypatch.setattr(FakeMlflow, "asked", [])
        server = HTTPServer(("127.0.0.1", 0), FakeMlflow)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        server.server_close()

    @pytest.fixture
    def manager(self) -> FakeManager:
        return FakeManager()

    @pytest.fixture
    def registry(self, mlflow: str, manager: FakeManager) -> Iterator[Registry]:
        made = Registry(mlflow, Secret(manager, LOGIN, Clock()))
        yield made
        made._pool.clear()

    def says(self, monkeypatch: pytest.MonkeyPatch, status: int, said: Any) -> None:
        monkeypatch.setattr(FakeMlflow, "answers", (status, json.dumps(said).encode()))

    def test_knows_version_and_tags(
        self, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tags = [
            {"key": "promoted.champion.by", "value": "ana"},
            {"key": "promoted.champion.reason", "value": "AUC 0.93"},
            {"key": "promoted.live.by", "value": "eve"},
        ]
        version = {"name": "iris", "version": "7", "tags": tags}
        self.says(monkeypatch, 200, {"model_version": version})
        assert registry.meaning(Alias("iris & co", "champion")) == Promoted(7, "ana", "AUC 0.93")
        assert registry.meaning(Alias("iris", "other")) == Promoted(7, None, None)
        path = "/api/2.0/mlflow/registered-models/alias"
        assert FakeMlflow.asked[0] == f"{path}?name=iris+%26+co&alias=champion"

    @pytest.mark.parametrize(
        ("status", "code"), [(404, "RESOURCE_DOES_NOT_EXIST"), (400, "INVALID_PARAMETER_VALUE")]
    )
    def test_what_is_not_there_means_nothing(
        self, status: int, code: str, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.says(monkeypatch, status, {"error_code": code, "message": "not found"})
        assert registry.meaning(IRIS) is None

    @pytest.mark.parametrize(
        ("status", "said"),
        [
            (403, {"error_code": "PERMISSION_DENIED", "message": "Permission denied"}),
            (404, {"error_code": "ENDPOINT_NOT_FOUND"}),
            (404, "Not Found"),
            (400, {"error_code": "BAD_REQUEST"}),
            (302, {}),
            (500, {"error_code": "INTERNAL_ERROR"}),
            (503, {"error_code": "TEMPORARILY_UNAVAILABLE"}),
            (200, {}),
            (200, []),
            (200, {"model_version": {"version": "new"}}),
            (200, {"model_version": []}),
        ],
    )
    def test_whatever_else_it_says_is_no_meaning(
        self, status: int, said: Any, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.says(monkeypatch, status, said)
        with pytest.raises(LookError, match="models:/iris@champion"):
            registry.meaning(IRIS)

    def test_a_password_that_was_replaced_is_read_again(
        self, registry: Registry, manager: FakeManager, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.says(monkeypatch, 200, {"model_version": {"version": 1}})
        assert registry.meaning(IRIS)
        monkeypatch.setattr(FakeMlflow, "password", "new")
        manager.values[LOGIN] = '{"username": "release", "password": "new"}'
        registry._login._now.pass_(60)  # type: ignore[attr-defined]
        assert registry.meaning(IRIS)
        monkeypatch.setattr(FakeMlflow, "password", "newer")
        with pytest.raises(LookError, match="MLflow answers 401") as raised:
            registry.meaning(IRIS)
        assert "new" not in str(raised.value)

    @pytest.mark.parametrize("value", ["hidden", '["hidden"]', '{"username": "hidden"}'])
    def test_a_login_that_is_none_is_not_said(
        self, value: str, registry: Registry, manager: FakeManager
    ) -> None:
        manager.values[LOGIN] = value
        with pytest.raises(LookError, match="username and password") as raised:
            registry.meaning(IRIS)
        assert "hidden" not in str(raised.value)
        assert raised.value.__suppress_context__

    def test_nobody_answers(self, manager: FakeManager) -> None:
        registry = Registry("http://127.0.0.1:9", Secret(manager, LOGIN))
        with pytest.raises(LookError, match="cannot be asked") as raised:
            registry.meaning(IRIS)
        assert "of-release" not in str(raised.value)


class TestHandler:
    @pytest.fixture
    def handler(self, here: World, monkeypatch: pytest.MonkeyPatch) -> Any:
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "client", lambda name, config: Mock(name=name))
        module = importlib.reload(importlib.import_module("promoter.handler"))
        monkeypatch.setattr(module, "HEARING", here.hearing)
        monkeypatch.setattr(module, "PROMOTER", here.promoter)
        return module.handler

    def test_a_request_is_answered(self, handler: Any, here: World) -> None:
        here.registry.move(2)
        answered = handler(here.alias_event(2), None)
        assert answered["statusCode"] == 200
        assert here.s3.promotions()[0]["cause"] == "webhook"

    def test_the_schedule_looks_at_all(self, handler: Any, here: World) -> None:
        here.registry.move(2)
        event = {"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}
        assert handler(event, None) == {"iris": "promoted"}
        assert here.s3.promotions()[0]["cause"] == "schedule"

    def test_the_schedule_fails_where_it_cannot_look(self, handler: Any, here: World) -> None:
        here.registry.down = True
        with pytest.raises(LookError, match="iris: MLflow cannot be asked"):
            handler({"detail-type": "Scheduled Event"}, None)


def test_an_answer_is_one_of_api_gateways() -> None:
    assert answer(200, {"b": 1, "a": 2}) == {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": '{"a": 2, "b": 1}',
        "isBase64Encoded": False,
    }


def test_a_refusal_has_a_status() -> None:
    assert RefusedError(413, "no").status == 413
