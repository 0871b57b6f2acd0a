"""The entry point: API Gateway's event in, API Gateway's answer out."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from invoker.asynchronous import Clients, Queue
from invoker.invocation import Invoker
from invoker.messages import (
    Answer,
    RequestError,
    read_invocation,
    read_request,
    refuse,
    respond,
)
from invoker.settings import Settings

SETTINGS = Settings.read()


def client(service: str, read_seconds: float, attempts: int) -> Any:
    """A client that gives up while the function still has time to say so."""
    return boto3.client(
        service,
        config=Config(
            connect_timeout=2,
            read_timeout=read_seconds,
            retries={"total_max_attempts": attempts},
        ),
    )


@cache
def clients() -> Clients:
    """What asynchronous endpoints need: made once, and not at all where nobody asks one.

    S3 may be asked twice, for 14 s, and the runtime once, for 7 s.
    """
    return Clients(client("s3", 5, 2), client("sagemaker-runtime", 5, 1))


# One attempt: `Invoker` knows what may be asked again.
INVOKER = Invoker(SETTINGS.endpoint_prefix, client("sagemaker-runtime", SETTINGS.read_seconds, 1))
QUEUE = Queue(SETTINGS.endpoint_prefix, SETTINGS.bucket, clients)


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Answer one request.

    Parameters
    ----------
    event
        A request as API Gateway's proxy integration gives it.
    """
    request_id = str(event.get("requestContext", {}).get("requestId", ""))
    try:
        return respond(_answer(event))
    except RequestError as error:
        return refuse(error, request_id)


def _answer(event: dict[str, Any]) -> Answer:
    if event.get("httpMethod") == "GET":
        return QUEUE.fetch(*read_invocation(event))
    request = read_request(event)
    return QUEUE.accept(request) if request.later else INVOKER.invoke(request)
