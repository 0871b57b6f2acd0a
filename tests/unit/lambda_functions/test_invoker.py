"""The invoker, with a fake of SageMaker's runtime that fails as the real one does."""

import base64
import io
import json
import logging
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from invoker.invocation import Invoker
from invoker.messages import Prediction, Request, RequestError, answer, read_request, refuse
from invoker.retries import ATTEMPTS, RETRY_SECONDS, RetryBudget
from invoker.settings import Settings

PREFIX = "mlops-blue-"


class FakeRuntime:
    """Answers for one endpoint, and keeps what it was asked."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.asked: dict[str, Any] = {}
        self.failure = failure

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.asked = request
        if self.failure:
            raise self.failure
        return {"Body": io.BytesIO(b'{"category":"a"}'), "ContentType": "application/json"}


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
        assert prediction == Prediction(b'{"category":"a"}', "application/json")

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
            (client_error("ValidationError", "too long"), 502, "ValidationError"),
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


class TestAnswers:
    def test_text_goes_as_text(self) -> None:
        made = answer(Prediction(b"a,1\n", "text/csv"))
        assert (made["statusCode"], made["body"], made["isBase64Encoded"]) == (200, "a,1\n", False)
        assert made["headers"] == {"Content-Type": "text/csv"}

    @given(st.binary())
    def test_every_byte_arrives(self, body: bytes) -> None:
        made = answer(Prediction(body, "application/octet-stream"))
        sent = made["body"]
        arrived = base64.b64decode(sent) if made["isBase64Encoded"] else sent.encode()
        assert arrived == body

    def test_a_refusal_is_json_with_the_requests_id(self) -> None:
        made = refuse(RequestError(404, "There is none."), "id-1")
        assert made["statusCode"] == 404
        assert json.loads(made["body"]) == {"error": "There is none.", "requestId": "id-1"}


class TestSettings:
    def test_both_are_needed(self) -> None:
        with pytest.raises(ValueError, match="ENDPOINT_PREFIX, READ_SECONDS must be set"):
            Settings.read({})

    def test_are_typed(self) -> None:
        read = Settings.read({"ENDPOINT_PREFIX": PREFIX, "READ_SECONDS": "26"})
        assert read == Settings(PREFIX, 26.0)


class TestHandler:
    @pytest.fixture
    def handler(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("ENDPOINT_PREFIX", PREFIX)
        monkeypatch.setenv("READ_SECONDS", "26")
        import importlib

        import invoker.handler

        module = importlib.reload(invoker.handler)
        monkeypatch.setattr(module, "INVOKER", Invoker(PREFIX, FakeRuntime()))
        return module.handler

    def test_answers(self, handler: Any) -> None:
        assert handler(event(), None)["statusCode"] == 200

    def test_refuses_with_the_requests_id(self, handler: Any) -> None:
        made = handler(event(body="{", requestContext={"requestId": "r-1"}), None)
        assert made["statusCode"] == 400
        assert json.loads(made["body"])["requestId"] == "r-1"


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
