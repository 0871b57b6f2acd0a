"""Invocations: which side and variant of an endpoint, which instance, which containers."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random

import httpx2

from local.extensions.json_service import RefusedError
from local.extensions.sagemaker.chain import (
    ANSWER_SECONDS,
    CUSTOM_ATTRIBUTES,
    ModelError,
    Payload,
    pass_through,
)
from local.extensions.sagemaker.containers import Instance
from local.extensions.sagemaker.errors import StartError
from local.extensions.sagemaker.metrics import Metrics
from local.extensions.sagemaker.variants import Endpoint, Side, Variant, choose

MOST_COPIES = 100
"""Requests of shadow variants that are under way at once; further ones are not copied."""

TARGET_VARIANT = "x-amzn-sagemaker-target-variant"
TARGET_CONTAINER = "x-amzn-sagemaker-target-container-hostname"


@dataclass(frozen=True)
class Asked:
    """What a request asks for.

    Parameters
    ----------
    payload
        What the model is given.
    variant, container
        The variant and the container that it names; empty where it names none.
    inference_id
        What the caller knows it by; empty where it does not say.
    """

    payload: Payload
    variant: str = ""
    container: str = ""
    inference_id: str = ""

    @classmethod
    def read(cls, headers: Mapping[str, str], body: bytes) -> "Asked":
        """What an HTTP request asks for."""
        return cls(
            Payload(
                body,
                headers.get("content-type", ""),
                # A stream's own header says what is in the stream.
                headers.get("x-amzn-sagemaker-accept") or headers.get("accept", ""),
                headers.get(CUSTOM_ATTRIBUTES, ""),
            ),
            headers.get(TARGET_VARIANT, ""),
            headers.get(TARGET_CONTAINER, ""),
            headers.get("x-amzn-sagemaker-inference-id", ""),
        )


@dataclass(frozen=True)
class Answered:
    """What came of an invocation.

    Parameters
    ----------
    payload
        What the model answered.
    side, variant
        Which one it was.
    """

    payload: Payload
    side: Side
    variant: Variant


Listener = Callable[[Endpoint, Asked, Answered], None]


class Router:
    """The way of requests to containers.

    Parameters
    ----------
    metrics
        Told of each invocation.
    random
        What chances are taken from.
    connect
        Makes what requests are sent with: one for each event loop.

    Attributes
    ----------
    listeners : list of callable
        Told of each answer.
    copies : set of asyncio.Task
        What shadow variants are asked now.
    """

    def __init__(
        self,
        metrics: Metrics,
        random: Random | None = None,
        connect: Callable[[], httpx2.AsyncClient] = httpx2.AsyncClient,
    ) -> None:
        self._metrics = metrics
        self._random = random or Random()  # noqa: S311 - who is asked is no secret
        self.connect = connect
        self._client = connect()
        self.listeners: list[Listener] = []
        self.copies: set[asyncio.Task[None]] = set()

    async def invoke(self, endpoint: Endpoint, asked: Asked) -> Answered:
        """Ask an endpoint.

        Parameters
        ----------
        endpoint
            Which one.
        asked
            What.

        Raises
        ------
        RefusedError
            Where there is no answer, or the model's is an error.
        """
        side, variant = self.pick(endpoint, asked.variant)
        return await self.invoke_variant(endpoint, side, variant, asked)

    async def invoke_variant(
        self, endpoint: Endpoint, side: Side, variant: Variant, asked: Asked
    ) -> Answered:
        """Ask one variant, and its shadows too; see `invoke`."""
        self._copy(endpoint, side, asked)
        payload = await self.ask(endpoint, side, variant, asked, self._client)
        return self.tell(endpoint, asked, payload, side, variant)

    def _copy(self, endpoint: Endpoint, side: Side, asked: Asked) -> None:
        """Send copies of a request to the shadow variants, and drop their answers.

        Of the requests, each gets the part that its weight is of the production variants':
        https://docs.aws.amazon.com/sagemaker/latest/dg/model-shadow-deployment.html
        """
        total = sum(variant.weight for variant in side.variants)
        for shadow in side.shadows:
            chosen = self._random.random() * total < shadow.weight
            if chosen and len(self.copies) < MOST_COPIES:
                task = asyncio.create_task(self._shadow(endpoint, side, shadow, asked))
                self.copies.add(task)
                task.add_done_callback(self.copies.discard)

    async def _shadow(self, endpoint: Endpoint, side: Side, shadow: Variant, asked: Asked) -> None:
        # What goes wrong is measured, and shown to nobody.
        with contextlib.suppress(RefusedError, StartError):
            await self.ask(endpoint, side, shadow, replace(asked, variant=""), self._client)

    def tell(
        self, endpoint: Endpoint, asked: Asked, payload: Payload, side: Side, variant: Variant
    ) -> Answered:
        """Let whoever listens know what was answered."""
        answered = Answered(payload, side, variant)
        for listener in self.listeners:
            listener(endpoint, asked, answered)
        return answered

    async def ask(
        self,
        endpoint: Endpoint,
        side: Side,
        variant: Variant,
        asked: Asked,
        client: httpx2.AsyncClient,
        seconds: float = ANSWER_SECONDS,
    ) -> Payload:
        """Ask a variant, and measure it.

        Parameters
        ----------
        endpoint, side, variant
            Which one.
        asked
            What.
        client
            What it is sent with: one of the event loop that this runs in.
        seconds
            How long a container may take.
        """
        if variant.gate:
            try:
                async with variant.gate.entered() as setup:
                    self._measure_setup(endpoint, variant, setup)
                    return await self._ask(endpoint, side, variant, asked, client, seconds)
            except StartError as error:
                raise RefusedError("ModelNotReadyException", str(error), 429) from error
        return await self._ask(endpoint, side, variant, asked, client, seconds)

    async def _ask(
        self,
        endpoint: Endpoint,
        side: Side,
        variant: Variant,
        asked: Asked,
        client: httpx2.AsyncClient,
        seconds: float,
    ) -> Payload:
        begun = time.perf_counter()
        status = 200
        model_seconds = 0.0
        try:
            instance = self._instance(variant, asked.container)
            names = [asked.container] if asked.container else variant.hostnames
            variant_instance = _one_of(instance, variant, asked.container)
            instance.in_flight += 1
            sent = time.perf_counter()
            try:
                return await pass_through(client, variant_instance, names, asked.payload, seconds)
            finally:
                model_seconds = time.perf_counter() - sent
                instance.in_flight -= 1
        except ModelError as error:
            status = error.original or 500
            raise
        except RefusedError as error:
            status = error.status
            raise
        finally:
            overhead = time.perf_counter() - begun - model_seconds
            self._measure(endpoint, side, variant, status, model_seconds, overhead)

    def pick(self, endpoint: Endpoint, name: str) -> tuple[Side, Variant]:
        """The side and the variant that a request goes to.

        Parameters
        ----------
        endpoint
            Of which endpoint.
        name
            The variant that the request names; empty where it names none.

        Raises
        ------
        RefusedError
            Where there is none.
        """
        side = choose(endpoint.routes, self._random.random())
        if side is None:
            account = endpoint.scope[0]
            raise RefusedError(
                "ValidationError", f"Endpoint {endpoint.name} of account {account} not found."
            )
        if name:
            variant = side.variant(name)
            if variant is None:
                raise RefusedError("ValidationError", f"Variant {name} not found for Request.")
            return side, variant
        weighted = [(variant.weight, variant) for variant in side.variants]
        variant = choose(weighted, self._random.random())
        if variant is None:
            raise RefusedError("ValidationError", "All variants have weight 0: name one.")
        return side, variant

    def _instance(self, variant: Variant, container: str) -> Instance:
        if variant.direct and not container:
            raise RefusedError(
                "ValidationError",
                "TargetContainerHostname is required: the model's containers are invoked directly."
                f" It has {', '.join(variant.hostnames)}.",
            )
        if container and not variant.direct:
            raise RefusedError(
                "ValidationError",
                "TargetContainerHostname is for models whose InferenceExecutionConfig.Mode is"
                " Direct.",
            )
        if container and container not in variant.hostnames:
            raise RefusedError(
                "ValidationError",
                f"There is no container {container}: there is {', '.join(variant.hostnames)}.",
            )
        least_busy = variant.least_busy or variant.gate is not None
        instance = variant.fleet.choose(self._random, least_busy=least_busy)
        if instance is None:
            raise RefusedError("ServiceUnavailable", "The model server does not answer.", 503)
        return instance

    def _measure_setup(self, endpoint: Endpoint, variant: Variant, seconds: float) -> None:
        assert variant.gate is not None
        of = {"EndpointName": endpoint.name, "VariantName": variant.name}
        used = variant.gate.at_work / variant.gate.most
        name = "ServerlessConcurrentExecutionsUtilization"
        self._metrics.add(endpoint.scope, name, used, "None", of)
        self._metrics.add(endpoint.scope, "ModelSetupTime", seconds * 1e6, "Microseconds", of)

    def _measure(
        self,
        endpoint: Endpoint,
        side: Side,
        variant: Variant,
        status: int,
        model_seconds: float,
        overhead: float,
    ) -> None:
        measured = [
            ("Invocations", 1.0, "None"),
            ("Invocation4XXErrors", float(400 <= status < 500), "None"),
            ("Invocation5XXErrors", float(status >= 500), "None"),
            ("InvocationModelErrors", float(status != 200), "None"),
            ("InvocationsPerInstance", 1.0 / max(1, variant.fleet.count), "None"),
            ("OverheadLatency", overhead * 1e6, "Microseconds"),
        ]
        if model_seconds:
            measured.append(("ModelLatency", model_seconds * 1e6, "Microseconds"))
        of_variant = {"EndpointName": endpoint.name, "VariantName": variant.name}
        # What watches one of the two fleets of a deployment names its configuration.
        of_config = {**of_variant, "EndpointConfigName": side.name}
        for name, value, unit in measured:
            for dimensions in (of_variant, of_config):
                self._metrics.add(endpoint.scope, name, value, unit, dimensions)


def _one_of(instance: Instance, variant: Variant, container: str) -> Instance:
    """An instance, or of it the one container that is asked."""
    if not container:
        return instance
    return Instance([instance.containers[list(variant.hostnames).index(container)]])
