"""Invoking an endpoint, and what each of SageMaker's failures means to the caller."""

import logging
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from invoker.messages import JSON, Prediction, Request, RequestError

log = logging.getLogger(__name__)


class Invoker:
    """Invokes the endpoints of one environment.

    Parameters
    ----------
    prefix
        What the names of its endpoints start with.
    runtime
        A client of the SageMaker runtime.

    Examples
    --------
    >>> invoker = Invoker("mlops-blue-", boto3.client("sagemaker-runtime"))  # doctest: +SKIP
    >>> invoker.invoke(Request("iris", b"{}", "application/json", "*/*"))  # doctest: +SKIP
    """

    def __init__(self, prefix: str, runtime: Any) -> None:
        self._prefix = prefix
        self._runtime = runtime

    def invoke(self, request: Request) -> Prediction:
        """Ask the endpoint.

        Parameters
        ----------
        request
            What to ask of which endpoint.

        Raises
        ------
        RequestError
            Where there is no prediction.
        """
        try:
            response = self._runtime.invoke_endpoint(
                EndpointName=f"{self._prefix}{request.endpoint}",
                Body=request.body,
                ContentType=request.content_type,
                Accept=request.accept,
            )
            return Prediction(response["Body"].read(), response.get("ContentType", JSON))
        except ClientError as error:
            raise _explained(error, request.endpoint) from error
        except ReadTimeoutError as error:
            what = f"Endpoint '{request.endpoint}' did not answer in time. Try again, or send less."
            raise RequestError(504, what) from error
        except BotoCoreError as error:
            log.error("SageMaker cannot be reached: %s", error)
            raise RequestError(503, "SageMaker cannot be reached. Try again.") from error


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
