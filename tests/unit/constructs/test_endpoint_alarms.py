import pytest
from aws_cdk.assertions import Match, Template

from mlops_constructs.alarm_limits import Limits
from mlops_constructs.deployment import MOST_ALARMS
from mlops_constructs.endpoint_alarms import EndpointAlarms
from mlops_constructs.endpoint_variants import Variant
from mlops_constructs.faults import FaultsError
from tests.unit.constructs.conftest import Bench


def made(bench: Bench, *variants: Variant, **changes: object) -> EndpointAlarms:
    arguments: dict[str, object] = {
        "alarms": bench.alarms(),
        "endpoint_name": "mlops-blue-iris",
        "variants": variants or [Variant([bench.container()])],
    }
    return EndpointAlarms(bench.stack, "Alarms", **{**arguments, **changes})  # type: ignore[arg-type]


def alarms(template: Template) -> dict[str, dict[str, object]]:
    found = template.find_resources("AWS::CloudWatch::Alarm").values()
    return {alarm["Properties"]["MetricName"]: alarm["Properties"] for alarm in found}


class TestDefault:
    def test_each_variant_has_six(self, bench: Bench) -> None:
        watching = made(bench)
        template = bench.template()
        assert set(alarms(template)) == {
            "Invocation5XXErrors",
            "Invocation4XXErrors",
            "ModelLatency",
            "OverheadLatency",
            "MemoryUtilization",
            "DiskUtilization",
        }
        assert len(watching.rollback) == 6
        template.all_resources_properties(
            "AWS::CloudWatch::Alarm",
            {
                "Dimensions": [
                    {"Name": "EndpointName", "Value": "mlops-blue-iris"},
                    {"Name": "VariantName", "Value": "main"},
                ],
                "AlarmActions": Match.any_value(),
                "TreatMissingData": "notBreaching",
            },
        )

    def test_latency_is_measured_in_microseconds(self, bench: Bench) -> None:
        made(bench)
        found = alarms(bench.template())
        assert found["ModelLatency"]["Threshold"] == 5_000_000
        assert found["ModelLatency"]["ExtendedStatistic"] == "p99"
        assert found["OverheadLatency"]["Threshold"] == 1_000_000

    def test_refused_requests_are_a_part_of_all(self, bench: Bench) -> None:
        made(bench)
        refused = alarms(bench.template())["Invocation4XXErrors"]
        assert (refused["Statistic"], refused["Threshold"]) == ("Average", 0.5)


class TestCustom:
    def test_limits_are_the_callers(self, bench: Bench) -> None:
        made(bench, limits=Limits(errors=1, refused=10, latency=20, memory=50, disk=40))
        found = alarms(bench.template())
        assert found["Invocation5XXErrors"]["Threshold"] == 1
        assert found["Invocation4XXErrors"]["Threshold"] == 0.1
        assert found["ModelLatency"]["Threshold"] == 20_000
        assert found["MemoryUtilization"]["Threshold"] == 50
        assert found["DiskUtilization"]["Threshold"] == 40

    def test_a_shadow_is_not_watched(self, bench: Bench) -> None:
        one = bench.container()
        watching = made(bench, Variant([one]), Variant([one], name="other", shadow=True))
        assert len(watching.all) == 6

    @pytest.mark.parametrize(
        ("kind", "unknown"), [("serverless", "DiskUtilization"), ("async", "OverheadLatency")]
    )
    def test_what_a_kind_does_not_know_is_not_watched(
        self, kind: str, unknown: str, bench: Bench
    ) -> None:
        watching = made(bench, kind=kind)
        assert len(watching.all) == len(watching.rollback) == 5
        assert unknown not in alarms(bench.template())

    @pytest.mark.parametrize(
        ("variants", "others", "rolling_back"), [(2, 0, 10), (3, 0, 9), (3, 2, 8), (1, 9, 10)]
    )
    def test_ten_roll_back_and_a_kind_of_all_variants_or_none(
        self, bench: Bench, variants: int, others: int, rolling_back: int
    ) -> None:
        one = bench.container()
        several = [Variant([one], name=f"v{number}") for number in range(variants)]
        named = [f"other-{number}" for number in range(others)]
        watching = made(bench, *several, others=named)
        assert len(watching.all) == 6 * variants
        assert watching.rollback[:others] == named
        assert len(watching.rollback) == rolling_back <= MOST_ALARMS


def test_others_leave_no_room(bench: Bench) -> None:
    with pytest.raises(FaultsError) as raised:
        made(bench, others=[f"other-{number}" for number in range(10)])
    assert [fault.path for fault in raised.value.faults] == ["others"]
