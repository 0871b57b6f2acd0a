from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_constructs.deployment import (
    LONGEST_DEPLOYMENT,
    LONGEST_WAIT,
    SHORTEST_DEPLOYMENT,
    STEPS,
    Deployment,
    Strategy,
    alarm_faults,
)

STRATEGIES = st.sampled_from(get_args(Strategy))


def paths(deployment: Deployment, instances: int = 2) -> list[str]:
    return [fault.path for fault in deployment.faults("deployment", instances)]


def test_a_canary_takes_two_instances() -> None:
    assert Deployment().chosen(2) == "canary"
    assert Deployment().chosen(1) == "all_at_once"
    assert paths(Deployment(), 1) == []
    assert paths(Deployment("canary"), 1) == ["deployment.strategy"]
    assert paths(Deployment("all_at_once"), 1) == []


@pytest.mark.parametrize(
    ("strategy", "step"), [("canary", 51), ("linear", 9), ("linear", 51), ("rolling", 4)]
)
def test_a_step_that_sagemaker_refuses(strategy: Strategy, step: int) -> None:
    assert "deployment.step" in paths(Deployment(strategy, step=step, bake=0))


def test_a_deployment_that_would_never_end() -> None:
    assert paths(Deployment("linear", step=10, bake=3000)) == ["deployment.bake"]
    assert paths(Deployment("canary", bake=3601, keep=-1)) == ["deployment.bake", "deployment.keep"]


@given(
    strategy=STRATEGIES,
    step=st.integers(1, 50),
    bake=st.integers(0, LONGEST_WAIT),
    keep=st.integers(0, LONGEST_WAIT),
    instances=st.integers(1, 100),
)
def test_what_has_no_fault_is_what_sagemaker_takes(
    strategy: Strategy, step: int, bake: int, keep: int, instances: int
) -> None:
    deployment = Deployment(strategy, step, bake, keep)
    if not paths(deployment, instances):
        steps = deployment.steps(strategy)
        longest = deployment.longest(strategy)
        assert steps * bake + keep < longest
        assert SHORTEST_DEPLOYMENT <= longest <= LONGEST_DEPLOYMENT
        assert strategy == "all_at_once" or (step in STEPS[strategy] and instances > 1)


def test_ten_alarms_roll_back() -> None:
    assert list(alarm_faults("alarms", 1, 9)) == []
    assert [fault.path for fault in alarm_faults("alarms", 1, 10)] == ["alarms"]
