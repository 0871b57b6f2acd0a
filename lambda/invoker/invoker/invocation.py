"""Invoking an endpoint while the caller waits."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from invoker.failures import explained, unreachable
from invoker.headers import INFERENCE_COMPONENT
from invoker.messages import JSON, Answer, Request
from invoker.naming import component_name, endpoint_name
from invoker.retries import ATTEMPTS, RETRY_SECONDS, RetryBudget

ANSWERED = {
    "InvokedProductionVariant": "X-Amzn-Invoked-Production-Variant",
    "CustomAttributes": "X-Amzn-SageMaker-Custom-Attributes",
}
"""What SageMaker says beside an answer, and the header that says so to the caller."""

log = logging.getLogger(__name__)


class Invoker:
    """Invokes the endpoints of one environment.

    Parameters
    ----------
    prefix
        What the names of its endpoints start with.
    runtime
        A client of the SageMaker runtime.
    now
        A clock, in seconds.

    Examples
    --------
    >>> invoker = Invoker("mlops-blue-", boto3.client("sagemaker-runtime"))  # doctest: +SKIP
    >>> invoker.invoke(Request("iris", b"{}", "application/json", "*/*"))  # doctest: +SKIP
    """

    def __init__(
        self, prefix: str, runtime: Any, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._prefix = prefix
        self._runtime = runtime
        self._now = now
        self._budgets: defaultdict[str, RetryBudget] = defaultdict(RetryBudget)

    def invoke(self, request: Request) -> Answer:
        """Ask the endpoint; where its model fails at once, ask again.

        A prediction changes nothing, so it may be asked for twice. What was not answered in time,
        or refused for what it says, is not asked again.

        Parameters
        ----------
        request
            What to ask of which endpoint.

        Raises
        ------
        RequestError
            Where there is no prediction.
        """
        budget, begun = self._budgets[request.endpoint], self._now()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._ask(request)
            except ClientError as error:
                again = _model_failed(error) and budget.failed()
                if not again or attempt == ATTEMPTS or self._now() - begun > RETRY_SECONDS:
                    raise explained(error, request) from error
                log.warning("The model of %s failed: attempt %d.", request.endpoint, attempt)
            else:
                budget.succeeded()
                return answer
        raise AssertionError("the last attempt answers or raises")

    def _ask(self, request: Request) -> Answer:
        options = dict(request.options)
        if INFERENCE_COMPONENT in options:
            options[INFERENCE_COMPONENT] = component_name(
                self._prefix, request.endpoint, options[INFERENCE_COMPONENT]
            )
        try:
            response = self._runtime.invoke_endpoint(
                EndpointName=endpoint_name(self._prefix, request.endpoint),
                Body=request.body,
                ContentType=request.content_type,
                Accept=request.accept,
                **options,
            )
            return Answer(
                response["Body"].read(),
                response.get("ContentType", JSON),
                {header: response[said] for said, header in ANSWERED.items() if said in response},
            )
        except BotoCoreError as error:
            raise unreachable(error, request.endpoint) from error


def _model_failed(error: ClientError) -> bool:
    """Whether a model answered that it failed, rather than not in time."""
    status = int(str(error.response.get("OriginalStatusCode", 0)))
    return error.response["Error"].get("Code") == "ModelError" and 500 <= status < 600
