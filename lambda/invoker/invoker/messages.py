"""Requests and answers in the form of API Gateway's proxy integration.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from invoker.headers import passed_on, waits_not

JSON = "application/json"

MOST_BYTES = 6 * 1024 * 1024 - 64 * 1024
"""How long an answer may be, with room for its headers.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

INVOCATION = re.compile(r"[0-9a-f]{32}-[\w-]{1,128}", re.ASCII)
"""What a request that is answered later is called."""


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
    options
        What else it says, by the names of SageMaker's API: what of the endpoint is to answer, what
        the caller knows the request by.
    later
        Whether the caller does not wait for the answer.
    """

    endpoint: str
    body: bytes
    content_type: str
    accept: str
    options: Mapping[str, str] = field(default_factory=dict)
    later: bool = False


@dataclass(frozen=True)
class Answer:
    """What a caller gets.

    Parameters
    ----------
    body
        What the endpoint said.
    content_type
        What it is.
    headers
        What is said besides.
    status
        HTTP status.
    """

    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


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
        Where it names no possible endpoint, has no body, a body that is not the JSON it claims, or
        headers that SageMaker would not take.
    """
    endpoint = _endpoint(event)
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    content_type = headers.get("content-type", JSON)
    body = _body(event)
    if content_type.partition(";")[0].strip().lower() == JSON:
        try:
            json.loads(body)
        except ValueError as error:
            raise RequestError(400, f"The body is not JSON: {error}.") from error
    try:
        options, later = passed_on(headers), waits_not(headers)
    except ValueError as error:
        raise RequestError(400, str(error)) from error
    return Request(endpoint, body, content_type, headers.get("accept", "*/*"), options, later)


def read_invocation(event: Mapping[str, Any]) -> tuple[str, str]:
    """Read which request's answer is asked for.

    Parameters
    ----------
    event
        A request as API Gateway gives it.

    Returns
    -------
    tuple of str
        The endpoint, and what the request is called.

    Raises
    ------
    RequestError
        Where it names no possible endpoint or request.
    """
    endpoint = _endpoint(event)
    invocation = (event.get("pathParameters") or {}).get("invocation") or ""
    if not INVOCATION.fullmatch(invocation):
        raise RequestError(404, f"'{invocation}' is no request's name.")
    return endpoint, invocation


def _endpoint(event: Mapping[str, Any]) -> str:
    endpoint: str = (event.get("pathParameters") or {}).get("endpoint") or ""
    if not re.fullmatch(r"[a-z][a-z0-9-]*", endpoint):
        raise RequestError(404, f"'{endpoint}' is no endpoint's name.")
    return endpoint


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


def respond(answer: Answer) -> dict[str, Any]:
    """An answer as API Gateway takes it.

    Raises
    ------
    RequestError
        Where it is longer than Lambda passes.
    """
    try:
        body, encoded = answer.body.decode(), False
    except UnicodeDecodeError:
        body, encoded = base64.b64encode(answer.body).decode(), True
    # What is much shorter fits, whatever has to be escaped in it.
    if len(body) > MOST_BYTES // 8 and len(json.dumps(body)) > MOST_BYTES:
        raise too_long(len(answer.body))
    return {
        "statusCode": answer.status,
        "headers": {"Content-Type": answer.content_type, **answer.headers},
        "body": body,
        "isBase64Encoded": encoded,
    }


def too_long(size: int) -> RequestError:
    """Why an answer of so many bytes is not passed on."""
    return RequestError(
        502, f"The answer has {size} bytes, and the API passes 6 MB at most: ask for less at once."
    )


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
