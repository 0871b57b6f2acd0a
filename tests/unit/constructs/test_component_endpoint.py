from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from mlops_constructs.aws_images import AwsImage
from mlops_constructs.component_endpoint import Component, ComponentEndpoint
from mlops_constructs.component_plan import Fleet, Share
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
        assert named == set(template.find_resources("AWS::CloudWatch::Alarm"))
        template.all_resources_properties(
            "AWS::CloudWatch::Alarm",
            {"Dimensions": [{"Name": "InferenceComponentName", "Value": "mlops-blue-small-iris"}]},
        )

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
        assert len(made.alarms) == 6

    def test_invoking_is_invoking_this_one(
        self, bench: Bench, statements: Callable[[Template], list[dict[str, object]]]
    ) -> None:
        fleet(bench, {"iris": Share()}).grant_invoke(bench.role("Caller"))
        granted = [
            s for s in statements(bench.template()) if s["Action"] == "sagemaker:InvokeEndpoint"
        ]
        assert [s["Resource"] for s in granted] == [
            "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/mlops-blue-small"
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
                rollback_alarms=[f"alarm-{number}" for number in range(8)],
            )
        assert [fault.path for fault in raised.value.faults] == [
            "fleet.max_instances",
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
