"""Captured requests and answers: files of JSON lines in S3.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture.html
"""

import base64
import json
import logging
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from local.extensions.sagemaker.chain import Payload
from local.extensions.sagemaker.router import Answered, Asked
from local.extensions.sagemaker.variants import Endpoint

FILE_SECONDS = 1.0
"""How long lines are gathered for a file, by this machine's clock."""
MOST_LINES = 10_000
"""Lines that wait for their file; further ones are lost, as under load in an account."""

log = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where lines go.

    Parameters
    ----------
    region
        Region of the bucket.
    prefix
        The S3 address before the date.
    key
        The key that they are encrypted with; empty where none is named.
    """

    region: str
    prefix: str
    key: str


class Capture:
    """Writes what endpoints are asked and answer.

    Parameters
    ----------
    s3
        Makes a client for a region.
    random
        What chances are taken from.
    now
        The time.
    """

    def __init__(
        self,
        s3: Callable[[str], Any],
        random: Random | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._s3 = s3
        self._random = random or Random()  # noqa: S311 - what is captured is no secret
        self._now = now
        self._lock = threading.Lock()
        self._lines: dict[Place, list[str]] = defaultdict(list)
        self._written = now()

    def listen(self, endpoint: Endpoint, asked: Asked, answered: Answered) -> None:
        """Capture an invocation, if it is one of those to capture."""
        config = answered.side.config.get("DataCaptureConfig", {})
        if not config or not config.get("EnableCapture", True):
            return
        if self._random.random() * 100 >= config["InitialSamplingPercentage"]:
            return
        prefix = config["DestinationS3Uri"].rstrip("/")
        place = Place(
            endpoint.scope[1],
            f"{prefix}/{endpoint.name}/{answered.variant.name}",
            config.get("KmsKeyId", ""),
        )
        line = json.dumps(event(config, asked, answered.payload, self._now()))
        with self._lock:
            if len(self._lines[place]) < MOST_LINES:
                self._lines[place].append(line)

    def flush(self) -> None:
        """Write the lines that have been gathered, when it is time to."""
        if self._now() - self._written < FILE_SECONDS:
            return
        self._written = self._now()
        with self._lock:
            gathered, self._lines = self._lines, defaultdict(list)
        for place, lines in gathered.items():
            self._write(place, lines)

    def _write(self, place: Place, lines: Sequence[str]) -> None:
        moment = datetime.fromtimestamp(self._now(), UTC)
        name = f"{moment:%Y/%m/%d/%H/%M-%S}-{moment.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        bucket, _, key = place.prefix.removeprefix("s3://").partition("/")
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": place.key}
        try:
            self._s3(place.region).put_object(
                Bucket=bucket,
                Key=f"{key}/{name}",
                Body="".join(f"{line}\n" for line in lines).encode(),
                **(encrypted if place.key else {}),
            )
        except (BotoCoreError, ClientError) as error:
            log.error("%d captured lines for %s are lost: %s", len(lines), place.prefix, error)


def event(
    config: Mapping[str, Any], asked: Asked, answer: Payload, moment: float
) -> dict[str, Any]:
    """A line of a capture file.

    Parameters
    ----------
    config
        The endpoint configuration's ``DataCaptureConfig``.
    asked, answer
        What was asked and answered.
    moment
        When.
    """
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    data = {}
    if modes & {"Input", "InputAndOutput"}:
        data["endpointInput"] = _part("INPUT", asked.payload, config)
    if modes & {"Output", "InputAndOutput"}:
        data["endpointOutput"] = _part("OUTPUT", answer, config)
    about: dict[str, Any] = {
        "eventId": str(uuid.uuid4()),
        "inferenceTime": f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    if asked.inference_id:
        about["inferenceId"] = asked.inference_id
    if asked.payload.attributes:
        about["customAttributes"] = [asked.payload.attributes]
    return {"captureData": data, "eventMetadata": about, "eventVersion": "0"}


def _part(mode: str, payload: Payload, config: Mapping[str, Any]) -> dict[str, str]:
    """One side of an invocation, as text where its content type is listed as such."""
    kinds = config.get("CaptureContentTypeHeader", {})
    kind = payload.content_type.partition(";")[0].strip()
    encoding = "BASE64"
    for name, called in (("CsvContentTypes", "CSV"), ("JsonContentTypes", "JSON")):
        if kind in kinds.get(name, []):
            encoding = called
    try:
        text = "" if encoding == "BASE64" else payload.body.decode()
    except UnicodeDecodeError:
        encoding, text = "BASE64", ""
    if encoding == "BASE64":
        text = base64.b64encode(payload.body).decode()
    return {
        "observedContentType": payload.content_type,
        "mode": mode,
        "data": text,
        "encoding": encoding,
    }
