"""Asynchronous inference: requests that wait in S3, answers that come there.

https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html, and of the notifications
https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-check-predictions.html
"""

import asyncio
import base64
import json
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from local.extensions.json_service import RefusedError
from local.extensions.sagemaker.chain import CUSTOM_ATTRIBUTES, Payload
from local.extensions.sagemaker.metrics import Metrics
from local.extensions.sagemaker.router import Asked, Router
from local.extensions.sagemaker.variants import Endpoint
from local.pace import Pace

HEADER = "x-amzn-sagemaker-"
TTL_SECONDS, LONGEST_TTL = 21600, 21600
TIMEOUT_SECONDS, LONGEST_TIMEOUT = 900, 3600
AT_ONCE = 4
"""Requests that an instance works on at once, where the configuration does not say."""
MOST_WAITING = 10_000

log = logging.getLogger(__name__)

Make = Callable[[str, str], Any]
"""Makes a client of a service for a region."""


class Location(NamedTuple):
    """An address in S3.

    Parameters
    ----------
    bucket, key
        Its parts.
    """

    bucket: str
    key: str

    @classmethod
    def read(cls, uri: str) -> "Location":
        """An address as ``s3://bucket/key``."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return cls(bucket, key)


@dataclass(frozen=True)
class Waiting:
    """A request that waits.

    Parameters
    ----------
    asked
        What it asks, but for the body, which is read when it is its turn.
    source, output, failure
        Where the body is, and where the answer goes, or why there is none.
    received
        When it came, by the clock of the machine.
    ttl, timeout
        How long it may wait, and a container may take, in declared seconds.
    """

    asked: Asked
    source: str
    output: str
    failure: str
    received: float
    ttl: float
    timeout: float


class AsyncInference:
    """The queues of asynchronous endpoints.

    Parameters
    ----------
    make
        Makes clients of S3 and SNS.
    router
        The way to the containers.
    metrics
        What is told of the queues.
    pace
        How fast requests grow old.
    """

    def __init__(self, make: Make, router: Router, metrics: Metrics, pace: Pace) -> None:
        self._make = make
        self._router = router
        self._metrics = metrics
        self._pace = pace
        self._lock = threading.Lock()
        self._queues: dict[str, deque[Waiting]] = {}
        self._working: dict[str, int] = {}

    def accept(self, endpoint: Endpoint, headers: Mapping[str, str]) -> dict[str, str]:
        """Take a request.

        Returns
        -------
        dict of str to str
            Its id, and where its answer or its failure will be.

        Raises
        ------
        RefusedError
            Where the endpoint is not asynchronous, or the request does not fit.
        """
        config = _config(endpoint)
        source = headers.get(f"{HEADER}inputlocation", "")
        if not source.startswith("s3://"):
            raise RefusedError("ValidationError", f"InputLocation is '{source}', no s3:// address.")
        number = str(uuid.uuid4())
        output = config["OutputConfig"]
        waiting = Waiting(
            Asked(
                Payload(
                    b"",
                    headers.get(f"{HEADER}content-type", ""),
                    headers.get(f"{HEADER}accept", ""),
                    headers.get(CUSTOM_ATTRIBUTES, ""),
                ),
                inference_id=headers.get(f"{HEADER}inference-id", number),
            ),
            source,
            _below(output.get("S3OutputPath"), f"{number}.out"),
            _below(output.get("S3FailurePath"), f"{number}-error.out"),
            time.monotonic(),
            _seconds(headers, "requestttlseconds", TTL_SECONDS, LONGEST_TTL),
            _seconds(headers, "invocationtimeoutseconds", TIMEOUT_SECONDS, LONGEST_TIMEOUT),
        )
        with self._lock:
            queue = self._queues.setdefault(endpoint.name, deque())
            if len(queue) >= MOST_WAITING:
                raise RefusedError("ThrottlingException", "Too many requests wait.", 429)
            queue.append(waiting)
        return {
            "InferenceId": waiting.asked.inference_id,
            "OutputLocation": waiting.output,
            "FailureLocation": waiting.failure,
        }

    def work(self, endpoints: list[Endpoint]) -> None:
        """Begin what instances have room for, and measure what waits.

        Parameters
        ----------
        endpoints
            Those that answer; the queues of others are dropped.
        """
        by_name = {endpoint.name: endpoint for endpoint in endpoints}
        for name in set(self._queues) - set(by_name):
            self._queues.pop(name)
        for endpoint in endpoints:
            if endpoint.side and "AsyncInferenceConfig" in endpoint.side.config:
                self._begin(endpoint)
                self._measure(endpoint)

    def _begin(self, endpoint: Endpoint) -> None:
        queue = self._queues.get(endpoint.name, deque())
        client = _config(endpoint).get("ClientConfig", {})
        each = int(client.get("MaxConcurrentInvocationsPerInstance", AT_ONCE))
        while queue:
            room = each * _ready(endpoint) - self._working.get(endpoint.name, 0)
            too_old = time.monotonic() - queue[0].received > self._pace.seconds(queue[0].ttl)
            if room <= 0 and not too_old:
                return
            waiting = queue.popleft()
            with self._lock:
                self._working[endpoint.name] = self._working.get(endpoint.name, 0) + 1
            threading.Thread(
                target=self._answer,
                args=(endpoint, waiting, too_old),
                name=f"async-{endpoint.name}",
                daemon=True,
            ).start()

    def _answer(self, endpoint: Endpoint, waiting: Waiting, too_old: bool) -> None:
        """Answer a request, and say that it is answered."""
        s3 = self._make("s3", endpoint.scope[1])
        try:
            body = _body(s3, waiting, too_old)
            answer = asyncio.run(self._ask(endpoint, waiting, body))
            self._put(s3, waiting.output, answer.body, answer.content_type)
            self._count(endpoint, "InvocationsProcessed")
            self._tell(endpoint, waiting, answer, "")
        except (RefusedError, BotoCoreError, ClientError) as error:
            log.warning("endpoint %s: %s: %s", endpoint.name, waiting.source, error)
            self._count(endpoint, "InvocationFailures")
            self._fail(s3, endpoint, waiting, error)
        finally:
            with self._lock:
                self._working[endpoint.name] -= 1

    async def _ask(self, endpoint: Endpoint, waiting: Waiting, body: bytes) -> Payload:
        payload = waiting.asked.payload
        asked = Asked(
            Payload(body, payload.content_type, payload.accept, payload.attributes),
            inference_id=waiting.asked.inference_id,
        )
        side, variant = self._router.pick(endpoint, "")
        async with self._router.connect() as client:
            answer = await self._router.ask(endpoint, side, variant, asked, client, waiting.timeout)
        self._router.tell(endpoint, asked, answer, side, variant)
        return answer

    def _fail(self, s3: Any, endpoint: Endpoint, waiting: Waiting, error: Exception) -> None:
        try:
            if waiting.failure:
                self._put(s3, waiting.failure, str(error).encode(), "text/plain")
            self._tell(endpoint, waiting, None, str(error))
        except (BotoCoreError, ClientError) as further:
            log.error("endpoint %s: the failure is lost: %s", endpoint.name, further)

    def _put(self, s3: Any, uri: str, body: bytes, kind: str) -> None:
        target = Location.read(uri)
        s3.put_object(Bucket=target.bucket, Key=target.key, Body=body, ContentType=kind)

    def _tell(
        self, endpoint: Endpoint, waiting: Waiting, answer: Payload | None, failure: str
    ) -> None:
        """Notify the topic of successes or of errors, if there is one."""
        topics = _config(endpoint)["OutputConfig"].get("NotificationConfig", {})
        name = "ErrorTopic" if answer is None else "SuccessTopic"
        topic = topics.get(name)
        if not topic:
            return
        said = message(endpoint, waiting, answer, failure)
        included = topics.get("IncludeInferenceResponseIn", [])
        if answer and "SUCCESS_NOTIFICATION_TOPIC" in included:
            said["responseBody"] = {
                "content": base64.b64encode(answer.body).decode(),
                "encoding": "BASE64",
                "contentType": answer.content_type,
            }
        sns = self._make("sns", endpoint.scope[1])
        sns.publish(TopicArn=topic, Message=json.dumps(said))

    def _count(self, endpoint: Endpoint, name: str) -> None:
        for variant in endpoint.side.variants if endpoint.side else ():
            of = {"EndpointName": endpoint.name, "VariantName": variant.name}
            self._metrics.add(endpoint.scope, name, 1.0, "None", of)

    def _measure(self, endpoint: Endpoint) -> None:
        queue = self._queues.get(endpoint.name)
        waiting, instances = len(queue or ()), _ready(endpoint)
        since = queue[0].received if queue else time.monotonic()
        # As old as the request says that it may become.
        age = (time.monotonic() - since) / self._pace.seconds(1)
        of = {"EndpointName": endpoint.name}
        for name, value in (
            ("ApproximateBacklogSize", waiting),
            ("ApproximateBacklogSizePerInstance", waiting / max(1, instances)),
            ("ApproximateAgeOfOldestRequest", age),
            ("HasBacklogWithoutCapacity", int(waiting > 0 and not instances)),
        ):
            self._metrics.add(endpoint.scope, name, float(value), "Count", of)


def message(
    endpoint: Endpoint, waiting: Waiting, answer: Payload | None, failure: str
) -> dict[str, Any]:
    """What a topic is told.

    Parameters
    ----------
    endpoint, waiting
        Of which request.
    answer
        The answer; nothing where there is none.
    failure
        Why there is none.
    """
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z"
    said: dict[str, Any] = {
        "awsRegion": endpoint.scope[1],
        "eventTime": now,
        "receivedTime": now,
        "invocationStatus": "Failed" if answer is None else "Completed",
        "requestParameters": {
            "contentType": waiting.asked.payload.content_type,
            "endpointName": endpoint.name,
            "inputLocation": waiting.source,
        },
        "inferenceId": waiting.asked.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    if answer is None:
        said["failureReason"] = failure
        return said
    said["responseParameters"] = {
        "contentType": answer.content_type,
        "outputLocation": waiting.output,
    }
    return said


def _body(s3: Any, waiting: Waiting, too_old: bool) -> bytes:
    """What a request is to be answered for."""
    if too_old:
        raise RefusedError("RequestExpired", f"It waited longer than {waiting.ttl:.0f} s.")
    source = Location.read(waiting.source)
    body: bytes = s3.get_object(Bucket=source.bucket, Key=source.key)["Body"].read()
    return body


def _config(endpoint: Endpoint) -> Mapping[str, Any]:
    config: Mapping[str, Any] | None = (
        endpoint.side.config.get("AsyncInferenceConfig") if endpoint.side else None
    )
    if config is None:
        raise RefusedError(
            "ValidationError", f"Endpoint {endpoint.name} is not asynchronous: invoke it as it is."
        )
    return config


def _ready(endpoint: Endpoint) -> int:
    """How many instances answer."""
    return sum(len(variant.fleet.ready) for _, side in endpoint.routes for variant in side.variants)


def _below(prefix: str | None, name: str) -> str:
    return f"{prefix.rstrip('/')}/{name}" if prefix else ""


def _seconds(headers: Mapping[str, str], name: str, usual: int, most: int) -> float:
    seconds = int(headers.get(f"{HEADER}{name}", usual))
    if not 1 <= seconds <= most:
        raise RefusedError("ValidationError", f"{name} is {seconds}: it is from 1 to {most}.")
    return float(seconds)
