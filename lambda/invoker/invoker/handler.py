"""The entry point: API Gateway's event in, API Gateway's answer out."""

from typing import Any

import boto3
from botocore.config import Config

from invoker.invocation import Invoker
from invoker.messages import RequestError, answer, read_request, refuse
from invoker.settings import Settings

SETTINGS = Settings.read()
INVOKER = Invoker(
    SETTINGS.endpoint_prefix,
    boto3.client(
        "sagemaker-runtime",
        # One attempt: `Invoker` knows what may be asked again.
        config=Config(
            connect_timeout=2, read_timeout=SETTINGS.read_seconds, retries={"total_max_attempts": 1}
        ),
    ),
)


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Answer one request.

    Parameters
    ----------
    event
        A request as API Gateway's proxy integration gives it.
    """
    request_id = str(event.get("requestContext", {}).get("requestId", ""))
    try:
        return answer(INVOKER.invoke(read_request(event)))
    except RequestError as error:
        return refuse(error, request_id)
