from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from mlops_constructs.async_plan import AsyncPlan
from mlops_constructs.aws_images import AwsImage
from mlops_constructs.capture_plan import CapturePlan
from mlops_constructs.data_capture import DataCapture
from mlops_constructs.deployment import Deployment, Strategy
from mlops_constructs.endpoint_variants import Variant
from mlops_constructs.faults import FaultsError
from mlops_constructs.model_container import ModelFiles
from mlops_constructs.model_endpoint import ModelEndpoint
from mlops_constructs.scaling_plan import Scaling
from mlops_constructs.serverless_capacity import Serverless
from tests.unit.constructs.conftest import MODEL_DIGEST, Bench


def endpoint(bench: Bench, **changes: object) -> ModelEndpoint:
    arguments: dict[str, object] = {
        "naming": bench.naming,
        "name": "iris",
        "network": bench.network,
        "artifacts": bench.artifacts(),
        "variants": [Variant([bench.container()])],
        "key": bench.key,
        "log_settings": bench.log_settings,
        "alarms": bench.alarms(),
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
                    "Environment": {"MODEL_DIGEST": MODEL_DIGEST},
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

    def test_role_passes_the_key_of_volumes_on_to_services_alone(
        self, template: Template, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        (found,) = [s for s in statements(template) if s["Action"] == "kms:CreateGrant"]
        assert found["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}


class TestCapture:
    def test_the_configuration_says_what_is_kept_and_the_role_may_write_it(
        self, bench: Bench, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        endpoint(bench, capture=DataCapture(bench.artifacts(), CapturePlan(percent=5)))
        template = bench.template()
        template.has_resource_properties(
            "AWS::SageMaker::EndpointConfig",
            {"DataCaptureConfig": Match.object_like({"InitialSamplingPercentage": 5})},
        )
        written = [it["Resource"] for it in statements(template) if "s3:PutObject" in it["Action"]]  # type: ignore[operator]
        bucket = "arn:aws:s3:::mlops-blue-artifacts-123456789012"
        assert written == [f"{bucket}/capture/mlops-blue-iris/*"]

    def test_its_faults_are_told_with_the_others(self, bench: Bench) -> None:
        capture = DataCapture(bench.artifacts(), CapturePlan(percent=0))
        with pytest.raises(FaultsError) as error:
            endpoint(bench, capture=capture, asynchronous=AsyncPlan(most=0))
        paths = [fault.path for fault in error.value.faults]
        assert paths == ["capture", "capture.percent", "asynchronous.max_instances"]


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
            {"image": AwsImage("xgboost", "1.7-1")},
            {"files": ModelFiles("mlflow/1/models/m-1/artifacts/", f"sha256:{'c' * 64}")},
            {"files": ModelFiles("mlflow/1/models/m-2/artifacts/", MODEL_DIGEST)},
            {"environment": {"THREADS": "2"}},
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
        endpoint(new, variants=[Variant([new.container(**change)])])
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
        endpoint(new, variants=[Variant([new.container()], instance_count=3)])
        old_model, old_config = names(old.template())
        new_model, new_config = names(new.template())
        assert old_model == new_model
        assert old_config != new_config


class TestUpdates:
    """A new version gets a part of the traffic first, and alarms send it back."""

    @pytest.fixture
    def config(self, template: Template) -> dict[str, Any]:
        (found,) = template.find_resources("AWS::SageMaker::Endpoint").values()
        config: dict[str, Any] = found["Properties"]["DeploymentConfig"]
        return config

    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        endpoint(bench)
        return bench.template()

    def test_a_canary_is_watched_and_rolled_back(
        self, template: Template, config: dict[str, Any]
    ) -> None:
        assert config["BlueGreenUpdatePolicy"] == {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 25},
                "WaitIntervalInSeconds": 600,
            },
            "TerminationWaitInSeconds": 300,
            "MaximumExecutionTimeoutInSeconds": 5100,
        }
        named = {a["AlarmName"]["Ref"] for a in config["AutoRollbackConfiguration"]["Alarms"]}
        assert named == set(template.find_resources("AWS::CloudWatch::Alarm"))

    @pytest.mark.parametrize(
        ("strategy", "routing"),
        [
            ("all_at_once", {"Type": "ALL_AT_ONCE"}),
            (
                "linear",
                {"Type": "LINEAR", "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 20}},
            ),
        ],
    )
    def test_another_way(
        self, strategy: Strategy, routing: dict[str, object], bench: Bench
    ) -> None:
        endpoint(bench, deployment=Deployment(strategy, step=20, bake=60))
        (found,) = bench.template().find_resources("AWS::SageMaker::Endpoint").values()
        policy = found["Properties"]["DeploymentConfig"]["BlueGreenUpdatePolicy"]
        assert policy["TrafficRoutingConfiguration"] == {**routing, "WaitIntervalInSeconds": 60}

    def test_batch_after_batch(self, bench: Bench) -> None:
        deployment = Deployment("rolling", step=50)
        endpoint(bench, deployment=deployment, rollback_alarms=["orders-lost"])
        (found,) = bench.template().find_resources("AWS::SageMaker::Endpoint").values()
        config = found["Properties"]["DeploymentConfig"]
        assert "BlueGreenUpdatePolicy" not in config
        assert config["RollingUpdatePolicy"]["MaximumBatchSize"]["Value"] == 50
        assert {"AlarmName": "orders-lost"} in config["AutoRollbackConfiguration"]["Alarms"]

    def test_one_instance_has_no_half(self, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            endpoint(
                bench,
                variants=[Variant([bench.container()], instance_count=1)],
                deployment=Deployment("canary"),
            )
        assert [fault.path for fault in raised.value.faults] == ["deployment.strategy"]

    def test_what_is_excluded_is_a_fault(self, bench: Bench) -> None:
        variant = Variant([bench.container()], instance_type="ml.inf1.xlarge")
        with pytest.raises(FaultsError, match="falls back to all at once"):
            endpoint(bench, variants=[variant])


class TestVariants:
    def test_share_the_traffic_by_weight(self, bench: Bench) -> None:
        one = bench.container()
        endpoint(
            bench,
            variants=[
                Variant([one], name="current", weight=9),
                Variant([one], name="candidate", instance_type="ml.c5.large"),
            ],
            scaling=Scaling(2, 4, concurrency=2),
        )
        template = bench.template()
        (config,) = template.find_resources("AWS::SageMaker::EndpointConfig").values()
        variants = config["Properties"]["ProductionVariants"]
        weights = {it["VariantName"]: it["InitialVariantWeight"] for it in variants}
        assert weights == {"current": 9, "candidate": 1}
        models = template.find_resources("AWS::SageMaker::Model").values()
        assert len({model["Properties"]["ModelName"] for model in models}) == 2
        targets = template.find_resources("AWS::ApplicationAutoScaling::ScalableTarget").values()
        assert {target["Properties"]["ResourceId"] for target in targets} == {
            "endpoint/mlops-blue-iris/variant/current",
            "endpoint/mlops-blue-iris/variant/candidate",
        }
        (found,) = template.find_resources("AWS::SageMaker::Endpoint").values()
        rollback = found["Properties"]["DeploymentConfig"]["AutoRollbackConfiguration"]
        assert len(rollback["Alarms"]) == 10

    def test_a_shadow_is_none_of_production(self, bench: Bench) -> None:
        one = bench.container()
        shadow = Variant([one], name="next", shadow=True, instance_count=1, weight=0.5)
        endpoint(
            bench,
            variants=[Variant([one]), shadow],
            deployment=Deployment("all_at_once"),
            scaling=Scaling(2, 4, concurrency=2),
        )
        template = bench.template()
        (config,) = template.find_resources("AWS::SageMaker::EndpointConfig").values()
        (production,) = config["Properties"]["ProductionVariants"]
        (copied,) = config["Properties"]["ShadowProductionVariants"]
        assert (production["VariantName"], copied["VariantName"]) == ("main", "next")
        template.resource_count_is("AWS::ApplicationAutoScaling::ScalableTarget", 1)
        template.resource_count_is("AWS::CloudWatch::Alarm", 6)


class TestServerless:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        packed = bench.container(files=ModelFiles("iris/model.tar.gz", MODEL_DIGEST))
        endpoint(bench, variants=[Variant([packed], serverless=Serverless(3072, 4, 2))])
        return bench.template()

    def test_aws_provides_the_capacity(self, template: Template) -> None:
        (config,) = template.find_resources("AWS::SageMaker::EndpointConfig").values()
        (variant,) = config["Properties"]["ProductionVariants"]
        assert "InstanceType" not in variant
        assert variant["ServerlessConfig"] == {
            "MemorySizeInMB": 3072,
            "MaxConcurrency": 4,
            "ProvisionedConcurrency": 2,
        }

    def test_it_is_not_in_the_network_and_its_role_is_known_for_that(
        self, template: Template
    ) -> None:
        template.has_resource_properties(
            "AWS::SageMaker::Model",
            {"VpcConfig": Match.absent(), "EnableNetworkIsolation": Match.absent()},
        )
        template.has_resource_properties(
            "AWS::IAM::Role", {"Path": "/mlops/blue/sagemaker/serverless/"}
        )
        template.resource_count_is("AWS::EC2::SecurityGroup", 0)


class TestAsync:
    @pytest.fixture
    def made(self, bench: Bench) -> ModelEndpoint:
        return endpoint(bench, asynchronous=AsyncPlan(concurrency=2))

    @pytest.fixture
    def template(self, made: ModelEndpoint, bench: Bench) -> Template:
        return bench.template()

    def test_goes_through_the_bucket(self, template: Template) -> None:
        (config,) = template.find_resources("AWS::SageMaker::EndpointConfig").values()
        found = config["Properties"]["AsyncInferenceConfig"]
        assert found["ClientConfig"] == {"MaxConcurrentInvocationsPerInstance": 2}
        assert set(found["OutputConfig"]) == {
            "KmsKeyId",
            "NotificationConfig",
            "S3FailurePath",
            "S3OutputPath",
        }

    def test_reads_requests_and_writes_answers_and_no_more(
        self, template: Template, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        bucket = "arn:aws:s3:::mlops-blue-artifacts-123456789012"
        granted = {str(s["Action"]): str(s["Resource"]) for s in statements(template)}
        read = granted["s3:GetObject"]
        written = granted["['s3:AbortMultipartUpload', 's3:PutObject']"]
        assert f"{bucket}/async/iris/in/*" in read
        assert "out" not in read
        assert f"{bucket}/async/iris/out/*" in written
        assert f"{bucket}/async/iris/failed/*" in written
        assert "/in/" not in written

    def test_what_is_told_is_encrypted(self, template: Template) -> None:
        template.resource_count_is("AWS::SNS::Topic", 2)
        template.all_resources_properties("AWS::SNS::Topic", {"KmsMasterKeyId": Match.any_value()})

    def test_instances_follow_the_queue_from_none(
        self, template: Template, made: ModelEndpoint
    ) -> None:
        template.has_resource_properties(
            "AWS::ApplicationAutoScaling::ScalableTarget", {"MinCapacity": 0, "MaxCapacity": 4}
        )
        policies = template.find_resources("AWS::ApplicationAutoScaling::ScalingPolicy")
        kinds = {it["Properties"]["PolicyType"]: name for name, it in policies.items()}
        assert set(kinds) == {"TargetTrackingScaling", "StepScaling"}
        template.has_resource_properties(
            "AWS::CloudWatch::Alarm",
            {
                "MetricName": "HasBacklogWithoutCapacity",
                "AlarmActions": [{"Ref": kinds["StepScaling"]}],
            },
        )
        assert len(made.alarms) == 7

    def test_an_update_starts_anew(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::SageMaker::Endpoint", {"RetainAllVariantProperties": Match.absent()}
        )

    def test_nobody_is_told_where_nobody_asks(self, bench: Bench) -> None:
        endpoint(bench, asynchronous=AsyncPlan(least=1, notify=False))
        template = bench.template()
        template.resource_count_is("AWS::SNS::Topic", 0)
        template.resource_count_is("AWS::ApplicationAutoScaling::ScalingPolicy", 1)

    def test_every_fault_at_once(self, bench: Bench) -> None:
        plan = AsyncPlan(concurrency=0, least=3, most=2, backlog=0)
        with pytest.raises(FaultsError) as raised:
            endpoint(bench, asynchronous=plan, scaling=Scaling(2, 3, concurrency=1))
        assert [fault.path for fault in raised.value.faults] == [
            "scaling",
            "asynchronous.concurrency",
            "asynchronous.backlog",
            "asynchronous.max_instances",
        ]


class TestScaling:
    def test_an_update_keeps_what_there_is(self, bench: Bench) -> None:
        endpoint(bench, scaling=Scaling(2, 6, invocations=1000))
        template = bench.template()
        template.has_resource_properties(
            "AWS::SageMaker::Endpoint",
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}],
            },
        )
        (target,) = template.find_resources("AWS::ApplicationAutoScaling::ScalableTarget").values()
        assert target["Properties"]["ResourceId"] == "endpoint/mlops-blue-iris/variant/main"
        assert set(template.find_resources("AWS::SageMaker::Endpoint")) <= set(target["DependsOn"])

    def test_without_it_the_configuration_decides(self, bench: Bench) -> None:
        endpoint(bench)
        bench.template().has_resource_properties(
            "AWS::SageMaker::Endpoint", {"RetainAllVariantProperties": Match.absent()}
        )

    def test_it_starts_between_the_bounds(self, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            endpoint(bench, scaling=Scaling(3, 6, invocations=1000))
        assert [fault.path for fault in raised.value.faults] == ["scaling.min"]


class TestContainers:
    """An inference pipeline: several containers, of ours and of AWS."""

    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        pipeline = [
            bench.container(
                name="features",
                image=AwsImage("sparkml-serving", "3.3"),
                files=ModelFiles("mlflow/2/model.tar.gz", MODEL_DIGEST),
            ),
            bench.container(name="regressor", image=AwsImage("xgboost", "1.7-1")),
            bench.container(name="output", files=None),
        ]
        endpoint(bench, variants=[Variant(pipeline)])
        return bench.template()

    def test_stand_in_their_order(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::SageMaker::Model",
            {
                "PrimaryContainer": Match.absent(),
                "InferenceExecutionConfig": Match.absent(),
                "Containers": [
                    {
                        "ContainerHostname": "features",
                        "Image": "141502667606.dkr.ecr.eu-west-1.amazonaws.com/"
                        "sagemaker-sparkml-serving:3.3",
                        "ModelDataUrl": Match.any_value(),
                        "Environment": {"MODEL_DIGEST": MODEL_DIGEST},
                    },
                    Match.object_like({"ContainerHostname": "regressor"}),
                    {"ContainerHostname": "output", "Image": Match.any_value()},
                ],
            },
        )

    def test_role_reads_their_images_and_files_alone(
        self, template: Template, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        granted = statements(template)
        bucket = "arn:aws:s3:::mlops-blue-artifacts-123456789012"
        objects = {str(s["Resource"]) for s in granted if s["Action"] == "s3:GetObject"}
        pulled = str([s["Resource"] for s in granted if "ecr:BatchGetImage" in s["Action"]])  # type: ignore[operator]
        assert objects == {
            f"['{bucket}/mlflow/1/models/m-1/artifacts/*', '{bucket}/mlflow/2/model.tar.gz*']"
        }
        registry = "arn:aws:ecr:eu-west-1:141502667606:repository"
        assert f"{registry}/sagemaker-sparkml-serving" in pulled
        assert f"{registry}/sagemaker-xgboost" in pulled

    def test_may_be_invoked_each_by_its_name(self, bench: Bench) -> None:
        pair = [bench.container(name=name) for name in ("one", "two")]
        endpoint(bench, variants=[Variant(pair, invocation="direct")])
        bench.template().has_resource_properties(
            "AWS::SageMaker::Model", {"InferenceExecutionConfig": {"Mode": "Direct"}}
        )


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
        containers = [
            bench.container(name="a", files=ModelFiles("/m-1", MODEL_DIGEST)),
            bench.container(name="a", environment={"MODEL_DIGEST": "x"}),
            bench.container(name="b", image=AwsImage("xgboost", "9")),
        ]
        variant = Variant(containers, instance_type="m5.large", instance_count=0)
        with pytest.raises(FaultsError) as raised:
            endpoint(bench, variants=[variant])
        assert [fault.path for fault in raised.value.faults] == [
            "variants.main.containers.0.files.key",
            "variants.main.containers.1.environment.MODEL_DIGEST",
            "variants.main.containers",
            "variants.main.instance_type",
            "variants.main.instance_count",
            "variants.main.containers.2.image",
        ]
