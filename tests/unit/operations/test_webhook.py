"""Registering the webhook. What a real MLflow makes of it: `tests/image`."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from mlflow.entities.webhook import Webhook, WebhookEvent, WebhookStatus, WebhookTestResult
from mlflow.exceptions import MlflowException
from mlflow.store.entities.paged_list import PagedList

from operations.errors import OperationError
from operations.webhook import EVENT, PAGE, read_webhook_secret, register_webhook

URL = "https://a1.execute-api.eu-west-1.amazonaws.com/v1/promotions"
ANSWERED = WebhookTestResult(True, 200, '{"heard": "now"}')


class FakeWebhooks:
    """MLflow's webhooks, as its client makes and changes them."""

    def __init__(self, result: WebhookTestResult = ANSWERED) -> None:
        self.webhooks: list[Webhook] = []
        self.secrets: dict[str, str] = {}
        self.result = result
        self.tested: list[str] = []

    def list_webhooks(
        self, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList[Webhook]:
        start = int(page_token or 0)
        end = start + (max_results or 0)
        token = str(end) if end < len(self.webhooks) else None
        return PagedList(self.webhooks[start:end], token)

    def create_webhook(
        self,
        name: str,
        url: str,
        events: list[Any],
        description: str | None = None,
        secret: str | None = None,
    ) -> Webhook:
        known = [WebhookEvent.from_str(event) for event in events]
        made = Webhook(f"w{len(self.webhooks)}", name, url, known, 0, 0, description)
        self.webhooks.append(made)
        self.secrets[made.webhook_id] = secret or ""
        return made

    def update_webhook(
        self,
        webhook_id: str,
        name: str | None = None,
        description: str | None = None,
        url: str | None = None,
        events: list[Any] | None = None,
        secret: str | None = None,
        status: str | None = None,
    ) -> Webhook:
        index = next(i for i, it in enumerate(self.webhooks) if it.webhook_id == webhook_id)
        was = self.webhooks[index]
        known = [WebhookEvent.from_str(event) for event in events or ()]
        state = WebhookStatus(status or "ACTIVE")
        now = Webhook(webhook_id, was.name, url or "", known, 0, 0, description, state)
        self.webhooks[index] = now
        self.secrets[webhook_id] = secret or ""
        return now

    def test_webhook(self, webhook_id: str, event: Any = None) -> WebhookTestResult:
        assert event == EVENT
        self.tested.append(webhook_id)
        return self.result


Register = Callable[..., list[str]]


@pytest.fixture
def mlflow() -> FakeWebhooks:
    return FakeWebhooks()


@pytest.fixture
def register(mlflow: FakeWebhooks) -> Register:
    def registered(**changes: str) -> list[str]:
        said: list[str] = []
        given = {"url": URL, "secret": "s1", "version": "v1", **changes}
        register_webhook(mlflow, name="blue-release", say=said.append, **given)
        return said

    return registered


class TestRegistration:
    def test_once(self, register: Register, mlflow: FakeWebhooks) -> None:
        said = register()
        assert said == [
            f"made the webhook blue-release to {URL}",
            'MLflow\'s own test of it is answered 200: {"heard": "now"}',
        ]
        assert register()[0] == "the webhook blue-release is as it is to be"
        assert len(mlflow.webhooks) == 1
        assert mlflow.tested == ["w0", "w0"]

    @pytest.mark.parametrize("change", [{"url": f"{URL}/2"}, {"secret": "s2", "version": "v2"}])
    def test_follows_what_changes(
        self, change: dict[str, str], register: Register, mlflow: FakeWebhooks
    ) -> None:
        register()
        assert register(**change)[0].startswith("changed the webhook blue-release")
        (webhook,) = mlflow.webhooks
        assert webhook.url == change.get("url", URL)
        assert mlflow.secrets == {"w0": change.get("secret", "s1")}
        assert register(**change)[0].endswith("is as it is to be")

    def test_turns_on_what_was_turned_off(self, register: Register, mlflow: FakeWebhooks) -> None:
        register()
        description = mlflow.webhooks[0].description
        mlflow.update_webhook("w0", None, description, URL, [EVENT], "s1", "DISABLED")
        assert register()[0].startswith("changed")
        assert mlflow.webhooks[0].status == WebhookStatus.ACTIVE

    def test_finds_it_among_many(self, register: Register, mlflow: FakeWebhooks) -> None:
        for number in range(PAGE + 5):
            mlflow.create_webhook(f"other-{number}", URL, [EVENT])
        register()
        register()
        assert len(mlflow.webhooks) == PAGE + 6

    def test_no_secret_is_said(self, register: Register, mlflow: FakeWebhooks) -> None:
        secret = "never-said"
        assert secret not in str(register(secret=secret))
        assert secret not in str(mlflow.webhooks[0].description)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (WebhookTestResult(False, 401, "no"), "answered 401: no"),
        (WebhookTestResult(True, 302, ""), "answered 302"),
        (WebhookTestResult(False, error_message="Failed to test webhook: x"), "Failed to test"),
    ],
)
def test_an_answer_that_is_none_is_a_failure(result: WebhookTestResult, said: str) -> None:
    with pytest.raises(OperationError, match=said):
        register_webhook(
            FakeWebhooks(result), name="n", url=URL, secret="s", version="v", say=lambda _: None
        )


def test_what_mlflow_refuses_is_said(mlflow: FakeWebhooks, monkeypatch: Any) -> None:
    def refuse(*_: Any, **__: Any) -> Webhook:
        raise MlflowException("Webhooks lead to the platform's own API")

    monkeypatch.setattr(mlflow, "create_webhook", refuse)
    with pytest.raises(OperationError, match="the platform's own API"):
        register_webhook(mlflow, name="n", url=URL, secret="s", version="v", say=lambda _: None)


def test_a_secret_that_cannot_be_read() -> None:
    class Manager:
        def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "x")

    with pytest.raises(OperationError, match="arn:webhook, cannot be read"):
        read_webhook_secret(Manager(), "arn:webhook")
