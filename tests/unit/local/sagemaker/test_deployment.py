"""The plan of a deployment, and how it is carried out, by a clock that is waited for."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.extensions.json_service import RefusedError
from local.extensions.sagemaker.deployment import (
    Deployment,
    Plan,
    RolledBackError,
    Step,
    plan,
)
from local.extensions.sagemaker.errors import StartError
from tests.unit.local.sagemaker.fakes import FakeClock


def blue_green(kind: str, wait: int = 60, last: int = 120, **sizes: Any) -> dict[str, Any]:
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": wait, **sizes},
            "TerminationWaitInSeconds": last,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
    }


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def instances(value: int) -> dict[str, Any]:
    return {"Type": "INSTANCE_COUNT", "Value": value}


class TestPlan:
    def test_without_a_configuration_all_moves_at_once(self) -> None:
        assert plan({}, 2) == Plan([Step(1.0, 0.0)])

    def test_all_at_once_bakes_before_the_old_instances_go(self) -> None:
        assert plan(blue_green("ALL_AT_ONCE"), 2).steps == [Step(1.0, 120.0)]

    def test_a_canary_is_two_steps(self) -> None:
        made = plan(blue_green("CANARY", CanarySize=percent(10)), 2)
        assert made.steps == [Step(0.1, 60.0), Step(1.0, 120.0)]
        assert made.alarms == ("errors",)

    def test_a_canary_of_instances_is_their_part_of_all(self) -> None:
        assert plan(blue_green("CANARY", CanarySize=instances(1)), 4).steps[0].share == 0.25

    def test_linear_steps_are_equal(self) -> None:
        made = plan(blue_green("LINEAR", LinearStepSize=percent(30)), 2)
        assert [step.share for step in made.steps] == pytest.approx([0.3, 0.6, 0.9, 1.0])
        assert [step.wait for step in made.steps] == [60.0, 60.0, 60.0, 120.0]

    def test_rolling_goes_in_batches(self) -> None:
        policy = {"MaximumBatchSize": instances(1), "WaitIntervalInSeconds": 30}
        made = plan({"RollingUpdatePolicy": policy}, 3)
        assert made.rolling
        assert [step.share for step in made.steps] == pytest.approx([1 / 3, 2 / 3, 1])

    @given(size=st.integers(10, 50))
    def test_linear_steps_grow_to_all_of_it(self, size: int) -> None:
        shares = [
            step.share for step in plan(blue_green("LINEAR", LinearStepSize=percent(size)), 1).steps
        ]
        assert shares == sorted(set(shares))
        assert shares[-1] == 1.0
        assert max(b - a for a, b in zip([0.0, *shares], shares, strict=False)) < size / 100 + 1e-9
        assert len(shares) == -(-100 // size)

    @given(count=st.integers(1, 40), size=st.integers(1, 60))
    def test_a_canary_is_at_most_half(self, count: int, size: int) -> None:
        config = blue_green("CANARY", CanarySize=instances(size))
        if 2 * size <= count:
            assert plan(config, count).steps[0].share == size / count
        else:
            with pytest.raises(RefusedError, match="CanarySize"):
                plan(config, count)

    @pytest.mark.parametrize(
        ("config", "said"),
        [
            (blue_green("CANARY"), "CanarySize is missing"),
            (blue_green("CANARY", CanarySize=percent(51)), "from 0% to 50%"),
            (blue_green("LINEAR", LinearStepSize=percent(9)), "from 10% to 50%"),
            (blue_green("SIDEWAYS"), "not 'SIDEWAYS'"),
            ({**blue_green("ALL_AT_ONCE"), "RollingUpdatePolicy": {"a": 1}}, "not both"),
            (
                {
                    "BlueGreenUpdatePolicy": {
                        "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE"},
                        "TerminationWaitInSeconds": 700,
                        "MaximumExecutionTimeoutInSeconds": 600,
                    }
                },
                "must be larger than the waits",
            ),
        ],
    )
    def test_refuses(self, config: dict[str, Any], said: str) -> None:
        with pytest.raises(RefusedError, match=said):
            plan(config, 2)


class Trace:
    """Two sides of which everything that is done to them is noted."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.done: list[tuple[float, str, float]] = []
        self.broken = ""

    def provision(self, share: float) -> None:
        if self.broken and share:
            raise StartError(self.broken)
        self._note("provision", share)

    def shift(self, share: float) -> None:
        self._note("shift", share)

    def retire(self, share: float) -> None:
        self._note("retire", share)

    def _note(self, what: str, share: float) -> None:
        self.done.append((self.clock.time, what, round(share, 3)))


class Rail:
    """A deployment under test."""

    def __init__(self, way: Plan) -> None:
        self.clock = FakeClock()
        self.trace = Trace(self.clock)
        self.firing: list[str] = []
        self.said: list[tuple[str, str]] = []
        self.deployment = Deployment(way, self.trace, self.clock, self.alarms, self.say)

    def alarms(self, names: Sequence[str]) -> Sequence[str]:
        return [name for name in names if name in self.firing]

    def say(self, status: str, stage: str, message: str) -> None:
        self.said.append((status, stage))

    def fire_at(self, moment: float, name: str = "errors") -> None:
        self.clock.at[moment] = lambda: self.firing.append(name)


CANARY = plan(blue_green("CANARY", CanarySize=percent(10)), 2)
ROLLING = plan(
    {
        "RollingUpdatePolicy": {
            "MaximumBatchSize": percent(50),
            "WaitIntervalInSeconds": 30,
            "RollbackMaximumBatchSize": percent(25),
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
    },
    4,
)


class TestDeployment:
    def test_a_canary_bakes_and_then_takes_all(self) -> None:
        rail = Rail(CANARY)
        rail.deployment.run()
        assert rail.trace.done == [
            (0.0, "provision", 1.0),
            (0.0, "shift", 0.1),
            (60.0, "shift", 1.0),
        ]
        assert rail.clock.time == 180.0
        assert rail.said == [
            ("Updating", "Creating"),
            ("Updating", "ActivatingTraffic"),
            ("Updating", "Baking"),
            ("Updating", "ActivatingTraffic"),
            ("Updating", "Baking"),
        ]

    @pytest.mark.parametrize(("moment", "shares"), [(20.0, [0.1]), (100.0, [0.1, 1.0])])
    def test_an_alarm_turns_it_back_whenever_it_bakes(
        self, moment: float, shares: list[float]
    ) -> None:
        rail = Rail(CANARY)
        rail.fire_at(moment)
        with pytest.raises(RolledBackError, match="in ALARM: errors"):
            rail.deployment.run()
        assert rail.trace.done == [
            (0.0, "provision", 1.0),
            *((60.0 * number, "shift", share) for number, share in enumerate(shares)),
            (moment, "shift", 0.0),
            (moment, "provision", 0.0),
        ]
        assert rail.said[-1][0] == "RollingBack"

    def test_an_alarm_after_the_end_turns_nothing_back(self) -> None:
        rail = Rail(CANARY)
        rail.fire_at(181.0)
        rail.deployment.run()

    def test_another_alarm_turns_nothing_back(self) -> None:
        rail = Rail(CANARY)
        rail.fire_at(20.0, "unrelated")
        rail.deployment.run()

    def test_an_alarm_that_is_on_already_turns_it_back_at_the_canary(self) -> None:
        rail = Rail(CANARY)
        rail.firing.append("errors")
        with pytest.raises(RolledBackError):
            rail.deployment.run()
        assert (0.0, "shift", 1.0) not in rail.trace.done

    def test_instances_that_do_not_start_never_get_traffic(self) -> None:
        rail = Rail(CANARY)
        rail.trace.broken = "no such image"
        with pytest.raises(RolledBackError, match="no such image"):
            rail.deployment.run()
        assert {what for _, what, share in rail.trace.done if share} == set()

    def test_it_is_turned_back_when_it_takes_too_long(self) -> None:
        rail = Rail(CANARY._replace(seconds=50.0))
        with pytest.raises(RolledBackError, match="longer than its 50 s"):
            rail.deployment.run()
        assert rail.clock.time == 50.0

    def test_rolling_replaces_batches(self) -> None:
        rail = Rail(ROLLING)
        rail.deployment.run()
        assert rail.trace.done == [
            (0.0, "provision", 0.5),
            (0.0, "shift", 0.5),
            (30.0, "retire", 0.5),
            (30.0, "provision", 1.0),
            (30.0, "shift", 1.0),
            (60.0, "retire", 1.0),
        ]

    def test_rolling_goes_back_in_batches_with_the_old_instances_first(self) -> None:
        rail = Rail(ROLLING)
        rail.fire_at(40.0)
        with pytest.raises(RolledBackError):
            rail.deployment.run()
        assert rail.trace.done[5:] == [
            (40.0, "retire", 0.75),
            (40.0, "shift", 0.75),
            (40.0, "retire", 0.5),
            (40.0, "shift", 0.5),
            (40.0, "retire", 0.25),
            (40.0, "shift", 0.25),
            (40.0, "retire", 0.0),
            (40.0, "shift", 0.0),
            (40.0, "shift", 0.0),
            (40.0, "provision", 0.0),
        ]

    @given(moment=st.floats(0.0, 179.0))
    def test_whenever_an_alarm_fires_all_traffic_ends_where_it_began(self, moment: float) -> None:
        rail = Rail(CANARY)
        rail.fire_at(moment)
        with pytest.raises(RolledBackError):
            rail.deployment.run()
        assert [step for step in rail.trace.done if step[1] == "shift"][-1][2] == 0.0
        assert rail.trace.done[-1][1:] == ("provision", 0.0)
