"""Alarms: what state values put them into, and how the values are found."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ministack.services import cloudwatch

from local.extensions import hooks
from local.extensions.cloudwatch.alarms import LAG_SECONDS, AlarmResource, Alarms
from local.extensions.cloudwatch.evaluation import ALARM, INSUFFICIENT, OK, state
from local.extensions.cloudwatch.expressions import evaluate, parse
from local.pace import Pace
from operations.errors import OperationError

SCOPE = ("000000000000", "us-east-1")


def alarm(periods: int = 3, needed: int | None = None, missing: str = "missing") -> dict[str, Any]:
    return {
        "EvaluationPeriods": periods,
        "DatapointsToAlarm": needed,
        "TreatMissingData": missing,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    }


def values(text: str) -> list[float | None]:
    """``0 - X`` as a value that is fine, one that is missing, and one that breaches."""
    return [{"0": 0.0, "-": None, "X": 1.0}[each] for each in text.split()]


class TestEvaluation:
    # The table of https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/
    # alarms-and-missing-data.html, of an alarm of 3 out of 3; "kept" is the state that it had.
    @pytest.mark.parametrize(
        ("data", "missing", "ignore", "breaching", "not_breaching"),
        [
            ("0 - X - X", OK, OK, OK, OK),
            ("0 - - - -", OK, OK, OK, OK),
            ("- - - - -", INSUFFICIENT, "kept", ALARM, OK),
            ("0 X X - X", ALARM, ALARM, ALARM, ALARM),
            ("- - X - -", ALARM, "kept", ALARM, OK),
        ],
    )
    def test_missing_values_are_treated_as_the_alarm_says(
        self, data: str, missing: str, ignore: str, breaching: str, not_breaching: str
    ) -> None:
        found = [
            state(alarm(missing=treatment), values(data), "kept")[0]
            for treatment in ("missing", "ignore", "breaching", "notBreaching")
        ]
        assert found == [missing, ignore, breaching, not_breaching]

    @pytest.mark.parametrize(
        ("data", "needed", "expected"),
        [
            ("0 0 X 0 X", 2, ALARM),
            ("0 0 X 0 0", 2, OK),
            ("X X 0 0 0", 1, OK),
            ("0 0 0 X 0", 1, ALARM),
        ],
    )
    def test_some_of_the_last_periods_are_enough(
        self, data: str, needed: int, expected: str
    ) -> None:
        assert state(alarm(needed=needed), values(data), OK)[0] == expected

    def test_says_why(self) -> None:
        _, reason = state(alarm(), values("0 0 X X X"), OK)
        assert "3 of the last 3 datapoints [1, 1, 1]" in reason

    @given(
        data=st.lists(st.sampled_from([0.0, 1.0]), min_size=5, max_size=5),
        needed=st.integers(1, 3),
        treatment=st.sampled_from(["missing", "ignore", "breaching", "notBreaching"]),
    )
    def test_where_nothing_is_missing_it_counts(
        self, data: list[float], needed: int, treatment: str
    ) -> None:
        expected = ALARM if sum(data[-3:]) >= needed else OK
        assert state(alarm(3, needed, treatment), data, "kept")[0] == expected

    @given(
        data=st.lists(st.sampled_from([0.0, 1.0, None]), min_size=5, max_size=5),
        needed=st.integers(1, 3),
    )
    def test_missing_as_fine_never_alarms_where_missing_as_bad_does_not(
        self, data: list[float | None], needed: int
    ) -> None:
        good, bad = (
            state(alarm(3, needed, treatment), data, OK)[0]
            for treatment in ("notBreaching", "breaching")
        )
        assert not (good == ALARM and bad == OK)


class TestExpressions:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("100 * errors / calls", 25.0),
            ("errors / none", None),
            ("errors / 0", None),
            ("FILL(none, 0) + 1", 1.0),
            ("IF(calls > 3 AND errors > 0, 7, 8)", 7.0),
            ("IF(calls > 4 || errors > 1, 7, 8)", 8.0),
            ("SUM([errors, calls, none])", 5.0),
            ("MAX(METRICS())", 4.0),
            ("AVG([errors, calls])", 2.5),
            ("-errors ^ 2", -1.0),
            ("calls >= 4", 1.0),
            ("SUM([none])", None),
        ],
    )
    def test_come_to(self, expression: str, expected: float | None) -> None:
        given = {"errors": 1.0, "calls": 4.0, "none": None}
        assert evaluate(parse(expression), given) == expected

    @pytest.mark.parametrize(
        "expression", ["RATE(m1)", "m1 +", "__import__('os')", "[m1].x", "'a'", "SUM(m1, m2) % 2"]
    )
    def test_others_are_refused(self, expression: str) -> None:
        with pytest.raises(OperationError, match="is not calculated here"):
            parse(expression)


@pytest.fixture(autouse=True)
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(cloudwatch, "_evaluate_alarm", lambda _: None)
    yield
    cloudwatch.reset()


NOW = 1_200_000.0
"""A whole period of every alarm here."""


def record(name: str, moment: float, dimensions: Mapping[str, str], **counts: int) -> None:
    """Have values been measured at a moment: ``v5=2`` is twice 5."""
    measured = {float(value[1:]): count for value, count in counts.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: moment)
        hooks.record_metric(SCOPE, "AWS/SageMaker", name, "None", dimensions, measured)


def put(name: str, **properties: Any) -> dict[str, Any]:
    given = {
        "AlarmName": name,
        "EvaluationPeriods": 1,
        "Threshold": 2,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        **properties,
    }
    with hooks.scoped(SCOPE):
        AlarmResource().create("A", given, "s")
        found: dict[str, Any] = cloudwatch._alarms[name]
    return found


def evaluated(minute: float = 60, now: float = NOW) -> None:
    Alarms(Pace(minute), lambda: now + LAG_SECONDS).evaluate()


def errors(**dimensions: str) -> dict[str, Any]:
    return {
        "Namespace": "AWS/SageMaker",
        "MetricName": "Invocation5XXErrors",
        "Statistic": "Sum",
        "Period": 60,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
    }


class TestAlarms:
    def test_look_at_their_dimensions_alone(self) -> None:
        mine, other = (
            put("mine", **errors(VariantName="a")),
            put("other", **errors(VariantName="b")),
        )
        record("Invocation5XXErrors", NOW - 30, {"VariantName": "a"}, v1=3)
        evaluated()
        assert (mine["StateValue"], other["StateValue"]) == (ALARM, OK)

    def test_go_back_when_it_is_over(self) -> None:
        mine = put("mine", **errors(VariantName="a"))
        record("Invocation5XXErrors", NOW - 30, {"VariantName": "a"}, v1=3)
        evaluated()
        record("Invocation5XXErrors", NOW + 30, {"VariantName": "a"}, v0=3)
        evaluated(now=NOW + 60)
        assert mine["StateValue"] == OK

    def test_a_period_is_as_long_as_the_pace_makes_it(self) -> None:
        mine = put("mine", **errors(VariantName="a"))
        record("Invocation5XXErrors", NOW - 0.5, {"VariantName": "a"}, v1=3)
        evaluated(minute=1)
        assert mine["StateValue"] == ALARM
        evaluated(minute=1, now=NOW + 5)
        assert mine["StateValue"] == OK

    def test_of_what_nothing_measures_stay_as_they_were_made(self) -> None:
        other = put("other", **{**errors(), "Namespace": "AWS/RDS"}, TreatMissingData="breaching")
        evaluated()
        assert other["StateValue"] == INSUFFICIENT

    def test_a_percentile(self) -> None:
        latency = {**errors(VariantName="a"), "MetricName": "ModelLatency", "Threshold": 90}
        del latency["Statistic"]
        mine = put("mine", **latency, ExtendedStatistic="p50")
        record("ModelLatency", NOW - 30, {"VariantName": "a"}, v100=2, v10=1)
        evaluated()
        assert mine["StateValue"] == ALARM

    def test_metric_math(self) -> None:
        def query(name: str, metric: str) -> dict[str, Any]:
            return {
                "Id": name,
                "ReturnData": False,
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/SageMaker",
                        "MetricName": metric,
                        "Dimensions": [{"Name": "VariantName", "Value": "a"}],
                    },
                    "Period": "60",
                    "Stat": "Sum",
                },
            }

        rate = {"Id": "rate", "Expression": "100 * errors / calls", "ReturnData": "true"}
        queries = [rate, query("errors", "Invocation5XXErrors"), query("calls", "Invocations")]
        mine = put("mine", Metrics=queries, Threshold=10)
        record("Invocations", NOW - 30, {"VariantName": "a"}, v1=100)
        evaluated()
        assert mine["StateValue"] == OK
        record("Invocation5XXErrors", NOW - 30, {"VariantName": "a"}, v1=11)
        evaluated()
        assert mine["StateValue"] == ALARM
        assert Alarms(Pace(60)).in_alarm(SCOPE, ["mine", "nobody"]) == ["mine"]
        assert Alarms(Pace(60)).missing(SCOPE, ["mine", "nobody"]) == ["nobody"]

    def test_one_that_cannot_be_evaluated_is_refused(self) -> None:
        with pytest.raises(OperationError, match="LessThanLowerThreshold"):
            put("odd", **errors(), ComparisonOperator="LessThanLowerThreshold")


def test_values_of_a_metric_are_bounded() -> None:
    for _ in range(3):
        hooks.record_metric(
            SCOPE, "N", "m", "None", {}, {float(v): 1 for v in range(hooks.MOST_POINTS // 2)}
        )
    assert len(hooks.metric_points(SCOPE, "N", "m", {}, 0)) == hooks.MOST_POINTS // 2 * 2
