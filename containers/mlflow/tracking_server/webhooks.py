"""Webhooks lead to the platform's own API and nowhere else.

A webhook of MLflow is a way to have the server call an address, which an administrator chooses:
by default any public one, of which this network has none, or, as it is to be here, any private one.
"""

import base64
import hashlib
import ipaddress
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

KEY = "TRACKING_SERVER_WEBHOOK_KEY"
"""The variable with the name of the file that holds what secrets of webhooks are encrypted by."""

HOSTS = "TRACKING_SERVER_WEBHOOK_HOSTS"
"""The variable with what the hosts of webhooks may end with, with commas."""

LOOPBACK = "127.0.0.1"

ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?(?:/[A-Za-z0-9._~/-]*)?"
)
"""An address without a user, a query or a letter that two readers could read differently."""

ENVIRONMENT = {
    # What is private is what there is: where webhooks lead, `check_address` says.
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "https,http",
    # One that is registered, or changed, is known this soon, and not after a minute.
    "MLFLOW_WEBHOOK_CACHE_TTL": "10",
    # API Gateway gives up after 29 s. Again after 1, 2, 4, 8 and 16 s: all that is less than the
    # five minutes for which a signature counts.
    "MLFLOW_WEBHOOK_REQUEST_TIMEOUT": "30",
    "MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES": "5",
}
"""What MLflow is told of webhooks."""

_log = logging.getLogger(__name__)


class WebhooksError(Exception):
    """What this version of MLflow lacks."""


def bind_webhooks(
    delivery: Any, registry: Any, models: Any, *, hosts: Sequence[str], key: str
) -> None:
    """Have MLflow's webhooks lead where they may, and their secrets be read by every task.

    Parameters
    ----------
    delivery
        The module ``mlflow.webhooks.delivery``.
    registry
        The module ``mlflow.store.model_registry.sqlalchemy_store``.
    models
        The module ``mlflow.store.model_registry.dbmodels.models``.
    hosts
        What hosts may end with: ``.execute-api.eu-west-1.amazonaws.com``. None may be called
        where there is none.
    key
        What secrets are encrypted by, of any form.

    Raises
    ------
    WebhooksError
        Where this version of MLflow lacks what is changed here.
    """
    for module, name in (
        (delivery, "_validate_webhook_url"),
        (delivery, "_create_webhook_session"),
        (registry, "_validate_webhook_url"),
        (models.EncryptedString, "process_bind_param"),
        (models.EncryptedString, "process_result_value"),
    ):
        if not callable(getattr(module, name, None)):
            raise WebhooksError(f"this MLflow has no {module.__name__}.{name}: see webhooks.py")

    def check(url: str) -> None:
        check_address(url, hosts)

    delivery._validate_webhook_url = registry._validate_webhook_url = check
    delivery._create_webhook_session = straight(delivery._create_webhook_session)
    if key:
        encrypt_with(models.EncryptedString, key)


def check_address(url: Any, hosts: Sequence[str]) -> None:
    """Refuse an address that webhooks may not lead to.

    Parameters
    ----------
    url
        The address.
    hosts
        What its host may end with. One that is a loopback address itself is called by http.

    Raises
    ------
    MlflowException
        Where they may not.

    Examples
    --------
    >>> check_address("https://a1.execute-api.eu-west-1.amazonaws.com/v1/promotions",
    ...               [".execute-api.eu-west-1.amazonaws.com"])
    """
    said = ADDRESS.fullmatch(url) if isinstance(url, str) else None
    if said:
        host, port = said["host"], said["port"]
        if is_loopback(host):
            allowed = host in hosts and said["scheme"] == "http"
        else:
            allowed = (
                said["scheme"] == "https"
                and port in (None, "443")
                and any(host.endswith(end) for end in hosts if end.startswith("."))
            )
        if allowed:
            return
    from mlflow.exceptions import MlflowException

    where = ", ".join(hosts) or "nothing: no endpoint of this environment follows an alias"
    raise MlflowException.invalid_parameter_value(
        f"Webhooks lead to the platform's own API, by https: to {where}. Not to {url!r}."
    )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def straight(make: Callable[[], Any]) -> Callable[[], Any]:
    """What makes the session of webhooks, which is sent nowhere else by an answer.

    Parameters
    ----------
    make
        MLflow's, whose sessions follow redirections wherever they lead.
    """

    def made() -> Any:
        session = make()
        session.max_redirects = 0
        return session

    return made


def encrypt_with(kind: Any, key: str) -> None:
    """Encrypt the secrets of webhooks by a key that every task has.

    MLflow takes a key of its own where there is none in the environment, another one in each task;
    and then a secret that it cannot read keeps it from every webhook.

    Parameters
    ----------
    kind
        MLflow's type of columns that are encrypted.
    key
        The key, of any form: Fernet's is made of it.
    """
    from cryptography.fernet import Fernet, InvalidToken

    cipher = Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()))

    def encrypt(_: Any, value: str | None, __: Any) -> str | None:
        return None if value is None else cipher.encrypt(value.encode()).decode()

    def decrypt(_: Any, value: str | None, __: Any) -> str | None:
        try:
            return None if value is None else cipher.decrypt(value.encode()).decode()
        except InvalidToken:
            # Who hears it refuses what is not signed, and 'make webhook' sets the secret anew.
            _log.error(
                "the secret of a webhook was encrypted by another key, and what it sends is not"
                " signed: run 'make webhook'"
            )
            return None

    kind.process_bind_param, kind.process_result_value = encrypt, decrypt


def configure_webhooks(
    folder: Path, *, hosts: Sequence[str], key: str, listens_on: str
) -> dict[str, str]:
    """Write down the key for the server's processes.

    Parameters
    ----------
    folder
        Where to; only this user can read the file.
    hosts
        What hosts of webhooks may end with.
    key
        What their secrets are encrypted by; nothing where there are none.
    listens_on
        The server's own address. Where only this machine can call the server, the server may call
        this machine: there is no other place for the API then.

    Returns
    -------
    dict of str to str
        The environment of the server that says so.
    """
    file = folder / "webhooks.key"
    file.touch(0o600)
    file.write_text(key, encoding="utf-8")
    here = [LOOPBACK] if key and is_loopback(listens_on) else []
    return {**ENVIRONMENT, KEY: str(file), HOSTS: ",".join([*hosts, *here])}
