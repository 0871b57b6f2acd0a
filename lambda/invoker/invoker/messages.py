"""Requests and answers in the form of API Gateway's proxy integration.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JSON = "application/json"


@dataclass(frozen=True)
class Request:
    """What a caller asks of an endpoint.

    Parameters
    ----------
    endpoint
        Name of the endpoint, as the configuration calls it.
    body
        What to send to it.
    content_type, accept
        What the body is, and what the answer may be.
    """

    endpoint: str
    body: bytes
    content_type: str
    accept: str


@dataclass(frozen=True)
class Prediction:
    """What an endpoint answered.

    Parameters
    ----------
    body
        The answer.
    content_type
        What it is.
    """

    body: bytes
    content_type: str


class RequestError(Exception):
    """Why a request has no prediction.

    Parameters
    ----------
    status
        HTTP status for the caller.
    what
        What happened, and what to do.
    """

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status = status


def read_request(event: Mapping[str, Any]) -> Request:
    """Read a request.

    Parameters
    ----------
    event
        A request as API Gateway gives it.

    Raises
    ------
    RequestError
        Where it names no possible endpoint, has no body, or a body that is not the JSON it claims.
    """
    endpoint = (event.get("pathParameters") or {}).get("endpoint") or ""
    if not re.fullmatch(r"[a-z][a-z0-9-]*", endpoint):
        raise RequestError(404, f"'{endpoint}' is no endpoint's name.")
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    content_type = headers.get("content-type", JSON)
    body = _body(event)
    if content_type.partition(";")[0].strip().lower() == JSON:
        try:
            json.loads(body)
        except ValueError as error:
            raise RequestError(400, f"The body is not JSON: {error}.") from error
    return Request(endpoint, body, content_type, headers.get("accept", "*/*"))


def _body(event: Mapping[str, Any]) -> bytes:
    text = event.get("body") or ""
    if not text:
        raise RequestError(400, "The body is empty: send what the model is to predict from.")
    if not event.get("isBase64Encoded"):
        return str(text).encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise RequestError(400, "The body is not the base64 it claims to be.") from error


def answer(prediction: Prediction) -> dict[str, Any]:
    """The answer that carries a prediction."""
    try:
        body, encoded = prediction.body.decode(), False
    except UnicodeDecodeError:
        body, encoded = base64.b64encode(prediction.body).decode(), True
    return {
        "statusCode": 200,
        "headers": {"Content-Type": prediction.content_type},
        "body": body,
        "isBase64Encoded": encoded,
    }


def refuse(error: RequestError, request_id: str) -> dict[str, Any]:
    """The answer that says why there is no prediction.

    Parameters
    ----------
    error
        Why.
    request_id
        What the logs know the request by.
    """
    return {
        "statusCode": error.status,
        "headers": {"Content-Type": JSON},
        "body": json.dumps({"error": str(error), "requestId": request_id}),
        "isBase64Encoded": False,
    }
