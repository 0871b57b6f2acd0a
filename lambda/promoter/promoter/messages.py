"""Webhooks of MLflow in the form of API Gateway's proxy integration, and the answers to them.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
https://mlflow.org/docs/latest/ml/webhooks/
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promoter.errors import RefusedError
from promoter.settings import Alias

SIGNATURE = "X-MLflow-Signature"
DELIVERY = "X-MLflow-Delivery-Id"
TIMESTAMP = "X-MLflow-Timestamp"

BODY_BYTES = 16 * 1024
"""The longest body. What MLflow tells of an alias has three names in it."""

MOVED = ("model_version_alias", "created")
"""What MLflow calls that an alias was set, whether or not it was there before."""


@dataclass(frozen=True)
class Delivery:
    """A webhook as it was sent.

    Parameters
    ----------
    id
        What MLflow calls it, the same each time that it tries again.
    timestamp
        When it was signed, in seconds.
    signature
        What it is signed with.
    body
        What it says.
    """

    id: str
    timestamp: int
    signature: str = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def signed(self) -> bytes:
        """What the signature is of."""
        return b".".join((self.id.encode(), str(self.timestamp).encode(), self.body))


def read_delivery(event: Mapping[str, Any]) -> Delivery:
    """Read a webhook.

    Parameters
    ----------
    event
        A request as API Gateway gives it.

    Raises
    ------
    RefusedError
        Where it is too long, or has not the form of one of MLflow's.
    """
    headers = {
        name.lower(): str(said) for name, said in (event.get("headers") or {}).items() if said
    }
    body = _body(event)
    return Delivery(
        id=_header(headers, DELIVERY, r"[A-Za-z0-9-]{1,64}"),
        # As it is written, since it is signed: no sign, no zero before it.
        timestamp=int(_header(headers, TIMESTAMP, r"[1-9][0-9]{0,11}")),
        signature=_header(headers, SIGNATURE, r"v1,[A-Za-z0-9+/]{43}="),
        body=body,
    )


def _header(headers: Mapping[str, str], name: str, form: str) -> str:
    text = headers.get(name.lower(), "")
    if not re.fullmatch(form, text, re.ASCII):
        raise RefusedError(400, f"The header {name} is missing, or is none of MLflow's.")
    return text


def _body(event: Mapping[str, Any]) -> bytes:
    text = str(event.get("body") or "")
    # Before it is decoded, which makes it shorter by a quarter.
    if len(text) > BODY_BYTES * (4 / 3 if event.get("isBase64Encoded") else 1) + 4:
        raise RefusedError(413, f"The body has more than {BODY_BYTES} bytes.")
    try:
        body = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else None
    except binascii.Error as error:
        raise RefusedError(400, "The body is not the base64 it claims to be.") from error
    body = text.encode(errors="surrogatepass") if body is None else body
    if len(body) > BODY_BYTES:
        raise RefusedError(413, f"The body has more than {BODY_BYTES} bytes.")
    return body


def moved_alias(delivery: Delivery) -> Alias | None:
    """The alias that a webhook says was set; nothing where it tells of something else.

    Parameters
    ----------
    delivery
        A webhook that MLflow signed.

    Raises
    ------
    RefusedError
        Where it is not what MLflow says.
    """
    try:
        said = json.loads(delivery.body)
        if (said["entity"], said["action"]) != MOVED:
            return None
        return Alias(str(said["data"]["name"]), str(said["data"]["alias"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RefusedError(
            400,
            "The body is signed, but is not what MLflow 3 says of an alias: see messages.py.",
        ) from error


def answer(status: int, said: Mapping[str, Any]) -> dict[str, Any]:
    """An answer to API Gateway.

    Parameters
    ----------
    status
        Its status.
    said
        What it says, as JSON.
    """
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(said, sort_keys=True),
        "isBase64Encoded": False,
    }
