"""`make webhook`: MLflow tells the platform when an alias is set."""

from collections.abc import Callable
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from mlflow.entities.webhook import Webhook, WebhookTestResult
from mlflow.exceptions import MlflowException

from operations.errors import OperationError

EVENT = "model_version_alias.created"
"""What MLflow calls that an alias was set, whether or not it was there before."""

PAGE = 100


class Webhooks(Protocol):
    """What is asked of MLflow: its own client is one."""

    def list_webhooks(self, max_results: int | None = None, page_token: str | None = None) -> Any:
        """A page of them."""
        ...

    def create_webhook(
        self,
        name: str,
        url: str,
        events: list[Any],
        description: str | None = None,
        secret: str | None = None,
    ) -> Webhook:
        """Make one."""
        ...

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
        """Change one."""
        ...

    def test_webhook(self, webhook_id: str, event: Any = None) -> WebhookTestResult:
        """Have MLflow send an example."""
        ...


def read_webhook_secret(manager: Any, arn: str) -> tuple[str, str]:
    """The secret that MLflow is to sign with, and which version of it that is.

    Parameters
    ----------
    manager
        A client of Secrets Manager.
    arn
        The secret: output ``WebhookSecretArn`` of the Release stack.

    Raises
    ------
    OperationError
        Where it cannot be read.
    """
    try:
        found = manager.get_secret_value(SecretId=arn)
    except (BotoCoreError, ClientError) as error:
        raise OperationError(
            f"What MLflow signs webhooks with, the secret {arn}, cannot be read: {error}",
            "Use a role that may read it, from where the perimeter lets it.",
        ) from error
    return str(found["SecretString"]), str(found["VersionId"])


def register_webhook(
    mlflow: Webhooks,
    *,
    name: str,
    url: str,
    secret: str,
    version: str,
    say: Callable[[str], None],
) -> None:
    """Have MLflow tell `url` of each alias that is set, and try it out.

    Done again, it changes nothing, unless the address or the secret is another one. MLflow does
    not say which secret it has: its version stands in the description.

    Parameters
    ----------
    mlflow
        MLflow's client, logged in as an administrator.
    name
        What the webhook is called.
    url
        The address: output ``PromotionsUrl`` of the Release stack.
    secret, version
        What MLflow signs with, and which version of the secret that is.
    say
        Told what is done.

    Raises
    ------
    OperationError
        Where it cannot be registered, or is not answered.
    """
    description = f"Tells of aliases that are set. Signed with version {version} of the secret."
    wanted: dict[str, Any] = {"url": url, "events": [EVENT], "description": description}
    try:
        found = _find(mlflow, name)
        if found is None:
            found = mlflow.create_webhook(name, **wanted, secret=secret)
            say(f"made the webhook {name} to {url}")
        elif _said(found) != {**wanted, "status": "ACTIVE"}:
            found = mlflow.update_webhook(
                found.webhook_id, **wanted, secret=secret, status="ACTIVE"
            )
            say(f"changed the webhook {name}: it goes to {url}, with version {version}")
        else:
            say(f"the webhook {name} is as it is to be")
        result = mlflow.test_webhook(found.webhook_id, EVENT)
    except MlflowException as error:
        raise OperationError(
            f"MLflow has no webhook {name} to {url}: {error.message}",
            "Check that this machine reaches MLflow, that the administrator's secret is the one"
            " that the last deployment knew, and that the Tracking stack is deployed with 'release'"
            " in the environment.",
        ) from error
    _check(name, url, result)
    say(f"MLflow's own test of it is answered {result.response_status}: {result.response_body}")


def _find(mlflow: Webhooks, name: str) -> Webhook | None:
    """The webhook of a name, the latest where there are more."""
    token = None
    while True:
        page = mlflow.list_webhooks(PAGE, token)
        for webhook in page:
            if webhook.name == name:
                return webhook  # type: ignore[no-any-return]
        token = page.token
        if not token:
            return None


def _said(webhook: Webhook) -> dict[str, Any]:
    return {
        "url": webhook.url,
        "events": [str(event) for event in webhook.events],
        "description": webhook.description,
        "status": str(webhook.status),
    }


def _check(name: str, url: str, result: WebhookTestResult) -> None:
    if result.success and result.response_status == 200:
        return
    said = f"{result.response_status}: {result.response_body}"
    raise OperationError(
        f"The webhook {name} is registered, but MLflow's test of it at {url} is answered"
        f" {result.error_message or said}",
        "401 is another secret: run this again. 403 is API Gateway's: deploy Network and Release"
        " again, whose policies let the call through. Where nothing answers, look at the security"
        " group of MLflow's tasks. Aliases that move meanwhile are found by the schedule.",
    )
