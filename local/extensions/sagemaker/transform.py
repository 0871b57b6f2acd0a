"""Batch transform: containers that run for a job, and end with it.

https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html
"""

import asyncio
import gzip
import json
import logging
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx2

from local.extensions import hooks
from local.extensions.hooks import Scope, account_and_region
from local.extensions.json_service import RefusedError, invalid
from local.extensions.sagemaker.asynchronous import Location, Make
from local.extensions.sagemaker.batching import Processing
from local.extensions.sagemaker.chain import Payload, pass_through
from local.extensions.sagemaker.deployer import Launches, in_background
from local.extensions.sagemaker.fleet import Fleet
from local.extensions.sagemaker.records import Records
from local.extensions.sagemaker.router import Router
from local.extensions.sagemaker.variants import Record, containers_of, hostnames

TIMEOUT_SECONDS = 600
"""How long a container may take, where the job does not say."""

log = logging.getLogger(__name__)


class TransformJobs:
    """The jobs.

    Parameters
    ----------
    records
        Where jobs are kept and models are found.
    launches
        What starts containers.
    router
        What requests are sent with.
    make
        Makes clients of S3.
    """

    def __init__(self, records: Records, launches: Launches, router: Router, make: Make) -> None:
        self._records = records
        self._launches = launches
        self._router = router
        self._make = make
        self._done: dict[str, threading.Event] = {}
        self._stopping: set[str] = set()

    def checked(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """A request to begin a job, if it is one."""
        return self._records.checked("CreateTransformJob", request)

    def create(self, request: Mapping[str, Any]) -> Record:
        """Begin a job."""
        model = self._records.found("Model", request["ModelName"])
        processing = Processing(request)
        source = request["TransformInput"]["DataSource"]["S3DataSource"]
        if source["S3DataType"] != "S3Prefix":
            raise invalid(f"Input of {source['S3DataType']} does not run here: name an S3Prefix.")
        record = self._records.add("TransformJob", request)
        record["TransformJobStatus"] = "InProgress"
        scope = account_and_region()
        name = request["TransformJobName"]
        self._done[name] = in_background(
            f"transform-{name}", lambda: self._run(record, model, processing, scope)
        )
        return {"TransformJobArn": record["TransformJobArn"]}

    def describe(self, request: Mapping[str, Any]) -> Record:
        """A job, as it is."""
        return self._records.found("TransformJob", request["TransformJobName"])

    def stop(self, request: Mapping[str, Any]) -> Record:
        """Have a job end after the requests that are under way."""
        record = self.describe(request)
        if record["TransformJobStatus"] == "InProgress":
            record["TransformJobStatus"] = "Stopping"
            self._stopping.add(request["TransformJobName"])
        return {}

    def all(self, request: Mapping[str, Any]) -> Record:
        """The jobs, the newest first."""
        found = [
            record
            for record in self._records.all("TransformJob", request.get("NameContains", ""))
            if request.get("StatusEquals") in (None, record["TransformJobStatus"])
        ]
        return {"TransformJobSummaries": found[::-1]}

    def wait(self, name: str) -> Record:
        """Wait until a job is over; how it ended."""
        self._done[name].wait()
        return self._records.found("TransformJob", name)

    def _run(
        self, record: Record, model: Mapping[str, Any], processing: Processing, scope: Scope
    ) -> None:
        name = record["TransformJobName"]
        fleet: Fleet | None = None
        try:
            containers = [self._container(each, record) for each in containers_of(model)]
            fleet = Fleet(self._launches.prepare(f"transform-{name}", scope[1], containers))
            fleet.resize(int(record["TransformResources"]["InstanceCount"]))
            record["TransformStartTime"] = time.time()
            work = _Work(record, processing, fleet, hostnames(containers), self._stopping)
            s3 = self._make("s3", scope[1])
            asyncio.run(work.transform(s3, self._router.connect))
            stopped = name in self._stopping
            record["TransformJobStatus"] = "Stopped" if stopped else "Completed"
        except Exception as error:
            # Nobody else is told of what fails in this thread.
            log.exception("transform job %s", name)
            record["FailureReason"] = str(error)[:1024]
            record["TransformJobStatus"] = "Failed"
        finally:
            record["TransformEndTime"] = time.time()
            if fleet:
                fleet.stop()

    def _container(self, container: Mapping[str, Any], job: Mapping[str, Any]) -> Record:
        """A container with the variables that a job gives it."""
        given = {
            **container.get("Environment", {}),
            **job.get("Environment", {}),
            "SAGEMAKER_BATCH": "true",
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(job.get("MaxPayloadInMB", 6)),
            "SAGEMAKER_BATCH_STRATEGY": job.get("BatchStrategy", "MultiRecord"),
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(job.get("MaxConcurrentTransforms", 1)),
        }
        return {**container, "Environment": given}


class _Work:
    """What a job does to its files."""

    def __init__(
        self,
        job: Record,
        processing: Processing,
        fleet: Fleet,
        names: Sequence[str],
        stopping: set[str],
    ) -> None:
        self._job = job
        self._processing = processing
        self._fleet = fleet
        self._names = names
        self._stopping = stopping
        self._random = Random()  # noqa: S311 - which instance is asked is no secret
        limits = job.get("ModelClientConfig", {})
        self._seconds = float(limits.get("InvocationsTimeoutInSeconds", TIMEOUT_SECONDS))
        self._retries = int(limits.get("InvocationsMaxRetries", 0))

    async def transform(self, s3: Any, connect: Any) -> None:
        given = Location.read(self._job["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])
        keys = _keys(s3, given)
        if not keys:
            raise invalid(f"There is no object below s3://{given.bucket}/{given.key}.")
        at_once = int(self._job.get("MaxConcurrentTransforms", 1)) * self._fleet.count
        room = asyncio.Semaphore(max(1, at_once))
        async with connect() as client:
            await asyncio.gather(*(self._file(s3, given, key, client, room) for key in keys))
        self._capture(s3, given, keys)

    async def _file(
        self,
        s3: Any,
        given: Location,
        key: str,
        client: httpx2.AsyncClient,
        room: asyncio.Semaphore,
    ) -> None:
        content: bytes = s3.get_object(Bucket=given.bucket, Key=key)["Body"].read()
        if self._job["TransformInput"].get("CompressionType") == "Gzip":
            content = gzip.decompress(content)

        async def one(records: Sequence[bytes]) -> bytes:
            async with room:
                if self._job["TransformJobName"] in self._stopping:
                    return b""
                answer = await self._ask(client, self._processing.body(records))
            return self._processing.result(records, answer)

        results = await asyncio.gather(*(one(each) for each in self._processing.requests(content)))
        if self._job["TransformJobName"] not in self._stopping:
            self._put(s3, self._output(given, key), b"".join(results))

    async def _ask(self, client: httpx2.AsyncClient, body: bytes) -> bytes:
        payload = Payload(
            body,
            self._job["TransformInput"].get("ContentType", ""),
            self._job["TransformOutput"].get("Accept", ""),
        )
        for attempt in range(self._retries + 1):
            instance = self._fleet.choose(self._random, least_busy=True)
            if instance is None:
                raise RefusedError("InternalServerError", "No container answers.", 503)
            instance.in_flight += 1
            try:
                found = await pass_through(client, instance, self._names, payload, self._seconds)
                return found.body
            except RefusedError:
                if attempt == self._retries:
                    raise
            finally:
                instance.in_flight -= 1
        raise AssertionError("the last attempt answers or raises")

    def _output(self, given: Location, key: str) -> Location:
        """Where the output of an input goes: below the output path, as it lies below the input."""
        path = Location.read(self._job["TransformOutput"]["S3OutputPath"].rstrip("/") + "/")
        folder = given.key[: given.key.rfind("/") + 1]
        return Location(path.bucket, f"{path.key}{key.removeprefix(folder)}.out")

    def _put(self, s3: Any, target: Location, body: bytes) -> None:
        key = self._job["TransformOutput"].get("KmsKeyId")
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
        s3.put_object(Bucket=target.bucket, Key=target.key, Body=body, **encrypted)

    def _capture(self, s3: Any, given: Location, keys: Sequence[str]) -> None:
        """List the files of input and output where the job captures its data.

        https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-batch.html
        """
        config = self._job.get("DataCaptureConfig")
        if not config:
            return
        place = Location.read(config["DestinationS3Uri"].rstrip("/"))
        outputs = [self._output(given, key) for key in keys]
        now = datetime.now(UTC)
        for side, uris in (
            ("input", [f"s3://{given.bucket}/{key}" for key in keys]),
            ("output", [f"s3://{each.bucket}/{each.key}" for each in outputs]),
        ):
            prefix = uris[0][: uris[0].rfind("/") + 1]
            listed = [{"prefix": prefix}, *(uri.removeprefix(prefix) for uri in uris)]
            name = f"{place.key}/{side}/{now:%Y/%m/%d/%H}/{uuid.uuid4()}.json"
            s3.put_object(Bucket=place.bucket, Key=name, Body=json.dumps(listed).encode())


def run_from_state_machines(jobs: TransformJobs) -> None:
    """Let Step Functions begin jobs, and wait for them where its resource ends with ``.sync``.

    https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html
    """

    def begin(resource: str, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            given = jobs.checked(request)
            made = jobs.create(given)
        except RefusedError as error:
            raise hooks.task_error("SageMaker.AmazonSageMakerException", str(error)) from error
        if not resource.endswith(".sync"):
            return made
        record = jobs.wait(given["TransformJobName"])
        if record["TransformJobStatus"] != "Completed":
            raise hooks.task_error("States.TaskFailed", json.dumps(record, default=str))
        return record

    hooks.add_task("arn:aws:states:::sagemaker:createTransformJob", begin)


def _keys(s3: Any, given: Location) -> Sequence[str]:
    """The keys of the objects of an input."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=given.bucket, Prefix=given.key)
    found = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return [key for key in found if not key.endswith("/")]
