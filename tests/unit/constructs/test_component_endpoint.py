from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from mlops_constructs.aws_images import AwsImage
from mlops_constructs.capture_plan import CapturePlan
from mlops_constructs.component_endpoint import Component, ComponentEndpoint
from mlops_constructs.component_plan import Fleet, Share
from mlops_constructs.data_capture import DataCapture
from mlops_constructs.deployment import Deployment
from mlops_constructs.faults import FaultsError
from tests.unit.constructs.conftest import Bench

COMPONENT = "AWS::SageMaker::InferenceComponent"


def fleet(bench: Bench, shares: Mapping[str, Share], **changes: object) -> ComponentEndpoint:
    arguments: dict[str, object] = {
        "naming": bench.naming,
        "name": "small",
        "network": bench.network,
        "artifacts": bench.artifacts(),
        "fleet": Fleet(),
        "components": {name: Component(bench.container(), share) for name, share in shares.items()},
        "key": bench.key,
        "log_settings": bench.log_settings,
        "alarms": bench.alarms(),
    }
    return ComponentEndpoint(bench.stack, "Endpoint", **{**arguments, **changes})  # type: ignore[arg-type]


def component(template: Template) -> Mapping[str, Any]:
    (found,) = template.find_resources(COMPONENT).values()
    return found


def alarms(template: Template, dimensions: object) -> dict[str, Any]:
    found = template.find_resources("AWS::CloudWatch::Alarm")
    properties = {name: alarm["Properties"] for name, alarm in found.items()}
    return {name: it for name, it in properties.items() if it["Dimensions"] == dimensions}


class TestDefault:
    @pytest.fixture
    def template(self, bench: Bench) -> Template:
        fleet(bench, {"iris": Share()})
        return bench.template()

    def test_the_fleet_stands_in_the_network_isolated(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::SageMaker::EndpointConfig",
            {
                "EnableNetworkIsolation": True,
                "VpcConfig": Match.any_value(),
                "KmsKeyId": Match.any_value(),
                "ProductionVariants": [
                    {
                        "VariantName": "main",
                        "InstanceType": "ml.m5.large",
                        "InitialInstanceCount": 2,
                        "ManagedInstanceScaling": {
                            "Status": "ENABLED",
                            "MinInstanceCount": 2,
                            "MaxInstanceCount": 4,
                        },
                        "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
                    }
                ],
            },
        )
        template.has_resource_properties(
            "AWS::SageMaker::Model",
            {"EnableNetworkIsolation": True, "VpcConfig": Match.any_value()},
        )

    def test_a_model_gets_its_part_and_is_named(self, template: Template) -> None:
        made = component(template)["Properties"]
        assert made["InferenceComponentName"] == "mlops-blue-small-iris"
        assert made["RuntimeConfig"] == {"CopyCount": 1}
        assert made["Specification"]["ComputeResourceRequirements"] == {
            "MinMemoryRequiredInMb": 1024,
            "NumberOfCpuCoresRequired": 1,
        }

    def test_it_comes_after_its_endpoint(self, template: Template) -> None:
        (endpoint,) = template.find_resources("AWS::SageMaker::Endpoint")
        assert endpoint in component(template)["DependsOn"]

    def test_copies_are_replaced_and_rolled_back(self, template: Template) -> None:
        config = component(template)["Properties"]["DeploymentConfig"]
        policy = config["RollingUpdatePolicy"]
        assert policy["MaximumBatchSize"] == {"Type": "CAPACITY_PERCENT", "Value": 25}
        assert policy["WaitIntervalInSeconds"] == 600
        named = {a["AlarmName"]["Ref"] for a in config["AutoRollbackConfiguration"]["Alarms"]}
        of_it = [{"Name": "InferenceComponentName", "Value": "mlops-blue-small-iris"}]
        assert named == set(alarms(template, of_it))

    def test_the_instances_are_watched_too(self, template: Template) -> None:
        fleet_of_it = [
            {"Name": "EndpointName", "Value": "mlops-blue-small"},
            {"Name": "VariantName", "Value": "main"},
        ]
        found = alarms(template, fleet_of_it).values()
        assert {it["MetricName"] for it in found} == {"MemoryUtilization", "DiskUtilization"}
        assert {it["Namespace"] for it in found} == {"/aws/sagemaker/Endpoints"}

    def test_its_log_is_there_before_it_is(
        self, template: Template, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        names = {
            group["Properties"]["LogGroupName"]: name
            for name, group in template.find_resources("AWS::Logs::LogGroup").items()
        }
        assert set(names) == {
            "/aws/sagemaker/Endpoints/mlops-blue-small",
            "/aws/sagemaker/InferenceComponents/mlops-blue-small-iris",
        }
        own = names["/aws/sagemaker/InferenceComponents/mlops-blue-small-iris"]
        assert own in component(template)["DependsOn"]
        written = [it["Resource"] for it in statements(template) if "logs:" in str(it["Action"])]
        assert own in str(written)

    def test_as_many_copies_stay_as_many(self, template: Template) -> None:
        template.resource_count_is("AWS::ApplicationAutoScaling::ScalableTarget", 0)


class TestCustom:
    def test_copies_follow_requests_from_none(self, bench: Bench) -> None:
        share = Share(4096, 2, 1, least=0, most=3, invocations=50)
        fleet(bench, {"iris": share}, fleet=Fleet("ml.g5.xlarge", 0, 2))
        template = bench.template()
        template.has_resource_properties(
            "AWS::ApplicationAutoScaling::ScalableTarget",
            {
                "ResourceId": "inference-component/mlops-blue-small-iris",
                "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
                "MinCapacity": 0,
                "MaxCapacity": 3,
            },
        )
        policies = template.find_resources("AWS::ApplicationAutoScaling::ScalingPolicy")
        kinds = {it["Properties"]["PolicyType"]: name for name, it in policies.items()}
        template.has_resource_properties(
            "AWS::CloudWatch::Alarm",
            {
                "MetricName": "NoCapacityInvocationFailures",
                "AlarmActions": [{"Ref": kinds["StepScaling"]}],
            },
        )
        needs = component(template)["Properties"]["Specification"]["ComputeResourceRequirements"]
        assert needs["NumberOfAcceleratorDevicesRequired"] == 1

    def test_several_models_have_each_its_own(self, bench: Bench) -> None:
        made = fleet(bench, {"iris": Share(), "red-roses": Share()}, rollback_alarms=["orders"])
        template = bench.template()
        assert made.component_names == {
            "iris": "mlops-blue-small-iris",
            "red-roses": "mlops-blue-small-red-roses",
        }
        names = {
            model["Properties"]["ModelName"]
            for model in template.find_resources("AWS::SageMaker::Model").values()
        }
        assert len(names) == 2
        for found in template.find_resources(COMPONENT).values():
            config = found["Properties"]["DeploymentConfig"]["AutoRollbackConfiguration"]
            assert len(config["Alarms"]) == 4
        assert len(made.alarms) == 8

    def test_requests_are_captured(
        self, bench: Bench, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        capture = DataCapture(bench.artifacts(), CapturePlan(percent=5))
        fleet(bench, {"iris": Share()}, capture=capture)
        template = bench.template()
        template.has_resource_properties(
            "AWS::SageMaker::EndpointConfig",
            {"DataCaptureConfig": {"InitialSamplingPercentage": 5}},
        )
        (written,) = [s for s in statements(template) if "s3:PutObject" in str(s["Action"])]
        assert str(written["Resource"]).endswith("/capture/mlops-blue-small/*")

    @pytest.mark.parametrize(("instance", "granted"), [("ml.m5.large", 1), ("ml.g5.xlarge", 0)])
    def test_the_key_of_volumes_is_passed_on_to_services_alone(
        self,
        instance: str,
        granted: int,
        bench: Bench,
        statements: Callable[[Template], list[dict[str, object]]],
    ) -> None:
        fleet(bench, {"iris": Share()}, fleet=Fleet(instance))
        found = [s for s in statements(bench.template()) if s["Action"] == "kms:CreateGrant"]
        condition = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
        assert [s["Condition"] for s in found] == granted * [condition]

    def test_invoking_is_invoking_it_and_its_models(
        self, bench: Bench, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        fleet(bench, {"iris": Share()}).grant_invoke(bench.role("Caller"))
        granted = [
            s for s in statements(bench.template()) if s["Action"] == "sagemaker:InvokeEndpoint"
        ]
        arn = "arn:aws:sagemaker:eu-west-1:123456789012"
        assert [s["Resource"] for s in granted] == [
            [
                f"{arn}:endpoint/mlops-blue-small",
                f"{arn}:inference-component/mlops-blue-small-iris",
            ]
        ]


class TestBadInput:
    def test_every_fault_at_once(self, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            fleet(
                bench,
                {},
                fleet=Fleet(least=3, most=2),
                components={
                    "iris": Component(
                        bench.container(image=AwsImage("xgboost", "9")),
                        Share(memory_mib=1, cpus=0, least=0, most=2),
                    ),
                    "rose": Component(
                        bench.container(environment={"MODEL_DIGEST": "x"}), Share(least=2)
                    ),
                },
                deployment=Deployment("canary", step=1),
                capture=DataCapture(bench.artifacts(), CapturePlan(percent=0)),
                rollback_alarms=[f"alarm-{number}" for number in range(8)],
            )
        assert [fault.path for fault in raised.value.faults] == [
            "fleet.max_instances",
            "capture.percent",
            "deployment.strategy",
            "deployment.step",
            "rollback_alarms",
            "components.iris.memory",
            "components.iris.cpus",
            "components.iris.invocations",
            "components.iris.image",
            "components.rose.max_copies",
            "components.rose.environment.MODEL_DIGEST",
        ]

    def test_no_model(self, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            fleet(bench, {})
        assert [fault.path for fault in raised.value.faults] == ["components"]
