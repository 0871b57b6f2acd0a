"""The local SageMaker, with containers that do not run and a clock that is waited for."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from local.extensions.json_service import RefusedError
from local.extensions.sagemaker.asynchronous import AsyncInference
from local.extensions.sagemaker.capture import Capture
from local.extensions.sagemaker.components import Components
from local.extensions.sagemaker.control_plane import SageMaker
from local.extensions.sagemaker.deployer import Deployer
from local.extensions.sagemaker.endpoints import Endpoints
from local.extensions.sagemaker.errors import StartError
from local.extensions.sagemaker.gauges import MemoryGauge
from local.extensions.sagemaker.instance_types import Capacity, capacity
from local.extensions.sagemaker.metrics import Metrics, rounded
from local.extensions.sagemaker.packing import instances
from local.extensions.sagemaker.records import Records
from local.extensions.sagemaker.resources import (
    ComponentResource,
    EndpointResource,
    SageMakerResource,
)
from local.extensions.sagemaker.rooms import Rooms
from local.extensions.sagemaker.router import Router
from local.extensions.sagemaker.runtime import Runtime
from local.extensions.sagemaker.transform import TransformJobs
from local.extensions.sagemaker.variants import choose, part
from local.host import Host
from local.pace import Pace
from local.state import StateFolder
from tests.unit.local.sagemaker.fakes import (
    Answers,
    FakeClock,
    FakeLauncher,
    FakeStores,
    Measured,
    failing,
)

NAME = "MemoryUtilization"
ROLE = "arn:aws:iam::000000000000:role/mlops/sagemaker-role"


class Service:
    """The service under test, and what it stands on."""

    def __init__(self, folder: Path) -> None:
        state = StateFolder(folder)
        state.run.mkdir(parents=True)
        self.launcher, self.clock, self.measured = FakeLauncher(), FakeClock(), Measured()
        self.answers = Answers(self.launcher)
        self.time = 1_800_000_000.0
        self.firing: list[str] = []
        self.host = Host(state, "http://127.0.0.1:1")
        records, self.metrics = Records(), Metrics(self.measured)
        deployer = Deployer(
            records,
            self.launcher,
            self.clock,
            self,
            "a minute counts as 1 s",
        )
        router = Router(self.metrics, Random(1), self.answers.connect)  # noqa: S311
        self.stores = FakeStores()
        self.capture = Capture(lambda _: self.stores, Random(1), lambda: self.time)  # noqa: S311
        router.listeners.append(self.capture.listen)
        self.queues = AsyncInference(
            lambda service, region: self.stores, router, self.metrics, Pace(60)
        )
        self.jobs = TransformJobs(records, self.launcher, router, lambda *_: self.stores)
        self.router = router
        self.endpoints = Endpoints(self.host, records, deployer)
        self.components = Components(
            records, self.launcher, self.metrics, Rooms(self.endpoints.found), self.clock, self
        )
        runtime = Runtime(self.endpoints, router, self.queues, self.components)
        self.sagemaker = SageMaker(records, self.endpoints, self.jobs, self.components, runtime)

    def in_alarm(self, scope: tuple[str, str], names: Sequence[str]) -> Sequence[str]:
        return [name for name in names if name in self.firing]

    def missing(self, scope: tuple[str, str], names: Sequence[str]) -> Sequence[str]:
        return [name for name in names if name != "errors"]

    def do(self, operation: str, **request: Any) -> dict[str, Any]:
        return self.sagemaker.do(operation, request)

    def model(self, name: str, *images: str, **further: Any) -> None:
        containers = [{"Image": image} for image in images or (name,)]
        given: dict[str, Any] = (
            {"Containers": containers}
            if len(containers) > 1
            else {"PrimaryContainer": containers[0]}
        )
        given = further if "Containers" in further else {**given, **further}
        self.do("CreateModel", ModelName=name, ExecutionRoleArn=ROLE, **given)

    def config(self, name: str, *variants: dict[str, Any], **further: Any) -> None:
        given = list(variants) or [variant(name)]
        self.do(
            "CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=given, **further
        )

    def deploy(self, name: str, *images: str, count: int = 1, **update: Any) -> dict[str, Any]:
        """Create or update the endpoint `e`, with a model and a configuration of that name."""
        self.model(name, *images)
        self.config(name, variant(name, count))
        return self.move(name, **update)

    def move(self, config: str, **update: Any) -> dict[str, Any]:
        exists = self.do("ListEndpoints")["Endpoints"]
        operation = "UpdateEndpoint" if exists else "CreateEndpoint"
        self.do(operation, EndpointName="e", EndpointConfigName=config, **update)
        return self.endpoints.wait("e")

    def request(self, path: str, body: bytes = b"{}", **headers: str) -> Any:
        given = {name.replace("_", "-"): value for name, value in headers.items()}

        async def answered() -> Any:
            answer = await self.sagemaker.answer("POST", path, given, body, {})
            await asyncio.gather(*self.router.copies)
            return answer

        return asyncio.run(answered())

    def ask(self, body: str = "x", **headers: str) -> tuple[int, str]:
        status, _, content = self.request("/endpoints/e/invocations", body.encode(), **headers)
        return status, content.decode()


def variant(model: str, count: int = 1, name: str = "main", **further: Any) -> dict[str, Any]:
    return {
        "VariantName": name,
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": count,
        **further,
    }


CANARY = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "WaitIntervalInSeconds": 600,
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 25},
        },
        "TerminationWaitInSeconds": 60,
    },
    "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
}


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


class TestEndpoints:
    def test_go_from_creating_to_in_service(self, service: Service) -> None:
        seen: list[str] = []
        service.launcher.on_start = lambda: seen.append(
            service.do("DescribeEndpoint", EndpointName="e")["EndpointStatus"]
        )
        record = service.deploy("one", count=2)
        service.deploy("two")
        assert seen == ["Creating", "Creating", "Updating"]
        assert record["EndpointStatus"] == "InService"
        assert record["ProductionVariants"][0]["CurrentInstanceCount"] == 2
        assert len(service.launcher.containers) == 3

    def test_a_new_one_that_cannot_start_is_failed_with_a_reason(self, service: Service) -> None:
        service.launcher.failures["one"] = "no such image"
        record = service.deploy("one")
        assert record["EndpointStatus"] == "Failed"
        assert record["FailureReason"] == "no such image"
        assert service.ask()[0] == 400

    def test_one_that_failed_can_be_mended(self, service: Service) -> None:
        service.launcher.failures["one"] = "no such image"
        service.deploy("one")
        assert service.deploy("two")["EndpointStatus"] == "InService"
        assert service.ask() == (200, "two(x)")

    def test_an_update_stops_the_old_when_the_new_serves(self, service: Service) -> None:
        service.deploy("one")
        record = service.deploy("two")
        assert record["EndpointConfigName"] == "two"
        assert service.launcher.running("one") == []
        assert service.ask() == (200, "two(x)")

    def test_an_update_that_fails_leaves_the_old_serving(self, service: Service) -> None:
        service.deploy("one")
        service.launcher.failures["two"] = "broken model"
        record = service.deploy("two")
        assert record["EndpointStatus"] == "InService"
        assert record["EndpointConfigName"] == "one"
        assert record["FailureReason"] == "broken model"
        assert service.ask() == (200, "one(x)")

    def test_a_container_that_fails_takes_those_before_it_along(self, service: Service) -> None:
        service.launcher.failures["bad"] = "broken"
        service.deploy("one", "good", "bad", count=1)
        assert service.ask()[0] == 400

    def test_is_not_touched_while_it_moves(self, service: Service) -> None:
        refused: list[str] = []

        def touch() -> None:
            for operation in ("UpdateEndpoint", "DeleteEndpoint"):
                request = {"EndpointName": "e"}
                if operation == "UpdateEndpoint":
                    request["EndpointConfigName"] = "one"
                with pytest.raises(RefusedError, match="in-progress"):
                    service.sagemaker.do(operation, request)
                refused.append(operation)

        service.launcher.on_start = touch
        assert service.deploy("one")["EndpointStatus"] == "InService"
        assert refused == ["UpdateEndpoint", "DeleteEndpoint"]

    def test_weights_and_capacities_change(self, service: Service) -> None:
        service.deploy("one")
        change = {"VariantName": "main", "DesiredInstanceCount": 3, "DesiredWeight": 0.5}
        service.do(
            "UpdateEndpointWeightsAndCapacities",
            EndpointName="e",
            DesiredWeightsAndCapacities=[change],
        )
        found = service.endpoints.wait("e")["ProductionVariants"][0]
        assert (found["CurrentInstanceCount"], found["CurrentWeight"]) == (3, 0.5)
        assert len(service.launcher.running("one")) == 3

    @pytest.mark.parametrize(
        ("update", "count", "weight"),
        [
            ({}, 1, 1.0),
            ({"RetainAllVariantProperties": True}, 3, 0.5),
            (
                {
                    "RetainAllVariantProperties": True,
                    "ExcludeRetainedVariantProperties": [
                        {"VariantPropertyType": "DesiredInstanceCount"}
                    ],
                },
                1,
                0.5,
            ),
        ],
    )
    def test_an_update_retains_what_it_is_told_to(
        self, update: dict[str, Any], count: int, weight: float, service: Service
    ) -> None:
        service.deploy("one")
        change = {"VariantName": "main", "DesiredInstanceCount": 3, "DesiredWeight": 0.5}
        service.do(
            "UpdateEndpointWeightsAndCapacities",
            EndpointName="e",
            DesiredWeightsAndCapacities=[change],
        )
        service.endpoints.wait("e")
        found = service.deploy("two", **update)["ProductionVariants"][0]
        assert (found["CurrentInstanceCount"], found["CurrentWeight"]) == (count, weight)


class TestGuardRails:
    def test_a_canary_shows_its_stages_and_how_fast_the_clock_is(self, service: Service) -> None:
        service.deploy("one", count=4)
        seen: list[dict[str, Any]] = []

        def look() -> None:
            seen.append(service.do("DescribeEndpoint", EndpointName="e"))
            service.answers.asked.clear()
            for _ in range(400):
                assert service.ask()[0] == 200
            seen[-1]["asked"] = service.answers.counts()

        service.clock.at[300.0] = look
        service.clock.at[630.0] = look
        record = service.deploy("two", count=4, DeploymentConfig=CANARY)
        baking, last = seen
        summary = baking["PendingDeploymentSummary"]
        status = summary["ProductionVariants"][0]["VariantStatus"][0]
        assert baking["EndpointStatus"] == "Updating"
        assert baking["EndpointConfigName"] == "one"
        assert summary["EndpointConfigName"] == "two"
        assert status["Status"] == "Baking"
        assert (
            "25% of the traffic bakes for 600 s; a minute counts as 1 s" in status["StatusMessage"]
        )
        assert 60 < baking["asked"]["two"] < 140
        assert last["asked"] == {"two": 400}
        assert record["EndpointConfigName"] == "two"
        assert record["LastDeploymentConfig"] == CANARY
        assert "PendingDeploymentSummary" not in record
        assert service.clock.time == 660.0

    def test_an_alarm_brings_the_old_version_back(self, service: Service) -> None:
        service.deploy("one", count=2)
        service.clock.at[120.0] = lambda: service.firing.append("errors")
        record = service.deploy("two", count=2, DeploymentConfig=CANARY)
        assert record["EndpointStatus"] == "InService"
        assert record["EndpointConfigName"] == "one"
        assert "in ALARM: errors" in record["FailureReason"]
        assert service.launcher.running("two") == []
        assert len(service.launcher.running("one")) == 2
        assert {service.ask() for _ in range(50)} == {(200, "one(x)")}

    def test_a_canary_that_is_too_large_is_refused_at_once(self, service: Service) -> None:
        service.deploy("one")
        routing = {"Type": "CANARY", "WaitIntervalInSeconds": 1}
        size = {"Type": "INSTANCE_COUNT", "Value": 1}
        policy = {"TrafficRoutingConfiguration": {**routing, "CanarySize": size}}
        service.model("two")
        service.config("two")
        with pytest.raises(RefusedError, match="100% of 1 instances"):
            service.move("two", DeploymentConfig={"BlueGreenUpdatePolicy": policy})

    def test_an_alarm_that_does_not_exist_is_refused(self, service: Service) -> None:
        service.deploy("one")
        service.model("two")
        service.config("two")
        alarms = {"Alarms": [{"AlarmName": "none"}]}
        with pytest.raises(RefusedError, match="no alarm none"):
            service.move("two", DeploymentConfig={**CANARY, "AutoRollbackConfiguration": alarms})

    def test_guard_rails_lead_between_variants_of_the_same_names(self, service: Service) -> None:
        service.deploy("one")
        service.model("two")
        service.config("two", variant("two", name="other"))
        with pytest.raises(RefusedError, match="needs the same names"):
            service.move("two", DeploymentConfig=CANARY)
        assert service.move("two")["EndpointConfigName"] == "two"

    def test_rolling_is_for_one_variant(self, service: Service) -> None:
        service.model("one")
        for name in ("c-1", "c-2"):
            service.config(name, variant("one", 2, "a"), variant("one", 2, "b"))
        service.move("c-1")
        size = {"Type": "INSTANCE_COUNT", "Value": 1}
        rolling = {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": 1}}
        with pytest.raises(RefusedError, match="for one variant"):
            service.move("c-2", DeploymentConfig=rolling)

    def test_whatever_fails_is_said(self, service: Service) -> None:
        service.deploy("one")

        def fail() -> None:
            raise ValueError("not foreseen")

        service.clock.at[10.0] = fail
        record = service.deploy("two", DeploymentConfig=CANARY)
        assert record["EndpointStatus"] == "InService"
        assert record["FailureReason"] == "not foreseen"
        assert {service.ask() for _ in range(20)} == {(200, "one(x)")}

    def test_rolling_never_has_fewer_instances_than_there_were(self, service: Service) -> None:
        service.deploy("one", count=4)
        policy = {
            "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1},
            "WaitIntervalInSeconds": 60,
        }
        seen: list[tuple[int, int]] = []
        for moment in (30.0, 90.0, 150.0, 210.0):
            service.clock.at[moment] = lambda: seen.append(
                (len(service.launcher.running("one")), len(service.launcher.running("two")))
            )
        service.deploy("two", count=4, DeploymentConfig={"RollingUpdatePolicy": policy})
        assert seen == [(4, 1), (3, 2), (2, 3), (1, 4)]
        assert len(service.launcher.running("two")) == 4
        assert service.launcher.running("one") == []


class TestInvocation:
    def test_the_answer_of_one_container_is_the_request_of_the_next(self, service: Service) -> None:
        service.deploy("m", "first", "second", "third")
        status, headers, body = service.request(
            "/endpoints/e/invocations", b"x", content_type="text/csv", accept="text/plain"
        )
        assert (status, body) == (200, b"third(second(first(x)))")
        assert headers["Content-Type"] == "third"
        assert headers["x-Amzn-Invoked-Production-Variant"] == "main"
        kinds = [request.headers["content-type"] for _, request in service.answers.asked]
        assert kinds == ["text/csv", "first", "second"]
        accepted = [request.headers["accept"] for _, request in service.answers.asked]
        assert accepted == ["*/*", "*/*", "text/plain"]

    def test_an_error_says_which_container_failed(self, service: Service) -> None:
        service.deploy("m", "first", "second", "third")
        service.answers.by_image["second"] = failing(400, "no such column")
        status, headers, body = service.request("/endpoints/e/invocations")
        said = json.loads(body)
        assert status == 424
        assert headers["x-amzn-errortype"] == "ModelError"
        assert said["OriginalStatusCode"] == 400
        assert said["OriginalMessage"] == "no such column"
        assert "Received client error (400) from container-2" in said["Message"]
        assert service.answers.counts() == {"first": 1, "second": 1}

    def test_one_container_is_asked_directly(self, service: Service) -> None:
        service.model(
            "m",
            Containers=[
                {"Image": "first", "ContainerHostname": "a"},
                {"Image": "second", "ContainerHostname": "b"},
            ],
            InferenceExecutionConfig={"Mode": "Direct"},
        )
        service.config("m")
        service.move("m")
        target = "x_amzn_sagemaker_target_container_hostname"
        assert service.ask(**{target: "b"}) == (200, "second(x)")
        assert "is required" in service.ask()[1]
        assert "There is no container c: there is a, b" in service.ask(**{target: "c"})[1]

    def test_a_pipeline_is_not_asked_directly(self, service: Service) -> None:
        service.deploy("m", "first", "second")
        status, said = service.ask(x_amzn_sagemaker_target_container_hostname="container-1")
        assert status == 400
        assert "Mode is Direct" in said

    def test_variants_share_the_traffic_by_weight(self, service: Service) -> None:
        service.model("one")
        service.model("two")
        heavy = variant("one", name="a", InitialVariantWeight=3.0)
        light = variant("two", name="b", InitialVariantWeight=1.0)
        service.config("c", heavy, light)
        service.move("c")
        for _ in range(400):
            assert service.ask()[0] == 200
        counts = service.answers.counts()
        assert 260 < counts["one"] < 340
        assert counts["one"] + counts["two"] == 400
        target = "x_amzn_sagemaker_target_variant"
        assert service.ask(**{target: "b"}) == (200, "two(x)")
        assert "Variant c not found" in service.ask(**{target: "c"})[1]

    def test_a_stream_is_the_answer_in_events(self, service: Service) -> None:
        service.deploy("one")
        path = "/endpoints/e/invocations-response-stream"
        accepts = {"accept": "*/*", "x_amzn_sagemaker_accept": "text/csv"}
        status, headers, body = service.request(path, b"x" * 100_000, **accepts)
        assert service.answers.asked[0][1].headers["accept"] == "text/csv"
        buffer = EventStreamBuffer()
        buffer.add_data(body)
        found = list(buffer)
        assert status == 200
        assert headers["X-Amzn-SageMaker-Content-Type"] == "one"
        assert [event.headers[":event-type"] for event in found] == ["PayloadPart"] * 2
        assert b"".join(event.payload for event in found) == b"one(" + b"x" * 100_000 + b")"

    def test_an_unknown_endpoint_is_a_validation_error(self, service: Service) -> None:
        status, headers, body = service.request("/endpoints/x/invocations")
        assert (status, headers["x-amzn-errortype"]) == (400, "ValidationError")
        assert "not found" in json.loads(body)["message"]

    def test_a_dead_container_is_passed_by_while_another_lives(self, service: Service) -> None:
        service.deploy("one", count=2)
        service.launcher.containers[0].port = None
        assert {service.ask()[0] for _ in range(20)} == {200}
        service.launcher.containers[1].port = None
        status, headers, _ = service.request("/endpoints/e/invocations")
        assert (status, headers["x-amzn-errortype"]) == (503, "ServiceUnavailable")

    def test_is_measured(self, service: Service) -> None:
        service.deploy("one", count=2)
        service.ask()
        service.answers.by_image["one"] = failing(500, "broken")
        service.ask()
        service.ask()
        service.metrics.flush()
        of_variant = json.dumps({"EndpointName": "e", "VariantName": "main"})
        found = {
            name: total for (name, of), total in service.measured.sums.items() if of == of_variant
        }
        assert found["Invocations"] == 3
        assert found["Invocation5XXErrors"] == 2
        assert found["Invocation4XXErrors"] == 0
        assert found["InvocationsPerInstance"] == 1.5
        assert found["ModelLatency"] > 0
        of_config = {"EndpointConfigName": "one", "EndpointName": "e", "VariantName": "main"}
        assert service.measured.sums["Invocations", json.dumps(of_config)] == 3


CAPTURE = {
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://bucket/capture/",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
}


class TestCapture:
    def deploy(self, service: Service, **changes: Any) -> None:
        service.model("one")
        service.config("one", DataCaptureConfig={**CAPTURE, **changes})
        service.move("one")

    def lines(self, service: Service) -> list[Any]:
        service.time += 10
        service.capture.flush()
        return [
            json.loads(line)
            for body in service.stores.objects.values()
            for line in body.decode().splitlines()
        ]

    def test_writes_what_was_asked_and_answered(self, service: Service) -> None:
        self.deploy(service)
        service.ask("1,2", content_type="text/csv", x_amzn_sagemaker_inference_id="id-1")
        (line,) = self.lines(service)
        assert line["captureData"] == {
            "endpointInput": {
                "observedContentType": "text/csv",
                "mode": "INPUT",
                "data": "1,2",
                "encoding": "CSV",
            },
            "endpointOutput": {
                "observedContentType": "one",
                "mode": "OUTPUT",
                "data": "b25lKDEsMik=",
                "encoding": "BASE64",
            },
        }
        assert line["eventMetadata"]["inferenceId"] == "id-1"
        assert line["eventMetadata"]["inferenceTime"] == "2027-01-15T08:00:00Z"
        assert line["eventVersion"] == "0"
        (key,) = service.stores.objects
        assert re.fullmatch(r"bucket/capture/e/main/2027/01/15/08/00-10-000-[0-9a-f-]+\.jsonl", key)

    def test_captures_the_part_that_it_is_told_to(self, service: Service) -> None:
        self.deploy(service, InitialSamplingPercentage=20)
        for _ in range(300):
            service.ask()
        assert 35 < len(self.lines(service)) < 85

    def test_one_side_alone(self, service: Service) -> None:
        self.deploy(service, CaptureOptions=[{"CaptureMode": "Output"}])
        service.ask()
        assert list(self.lines(service)[0]["captureData"]) == ["endpointOutput"]

    @pytest.mark.parametrize(
        "changes", [{"EnableCapture": False}, {"InitialSamplingPercentage": 0}]
    )
    def test_or_nothing(self, changes: dict[str, Any], service: Service) -> None:
        self.deploy(service, **changes)
        service.ask()
        assert self.lines(service) == []

    def test_of_a_pipeline_it_is_the_first_request_and_the_last_answer(
        self, service: Service
    ) -> None:
        service.model("m", "a", "b")
        kinds = {"CsvContentTypes": ["text/csv", "b"]}
        service.config("m", DataCaptureConfig={**CAPTURE, "CaptureContentTypeHeader": kinds})
        service.move("m")
        service.ask("x", content_type="text/csv")
        data = self.lines(service)[0]["captureData"]
        assert data["endpointInput"]["data"] == "x"
        assert data["endpointOutput"]["data"] == "b(a(x))"


ASYNC = {
    "OutputConfig": {
        "S3OutputPath": "s3://bucket/out/",
        "S3FailurePath": "s3://bucket/failed",
        "NotificationConfig": {"SuccessTopic": "arn:good", "ErrorTopic": "arn:bad"},
    },
    "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 2},
}


class TestAsync:
    def deploy(self, service: Service, count: int = 1) -> None:
        service.model("one")
        service.config("one", variant("one", count), AsyncInferenceConfig=ASYNC)
        service.move("one")
        service.stores.objects["bucket/in/1"] = b"1,2"

    def send(self, service: Service, **headers: str) -> Any:
        given = {"x_amzn_sagemaker_inputlocation": "s3://bucket/in/1", **headers}
        return service.request("/endpoints/e/async-invocations", b"", **given)

    def work(self, service: Service) -> None:
        service.queues.work(service.endpoints.in_service())
        for thread in threading.enumerate():
            if thread.name.startswith("async-"):
                thread.join()

    def test_the_answer_comes_to_the_place_that_was_said(self, service: Service) -> None:
        self.deploy(service)
        status, headers, body = self.send(service, x_amzn_sagemaker_content_type="text/csv")
        assert status == 202
        self.work(service)
        location = headers["X-Amzn-SageMaker-OutputLocation"]
        assert service.stores.objects[location.removeprefix("s3://")] == b"one(1,2)"
        ((topic, said),) = service.stores.published
        assert topic == "arn:good"
        assert said["invocationStatus"] == "Completed"
        assert said["inferenceId"] == json.loads(body)["InferenceId"]
        assert said["responseParameters"]["outputLocation"] == location
        assert said["requestParameters"]["inputLocation"] == "s3://bucket/in/1"

    def test_a_failure_does_too(self, service: Service) -> None:
        self.deploy(service)
        service.answers.by_image["one"] = failing(500, "broken")
        _, headers, _ = self.send(service)
        self.work(service)
        location = headers["X-Amzn-SageMaker-FailureLocation"].removeprefix("s3://")
        assert b"broken" in service.stores.objects[location]
        ((topic, said),) = service.stores.published
        assert (topic, said["invocationStatus"]) == ("arn:bad", "Failed")
        assert "broken" in said["failureReason"]

    def test_a_missing_input_is_a_failure(self, service: Service) -> None:
        self.deploy(service)
        self.send(service, x_amzn_sagemaker_inputlocation="s3://bucket/in/none")
        self.work(service)
        assert service.stores.published[0][1]["invocationStatus"] == "Failed"

    def test_requests_wait_while_there_is_no_instance(self, service: Service) -> None:
        self.deploy(service)
        service.sagemaker.scale("endpoint/e/variant/main", 0)
        for _ in range(3):
            self.send(service)
        self.work(service)
        assert service.stores.published == []
        service.metrics.flush()
        of = json.dumps({"EndpointName": "e"})
        assert service.measured.sums["ApproximateBacklogSize", of] == 3
        assert service.measured.sums["HasBacklogWithoutCapacity", of] == 1
        assert service.measured.sums["ApproximateAgeOfOldestRequest", of] > 0
        service.sagemaker.scale("endpoint/e/variant/main", 1)
        self.work(service)
        self.work(service)
        assert len(service.stores.published) == 3

    def test_one_that_waits_too_long_fails(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.deploy(service)
        service.sagemaker.scale("endpoint/e/variant/main", 0)
        self.send(service, x_amzn_sagemaker_requestttlseconds="60")
        monkeypatch.setattr(time, "monotonic", lambda: time.monotonic_ns() / 1e9 + 61)
        self.work(service)
        assert "longer than 60 s" in service.stores.published[0][1]["failureReason"]

    def test_an_instance_is_given_no_more_than_it_may_have(self, service: Service) -> None:
        self.deploy(service)
        release = threading.Event()

        def slow(request: httpx2.Request) -> httpx2.Response:
            release.wait(10)
            return httpx2.Response(200, text="done")

        service.answers.by_image["one"] = slow
        for _ in range(3):
            self.send(service)
        service.queues.work(service.endpoints.in_service())
        working = [each for each in threading.enumerate() if each.name.startswith("async-")]
        assert len(working) == 2
        release.set()
        for thread in working:
            thread.join()

    @pytest.mark.parametrize(
        ("headers", "said"),
        [
            ({"x_amzn_sagemaker_inputlocation": "http://x"}, "no s3:// address"),
            ({"x_amzn_sagemaker_invocationtimeoutseconds": "4000"}, "from 1 to 3600"),
        ],
    )
    def test_refuses(self, headers: dict[str, str], said: str, service: Service) -> None:
        self.deploy(service)
        status, _, body = self.send(service, **headers)
        assert status == 400
        assert said in json.loads(body)["message"]

    def test_each_kind_of_endpoint_is_asked_in_its_way(self, service: Service) -> None:
        self.deploy(service)
        assert "InvokeEndpointAsync" in service.ask()[1]
        service.deploy("two")
        assert "is not asynchronous" in self.send(service)[2].decode()


class TestTransform:
    def transform(self, service: Service, **changes: Any) -> dict[str, Any]:
        source = {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/in/part"}
        job: dict[str, Any] = {
            "TransformJobName": "job",
            "ModelName": "m",
            "TransformInput": {
                "DataSource": {"S3DataSource": source},
                "SplitType": "Line",
                "ContentType": "text/csv",
            },
            "TransformOutput": {"S3OutputPath": "s3://bucket/out", "AssembleWith": "Line"},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 2},
            **changes,
        }
        service.do("CreateTransformJob", **job)
        return service.jobs.wait("job")

    def deploy(self, service: Service, *images: str) -> None:
        service.model("m", *images)
        service.stores.objects |= {
            "bucket/in/part-1": b"1,2\n3,4\n",
            "bucket/in/part-2": b"5,6\n",
            "bucket/in/other": b"7,8\n",
        }

    def test_writes_an_output_for_each_input_and_leaves_nothing_running(
        self, service: Service
    ) -> None:
        self.deploy(service, "a", "b")
        record = self.transform(service, BatchStrategy="SingleRecord")
        assert record["TransformJobStatus"] == "Completed"
        outputs = {key: body for key, body in service.stores.objects.items() if "/out/" in key}
        assert outputs == {
            "bucket/out/part-1.out": b"b(a(1,2))\nb(a(3,4))\n",
            "bucket/out/part-2.out": b"b(a(5,6))\n",
        }
        assert len(service.launcher.containers) == 4
        assert service.launcher.running("a") == service.launcher.running("b") == []

    def test_a_request_holds_as_many_lines_as_may_go(self, service: Service) -> None:
        self.deploy(service)
        self.transform(service)
        bodies = sorted(request.content for _, request in service.answers.asked)
        assert bodies == [b"1,2\n3,4", b"5,6"]

    def test_a_job_that_fails_says_why(self, service: Service) -> None:
        self.deploy(service)
        service.answers.by_image["m"] = failing(400, "no such column")
        record = self.transform(service)
        assert record["TransformJobStatus"] == "Failed"
        assert "no such column" in record["FailureReason"]
        assert service.launcher.running("m") == []
        assert not [key for key in service.stores.objects if "/out/" in key]

    def test_one_that_cannot_start_fails(self, service: Service) -> None:
        self.deploy(service)
        service.launcher.failures["m"] = "no such image"
        assert self.transform(service)["FailureReason"] == "no such image"

    def test_without_input_it_fails(self, service: Service) -> None:
        service.model("m")
        assert "no object below" in self.transform(service)["FailureReason"]

    def test_one_that_is_stopped_writes_nothing_more(self, service: Service) -> None:
        self.deploy(service)

        def stop(request: httpx2.Request) -> httpx2.Response:
            service.do("StopTransformJob", TransformJobName="job")
            return httpx2.Response(200, text="done")

        service.answers.by_image["m"] = stop
        assert self.transform(service)["TransformJobStatus"] == "Stopped"
        assert not [key for key in service.stores.objects if "/out/" in key]
        listed = service.do("ListTransformJobs", StatusEquals="Stopped")["TransformJobSummaries"]
        assert [each["TransformJobName"] for each in listed] == ["job"]

    def test_is_told_what_it_captures(self, service: Service) -> None:
        self.deploy(service)
        self.transform(service, DataCaptureConfig={"DestinationS3Uri": "s3://bucket/captured"})
        captured = [
            json.loads(body) for key, body in service.stores.objects.items() if "/captured/" in key
        ]
        assert captured == [
            [{"prefix": "s3://bucket/in/"}, "part-1", "part-2"],
            [{"prefix": "s3://bucket/out/"}, "part-1.out", "part-2.out"],
        ]


class TestShadows:
    def test_get_copies_and_answer_nobody(self, service: Service) -> None:
        service.model("one")
        service.model("two")
        service.config(
            "c",
            variant("one", InitialVariantWeight=2.0),
            ShadowProductionVariants=[variant("two", name="s", InitialVariantWeight=1.0)],
        )
        record = service.move("c")
        assert record["ShadowProductionVariants"][0]["VariantName"] == "s"
        service.answers.by_image["two"] = failing(500, "broken")
        assert {service.ask() for _ in range(200)} == {(200, "one(x)")}
        assert service.answers.counts()["one"] == 200
        assert 70 < service.answers.counts()["two"] < 130
        service.metrics.flush()
        of = json.dumps({"EndpointName": "e", "VariantName": "s"})
        failed = service.measured.sums["Invocation5XXErrors", of]
        assert failed == service.answers.counts()["two"]


def serverless(model: str, concurrency: int, **further: int) -> dict[str, Any]:
    config = {"MemorySizeInMB": 2048, "MaxConcurrency": concurrency, **further}
    return {"VariantName": "main", "ModelName": model, "ServerlessConfig": config}


class TestServerless:
    def test_starts_an_instance_for_each_request_up_to_its_concurrency(
        self, service: Service
    ) -> None:
        service.model("one")
        service.config("one", serverless("one", 3))
        service.move("one")
        assert len(service.launcher.containers) == 1

        async def together(count: int) -> list[int]:
            answers = [
                service.sagemaker.answer("POST", "/endpoints/e/invocations", {}, b"x", {})
                for _ in range(count)
            ]
            return sorted(status for status, _, _ in await asyncio.gather(*answers))

        assert asyncio.run(together(5)) == [200, 200, 200, 429, 429]
        assert len(service.launcher.containers) == 3
        assert service.ask()[0] == 200

    def test_rests_when_nobody_asks(self, service: Service) -> None:
        service.model("one")
        service.config("one", serverless("one", 5, ProvisionedConcurrency=2))
        service.move("one")
        (variant_,) = service.endpoints.found("e").side.variants  # type: ignore[union-attr]
        gate = variant_.gate
        assert gate is not None
        variant_.fleet.grow()
        assert not gate.idle(3600)
        assert gate.idle(0)
        gate.rest()
        assert len(service.launcher.running("one")) == 2
        assert not gate.idle(0)

    def test_a_cold_start_that_fails_is_said(self, service: Service) -> None:
        service.model("one")
        service.config("one", serverless("one", 1))
        service.move("one")
        (variant_,) = service.endpoints.found("e").side.variants  # type: ignore[union-attr]
        variant_.fleet.resize(0)
        service.launcher.failures["one"] = "no such image"
        status, headers, body = service.request("/endpoints/e/invocations")
        assert (status, headers["x-amzn-errortype"]) == (429, "ModelNotReadyException")
        assert "no such image" in json.loads(body)["message"]


class TestComponents:
    def deploy(self, service: Service, **changes: Any) -> dict[str, Any]:
        settings = {"VariantName": "main", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        service.config("c", settings, ExecutionRoleArn=ROLE)
        service.move("c")
        service.model("one")
        request = {
            "InferenceComponentName": "a",
            "EndpointName": "e",
            "VariantName": "main",
            "Specification": {"ModelName": "one"},
            "RuntimeConfig": {"CopyCount": 2},
            **changes,
        }
        service.do("CreateInferenceComponent", **request)
        return service.components.wait("a")

    def ask(self, service: Service, name: str = "a") -> tuple[int, str]:
        return service.ask(x_amzn_sagemaker_inference_component=name)

    def test_are_asked_by_name(self, service: Service) -> None:
        described = self.deploy(service)
        assert described["InferenceComponentStatus"] == "InService"
        assert described["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
        assert len(service.launcher.running("one")) == 2
        assert self.ask(service) == (200, "one(x)")
        assert "header is required" in service.ask()[1]
        assert "not found" in self.ask(service, "b")[1]

    def test_scale_to_none_and_back(self, service: Service) -> None:
        self.deploy(service)
        resource = "inference-component/a"
        assert service.sagemaker.capacity(resource) == 2
        service.sagemaker.scale(resource, 0)
        assert "has no capacity" in self.ask(service)[1]
        service.metrics.flush()
        of = json.dumps({"InferenceComponentName": "a"})
        assert service.measured.sums["NoCapacityInvocationFailures", of] == 1
        service.sagemaker.scale(resource, 1)
        assert self.ask(service)[0] == 200

    def test_one_that_does_not_start_is_failed(self, service: Service) -> None:
        service.launcher.failures["one"] = "no such image"
        described = self.deploy(service)
        assert described["InferenceComponentStatus"] == "Failed"
        assert described["FailureReason"] == "no such image"

    def test_a_new_model_replaces_the_old(self, service: Service) -> None:
        self.deploy(service)
        service.do(
            "UpdateInferenceComponent",
            InferenceComponentName="a",
            Specification={"Container": {"Image": "two"}},
        )
        assert service.components.wait("a")["InferenceComponentStatus"] == "InService"
        assert self.ask(service) == (200, "two(x)")
        assert service.launcher.running("one") == []
        assert len(service.launcher.running("two")) == 2

    def test_an_endpoint_outlives_its_components(self, service: Service) -> None:
        self.deploy(service)
        with pytest.raises(RefusedError, match="has inference components: a"):
            service.do("DeleteEndpoint", EndpointName="e")
        service.do("DeleteInferenceComponent", InferenceComponentName="a")
        service.do("DeleteEndpoint", EndpointName="e")
        assert service.do("ListInferenceComponents")["InferenceComponents"] == []

    def test_a_variant_that_is_not_there_is_refused(self, service: Service) -> None:
        with pytest.raises(RefusedError, match="is one of main"):
            self.deploy(service, VariantName="other")

    def test_cloudformation_waits_for_them(self, service: Service) -> None:
        self.deploy(service)
        properties = {
            "InferenceComponentName": "b",
            "EndpointName": "e",
            "VariantName": "main",
            "Specification": {"ModelName": "one"},
            "RuntimeConfig": {"CopyCount": "1"},
        }
        resource = ComponentResource(service.sagemaker)
        made = resource.create("B", properties, "s")
        assert made.physical_id.endswith(":inference-component/b")
        service.launcher.failures["one"] = "broken"
        more = {**properties, "RuntimeConfig": {"CopyCount": "3"}}
        with pytest.raises(RefusedError, match="broken"):
            resource.update(made.physical_id, properties, more, "s", "B")
        assert self.ask(service, "b")[0] == 200


NEEDS = {"MinMemoryRequiredInMb": 3000, "NumberOfCpuCoresRequired": 1}
"""Of an ml.m5.large, which has two cores and 8 GiB, two copies fit on each."""


def specified(model: str, **needs: Any) -> dict[str, Any]:
    return {"ModelName": model, "ComputeResourceRequirements": {**NEEDS, **needs}}


class TestRooms:
    """Copies stand on instances, of which there are as many as they need and may have."""

    def deploy(self, service: Service, most: int, copies: int, **needs: Any) -> dict[str, Any]:
        settings = {
            "VariantName": "main",
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
            "ManagedInstanceScaling": {
                "Status": "ENABLED",
                "MinInstanceCount": 1,
                "MaxInstanceCount": most,
            },
        }
        service.config("c", settings, ExecutionRoleArn=ROLE)
        service.move("c")
        for model in ("one", "two"):
            service.model(model)
        return self.add(service, "a", copies, **needs)

    def add(self, service: Service, name: str, copies: int, **needs: Any) -> dict[str, Any]:
        service.do(
            "CreateInferenceComponent",
            InferenceComponentName=name,
            EndpointName="e",
            VariantName="main",
            Specification=specified("one", **needs),
            RuntimeConfig={"CopyCount": copies},
        )
        return service.components.wait(name)

    def update(self, service: Service, **deployment: Any) -> dict[str, Any]:
        policy = {
            "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
            "WaitIntervalInSeconds": 600,
            "MaximumExecutionTimeoutInSeconds": 3600,
        }
        rollback = {"Alarms": [{"AlarmName": "errors"}]}
        service.do(
            "UpdateInferenceComponent",
            InferenceComponentName="a",
            Specification=specified("two"),
            DeploymentConfig={
                "RollingUpdatePolicy": policy,
                "AutoRollbackConfiguration": rollback,
                **deployment,
            },
        )
        return service.components.wait("a")

    def count(self, service: Service) -> int:
        described = service.do("DescribeEndpoint", EndpointName="e")
        return int(described["ProductionVariants"][0]["CurrentInstanceCount"])

    def test_instances_come_and_go_with_the_copies(self, service: Service) -> None:
        self.deploy(service, 3, 5)
        assert self.count(service) == 3
        service.sagemaker.scale("inference-component/a", 1)
        assert self.count(service) == 1

    def test_a_copy_that_has_no_room_fails(self, service: Service) -> None:
        self.deploy(service, 2, 3)
        described = self.add(service, "b", 2)
        assert described["InferenceComponentStatus"] == "Failed"
        assert "not enough capacity for b, each of whose copies (2)" in described["FailureReason"]
        assert len(service.launcher.running("one")) == 3
        assert self.add(service, "c", 1)["InferenceComponentStatus"] == "InService"

    def test_a_copy_that_is_larger_than_an_instance_fails(self, service: Service) -> None:
        described = self.deploy(service, 9, 1, MinMemoryRequiredInMb=9000)
        assert "9000 MB of memory" in described["FailureReason"]
        assert self.count(service) == 1

    def test_what_is_deleted_makes_room(self, service: Service) -> None:
        self.deploy(service, 1, 2)
        service.do("DeleteInferenceComponent", InferenceComponentName="a")
        assert self.add(service, "b", 2)["InferenceComponentStatus"] == "InService"

    def test_scaling_out_further_than_there_is_room_fails_and_changes_nothing(
        self, service: Service
    ) -> None:
        self.deploy(service, 1, 1)
        with pytest.raises(StartError, match="not enough capacity"):
            service.sagemaker.scale("inference-component/a", 3)
        assert service.sagemaker.capacity("inference-component/a") == 1

    def test_an_update_goes_batch_after_batch(self, service: Service) -> None:
        self.deploy(service, 9, 4)
        most: list[int] = []
        service.launcher.on_start = lambda: most.append(
            len(service.launcher.running("one") + service.launcher.running("two"))
        )
        assert self.update(service)["InferenceComponentStatus"] == "InService"
        # Two of four at a time, beside those that there are.
        assert max(most) + 1 <= 6
        assert service.clock.time == 1200
        assert service.launcher.running("one") == []
        assert len(service.launcher.running("two")) == 4
        assert self.count(service) == 2

    def test_an_alarm_turns_an_update_back(self, service: Service) -> None:
        self.deploy(service, 9, 4)
        service.clock.at[300.0] = lambda: service.firing.append("errors")
        described = self.update(service)
        assert described["InferenceComponentStatus"] == "InService"
        assert "in ALARM: errors" in described["FailureReason"]
        assert len(service.launcher.running("one")) == 4
        assert service.launcher.running("two") == []
        assert described["Specification"]["ModelName"] == "one"

    def test_a_batch_without_room_turns_an_update_back(self, service: Service) -> None:
        self.deploy(service, 2, 4)
        assert "not enough capacity" in self.update(service)["FailureReason"]
        assert len(service.launcher.running("one")) == 4

    def test_an_alarm_that_does_not_exist_guards_nothing(self, service: Service) -> None:
        self.deploy(service, 9, 1)
        nobody = {"Alarms": [{"AlarmName": "nobody"}]}
        with pytest.raises(RefusedError, match="no alarm nobody"):
            self.update(service, AutoRollbackConfiguration=nobody)

    def test_the_stacks_rollback_finds_the_old_model_where_it_was(self, service: Service) -> None:
        self.deploy(service, 9, 4)
        service.firing.append("errors")
        self.update(service)
        resource = ComponentResource(service.sagemaker)
        arn = service.do("DescribeInferenceComponent", InferenceComponentName="a")[
            "InferenceComponentArn"
        ]
        old = {"Specification": specified("one"), "RuntimeConfig": {"CopyCount": 4}}
        resource.update(arn, {}, old, "s", "A")
        assert len(service.launcher.running("one")) == 4


class TestPacking:
    @given(
        st.lists(
            st.builds(Capacity, st.integers(1, 16384), st.integers(1, 4)), min_size=1, max_size=20
        )
    )
    def test_what_fits_is_no_more_than_there_is(self, copies: list[Capacity]) -> None:
        each = Capacity(16384, 4)
        count = instances(copies, each)
        assert count is not None
        assert count <= len(copies)
        for name in ("memory", "cores"):
            assert count * getattr(each, name) >= sum(getattr(copy, name) for copy in copies)

    @pytest.mark.parametrize(
        ("instance_type", "size"),
        [
            ("ml.m5.large", Capacity(8192, 2)),
            ("ml.c5.9xlarge", Capacity(73728, 36)),
            ("ml.r6g.2xlarge", Capacity(65536, 8)),
            ("ml.c5n.xlarge", None),
            ("ml.g5.xlarge", None),
            ("", None),
        ],
    )
    def test_types_have_what_they_have(self, instance_type: str, size: Capacity | None) -> None:
        assert capacity(instance_type) == size


class TestMemory:
    MIB = 1024 * 1024

    def gauge(self, service: Service) -> MemoryGauge:
        return MemoryGauge(
            service.endpoints.in_service,
            service.components,
            service.metrics,
            Pace(60),
            lambda sessions: dict.fromkeys(sessions, 1024 * self.MIB),
            lambda: service.time,
        )

    def sums(self, service: Service) -> dict[str, float]:
        service.metrics.flush()
        return {of: sum_ for (name, of), sum_ in service.measured.sums.items() if name == NAME}

    def test_of_an_instance_is_a_part_of_what_its_type_has(self, service: Service) -> None:
        service.deploy("one", "one", "two")
        gauge = self.gauge(service)
        gauge.measure()
        gauge.measure()
        of = json.dumps({"EndpointName": "e", "VariantName": "main"})
        # Two containers of a GiB each, of 8 GiB; measured once in half a minute.
        assert self.sums(service) == {of: 25.0}
        service.time += 31
        gauge.measure()
        assert self.sums(service) == {of: 50.0}

    def test_of_a_copy_is_a_part_of_what_it_is_given(self, service: Service) -> None:
        TestRooms().deploy(service, 2, 2, MinMemoryRequiredInMb=2048)
        self.gauge(service).measure()
        assert self.sums(service) == {json.dumps({"InferenceComponentName": "a"}): 100.0}


class TestChoices:
    @given(
        weights=st.lists(st.floats(0, 100), min_size=1, max_size=6),
        point=st.floats(0, 1, exclude_max=True),
    )
    def test_what_has_no_weight_is_never_chosen(self, weights: list[float], point: float) -> None:
        chosen = choose([(weight, number) for number, weight in enumerate(weights)], point)
        if sum(weights):
            assert chosen is not None
            assert weights[chosen] > 0
        else:
            assert chosen is None

    @given(weights=st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any))
    def test_each_has_its_part_of_the_line(self, weights: list[int]) -> None:
        total = sum(weights)
        line = [
            choose([(float(w), n) for n, w in enumerate(weights)], (slot + 0.5) / total)
            for slot in range(total)
        ]
        assert [line.count(number) for number in range(len(weights))] == weights

    @given(count=st.integers(0, 50), share=st.floats(0, 1))
    def test_a_share_of_instances_is_some_of_them(self, count: int, share: float) -> None:
        found = part(count, share)
        assert 0 <= found <= count
        assert bool(found) == bool(count and share > 0)
        assert part(count, 1.0) == count

    @given(value=st.floats(1e-6, 1e12))
    def test_a_value_is_rounded_by_less_than_a_percent(self, value: float) -> None:
        assert rounded(value) == pytest.approx(value, rel=0.006)


class TestControlPlane:
    def test_keeps_everything_it_is_told(self, service: Service) -> None:
        service.model("m", "image", EnableNetworkIsolation=True)
        described = service.do("DescribeModel", ModelName="m")
        assert described["EnableNetworkIsolation"] is True
        assert described["PrimaryContainer"] == {"Image": "image"}

    def test_lists(self, service: Service) -> None:
        service.deploy("one")
        assert [each["ModelName"] for each in service.do("ListModels")["Models"]] == ["one"]
        assert service.do("ListEndpoints", NameContains="x")["Endpoints"] == []

    def test_tags(self, service: Service) -> None:
        service.model("m", Tags=[{"Key": "a", "Value": "1"}])
        arn = service.do("DescribeModel", ModelName="m")["ModelArn"]
        service.do("AddTags", ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
        service.do("DeleteTags", ResourceArn=arn, TagKeys=["a"])
        assert service.do("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]

    def test_deletes(self, service: Service) -> None:
        service.deploy("one")
        service.do("DeleteEndpoint", EndpointName="e")
        with pytest.raises(RefusedError, match="Could not find endpoint"):
            service.do("DescribeEndpoint", EndpointName="e")
        assert service.ask()[0] == 400

    @pytest.mark.parametrize(
        ("operation", "request_", "said"),
        [
            ("CreateModel", {}, "Missing required parameter"),
            ("CreateModel", {"ModelName": 7, "ExecutionRoleArn": ROLE}, "Invalid type"),
            ("DescribeModel", {"ModelName": "x"}, "Could not find model"),
            ("CreateEndpoint", {"EndpointName": "e", "EndpointConfigName": "x"}, "Could not find"),
            (
                "CreateEndpointConfig",
                {
                    "EndpointConfigName": "c",
                    "ProductionVariants": [{"VariantName": "v", "InstanceType": "ml.m5.large"}],
                },
                "inference components",
            ),
            ("CreateTrainingJob", {}, "does not run on this machine"),
            ("Nonsense", {}, "does not run on this machine"),
            ("", {}, "does not run on this machine"),
        ],
    )
    def test_refuses(
        self, operation: str, request_: dict[str, Any], said: str, service: Service
    ) -> None:
        with pytest.raises(RefusedError, match=said):
            service.sagemaker.do(operation, request_)

    def test_a_name_is_taken_once(self, service: Service) -> None:
        service.model("m")
        with pytest.raises(RefusedError, match="already existing"):
            service.model("m")

    def test_an_error_is_in_the_form_that_sdks_read(self, service: Service) -> None:
        target = {"x-amz-target": "SageMaker.DescribeModel"}
        status, headers, body = service.request("/", b'{"ModelName": "x"}', **target)
        assert status == 400
        assert headers["x-amzn-errortype"] == "ValidationException"
        assert json.loads(body)["__type"] == "ValidationException"


class TestCloudFormation:
    def test_a_failed_endpoint_fails_its_stack(self, service: Service) -> None:
        service.model("m")
        service.config("m")
        service.launcher.failures["m"] = "no such image"
        with pytest.raises(RefusedError, match="no such image"):
            EndpointResource(service.sagemaker).create(
                "E", {"EndpointName": "e", "EndpointConfigName": "m"}, "s"
            )

    def test_references_are_what_cloudformation_gives(self, service: Service) -> None:
        properties = {
            "ModelName": "m-1",
            "ExecutionRoleArn": ROLE,
            "PrimaryContainer": {"Image": "i"},
            "Unknown": 1,
        }
        made = SageMakerResource(service.sagemaker, "Model").create("M", properties, "s")
        assert made.physical_id.endswith(":model/m-1")
        assert made.attributes["ModelName"] == "m-1"

    def test_a_deployment_that_rolled_back_fails_its_stack_which_rolls_back_too(
        self, service: Service
    ) -> None:
        service.deploy("one")
        service.model("two")
        service.config("two")
        service.firing.append("errors")
        resource = EndpointResource(service.sagemaker)
        old = {"EndpointName": "e", "EndpointConfigName": "one", "DeploymentConfig": CANARY}
        new = {**old, "EndpointConfigName": "two"}
        with pytest.raises(RefusedError, match=r"in ALARM: errors.*former version serves on"):
            resource.update("arn:x/e", old, new, "s", "E")
        before = len(service.launcher.containers)
        resource.update("arn:x/e", new, old, "s", "E")
        assert len(service.launcher.containers) == before
        assert service.ask() == (200, "one(x)")
