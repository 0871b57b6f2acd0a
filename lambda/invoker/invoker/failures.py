"""What each of SageMaker's failures means to the caller."""

import logging

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from invoker.messages import Request, RequestError

WAYS = (
    "An asynchronous endpoint is asked with 'Prefer: respond-async', one of several containers by"
    " X-Amzn-SageMaker-Target-Container-Hostname, and one of several models by"
    " X-Amzn-SageMaker-Inference-Component; any other without these."
)
"""How endpoints of each kind are asked."""

PARTS = {
    "InferenceComponentName": "model",
    "TargetContainerHostname": "container",
    "TargetVariant": "variant",
}
"""What of an endpoint a request may name, and what we call it."""

log = logging.getLogger(__name__)


def explained(error: ClientError, request: Request) -> RequestError:
    """What a failure that SageMaker answers with means to the caller.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html

    Parameters
    ----------
    error
        The failure.
    request
        What was asked.
    """
    endpoint = request.endpoint
    code = error.response["Error"].get("Code", "")
    message = error.response["Error"].get("Message", "")
    if code == "ModelError":
        status = int(str(error.response.get("OriginalStatusCode", 500)))
        said = str(error.response.get("OriginalMessage", message))
        return model_error(endpoint, status, said, message)
    if code == "ValidationError":
        return _invalid(request, message)
    if code in ("ServiceUnavailable", "ModelNotReadyException"):
        return RequestError(503, f"Endpoint '{endpoint}' is not ready. Try again in a moment.")
    if code in ("ThrottlingException", "TooManyRequestsException"):
        return RequestError(429, f"Endpoint '{endpoint}' has too much to do. Send more slowly.")
    log.error("AWS refused %s: %s: %s", endpoint, code, message)
    return RequestError(502, f"AWS refused the request with '{code}'. The log says more.")


def model_error(endpoint: str, status: int, said: str, whole: str) -> RequestError:
    """What an answer of a model that is an error means to the caller.

    Parameters
    ----------
    endpoint
        Whose model.
    status
        The status that it answered with; 0 where it did not in time.
    said
        What it said.
    whole
        All that is known, for the log.
    """
    if 400 <= status < 500:
        return RequestError(status, f"The model refused the request: {said}")
    log.error("The model of %s failed with %d: %s", endpoint, status, whole)
    return RequestError(502, f"The model of endpoint '{endpoint}' failed. Its log says why.")


def unreachable(error: BotoCoreError, endpoint: str) -> RequestError:
    """What it means to the caller that there is no answer at all.

    Parameters
    ----------
    error
        Why.
    endpoint
        What was asked.
    """
    if isinstance(error, ReadTimeoutError):
        what = f"Endpoint '{endpoint}' did not answer in time. Try again, or send less."
        return RequestError(504, what)
    log.error("AWS cannot be reached: %s", error)
    return RequestError(503, "AWS cannot be reached. Try again.")


def _invalid(request: Request, message: str) -> RequestError:
    """What is wrong with a request; the texts of SageMaker are documented nowhere."""
    endpoint = request.endpoint
    if "not found" in message:
        named = [(PARTS[it], name) for it, name in request.options.items() if it in PARTS]
        if named and not message.startswith("Endpoint"):
            parts = " or ".join(f"{part} '{name}'" for part, name in named)
            return RequestError(404, f"Endpoint '{endpoint}' has no {parts}.")
        return RequestError(404, f"There is no endpoint '{endpoint}' in service.")
    if "no capacity" in message:
        what = f"The model that was named has no copy in endpoint '{endpoint}' now."
        return RequestError(503, f"{what} Try again in some minutes.")
    log.warning("SageMaker refused %s: %s", endpoint, message)
    return RequestError(400, f"Endpoint '{endpoint}' is not asked so. SageMaker: {message} {WAYS}")
