"""The runbook as Systems Manager reads it: every name it uses is one that it gives before."""

import re
from typing import Any

import pytest

from mlops_constructs.preparation_runbook import ROLE, TASK, Place, runbook

PLACE = Place(
    "Cluster", "Mlflow", ["subnet-1", "subnet-2"], "sg-1", "Log", "blue-mlflow", "sha256:1"
)
CONTENT = runbook(PLACE)
STEPS = {step["name"]: step for step in CONTENT["mainSteps"]}
PARAMETERS = {ROLE, TASK, "automation:EXECUTION_ID"}


def following(name: str) -> set[str]:
    """The steps that a step may lead to."""
    step, names = STEPS[name], list(STEPS)
    inputs = step["inputs"]
    found = {choice["NextStep"] for choice in inputs.get("Choices", [])}
    if "Default" in inputs:
        found.add(inputs["Default"])
    elif not step.get("isEnd"):
        found.add(names[names.index(name) + 1])
    jump = step.get("onFailure", "Abort")
    return found | ({jump.removeprefix("step:")} if jump != "Abort" else set())


def commands() -> list[str]:
    return [
        override["command"][1]
        for step in STEPS.values()
        for override in step["inputs"].get("overrides", {}).get("containerOverrides", [])
    ]


def test_names_are_what_systems_manager_allows() -> None:
    assert len(STEPS) == len(CONTENT["mainSteps"])
    assert all(re.fullmatch(r"[a-zA-Z0-9_]+", name) for name in STEPS)


def test_every_step_is_reached_and_none_is_made_up() -> None:
    seen, rest = set(), [next(iter(STEPS))]
    while rest:
        name = rest.pop()
        if name not in seen:
            seen.add(name)
            rest += following(name)
    assert seen == set(STEPS)


def test_every_variable_is_given_by_an_earlier_step() -> None:
    given = set(PARAMETERS)
    for name, step in STEPS.items():
        used = set(re.findall(r"\{\{ *([\w:.]+) *\}\}", str(step["inputs"])))
        assert used <= given, name
        given |= {f"{name}.{output['Name']}" for output in step.get("outputs", [])}


def test_commands_come_in_their_order() -> None:
    assert commands() == ["check", "migrate", "grant", "smoke"]


def test_tasks_stand_in_the_closed_network() -> None:
    for step in STEPS.values():
        if step["inputs"].get("Api") == "RunTask":
            network = step["inputs"]["networkConfiguration"]["awsvpcConfiguration"]
            assert network == {
                "subnets": ["subnet-1", "subnet-2"],
                "securityGroups": ["sg-1"],
                "assignPublicIp": "DISABLED",
            }


def test_a_snapshot_is_named_after_the_run_and_tagged_with_the_version() -> None:
    inputs = STEPS["CreateSnapshot"]["inputs"]
    assert inputs["DBSnapshotIdentifier"] == "blue-mlflow-before-{{ automation:EXECUTION_ID }}"
    assert inputs["Tags"] == [{"Key": "before", "Value": "sha256:1"}]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("CheckFailed", "Nothing was changed"),
        ("SnapshotFailed", "Read the events of the database blue-mlflow"),
        ("MigrateFailed", "restore the snapshot blue-mlflow-before-"),
        ("SmokeFailed", "The version before goes on serving"),
        ("GrantFailed", "mend tracking.access"),
    ],
)
def test_a_failure_says_what_to_do_and_ends(name: str, said: str) -> None:
    step: dict[str, Any] = STEPS[name]
    (desired,) = step["inputs"]["DesiredValues"]
    assert said in desired
    assert step["isEnd"] is True
    assert step["action"] == "aws:assertAwsResourceProperty"
