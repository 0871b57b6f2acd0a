"""Invocations as HTTP requests of SageMaker's runtime, and their answers.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations_Amazon_SageMaker_Runtime.html
"""

import re
from collections.abc import Mapping

from local.extensions.hooks import account_and_region
from local.extensions.json_service import Answer, RefusedError, as_json
from local.extensions.sagemaker import eventstream
from local.extensions.sagemaker.asynchronous import AsyncInference
from local.extensions.sagemaker.chain import CUSTOM_ATTRIBUTES
from local.extensions.sagemaker.components import HEADER, Components
from local.extensions.sagemaker.endpoints import Endpoints
from local.extensions.sagemaker.router import Answered, Asked, Router
from local.extensions.sagemaker.variants import Endpoint

ASYNC, STREAM = "async-invocations", "invocations-response-stream"
INVOCATION = re.compile(rf"/endpoints/(?P<endpoint>[^/]+)/(?P<kind>invocations|{ASYNC}|{STREAM})")


class Runtime:
    """Answers invocations.

    Parameters
    ----------
    endpoints
        What is invoked.
    router
        What invocations go through.
    queues
        Where asynchronous ones wait.
    components
        What an endpoint may share its instances among.
    """

    def __init__(
        self, endpoints: Endpoints, router: Router, queues: AsyncInference, components: Components
    ) -> None:
        self._endpoints = endpoints
        self._router = router
        self._queues = queues
        self._components = components

    async def answer(self, found: re.Match[str], headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer an invocation.

        Parameters
        ----------
        found
            Its path, as `INVOCATION` matches it.
        headers, body
            The rest of it.

        Raises
        ------
        RefusedError
            Where there is no answer, or the model's is an error.
        """
        endpoint = self._endpoint(found["endpoint"])
        assert endpoint.side is not None
        if found["kind"] == ASYNC:
            return _accepted(self._queues.accept(endpoint, headers))
        if "AsyncInferenceConfig" in endpoint.side.config:
            raise RefusedError(
                "ValidationError", "The endpoint is asynchronous: use InvokeEndpointAsync."
            )
        asked, component = Asked.read(headers, body), headers.get(HEADER, "")
        if component:
            variant = self._components.variant(endpoint, component)
            answered = await self._router.invoke_variant(endpoint, endpoint.side, variant, asked)
        elif any(variant.containers for variant in endpoint.side.variants):
            answered = await self._router.invoke(endpoint, asked)
        else:
            raise RefusedError(
                "ValidationError",
                "Inference Component Name header is required for endpoints to which you plan to"
                " deploy inference components.",
            )
        return _streamed(answered) if found["kind"] == STREAM else _answer(answered)

    def _endpoint(self, name: str) -> Endpoint:
        for endpoint in self._endpoints.in_service():
            if endpoint.name == name:
                return endpoint
        account = account_and_region()[0]
        raise RefusedError("ValidationError", f"Endpoint {name} of account {account} not found.")


def _answer(answered: Answered) -> Answer:
    given = {
        "Content-Type": answered.payload.content_type,
        "x-Amzn-Invoked-Production-Variant": answered.variant.name,
    }
    if answered.payload.attributes:
        given[CUSTOM_ATTRIBUTES] = answered.payload.attributes
    return 200, given, answered.payload.body


def _streamed(answered: Answered) -> Answer:
    """An answer as the events of a response stream: here all at once."""
    status, given, body = _answer(answered)
    kind = given.pop("Content-Type")
    headers = {**given, "X-Amzn-SageMaker-Content-Type": kind}
    return status, {**headers, "Content-Type": eventstream.CONTENT_TYPE}, eventstream.events(body)


def _accepted(given: Mapping[str, str]) -> Answer:
    status, headers, body = as_json(202, {"InferenceId": given["InferenceId"]})
    places = {
        f"X-Amzn-SageMaker-{name}": given[name] for name in ("OutputLocation", "FailureLocation")
    }
    return status, {**headers, **{name: at for name, at in places.items() if at}}, body
