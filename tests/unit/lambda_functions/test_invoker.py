"""The invoker, with a fake of SageMaker's runtime that fails as the real one does."""

import base64
import io
import json
import logging
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from invoker.asynchronous import Clients, Queue
from invoker.headers import HEADERS, START
from invoker.invocation import Invoker
from invoker.messages import (
    MOST_BYTES,
    Answer,
    Request,
    RequestError,
    read_invocation,
    read_request,
    refuse,
    respond,
)
from invoker.retries import ATTEMPTS, RETRY_SECONDS, RetryBudget
from invoker.settings import Settings

PREFIX = "mlops-blue-"


class FakeRuntime:
    """Answers for one endpoint, and keeps what it was asked."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.asked: dict[str, Any] = {}
        self.failure = failure
        self.further: dict[str, str] = {}

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.asked = request
        if self.failure:
            raise self.failure
        body = io.BytesIO(b'{"category":"a"}')
        return {"Body": body, "ContentType": "application/json", **self.further}


def event(**changes: Any) -> dict[str, Any]:
    return {
        "pathParameters": {"endpoint": "iris"},
        "headers": {"Content-Type": "application/json", "Accept": "text/csv"},
        "body": '{"x": 1}',
        "isBase64Encoded": False,
        **changes,
    }


def client_error(code: str, message: str = "no", **more: Any) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, **more}
    return ClientError(response, "InvokeEndpoint")


class TestRequests:
    def test_is_passed_on_as_it_came(self) -> None:
        request = read_request(event())
        assert request == Request("iris", b'{"x": 1}', "application/json", "text/csv")

    def test_names_of_headers_have_no_case(self) -> None:
        request = read_request(event(headers={"cOnTent-TyPe": "text/csv"}, body="1,2"))
        assert request.content_type == "text/csv"
        assert request.accept == "*/*"

    def test_binary_comes_as_base64(self) -> None:
        body = base64.b64encode(b"\x93NUMPY").decode()
        headers = {"content-type": "application/x-npy"}
        request = read_request(event(body=body, isBase64Encoded=True, headers=headers))
        assert request.body == b"\x93NUMPY"

    @pytest.mark.parametrize(
        ("changes", "status", "said"),
        [
            ({"body": "{"}, 400, "not JSON"),
            ({"body": ""}, 400, "empty"),
            ({"body": None}, 400, "empty"),
            ({"body": "%%%", "isBase64Encoded": True}, 400, "base64"),
            ({"pathParameters": None}, 404, "no endpoint's name"),
            ({"pathParameters": {"endpoint": "../admin"}}, 404, "no endpoint's name"),
            ({"pathParameters": {"endpoint": "Iris"}}, 404, "no endpoint's name"),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, changes: dict[str, Any], status: int, said: str
    ) -> None:
        with pytest.raises(RequestError, match=said) as raised:
            read_request(event(**changes))
        assert raised.value.status == status

    @given(body=st.text(), kind=st.text(), endpoint=st.text(), encoded=st.booleans())
    def test_whatever_comes_is_read_or_refused(
        self, body: str, kind: str, endpoint: str, encoded: bool
    ) -> None:
        given = event(
            body=body,
            isBase64Encoded=encoded,
            headers={"content-type": kind},
            pathParameters={"endpoint": endpoint},
        )
        status = 200
        try:
            read_request(given)
        except RequestError as error:
            status = error.status
        assert status in (200, 400, 404)


class TestInvocation:
    def test_names_the_endpoint_of_the_environment(self) -> None:
        runtime = FakeRuntime()
        prediction = Invoker(PREFIX, runtime).invoke(Request("iris", b"1", "text/csv", "*/*"))
        assert runtime.asked == {
            "EndpointName": "mlops-blue-iris",
            "Body": b"1",
            "ContentType": "text/csv",
            "Accept": "*/*",
        }
        assert prediction == Answer(b'{"category":"a"}', "application/json")

    @pytest.mark.parametrize(
        ("failure", "status", "said"),
        [
            (
                client_error("ModelError", OriginalStatusCode=400, OriginalMessage="bad petal"),
                400,
                "bad petal",
            ),
            (client_error("ModelError", OriginalStatusCode=415, OriginalMessage="no"), 415, "no"),
            (client_error("ModelError", "secret path", OriginalStatusCode=500), 502, "failed"),
            (client_error("ValidationError", "Endpoint x not found."), 404, "no endpoint 'iris'"),
            (
                client_error("ValidationError", "Name a component."),
                400,
                "component. An asyn",
            ),
            (client_error("ValidationError", "no capacity to process"), 503, "no copy"),
            (client_error("ServiceUnavailable"), 503, "not ready"),
            (client_error("ModelNotReadyException"), 503, "not ready"),
            (client_error("ThrottlingException"), 429, "more slowly"),
            (client_error("AccessDeniedException"), 502, "AccessDeniedException"),
            (ReadTimeoutError(endpoint_url="u"), 504, "in time"),
            (EndpointConnectionError(endpoint_url="u"), 503, "cannot be reached"),
        ],
    )
    def test_each_failure_says_what_to_do(self, failure: Exception, status: int, said: str) -> None:
        invoker = Invoker(PREFIX, FakeRuntime(failure))
        with pytest.raises(RequestError, match=said) as raised:
            invoker.invoke(Request("iris", b"1", "text/csv", "*/*"))
        assert raised.value.status == status

    def test_a_models_failure_is_logged_and_not_shown(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        failure = client_error("ModelError", "at line 7 of model.py", OriginalStatusCode=500)
        with caplog.at_level(logging.ERROR), pytest.raises(RequestError) as raised:
            Invoker(PREFIX, FakeRuntime(failure)).invoke(Request("iris", b"1", "text/csv", "*/*"))
        assert "model.py" in caplog.text
        assert "model.py" not in str(raised.value)


class TestParts:
    """What of an endpoint answers: its kind decides, and the caller names it."""

    @pytest.mark.parametrize(
        ("header", "option", "value", "told"),
        [
            ("Target-Container-Hostname", "TargetContainerHostname", "right", "right"),
            ("Target-Variant", "TargetVariant", "candidate", "candidate"),
            ("Inference-Component", "InferenceComponentName", "roses", "mlops-blue-iris-roses"),
            ("Inference-Id", "InferenceId", "order 7", "order 7"),
            ("Custom-Attributes", "CustomAttributes", "trace=1; x", "trace=1; x"),
        ],
    )
    def test_is_named_as_sagemaker_does(
        self, header: str, option: str, value: str, told: str
    ) -> None:
        runtime = FakeRuntime()
        headers = {f"X-Amzn-SageMaker-{header}": value, "Content-Type": "text/csv"}
        Invoker(PREFIX, runtime).invoke(read_request(event(headers=headers)))
        further = {"EndpointName", "Body", "ContentType", "Accept"}
        assert {name: it for name, it in runtime.asked.items() if name not in further} == {
            option: told
        }

    def test_headers_are_those_of_sagemakers_runtime(self) -> None:
        """What is passed on is called and limited as botocore's model of the service says."""
        service = botocore.session.get_session().get_service_model("sagemaker-runtime")
        shape = service.operation_model("InvokeEndpoint").input_shape
        assert shape is not None
        for name, header in HEADERS.items():
            member: Any = shape.members[header.option]
            assert member.serialization["name"].lower() == f"{START}{name}"
            longest = member.metadata["max"]
            assert header.pattern.fullmatch("a" * longest)
            assert not header.pattern.fullmatch("a" * (longest + 1))
            assert not header.pattern.fullmatch("")

    @pytest.mark.parametrize(
        ("headers", "said"),
        [
            ({"x-amzn-sagemaker-target-variant": "-a"}, "must be a name"),
            ({"x-amzn-sagemaker-target-container-hostname": "a" * 64}, "must be a name"),
            ({"x-amzn-sagemaker-inference-component": "Iris"}, "must be a model's name"),
            ({"x-amzn-sagemaker-inference-id": " x"}, "must be 1 to 64"),
            ({"x-amzn-sagemaker-custom-attributes": "\u00e9"}, "must be 1 to 1024"),
            ({"X-Amzn-SageMaker-Target-Model": "a.tar.gz"}, "target-model is not passed on"),
            (
                {"Prefer": "respond-async", "X-Amzn-SageMaker-Target-Variant": "a"},
                "one or the other",
            ),
        ],
    )
    def test_what_sagemaker_would_not_take_is_refused(
        self, headers: dict[str, str], said: str
    ) -> None:
        with pytest.raises(RequestError, match=said) as raised:
            read_request(event(headers=headers))
        assert raised.value.status == 400

    @pytest.mark.parametrize(
        ("options", "message", "said"),
        [
            ({"TargetVariant": "b"}, "Variant b not found for Request.", "no variant 'b'"),
            (
                {"InferenceComponentName": "roses"},
                'Inference Component "mlops-blue-iris-roses" not found.',
                "no model 'roses'",
            ),
            ({"TargetVariant": "b"}, "Endpoint x of account 1 not found.", "no endpoint 'iris'"),
        ],
    )
    def test_what_is_not_there_is_said(
        self, options: dict[str, str], message: str, said: str
    ) -> None:
        invoker = Invoker(PREFIX, FakeRuntime(client_error("ValidationError", message)))
        with pytest.raises(RequestError, match=said) as raised:
            invoker.invoke(Request("iris", b"1", "text/csv", "*/*", options))
        assert raised.value.status == 404

    def test_who_answered_is_told(self) -> None:
        runtime = FakeRuntime()
        runtime.further = {"InvokedProductionVariant": "candidate", "CustomAttributes": "trace=1"}
        made = respond(Invoker(PREFIX, runtime).invoke(read_request(event())))
        assert made["headers"] == {
            "Content-Type": "application/json",
            "X-Amzn-Invoked-Production-Variant": "candidate",
            "X-Amzn-SageMaker-Custom-Attributes": "trace=1",
        }

    @given(
        name=st.sampled_from(sorted(HEADERS)) | st.text(),
        value=st.text(),
        prefer=st.text() | st.just("respond-async"),
    )
    def test_whatever_comes_is_passed_on_or_refused(
        self, name: str, value: str, prefer: str
    ) -> None:
        status, told = 400, [value]
        try:
            read = read_request(event(headers={f"{START}{name}": value, "Prefer": prefer}))
            status, told = 200, list(read.options.values())
        except RequestError as error:
            status = error.status
        assert status in (200, 400)
        assert told == [value]


BUCKET = "mlops-blue-artifacts-1"
ANSWERS = f"s3://{BUCKET}/async/iris/out/"


class FakeQueue:
    """S3 and the runtime of an asynchronous endpoint.

    Attributes
    ----------
    objects : dict of str to (bytes, str)
        What stands in the bucket, and its content type.
    asked : dict
        What the endpoint was asked last.
    """

    def __init__(self, failure: Exception | None = None) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.asked: dict[str, Any] = {}
        self.failure = failure
        self.answers = ANSWERS

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:  # noqa: N803
        assert Bucket == BUCKET
        self.objects[Key] = (Body, ContentType)

    def list_objects_v2(self, *, Bucket: str, Prefix: str, MaxKeys: int) -> dict[str, Any]:  # noqa: N803
        assert Bucket == BUCKET
        found = sorted(key for key in self.objects if key.startswith(Prefix))[:MaxKeys]
        contents = [{"Key": key, "Size": len(self.objects[key][0])} for key in found]
        return {"Contents": contents} if contents else {}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        assert Bucket == BUCKET
        body, kind = self.objects[Key]
        return {"Body": io.BytesIO(body), "ContentType": kind}

    def invoke_endpoint_async(self, **request: Any) -> dict[str, Any]:
        if self.failure:
            raise self.failure
        self.asked = request
        given = request.get("InferenceId", "given-by-sagemaker")
        return {"InferenceId": given, "OutputLocation": f"{self.answers}7d1-a.out"}


def queue_of(fake: FakeQueue) -> Queue:
    return Queue(PREFIX, BUCKET, lambda: Clients(fake, fake))


def later(**headers: str) -> Request:
    return read_request(event(headers={"Prefer": "respond-async", **headers}))


class TestLater:
    """What an asynchronous endpoint is asked goes through the bucket."""

    @pytest.fixture
    def fake(self) -> FakeQueue:
        return FakeQueue()

    @pytest.fixture
    def taken(self, fake: FakeQueue) -> str:
        """What a request is called that was taken."""
        answer = queue_of(fake).accept(later())
        return str(json.loads(answer.body)["id"])

    @pytest.mark.parametrize(
        ("prefer", "waits"),
        [
            ("respond-async", False),
            ("handling=lenient, Respond-Async; foo=bar, wait=10", False),
            ("wait=10", True),
            ("respond-asynchronously", True),
            ("", True),
        ],
    )
    def test_is_what_prefers_it(self, prefer: str, waits: bool) -> None:
        assert read_request(event(headers={"prefer": prefer})).later is not waits

    def test_the_body_is_put_and_named(self, fake: FakeQueue) -> None:
        headers = {"X-Amzn-SageMaker-Inference-Id": "order-7", "Accept": "text/csv"}
        answer = queue_of(fake).accept(later(**headers))
        ((key, stored),) = fake.objects.items()
        assert key.startswith("async/iris/in/")
        assert stored == (b'{"x": 1}', "application/json")
        assert fake.asked == {
            "EndpointName": "mlops-blue-iris",
            "InputLocation": f"s3://{BUCKET}/{key}",
            "ContentType": "application/json",
            "Accept": "text/csv",
            "InferenceId": "order-7",
        }
        said = json.loads(answer.body)
        assert said == {"id": said["id"], "inferenceId": "order-7", "status": "pending"}
        assert answer.status == 202
        assert answer.headers == {
            "Location": f"invocations/{said['id']}",
            "Preference-Applied": "respond-async",
        }

    def test_is_pending_then_answered(self, fake: FakeQueue, taken: str) -> None:
        queue = queue_of(fake)
        pending = queue.fetch("iris", taken)
        assert (pending.status, json.loads(pending.body)["status"]) == (202, "pending")
        fake.objects["async/iris/out/7d1-a.out"] = (b"1,2", "text/csv")
        assert queue.fetch("iris", taken) == Answer(b"1,2", "text/csv")

    @pytest.mark.parametrize(
        ("text", "status", "said"),
        [
            (
                'Received client error (415) from primary with message "no "such" type". See x.',
                415,
                'refused the request: no "such" type$',
            ),
            ("Received client error (400) from primary", 400, "refused the request"),
            ('Received server error (500) from primary with message "model.py"', 502, "failed"),
            ("It waited too long.", 502, "failed"),
        ],
    )
    def test_a_failure_is_told_as_far_as_it_is_the_callers(
        self,
        text: str,
        status: int,
        said: str,
        fake: FakeQueue,
        taken: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        fake.objects["async/iris/failed/7d1-a-error.out"] = (text.encode(), "text/plain")
        with pytest.raises(RequestError, match=said) as raised:
            queue_of(fake).fetch("iris", taken)
        assert raised.value.status == status
        assert "model.py" not in str(raised.value)
        assert (text in caplog.text) is (status == 502)

    def test_what_was_never_taken_is_not_pending(self, fake: FakeQueue, taken: str) -> None:
        other = f"{'0' * 32}-7d1-a"
        fake.objects["async/iris/out/7d1-a.out"] = (b"1,2", "text/csv")
        for endpoint, invocation in (("iris", other), ("rose", taken)):
            with pytest.raises(RequestError, match="has no request") as raised:
                queue_of(fake).fetch(endpoint, invocation)
            assert raised.value.status == 404

    @pytest.mark.parametrize("invocation", [None, "", "x", "../in/a", f"{'0' * 32}-", "0" * 32])
    def test_what_cannot_be_a_request_is_asked_of_nobody(self, invocation: str | None) -> None:
        names = {"endpoint": "iris", "invocation": invocation}
        with pytest.raises(RequestError, match="no request's name") as raised:
            read_invocation(event(pathParameters=names))
        assert raised.value.status == 404

    def test_an_answer_that_is_too_long_is_not_even_read(self, fake: FakeQueue, taken: str) -> None:
        fake.objects["async/iris/out/7d1-a.out"] = (b"x" * (MOST_BYTES + 1), "text/csv")
        fake.get_object = None  # type: ignore[assignment, method-assign]
        with pytest.raises(RequestError, match="6 MB at most"):
            queue_of(fake).fetch("iris", taken)

    @pytest.mark.parametrize(
        ("failure", "status", "said"),
        [
            (client_error("ValidationError", "Endpoint x not found."), 404, "no endpoint 'iris'"),
            (client_error("ValidationError", "It is real-time."), 400, "It is real-time. An asyn"),
            (client_error("AccessDenied"), 502, "AccessDenied"),
            (EndpointConnectionError(endpoint_url="u"), 503, "cannot be reached"),
        ],
    )
    def test_each_failure_says_what_to_do(self, failure: Exception, status: int, said: str) -> None:
        with pytest.raises(RequestError, match=said) as raised:
            queue_of(FakeQueue(failure)).accept(later())
        assert raised.value.status == status

    @pytest.mark.parametrize("place", ["s3://other/async/iris/out/", f"{ANSWERS}../"])
    def test_an_answer_that_will_be_elsewhere_is_not_promised(
        self, place: str, fake: FakeQueue
    ) -> None:
        fake.answers = place
        with pytest.raises(RequestError, match="cannot read it"):
            queue_of(fake).accept(later())

    @pytest.mark.parametrize(
        ("failure", "status"),
        [(client_error("AccessDenied"), 502), (EndpointConnectionError(endpoint_url="u"), 503)],
    )
    def test_a_bucket_that_does_not_answer_is_no_missing_request(
        self, failure: Exception, status: int, fake: FakeQueue, taken: str
    ) -> None:
        fake.list_objects_v2 = failing(failure)  # type: ignore[method-assign]
        with pytest.raises(RequestError) as raised:
            queue_of(fake).fetch("iris", taken)
        assert raised.value.status == status


def failing(failure: Exception) -> Callable[..., dict[str, Any]]:
    def call(**_: Any) -> dict[str, Any]:
        raise failure

    return call


class TestAnswers:
    def test_text_goes_as_text(self) -> None:
        made = respond(Answer(b"a,1\n", "text/csv"))
        assert (made["statusCode"], made["body"], made["isBase64Encoded"]) == (200, "a,1\n", False)
        assert made["headers"] == {"Content-Type": "text/csv"}

    @given(st.binary())
    def test_every_byte_arrives(self, body: bytes) -> None:
        made = respond(Answer(body, "application/octet-stream"))
        sent = made["body"]
        arrived = base64.b64decode(sent) if made["isBase64Encoded"] else sent.encode()
        assert arrived == body

    @pytest.mark.parametrize("body", [b"x" * (MOST_BYTES + 1), b'"' * (MOST_BYTES // 2 + 1)])
    def test_what_lambda_would_not_pass_is_said(self, body: bytes) -> None:
        with pytest.raises(RequestError, match="6 MB at most") as raised:
            respond(Answer(body, "text/csv"))
        assert raised.value.status == 502

    def test_a_refusal_is_json_with_the_requests_id(self) -> None:
        made = refuse(RequestError(404, "There is none."), "id-1")
        assert made["statusCode"] == 404
        assert json.loads(made["body"]) == {"error": "There is none.", "requestId": "id-1"}


class TestSettings:
    def test_all_are_needed(self) -> None:
        with pytest.raises(ValueError, match="ENDPOINT_PREFIX, READ_SECONDS, BUCKET must be set"):
            Settings.read({})

    def test_are_typed(self) -> None:
        read = Settings.read({"ENDPOINT_PREFIX": PREFIX, "READ_SECONDS": "26", "BUCKET": "b"})
        assert read == Settings(PREFIX, 26.0, "b")


class TestHandler:
    @pytest.fixture
    def handler(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("ENDPOINT_PREFIX", PREFIX)
        monkeypatch.setenv("READ_SECONDS", "26")
        monkeypatch.setenv("BUCKET", BUCKET)
        import importlib

        import invoker.handler

        module = importlib.reload(invoker.handler)
        monkeypatch.setattr(module, "INVOKER", Invoker(PREFIX, FakeRuntime()))
        monkeypatch.setattr(module, "QUEUE", queue_of(FakeQueue()))
        return module.handler

    def test_answers(self, handler: Any) -> None:
        assert handler(event(), None)["statusCode"] == 200

    def test_refuses_with_the_requests_id(self, handler: Any) -> None:
        made = handler(event(body="{", requestContext={"requestId": "r-1"}), None)
        assert made["statusCode"] == 400
        assert json.loads(made["body"])["requestId"] == "r-1"

    def test_takes_what_is_answered_later_and_says_how_far_it_is(self, handler: Any) -> None:
        taken = handler(event(headers={"Prefer": "respond-async"}), None)
        assert taken["statusCode"] == 202
        invocation = taken["headers"]["Location"].removeprefix("invocations/")
        names = {"endpoint": "iris", "invocation": invocation}
        asked = {"httpMethod": "GET", "pathParameters": names, "headers": {}, "body": None}
        found = handler(asked, None)
        assert (found["statusCode"], json.loads(found["body"])["status"]) == (202, "pending")

    def test_clients_of_asynchronous_endpoints_wait_less_than_the_function(
        self, handler: Any
    ) -> None:
        import invoker.handler

        s3, runtime = (it.meta.config for it in invoker.handler.clients())
        waits = [
            it.retries["total_max_attempts"] * (it.connect_timeout + it.read_timeout)
            for it in (s3, runtime)
        ]
        assert sum(waits) < 28


class Flaky:
    """A runtime that answers or fails as it is told, one after the other."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.time = 0.0
        self.seconds = 0.01

    def invoke_endpoint(self, **_: Any) -> dict[str, Any]:
        self.time += self.seconds
        failure = self.answers.pop(0)
        if failure:
            raise failure
        return {"Body": io.BytesIO(b"{}"), "ContentType": "application/json"}


REQUEST = Request("iris", b"{}", "application/json", "*/*")
BROKEN = client_error("ModelError", OriginalStatusCode=500)


def invoker_of(runtime: Flaky) -> Invoker:
    return Invoker(PREFIX, runtime, lambda: runtime.time)


class TestRetries:
    def test_a_failed_model_is_asked_again(self) -> None:
        runtime = Flaky(BROKEN, BROKEN, None)
        assert invoker_of(runtime).invoke(REQUEST).body == b"{}"
        assert runtime.answers == []

    def test_but_not_for_ever(self) -> None:
        runtime = Flaky(*[BROKEN] * (ATTEMPTS + 1))
        with pytest.raises(RequestError) as raised:
            invoker_of(runtime).invoke(REQUEST)
        assert raised.value.status == 502
        assert len(runtime.answers) == 1

    @pytest.mark.parametrize(
        "failure",
        [
            client_error("ModelError", OriginalStatusCode=400),
            client_error("ModelError", OriginalStatusCode=0),
            client_error("ThrottlingException"),
            client_error("ServiceUnavailable"),
            client_error("ValidationError", "not found"),
            ReadTimeoutError(endpoint_url="x"),
        ],
    )
    def test_nothing_else_is_asked_again(self, failure: Exception) -> None:
        runtime = Flaky(failure, None)
        with pytest.raises(RequestError):
            invoker_of(runtime).invoke(REQUEST)
        assert len(runtime.answers) == 1

    def test_what_failed_late_is_not_asked_again(self) -> None:
        runtime = Flaky(BROKEN, None)
        runtime.seconds = RETRY_SECONDS + 0.1
        with pytest.raises(RequestError):
            invoker_of(runtime).invoke(REQUEST)
        assert len(runtime.answers) == 1

    def test_an_endpoint_that_only_fails_is_soon_asked_once(self) -> None:
        runtime = Flaky(*[BROKEN] * 40)
        invoker = invoker_of(runtime)
        used = []
        for _ in range(5):
            before = len(runtime.answers)
            with pytest.raises(RequestError):
                invoker.invoke(REQUEST)
            used.append(before - len(runtime.answers))
        assert used == [6, 4, 1, 1, 1]

    def test_each_endpoint_has_its_own_budget(self) -> None:
        runtime = Flaky(*[BROKEN] * 10, BROKEN, None)
        invoker = invoker_of(runtime)
        for _ in range(2):
            with pytest.raises(RequestError):
                invoker.invoke(REQUEST)
        other = Request("rose", b"{}", "application/json", "*/*")
        assert invoker.invoke(other).body == b"{}"

    @given(st.lists(st.permutations([True] * 4 + [False] * 6), max_size=20))
    def test_where_few_attempts_fail_there_is_always_another(self, tens: list[list[bool]]) -> None:
        budget = RetryBudget()
        for failed in (failed for ten in tens for failed in ten):
            if failed:
                assert budget.failed()
            else:
                budget.succeeded()


@given(share=st.floats(0.01, 0.25))
def test_few_callers_of_a_broken_canary_see_it(share: float) -> None:
    assert share**ATTEMPTS < 1 / 4000
