from collections.abc import Callable
from pathlib import Path

import pytest
from aws_cdk.assertions import Match, Template

from mlops_constructs.faults import FaultsError
from mlops_constructs.model_endpoint import ModelEndpoint
from tests.unit.constructs.conftest import DIGEST, Bench

MODEL = f"sha256:{'b' * 64}"


def endpoint(bench: Bench, **changes: object) -> ModelEndpoint:
    arguments: dict[str, object] = {
        "naming": bench.naming,
        "name": "iris",
        "network": bench.network,
        "repository": bench.repository(),
        "image_digest": DIGEST,
        "artifacts": bench.artifacts(),
        "model_prefix": "mlflow/1/models/m-1/artifacts/",
        "model_digest": MODEL,
        "key": bench.key,
        "log_settings": bench.log_settings,
    }
    return ModelEndpoint(bench.stack, "Endpoint", **{**arguments, **changes})  # type: ignore[arg-type]


def names(template: Template) -> tuple[str, str]:
    model = next(iter(template.find_resources("AWS::SageMaker::Model").values()))
    config = next(iter(template.find_resources("AWS::SageMaker::EndpointConfig").values()))
    return (
        model["Properties"]["ModelName"],
        config["Properties"]["EndpointConfigName"],
    )


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        endpoint(bench)
        return bench.template()

    def test_model_is_isolated_and_read_where_mlflow_keeps_it(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::SageMaker::Model",
            {
                "EnableNetworkIsolation": True,
                "VpcConfig": {"Subnets": Match.any_value(), "SecurityGroupIds": Match.any_value()},
                "PrimaryContainer": {
                    "Environment": {"MODEL_DIGEST": MODEL},
                    "ModelDataSource": {
                        "S3DataSource": {
                            "CompressionType": "None",
                            "S3DataType": "S3Prefix",
                            "S3Uri": Match.any_value(),
                        }
                    },
                },
            },
        )

    def test_volumes_are_encrypted(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::SageMaker::EndpointConfig",
            {
                "KmsKeyId": Match.any_value(),
                "ProductionVariants": [
                    Match.object_like({"InstanceType": "ml.m5.large", "InitialInstanceCount": 2})
                ],
            },
        )

    def test_endpoint_has_the_name_that_callers_know(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::SageMaker::Endpoint", {"EndpointName": "mlops-blue-iris"}
        )

    def test_logs_are_encrypted_limited_and_kept(self, template: Template) -> None:
        template.has_resource(
            "AWS::Logs::LogGroup",
            {
                "DeletionPolicy": "Retain",
                "Properties": {
                    "LogGroupName": "/aws/sagemaker/Endpoints/mlops-blue-iris",
                    "RetentionInDays": 30,
                },
            },
        )

    def test_only_this_account_can_have_sagemaker_take_the_role(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::IAM::Role",
            {
                "AssumeRolePolicyDocument": {
                    "Statement": [
                        Match.object_like(
                            {
                                "Principal": {"Service": "sagemaker.amazonaws.com"},
                                "Condition": {
                                    "StringEquals": {"aws:SourceAccount": "123456789012"}
                                },
                            }
                        )
                    ]
                }
            },
        )

    def test_role_reads_its_model_and_no_other(
        self, template: Template, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        objects = [s["Resource"] for s in statements(template) if s["Action"] == "s3:GetObject"]
        bucket = "arn:aws:s3:::mlops-blue-artifacts-123456789012"
        assert objects == [f"{bucket}/mlflow/1/models/m-1/artifacts/*"]


class TestNames:
    def test_same_content_same_names(
        self, feature_flags: dict[str, object], tmp_path: Path
    ) -> None:
        def made(folder: str) -> tuple[str, str]:
            bench = Bench(feature_flags, tmp_path / folder)
            endpoint(bench)
            return names(bench.template())

        assert made("one") == made("two")

    @pytest.mark.parametrize(
        "change",
        [
            {"image_digest": f"sha256:{'c' * 64}"},
            {"model_digest": f"sha256:{'c' * 64}"},
            {"model_prefix": "mlflow/1/models/m-2/artifacts/"},
        ],
    )
    def test_another_model_has_another_name(
        self,
        change: dict[str, object],
        feature_flags: dict[str, object],
        tmp_path: Path,
    ) -> None:
        old, new = Bench(feature_flags, tmp_path / "old"), Bench(feature_flags, tmp_path / "new")
        endpoint(old)
        endpoint(new, **change)
        old_model, old_config = names(old.template())
        new_model, new_config = names(new.template())
        assert old_model != new_model
        assert old_config != new_config

    def test_another_size_is_another_configuration_of_the_same_model(
        self,
        feature_flags: dict[str, object],
        tmp_path: Path,
    ) -> None:
        old, new = Bench(feature_flags, tmp_path / "old"), Bench(feature_flags, tmp_path / "new")
        endpoint(old)
        endpoint(new, instance_count=3)
        old_model, old_config = names(old.template())
        new_model, new_config = names(new.template())
        assert old_model == new_model
        assert old_config != new_config


class TestGrants:
    def test_invoking_is_invoking_this_one(
        self, bench: Bench, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        endpoint(bench).grant_invoke(bench.role("Caller"))
        granted = [
            s for s in statements(bench.template()) if s["Action"] == "sagemaker:InvokeEndpoint"
        ]
        assert [s["Resource"] for s in granted] == [
            "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/mlops-blue-iris"
        ]


class TestBadInput:
    def test_reports_every_fault_at_once(self, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            endpoint(bench, model_prefix="/m-1", instance_type="m5.large", instance_count=0)
        assert [fault.path for fault in raised.value.faults] == [
            "model_prefix",
            "instance_type",
            "instance_count",
        ]
