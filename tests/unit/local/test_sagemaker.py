"""The control plane of the local SageMaker, with a model server that does not run."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local.extensions import sagemaker as module
from local.extensions.model_server import ModelServerError
from local.extensions.sagemaker import RefusedError, SageMaker, SageMakerResource
from local.host import Host
from local.state import StateFolder

CONTAINER = {"Image": "registry/mlops/iris@sha256:1", "Environment": {"A": "1"}}
MODEL = {
    "ModelName": "m-1",
    "ExecutionRoleArn": "arn:aws:iam::000000000000:role/mlops/sagemaker-role",
    "PrimaryContainer": CONTAINER,
    "EnableNetworkIsolation": True,
}
VARIANT = {
    "VariantName": "main",
    "ModelName": "m-1",
    "InstanceType": "ml.m5.large",
    "InitialInstanceCount": 2,
}


class FakeServer:
    """A model server that is there or refuses to be."""

    made: list["FakeServer"] = []  # noqa: RUF012 - emptied by the fixture
    failure = ""

    def __init__(self, host: Host, region: str, endpoint: str, container: Mapping[str, Any]):
        if FakeServer.failure:
            raise ModelServerError(FakeServer.failure)
        self.container = container
        self.port: int | None = 1
        self.stopped = False
        FakeServer.made.append(self)

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def sagemaker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SageMaker:
    monkeypatch.setattr(module, "ModelServer", FakeServer)
    monkeypatch.setattr(FakeServer, "made", [])
    monkeypatch.setattr(FakeServer, "failure", "")
    state = StateFolder(tmp_path)
    state.run.mkdir(parents=True)
    return SageMaker(Host(state, "http://127.0.0.1:1"))


def deploy(sagemaker: SageMaker, config: str = "c-1") -> dict[str, Any]:
    if config == "c-1":
        sagemaker.do("CreateModel", MODEL)
    sagemaker.do(
        "CreateEndpointConfig", {"EndpointConfigName": config, "ProductionVariants": [VARIANT]}
    )
    operation = "CreateEndpoint" if config == "c-1" else "UpdateEndpoint"
    sagemaker.do(operation, {"EndpointName": "e", "EndpointConfigName": config})
    return sagemaker.wait("e")


class TestEndpoints:
    def test_go_from_creating_to_in_service(
        self, sagemaker: SageMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[str] = []

        class Watching(FakeServer):
            def __init__(self, *arguments: Any) -> None:
                seen.append(
                    sagemaker.do("DescribeEndpoint", {"EndpointName": "e"})["EndpointStatus"]
                )
                super().__init__(*arguments)

        monkeypatch.setattr(module, "ModelServer", Watching)
        record = deploy(sagemaker)
        deploy(sagemaker, "c-2")
        assert seen == ["Creating", "Updating"]
        assert record["EndpointStatus"] == "InService"
        assert record["ProductionVariants"][0]["CurrentInstanceCount"] == 2

    def test_a_new_one_that_cannot_start_is_failed_with_a_reason(
        self, sagemaker: SageMaker
    ) -> None:
        FakeServer.failure = "no such image"
        record = deploy(sagemaker)
        assert record["EndpointStatus"] == "Failed"
        assert record["FailureReason"] == "no such image"

    def test_an_update_stops_the_old_when_the_new_serves(self, sagemaker: SageMaker) -> None:
        deploy(sagemaker)
        record = deploy(sagemaker, "c-2")
        old, new = FakeServer.made
        assert record["EndpointConfigName"] == "c-2"
        assert (old.stopped, new.stopped) == (True, False)

    def test_an_update_that_fails_leaves_the_old_serving(self, sagemaker: SageMaker) -> None:
        deploy(sagemaker)
        FakeServer.failure = "broken model"
        record = deploy(sagemaker, "c-2")
        assert record["EndpointStatus"] == "InService"
        assert record["EndpointConfigName"] == "c-1"
        assert not FakeServer.made[0].stopped

    def test_what_cannot_run_here_is_said(self, sagemaker: SageMaker) -> None:
        sagemaker.do("CreateModel", MODEL)
        two = [VARIANT, {**VARIANT, "VariantName": "other"}]
        sagemaker.do("CreateEndpointConfig", {"EndpointConfigName": "c", "ProductionVariants": two})
        sagemaker.do("CreateEndpoint", {"EndpointName": "e", "EndpointConfigName": "c"})
        assert "here one runs" in sagemaker.wait("e")["FailureReason"]

    def test_a_pipeline_cannot_run_here_yet(self, sagemaker: SageMaker) -> None:
        model = {k: v for k, v in MODEL.items() if k != "PrimaryContainer"}
        sagemaker.do("CreateModel", {**model, "Containers": [CONTAINER, CONTAINER]})
        sagemaker.do(
            "CreateEndpointConfig", {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]}
        )
        sagemaker.do("CreateEndpoint", {"EndpointName": "e", "EndpointConfigName": "c"})
        assert "2 containers" in sagemaker.wait("e")["FailureReason"]


class TestControlPlane:
    def test_keeps_everything_it_is_told(self, sagemaker: SageMaker) -> None:
        sagemaker.do("CreateModel", MODEL)
        described = sagemaker.do("DescribeModel", {"ModelName": "m-1"})
        assert described["EnableNetworkIsolation"] is True
        assert described["PrimaryContainer"] == CONTAINER

    def test_lists(self, sagemaker: SageMaker) -> None:
        deploy(sagemaker)
        assert [m["ModelName"] for m in sagemaker.do("ListModels", {})["Models"]] == ["m-1"]
        assert sagemaker.do("ListEndpoints", {"NameContains": "x"})["Endpoints"] == []

    def test_tags(self, sagemaker: SageMaker) -> None:
        arn = sagemaker.do("CreateModel", {**MODEL, "Tags": [{"Key": "a", "Value": "1"}]})[
            "ModelArn"
        ]
        sagemaker.do("AddTags", {"ResourceArn": arn, "Tags": [{"Key": "b", "Value": "2"}]})
        sagemaker.do("DeleteTags", {"ResourceArn": arn, "TagKeys": ["a"]})
        tags = sagemaker.do("ListTags", {"ResourceArn": arn})["Tags"]
        assert tags == [{"Key": "b", "Value": "2"}]

    def test_deletes(self, sagemaker: SageMaker) -> None:
        deploy(sagemaker)
        sagemaker.do("DeleteEndpoint", {"EndpointName": "e"})
        with pytest.raises(RefusedError, match="Could not find endpoint"):
            sagemaker.do("DescribeEndpoint", {"EndpointName": "e"})

    @pytest.mark.parametrize(
        ("operation", "request_", "said"),
        [
            ("CreateModel", {}, "Missing required parameter"),
            ("CreateModel", {**MODEL, "ModelName": 7}, "Invalid type"),
            ("DescribeModel", {"ModelName": "x"}, "Could not find model"),
            ("CreateEndpoint", {"EndpointName": "e", "EndpointConfigName": "x"}, "Could not find"),
            ("CreateTrainingJob", {}, "does not run on this machine"),
            ("Nonsense", {}, "does not run on this machine"),
            ("", {}, "does not run on this machine"),
        ],
    )
    def test_refuses(
        self, operation: str, request_: dict[str, Any], said: str, sagemaker: SageMaker
    ) -> None:
        with pytest.raises(RefusedError, match=said):
            sagemaker.do(operation, request_)

    def test_a_name_is_taken_once(self, sagemaker: SageMaker) -> None:
        sagemaker.do("CreateModel", MODEL)
        with pytest.raises(RefusedError, match="already existing"):
            sagemaker.do("CreateModel", MODEL)


def answer(sagemaker: SageMaker, path: str, body: bytes = b"{}", **headers: str) -> Any:
    return asyncio.run(sagemaker.answer("POST", path, headers, body, {}))


class TestHttp:
    def test_an_error_is_in_the_form_that_sdks_read(self, sagemaker: SageMaker) -> None:
        target = {"x-amz-target": "SageMaker.DescribeModel"}
        status, headers, body = answer(sagemaker, "/", b'{"ModelName": "x"}', **target)
        assert status == 400
        assert headers["x-amzn-errortype"] == "ValidationException"
        assert json.loads(body)["__type"] == "ValidationException"

    def test_an_unknown_endpoint_is_a_validation_error(self, sagemaker: SageMaker) -> None:
        status, headers, body = answer(sagemaker, "/endpoints/x/invocations")
        assert (status, headers["x-amzn-errortype"]) == (400, "ValidationError")
        assert "not found" in json.loads(body)["message"]

    def test_a_dead_server_is_unavailable(self, sagemaker: SageMaker) -> None:
        deploy(sagemaker)
        FakeServer.made[0].port = None
        status, headers, _ = answer(sagemaker, "/endpoints/e/invocations")
        assert (status, headers["x-amzn-errortype"]) == (503, "ServiceUnavailable")

    def test_a_server_that_refuses_connections_is_unavailable(self, sagemaker: SageMaker) -> None:
        deploy(sagemaker)  # port 1 of loopback: nobody listens
        status, _, _ = answer(sagemaker, "/endpoints/e/invocations")
        assert status == 503


class TestCloudFormation:
    def test_a_failed_endpoint_fails_its_stack(self, sagemaker: SageMaker) -> None:
        SageMakerResource(sagemaker, "Model").create("M", MODEL, "s")
        SageMakerResource(sagemaker, "EndpointConfig").create(
            "C", {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]}, "s"
        )
        FakeServer.failure = "no such image"
        with pytest.raises(RefusedError, match="no such image"):
            SageMakerResource(sagemaker, "Endpoint").create(
                "E", {"EndpointName": "e", "EndpointConfigName": "c"}, "s"
            )

    def test_references_are_what_cloudformation_gives(self, sagemaker: SageMaker) -> None:
        made = SageMakerResource(sagemaker, "Model").create("M", {**MODEL, "Unknown": 1}, "s")
        assert made.physical_id.endswith(":model/m-1")
        assert made.attributes["ModelName"] == "m-1"

    def test_a_failed_update_says_that_the_old_serves_on(self, sagemaker: SageMaker) -> None:
        deploy(sagemaker)
        sagemaker.do(
            "CreateEndpointConfig", {"EndpointConfigName": "c-2", "ProductionVariants": [VARIANT]}
        )
        FakeServer.failure = "broken"
        with pytest.raises(RefusedError, match="former version serves on"):
            SageMakerResource(sagemaker, "Endpoint").update(
                "arn:x/e", {}, {"EndpointName": "e", "EndpointConfigName": "c-2"}, "s", "E"
            )
