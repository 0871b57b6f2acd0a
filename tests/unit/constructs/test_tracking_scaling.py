import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk.assertions import Match

from mlops_constructs.faults import FaultsError
from mlops_constructs.tracking_scaling import TrackingScaling
from tests.unit.constructs.conftest import Bench

REQUESTS = cloudwatch.Metric(namespace="mlops-blue", metric_name="TrackingRequests")
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"


def scaling(bench: Bench, **bounds: int) -> TrackingScaling:
    return TrackingScaling(
        bench.stack, "Scaling", server=bench.server(), requests=REQUESTS, **bounds
    )


def test_tasks_stay_between_the_bounds(bench: Bench) -> None:
    scaling(bench, least=2, most=5)
    bench.template().has_resource_properties(
        "AWS::ApplicationAutoScaling::ScalableTarget",
        {"MinCapacity": 2, "MaxCapacity": 5, "ScalableDimension": "ecs:service:DesiredCount"},
    )


def test_cpu_and_requests_for_each_task_each_ask_for_more(bench: Bench) -> None:
    scaling(bench, least=2, most=5, requests_per_task=100)
    template = bench.template()
    template.resource_count_is(POLICY, 2)
    template.has_resource_properties(
        POLICY,
        {
            "TargetTrackingScalingPolicyConfiguration": Match.object_like(
                {
                    "PredefinedMetricSpecification": {
                        "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
                    },
                    "TargetValue": 60,
                }
            )
        },
    )
    (requests,) = [
        policy["Properties"]["TargetTrackingScalingPolicyConfiguration"]
        for policy in template.find_resources(POLICY).values()
        if policy["Properties"].get("PolicyName") == "Requests"
    ]
    assert requests["TargetValue"] == 100
    queries = {query["Id"]: query for query in requests["CustomizedMetricSpecification"]["Metrics"]}
    assert queries["each"]["Expression"] == "requests / tasks"
    assert [name for name, query in queries.items() if query["ReturnData"]] == ["each"]
    assert queries["requests"]["MetricStat"]["Metric"]["MetricName"] == "TrackingRequests"
    running = queries["tasks"]["MetricStat"]["Metric"]
    assert running["Namespace"] == "ECS/ContainerInsights"
    assert [dimension["Name"] for dimension in running["Dimensions"]] == [
        "ClusterName",
        "ServiceName",
    ]


def test_reports_every_fault_at_once(bench: Bench) -> None:
    with pytest.raises(FaultsError) as raised:
        scaling(bench, least=2, most=2, requests_per_task=0)
    assert [fault.path for fault in raised.value.faults] == ["most", "requests_per_task"]
