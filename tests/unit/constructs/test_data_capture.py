from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk.assertions import Match, Template

from mlops_constructs.capture_plan import CapturePlan
from mlops_constructs.data_capture import DataCapture
from tests.unit.constructs.conftest import Bench

Statements = Callable[[Template], list[dict[str, object]]]
BUCKET = "arn:aws:s3:::mlops-blue-artifacts-123456789012"


def endpoint_config(bench: Bench, **changes: Any) -> DataCapture:
    capture = DataCapture(bench.artifacts(), CapturePlan(**changes))
    sagemaker.CfnEndpointConfig(
        bench.stack,
        "Config",
        production_variants=[
            sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                variant_name="main",
                model_name="model",
                instance_type="ml.m5.large",
                initial_instance_count=1,
            )
        ],
        data_capture_config=capture.property(),
    )
    return capture


def captured(bench: Bench) -> dict[str, Any]:
    (config,) = bench.template().find_resources("AWS::SageMaker::EndpointConfig").values()
    found: dict[str, Any] = config["Properties"]["DataCaptureConfig"]
    return found


class TestDefault:
    def test_keeps_questions_and_answers_in_our_bucket_with_our_key(self, bench: Bench) -> None:
        endpoint_config(bench)
        bench.template().has_resource_properties(
            "AWS::SageMaker::EndpointConfig",
            {
                "DataCaptureConfig": {
                    "EnableCapture": True,
                    "InitialSamplingPercentage": 20,
                    "DestinationS3Uri": Match.object_like({}),
                    "KmsKeyId": Match.object_like({}),
                    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
                    "CaptureContentTypeHeader": {
                        "CsvContentTypes": ["text/csv"],
                        "JsonContentTypes": ["application/json"],
                    },
                }
            },
        )
        assert captured(bench)["DestinationS3Uri"]["Fn::Join"][1][-1] == "/capture/"

    def test_role_writes_to_the_endpoints_folder_and_reads_nothing(
        self, bench: Bench, statements: Statements
    ) -> None:
        DataCapture(bench.artifacts()).grant(bench.role(), "mlops-blue-iris")
        listing, objects, key = statements(bench.template())
        folder = "capture/mlops-blue-iris/"
        assert listing["Condition"] == {"StringLike": {"s3:prefix": [folder, f"{folder}*"]}}
        assert objects["Resource"] == f"{BUCKET}/{folder}*"
        assert objects["Action"] == ["s3:AbortMultipartUpload", "s3:PutObject"]
        assert key["Condition"] == {
            "StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
        }

    def test_has_no_fault(self) -> None:
        assert list(CapturePlan().faults()) == []


class TestCustom:
    def test_keeps_answers_alone_and_in_base64(self, bench: Bench) -> None:
        endpoint_config(bench, percent=5, modes=["Output"], csv_types=[], json_types=[])
        found = captured(bench)
        assert found["InitialSamplingPercentage"] == 5
        assert found["CaptureOptions"] == [{"CaptureMode": "Output"}]
        assert "CaptureContentTypeHeader" not in found

    def test_names_one_kind_of_types(self, bench: Bench) -> None:
        endpoint_config(bench, csv_types=[], json_types=["application/jsonlines"])
        assert captured(bench)["CaptureContentTypeHeader"] == {
            "JsonContentTypes": ["application/jsonlines"]
        }

    def test_each_endpoint_has_a_folder(self, bench: Bench) -> None:
        assert (
            DataCapture(bench.artifacts(), CapturePlan("kept/")).folder("mlops-iris")
            == "kept/mlops-iris/"
        )


class TestBadInput:
    def test_reports_every_fault_at_once(self) -> None:
        plan = CapturePlan(
            "/capture",
            percent=0,
            modes=["Input", "Input"],
            csv_types=["csv"],
            json_types=[f"application/{number}" for number in range(11)],
        )
        assert [fault.path for fault in plan.faults()] == [
            "capture.prefix",
            "capture.percent",
            "capture.modes",
            "capture.csv_types",
            "capture.json_types",
        ]

    @pytest.mark.parametrize("prefix", ["", "/", "a", "a//b/", "a/*/", "../a/", "a b/"])
    def test_a_prefix_is_a_folder(self, prefix: str) -> None:
        assert list(CapturePlan(prefix).faults())
