import pytest
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk.assertions import Template
from hypothesis import given
from hypothesis import strategies as st

from mlops_constructs.endpoint_scaling import CONCURRENCY, INVOCATIONS, EndpointScaling
from mlops_constructs.faults import FaultsError
from mlops_constructs.scaling_plan import Scaling, Scheduled
from tests.unit.constructs.conftest import Bench

POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"


def scaled(bench: Bench, plan: Scaling) -> Template:
    endpoint = sagemaker.CfnEndpoint(bench.stack, "Endpoint", endpoint_config_name="config")
    EndpointScaling(
        bench.stack,
        "Scaling",
        endpoint=endpoint,
        endpoint_name="mlops-blue-iris",
        variant="main",
        plan=plan,
    )
    return bench.template()


def tracked(template: Template) -> dict[str, dict[str, object]]:
    found = {}
    for policy in template.find_resources(POLICY).values():
        settings = policy["Properties"]["TargetTrackingScalingPolicyConfiguration"]
        found[settings["PredefinedMetricSpecification"]["PredefinedMetricType"]] = settings
    return found


class TestDefault:
    def test_instances_are_added_by_requests(self, bench: Bench) -> None:
        template = scaled(bench, Scaling(2, 6, invocations=1000))
        template.has_resource_properties(
            "AWS::ApplicationAutoScaling::ScalableTarget",
            {
                "ServiceNamespace": "sagemaker",
                "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
                "MinCapacity": 2,
                "MaxCapacity": 6,
            },
        )
        found = tracked(template)
        assert set(found) == {INVOCATIONS}
        assert found[INVOCATIONS]["TargetValue"] == 1000
        assert found[INVOCATIONS]["ScaleOutCooldown"] == 60
        assert found[INVOCATIONS]["ScaleInCooldown"] == 300


class TestCustom:
    def test_by_requests_at_once_too(self, bench: Bench) -> None:
        plan = Scaling(2, 6, invocations=10, concurrency=4, scale_out=0, scale_in=900)
        found = tracked(scaled(bench, plan))
        assert set(found) == {INVOCATIONS, CONCURRENCY}
        assert found[CONCURRENCY]["ScaleInCooldown"] == 900

    def test_by_the_clock_alone(self, bench: Bench) -> None:
        schedule = [Scheduled("cron(0 8 ? * MON-FRI *)", 4, 8, "Asia/Tokyo")]
        template = scaled(bench, Scaling(2, 6, schedule=schedule))
        assert tracked(template) == {}
        template.has_resource_properties(
            "AWS::ApplicationAutoScaling::ScalableTarget",
            {
                "ScheduledActions": [
                    {
                        "ScheduledActionName": "Schedule0",
                        "Schedule": "cron(0 8 ? * MON-FRI *)",
                        "Timezone": "Asia/Tokyo",
                        "ScalableTargetAction": {"MinCapacity": 4, "MaxCapacity": 8},
                    }
                ]
            },
        )


class TestBadInput:
    def test_every_fault_at_once(self, bench: Bench) -> None:
        with pytest.raises(FaultsError) as raised:
            scaled(bench, Scaling(0, 6, schedule=[Scheduled("rate(1 day)", 2, 1)]))
        assert [fault.path for fault in raised.value.faults] == ["plan.max", "plan.schedule.0.max"]

    @given(least=st.integers(-2, 8), most=st.integers(-2, 8), instances=st.integers(0, 8))
    def test_bounds_hold_what_there_is(self, least: int, most: int, instances: int) -> None:
        faults = list(Scaling(least, most, concurrency=1).faults("scaling", instances))
        assert (faults == []) is (1 <= least <= instances <= most)
