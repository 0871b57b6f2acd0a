"""Whether MLflow sent a webhook, and when.

https://mlflow.org/docs/latest/ml/webhooks/
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable

from promoter.errors import RefusedError
from promoter.messages import Delivery
from promoter.secrets import Secret

WINDOW_SECONDS = 300
"""How old a webhook may be, or how far ahead its clock. MLflow tries again for less than that."""


def sign(secret: str, content: bytes) -> str:
    """The signature of MLflow.

    Parameters
    ----------
    secret
        What it signs with.
    content
        What it signs.

    Examples
    --------
    >>> sign("secret", b"id.1.{}")
    'v1,E1b6Wnx3pbySnNZoGKYYVi/SMF+VwRvyB8jRf9XPsvc='
    """
    digest = hmac.new(secret.encode(), content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def verify(delivery: Delivery, secret: Secret, now: Callable[[], float] = time.time) -> None:
    """Make sure that MLflow sent a webhook, and not long ago.

    Parameters
    ----------
    delivery
        The webhook.
    secret
        What MLflow signs with.
    now
        A clock, in seconds since 1970.

    Raises
    ------
    RefusedError
        Where somebody else sent it, or MLflow did another time.
    LookError
        Where the secret cannot be read.
    """
    known = secret.value()
    if not _is_signed(delivery, known) and not (
        secret.changed(known) and _is_signed(delivery, secret.value())
    ):
        raise RefusedError(401, "The signature is not MLflow's.")
    age = now() - delivery.timestamp
    if abs(age) > WINDOW_SECONDS:
        raise RefusedError(401, f"It was signed {age:.0f} s ago, and {WINDOW_SECONDS} s count.")


def _is_signed(delivery: Delivery, secret: str) -> bool:
    return hmac.compare_digest(sign(secret, delivery.signed), delivery.signature)
