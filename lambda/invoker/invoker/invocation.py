"""Invoking an endpoint, and what each of SageMaker's failures means to the caller."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from invoker.messages import JSON, Prediction, Request, RequestError
from invoker.retries import ATTEMPTS, RETRY_SECONDS, RetryBudget

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

    def invoke(self, request: Request) -> Prediction:
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
                prediction = self._ask(request)
            except ClientError as error:
                again = _model_failed(error) and budget.failed()
                if not again or attempt == ATTEMPTS or self._now() - begun > RETRY_SECONDS:
                    raise _explained(error, request.endpoint) from error
                log.warning("The model of %s failed: attempt %d.", request.endpoint, attempt)
            else:
                budget.succeeded()
                return prediction
        raise AssertionError("the last attempt answers or raises")

    def _ask(self, request: Request) -> Prediction:
        try:
            response = self._runtime.invoke_endpoint(
                EndpointName=f"{self._prefix}{request.endpoint}",
                Body=request.body,
                ContentType=request.content_type,
                Accept=request.accept,
            )
            return Prediction(response["Body"].read(), response.get("ContentType", JSON))
        except ReadTimeoutError as error:
            what = f"Endpoint '{request.endpoint}' did not answer in time. Try again, or send less."
            raise RequestError(504, what) from error
        except BotoCoreError as error:
            log.error("SageMaker cannot be reached: %s", error)
            raise RequestError(503, "SageMaker cannot be reached. Try again.") from error


def _model_failed(error: ClientError) -> bool:
    """Whether a model answered that it failed, rather than not in time."""
    status = int(str(error.response.get("OriginalStatusCode", 0)))
    return error.response["Error"].get("Code") == "ModelError" and 500 <= status < 600


def _explained(error: ClientError, endpoint: str) -> RequestError:
    """What a failure of SageMaker means to the caller.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
    """
    code = error.response["Error"].get("Code", "")
    message = error.response["Error"].get("Message", "")
    if code == "ModelError":
        status = int(str(error.response.get("OriginalStatusCode", 500)))
        if 400 <= status < 500:
            said = str(error.response.get("OriginalMessage", message))
            return RequestError(status, f"The model refused the request: {said}")
        log.error("The model of %s failed with %d: %s", endpoint, status, message)
        return RequestError(502, f"The model of endpoint '{endpoint}' failed. Its log says why.")
    if code == "ValidationError" and "not found" in message:
        return RequestError(404, f"There is no endpoint '{endpoint}' in service.")
    if code in ("ServiceUnavailable", "ModelNotReadyException"):
        return RequestError(503, f"Endpoint '{endpoint}' is not ready. Try again in a moment.")
    if code in ("ThrottlingException", "TooManyRequestsException"):
        return RequestError(429, f"Endpoint '{endpoint}' has too much to do. Send more slowly.")
    log.error("SageMaker refused %s: %s: %s", endpoint, code, message)
    return RequestError(502, f"SageMaker refused the request with '{code}'. The log says more.")
