"""Scaling: the arithmetic of policies, schedules, and the loop by a clock that is moved."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ministack.services import cloudwatch

from local.extensions import hooks
from local.extensions.autoscaling.policies import stepped, tracked, tracking_alarms
from local.extensions.autoscaling.scaler import Scaler, Target
from local.extensions.autoscaling.schedule import Schedule
from local.extensions.autoscaling.service import ScalableTarget, ScalingPolicy
from local.extensions.cloudwatch.alarms import LAG_SECONDS, Alarms
from local.pace import Pace
from operations.errors import OperationError

SCOPE = ("000000000000", "us-east-1")
RESOURCE = "endpoint/e/variant/main"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"


class TestArithmetic:
    @given(capacity=st.integers(1, 100), value=st.floats(0, 1e4), target=st.floats(0.1, 1e3))
    def test_tracking_brings_each_to_its_target(
        self, capacity: int, value: float, target: float
    ) -> None:
        wanted = tracked(capacity, value, target)
        if wanted:
            assert capacity * value / wanted <= target * (1 + 1e-6)
        if wanted > 1:
            assert capacity * value / (wanted - 1) > target * (1 - 1e-6)

    @pytest.mark.parametrize(
        ("beyond", "kind", "expected"),
        [
            (0.0, "ChangeInCapacity", 5),
            (10.0, "ChangeInCapacity", 7),
            (-5.0, "ChangeInCapacity", 3),
            (10.0, "ExactCapacity", 3),
            (10.0, "PercentChangeInCapacity", 5),
        ],
    )
    def test_steps(self, beyond: float, kind: str, expected: int) -> None:
        config = {
            "AdjustmentType": kind,
            "StepAdjustments": [
                {"MetricIntervalUpperBound": 0, "ScalingAdjustment": -1},
                {
                    "MetricIntervalLowerBound": 0,
                    "MetricIntervalUpperBound": 10,
                    "ScalingAdjustment": 1,
                },
                {"MetricIntervalLowerBound": 10, "ScalingAdjustment": 3},
            ],
        }
        assert stepped(config, 4, beyond) == expected

    def test_alarms_of_a_target(self) -> None:
        config = {
            "TargetValue": 100,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
        }
        high, low = tracking_alarms(config, RESOURCE)
        assert (high["Threshold"], high["EvaluationPeriods"]) == (100, 3)
        assert (low["Threshold"], low["EvaluationPeriods"]) == (90, 15)
        assert low["Dimensions"] == [
            {"Name": "EndpointName", "Value": "e"},
            {"Name": "VariantName", "Value": "main"},
        ]

    def test_a_metric_that_nobody_measures_is_refused(self) -> None:
        specification = {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}
        config = {"TargetValue": 1, "PredefinedMetricSpecification": specification}
        with pytest.raises(OperationError, match="is not measured here"):
            tracking_alarms(config, RESOURCE)


MONDAY = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


class TestSchedules:
    @pytest.mark.parametrize(
        ("expression", "zone", "moment", "due"),
        [
            ("cron(0 8 ? * MON-FRI *)", "UTC", MONDAY, True),
            ("cron(0 8 ? * SUN,SAT *)", "UTC", MONDAY, False),
            ("cron(0/15 * * * ? *)", "UTC", MONDAY + timedelta(minutes=30), True),
            ("cron(0/15 * * * ? *)", "UTC", MONDAY + timedelta(minutes=31), False),
            ("cron(0 17 ? * 2 2026)", "Asia/Tokyo", MONDAY, True),
            ("at(2026-11-23T08:00:00)", "UTC", MONDAY, True),
            ("at(2026-11-23T08:00:01)", "UTC", MONDAY, False),
        ],
    )
    def test_are_due(self, expression: str, zone: str, moment: datetime, due: bool) -> None:
        assert Schedule(expression, zone).due(moment - timedelta(seconds=30), moment) is due

    def test_are_due_once(self) -> None:
        schedule = Schedule("cron(0 8 ? * MON-FRI *)")
        assert not schedule.due(MONDAY, MONDAY + timedelta(seconds=30))
        assert schedule.due(MONDAY - timedelta(minutes=5), MONDAY + timedelta(minutes=5))

    @pytest.mark.parametrize(
        "expression", ["cron(0 8 L * ? *)", "cron(0 8)", "rate(5 years)", "cron(99 8 * * ? *)", "x"]
    )
    def test_others_are_refused(self, expression: str) -> None:
        with pytest.raises(OperationError, match="cannot be read"):
            Schedule(expression)


class Fleet:
    """What is scaled."""

    def __init__(self) -> None:
        self.count: int | None = 1

    def capacity(self, resource: str) -> int | None:
        return self.count

    def scale(self, resource: str, capacity: int) -> None:
        self.count = capacity


class AtOnce(Scaler):
    """A scaler that does not work in the background."""

    def run(self, work: Callable[[], None]) -> None:
        work()


class World:
    """A scaler with its metrics and its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = 1_200_000.0
        self.today = MONDAY
        monkeypatch.setattr(time, "time", lambda: self.time)
        self.fleet = Fleet()
        self.alarms = Alarms(Pace(60), lambda: self.time + LAG_SECONDS)
        self.scaler = AtOnce(
            self.fleet, self.alarms, Pace(60), lambda: self.time, lambda: self.today
        )

    def target(self, least: int = 1, most: int = 4, **further: Any) -> Target:
        with hooks.scoped(SCOPE):
            properties = {
                "ResourceId": RESOURCE,
                "ScalableDimension": DIMENSION,
                "ServiceNamespace": "sagemaker",
                "MinCapacity": least,
                "MaxCapacity": str(most),
                **further,
            }
            ScalableTarget(self.scaler).create("T", properties, "s")
        return self.scaler.targets[RESOURCE, DIMENSION]

    def policy(self, name: str = "p", **config: Any) -> str:
        kind = "StepScaling" if "StepAdjustments" in config else "TargetTrackingScaling"
        with hooks.scoped(SCOPE):
            properties = {
                "PolicyName": name,
                "PolicyType": kind,
                "ScalingTargetId": f"{RESOURCE}|{DIMENSION}|sagemaker",
                f"{kind}PolicyConfiguration": config,
            }
            return ScalingPolicy(self.scaler).create("P", properties, "s").physical_id

    def minutes(self, count: int, each: float | None) -> None:
        """Let minutes pass, in each of which an instance was asked so often."""
        of = {"EndpointName": "e", "VariantName": "main"}
        for _ in range(count):
            if each is not None:
                hooks.record_metric(
                    SCOPE, "AWS/SageMaker", "InvocationsPerInstance", "None", of, {each: 1}
                )
            self.time += 60
            self.today += timedelta(minutes=1)
            self.alarms.evaluate()
            self.scaler.evaluate()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(cloudwatch, "_evaluate_alarm", lambda _: None)
    yield World(monkeypatch)
    cloudwatch.reset()


TRACKING: dict[str, Any] = {
    "TargetValue": 100,
    "ScaleOutCooldown": 60,
    "ScaleInCooldown": 300,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
    },
}


class TestScaler:
    def test_tracks_its_target_out_and_in(self, world: World) -> None:
        world.target()
        world.policy(**TRACKING)
        world.minutes(2, 250)
        assert world.fleet.count == 1
        world.minutes(1, 250)
        assert world.fleet.count == 3
        world.minutes(12, 80)
        assert world.fleet.count == 3
        world.minutes(3, 10)
        assert world.fleet.count == 1
        descriptions = [each["Description"] for each in world.scaler.activities]
        assert descriptions == [
            "Setting desired capacity to 1 from 3.",
            "Setting desired capacity to 3 from 1.",
        ]

    def test_stays_within_its_bounds(self, world: World) -> None:
        world.target(most=2)
        world.policy(**TRACKING)
        world.minutes(5, 10_000)
        assert world.fleet.count == 2

    def test_waits_for_its_cooldown(self, world: World) -> None:
        world.target(most=50)
        world.policy(**{**TRACKING, "ScaleOutCooldown": 600})
        world.minutes(3, 150)
        assert world.fleet.count == 2
        world.minutes(9, 150)
        assert world.fleet.count == 2
        world.minutes(1, 150)
        assert world.fleet.count == 3

    def test_does_not_scale_in_where_it_must_not(self, world: World) -> None:
        world.target()
        world.fleet.count = 3
        world.policy(**{**TRACKING, "DisableScaleIn": "true"})
        world.minutes(20, 0)
        assert world.fleet.count == 3

    def test_does_nothing_without_data_or_while_the_endpoint_moves(self, world: World) -> None:
        world.target()
        world.policy(**TRACKING)
        world.fleet.count = 3
        world.minutes(20, None)
        assert world.fleet.count == 3
        world.fleet.count = None
        world.minutes(5, 1000)
        assert world.scaler.activities == []

    def test_steps_when_an_alarm_calls_it(self, world: World) -> None:
        world.target(least=0)
        world.fleet.count = 0
        arn = world.policy(
            AdjustmentType="ChangeInCapacity",
            Cooldown=300,
            StepAdjustments=[{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        )
        backlog = {
            "AlarmName": "backlog",
            "Namespace": "AWS/SageMaker",
            "MetricName": "HasBacklogWithoutCapacity",
            "Statistic": "Average",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
        }
        hooks.put_alarm(SCOPE, backlog, [arn])
        world.minutes(2, None)
        assert world.fleet.count == 0
        hooks.record_metric(SCOPE, "AWS/SageMaker", "HasBacklogWithoutCapacity", "None", {}, {1: 1})
        world.minutes(1, None)
        assert world.fleet.count == 1

    def test_a_scheduled_action_moves_the_bounds(self, world: World) -> None:
        action = {
            "ScheduledActionName": "morning",
            "Schedule": "cron(3 8 ? * MON *)",
            "ScalableTargetAction": {"MinCapacity": "3"},
        }
        world.target(ScheduledActions=[action])
        world.minutes(2, 0)
        assert world.fleet.count == 1
        world.minutes(1, 0)
        assert world.fleet.count == 3

    def test_a_policy_and_its_alarms_go_together(self, world: World) -> None:
        world.target()
        world.policy(**TRACKING)
        assert len(hooks.metric_alarms()) == 2
        with hooks.scoped(SCOPE):
            ScalableTarget(world.scaler).delete(f"{RESOURCE}|{DIMENSION}|sagemaker", {})
        assert hooks.metric_alarms() == []

    def test_targets_of_other_services_are_recorded(self, world: World) -> None:
        with hooks.scoped(SCOPE):
            properties = {
                "ResourceId": "service/c/s",
                "ScalableDimension": "ecs:service:DesiredCount",
                "ServiceNamespace": "ecs",
                "MinCapacity": 1,
                "MaxCapacity": 2,
            }
            target = ScalableTarget(world.scaler).create("T", properties, "s")
            policy = {"PolicyName": "p", "ScalingTargetId": target.physical_id}
            assert ScalingPolicy(world.scaler).create("P", policy, "s").attributes["Arn"]
        world.minutes(3, 1000)
        assert hooks.metric_alarms() == []
