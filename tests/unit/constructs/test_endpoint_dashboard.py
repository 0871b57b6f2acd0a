import json
from typing import Any

import pytest
from aws_cdk import aws_cloudwatch as cloudwatch

from mlops_constructs.endpoint_dashboard import EndpointDashboard
from tests.unit.constructs.conftest import Bench


def widgets(bench: Bench, **changes: Any) -> list[dict[str, Any]]:
    EndpointDashboard(bench.stack, "Dashboard", **{"endpoint": "mlops-blue-iris", **changes})
    (made,) = bench.template().find_resources("AWS::CloudWatch::Dashboard").values()
    body = made["Properties"]["DashboardBody"]
    text = (
        body
        if isinstance(body, str)
        else "".join(part if isinstance(part, str) else "token" for part in body["Fn::Join"][1])
    )
    found: list[dict[str, Any]] = json.loads(text)["widgets"]
    return found


def shown(found: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Namespace, metric, variant and statistic of every line."""
    return [
        (line[0], line[1], line[5], line[6].get("stat", "Average"))
        for widget in found
        for line in widget["properties"].get("metrics", [])
        if "EndpointName" in line
    ]


class TestDefault:
    @pytest.mark.parametrize(
        "line",
        [
            ("AWS/SageMaker", "Invocations", "Sum"),
            ("AWS/SageMaker", "Invocation4XXErrors", "Sum"),
            ("AWS/SageMaker", "Invocation5XXErrors", "Sum"),
            ("AWS/SageMaker", "ModelLatency", "p50"),
            ("AWS/SageMaker", "ModelLatency", "p99"),
            ("AWS/SageMaker", "OverheadLatency", "p99"),
            ("/aws/sagemaker/Endpoints", "CPUUtilization", "Average"),
            ("/aws/sagemaker/Endpoints", "CPUUtilization", "SampleCount"),
            ("/aws/sagemaker/Endpoints", "MemoryUtilization", "Maximum"),
            ("/aws/sagemaker/Endpoints", "DiskUtilization", "Maximum"),
        ],
    )
    def test_shows(self, bench: Bench, line: tuple[str, str, str]) -> None:
        space, name, statistic = line
        assert (space, name, "main", statistic) in shown(widgets(bench))

    def test_shows_no_alarm_where_there_is_none(self, bench: Bench) -> None:
        assert {widget["type"] for widget in widgets(bench)} == {"metric"}


class TestCustom:
    def test_each_variant_is_a_line(self, bench: Bench) -> None:
        found = shown(widgets(bench, variants=["old", "new"]))
        assert {variant for _, _, variant, _ in found} == {"old", "new"}

    def test_requests_of_components_are_counted_by_them(self, bench: Bench) -> None:
        found = widgets(bench, components=["mlops-blue-iris-roses"])
        lines = [line for it in found for line in it["properties"].get("metrics", [])]
        by_component = {line[1] for line in lines if "InferenceComponentName" in line}
        assert by_component >= {"Invocations", "Invocation5XXErrors", "ModelLatency"}
        assert {space for space, *_ in shown(found)} == {"/aws/sagemaker/Endpoints"}

    def test_more_alarms_than_a_widget_takes_are_in_several(self, bench: Bench) -> None:
        metric = cloudwatch.Metric(namespace="n", metric_name="m")
        alarms = [
            metric.create_alarm(bench.stack, f"Alarm{number}", threshold=1, evaluation_periods=1)
            for number in range(101)
        ]
        found = [it for it in widgets(bench, alarms=alarms) if it["type"] == "alarm"]
        assert [len(it["properties"]["alarms"]) for it in found] == [100, 1]

    def test_a_serverless_endpoint_has_no_instances(self, bench: Bench) -> None:
        found = shown(widgets(bench, kind="serverless"))
        of_instances = {name for space, name, *_ in found if space != "AWS/SageMaker"}
        assert of_instances == {"MemoryUtilization"}

    def test_an_asynchronous_endpoint_has_a_queue(self, bench: Bench) -> None:
        found = widgets(bench, kind="async")
        lines = [line for it in found for line in it["properties"]["metrics"]]
        names = {line[1]: line[2:6:2] for line in lines}
        assert names["InvocationsProcessed"] == ["EndpointName", "VariantName"]
        (queue,) = [line for line in lines if line[1] == "ApproximateBacklogSize"]
        assert queue[2:4] == ["EndpointName", "mlops-blue-iris"]
        assert len(queue) == 5
        assert not {"Invocations", "OverheadLatency"} & set(names)

    def test_alarms_are_on_top_and_monitoring_below(self, bench: Bench) -> None:
        drift = cloudwatch.Metric(namespace="n", metric_name="feature_baseline_drift_sex")
        alarm = drift.create_alarm(bench.stack, "Alarm", threshold=1, evaluation_periods=1)
        found = widgets(bench, alarms=[alarm], monitoring={"Data quality": {"sex": drift}})
        assert found[0]["type"] == "alarm"
        assert found[-1]["properties"]["title"] == "Data quality"
