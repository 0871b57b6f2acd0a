"""A step of a change of the platform is killed at each boundary: what becomes of it.

As in `test_kills`, a boundary is right before or right after anything that a process changes
outside of itself, and they are counted in a run that nobody kills.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from tests.unit.releasing.platform_world import FIG, IRIS, KIWI, PlatformWorld

CHANGED = ("Network", "Tracking", FIG, IRIS, KIWI, "Release")
"""The stacks that every proposal of these tests changes."""

VALUES = {stack.replace("-", "_"): 2 for stack in CHANGED}

STEPS = ("platform-prepare", "platform-deploy")


@pytest.fixture(autouse=True)
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the three endpoints two are updated side by side, and the last one after them."""
    monkeypatch.setattr("releasing.platform_deploy.SIDE_BY_SIDE", 2)


def proposed(world: PlatformWorld) -> str:
    return world.propose("second", **VALUES)


def broken(world: PlatformWorld) -> str:
    world.broken = {"Tracking"}
    return proposed(world)


def broken_beside(world: PlatformWorld) -> str:
    """An endpoint's stack fails while another one's is updated."""
    world.broken = {FIG}
    return proposed(world)


def refused(world: PlatformWorld) -> str:
    world.faults = ["proof: a way out"]
    return proposed(world)


def overtaking(world: PlatformWorld) -> str:
    """Another proposal waits for a person when this one comes."""
    waiting = world.start(world.propose("former", Api=9))
    assert world.platform_step("platform-prepare", waiting) == "done"
    world.platform.waiting = waiting
    return world.propose("second", **VALUES, Api=0)


def awaiting(world: PlatformWorld) -> str:
    """A version of iris waits for a person when the platform changes."""
    waiting = world.execution(world.promote(8))
    assert world.step("prepare", waiting) == "done"
    return proposed(world)


def nothing(world: PlatformWorld) -> None:
    """Nothing happens between the steps."""


def released(world: PlatformWorld) -> None:
    """Another version of iris is released while a person looks at the change."""
    assert world.release(world.promote(8)) == "served"
    world.changed.clear()


Situation = tuple[Callable[[PlatformWorld], str], Callable[[PlatformWorld], None], str]
SITUATIONS: dict[str, Situation] = {
    "a good change": (proposed, nothing, "deployed"),
    "a change of which a stack fails": (broken, nothing, "failed"),
    "a change of which one of several stacks fails": (broken_beside, nothing, "failed"),
    "a change that the checks refuse": (refused, nothing, "failed"),
    "a change that overtakes another": (overtaking, nothing, "deployed"),
    "a change while a version waits": (awaiting, nothing, "deployed"),
    "a change while a version is released": (proposed, released, "deployed"),
}
"""What is proposed, what happens before it is deployed, and how it ends where nobody is killed."""


@dataclass(frozen=True)
class Kill:
    """A world in which a step was killed.

    Parameters
    ----------
    world
        The world, where nobody is killed any more.
    proposal, execution
        What was under way.
    step
        The step that was killed.
    """

    world: PlatformWorld
    proposal: str
    execution: str
    step: str


def kills(folder: Path, situation: str) -> Iterator[Kill]:
    """A kill at each boundary of the pipeline's steps."""
    propose, between, _ = SITUATIONS[situation]
    begun = PlatformWorld(folder, FIG, KIWI)
    proposal = propose(begun)
    execution = begun.start(proposal)
    for at in count():
        world = begun.copy(at)
        assert isinstance(world, PlatformWorld)
        ended = ""
        for step in STEPS:
            if step == "platform-deploy":
                with world.outside():
                    between(world)
            ended = world.platform_step(step, execution)
            if ended != "done":
                break
        if ended != "killed":
            assert at == len(world.boundaries.places) >= 8
            return
        world.revive()
        yield Kill(world, proposal, execution, step)


def agree(world: PlatformWorld, proposal: str, *, told: int, tries: int = 1) -> None:
    """The journal says what is deployed, everybody knows, and nothing is left over.

    A stack that fails is tried, and its failure told, as often as its step is.
    """
    changes = world.services().changes
    assert all(change.settled for change in changes.entries())
    change = world.change_of(proposal)
    done = {stack for stack in CHANGED if world.values[stack] == 2}
    assert done == set(CHANGED) & set(change.deployed)
    # Releases are made with an app that all stacks before the last one are as.
    if world.app == "second":
        assert {"Network", "Tracking", FIG, KIWI} <= done
        assert IRIS in done or IRIS in change.left
    if change.outcome == "deployed":
        assert world.app == "second"
        assert "Release" in done
    for stack in CHANGED:
        assert world.changed.count(stack) <= (tries if stack in world.broken else 1)
    tries = tries if change.outcome == "failed" else 1
    assert told <= len(world.sns.messages) <= told * tries + world.killed.told_and_not_written


def others_told(situation: str) -> int:
    """How many others are told of: what was overtaken."""
    return int(situation == "a change that overtakes another")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_closes_the_pipeline_says_what_was_done(tmp_path: Path, situation: str) -> None:
    outcomes: dict[str, int] = {}
    for kill in kills(tmp_path, situation):
        world, proposal, execution = kill.world, kill.proposal, kill.execution
        world.platform.status[execution] = "Failed"
        assert world.platform_step("platform-close", execution) == "done"
        for entry in world.services().changes.entries()[1:]:
            # What it was to overtake waits still, and is closed by its own end.
            world.platform.status[entry.execution] = "Stopped"
            assert world.platform_step("platform-close", entry.execution) == "done"
        change = world.change_of(proposal)
        silent = change.outcome == "deployed" and not change.left
        agree(world, proposal, told=int(not silent) + others_told(situation))
        outcomes[change.outcome] = outcomes.get(change.outcome, 0) + 1
    print(f"\n{situation}: {sum(outcomes.values())} kills, then closed: {outcomes}")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_same_step_once_more_goes_on_where_it_was(tmp_path: Path, situation: str) -> None:
    """A stage of the pipeline is tried again: it ends as if nobody had been killed."""
    _, between, expected = SITUATIONS[situation]
    number = 0
    for kill in kills(tmp_path, situation):
        number += 1
        world, proposal, execution = kill.world, kill.proposal, kill.execution
        for step in STEPS[STEPS.index(kill.step) :]:
            if step != kill.step:
                between(world)
            if world.platform_step(step, execution) == "failed":
                world.platform.status[execution] = "Failed"
                world.platform_step("platform-close", execution)
                break
        change = world.change_of(proposal)
        assert change.outcome == expected
        silent = change.outcome == "deployed" and not change.left
        agree(world, proposal, told=int(not silent) + others_told(situation), tries=2)
        finish_iris(world)
        if expected == "deployed":
            assert world.values[IRIS] == 2
    print(f"\n{situation}: {number} kills, each step again: all {expected}")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_stage_is_tried_again_after_it_was_closed(tmp_path: Path, situation: str) -> None:
    """What closes the first try has spoken already: the second one goes on all the same."""
    number = 0
    for kill in kills(tmp_path, situation):
        if kill.step != "platform-deploy":
            continue
        number += 1
        world, proposal, execution = kill.world, kill.proposal, kill.execution
        world.platform.status[execution] = "Failed"
        assert world.platform_step("platform-close", execution) == "done"
        world.platform.status[execution] = "InProgress"
        world.broken = set()
        assert world.platform_step("platform-deploy", execution) == "done"
        assert world.outcome_of(proposal) == "deployed"
        assert world.app == "second"
        finish_iris(world)
        assert {world.values[stack] for stack in CHANGED} == {2}
    print(f"\n{situation}: {number} kills, closed, then tried again: all deployed")
    assert bool(number) == (situation != "a change that the checks refuse")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_is_proposed_next_cleans_up(tmp_path: Path, situation: str) -> None:
    """Nothing closes the pipeline: the event is lost. What is proposed next sees to it."""
    number = 0
    for kill in kills(tmp_path, situation):
        number += 1
        world, proposal, execution = kill.world, kill.proposal, kill.execution
        world.platform.status[execution] = "Failed"
        failed = world.broken
        world.faults, world.broken = [], set()
        newer = world.propose("third", Network=3)
        assert world.deploy_all(newer) == "deployed", world.said[-1]
        changes = world.services().changes.entries()
        assert all(change.settled for change in changes)
        begun = any(it.version == proposal for it in world.services().changes.history())
        assert not begun or world.outcome_of(proposal) != "running"
        assert world.app == "third"
        finish_iris(world)
        assert world.values["Network"] == 3
        assert {world.values[stack] for stack in CHANGED[1:]} == {2}
        for stack in ("Tracking", FIG, KIWI):
            assert world.changed.count(stack) <= 1 + (stack in failed)
    print(f"\n{situation}: {number} kills, then another proposal: all cleaned up")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_closes_it_may_be_killed_too(tmp_path: Path, situation: str) -> None:
    number = 0
    for kill in kills(tmp_path, situation):
        kill.world.platform.status[kill.execution] = "Failed"
        for at in count():
            world = kill.world.copy(at)
            assert isinstance(world, PlatformWorld)
            if world.platform_step("platform-close", kill.execution) != "killed":
                break
            number += 1
            world.revive()
            assert world.platform_step("platform-close", kill.execution) == "done"
            change = world.change_of(kill.proposal)
            assert change.settled
            done = {stack for stack in CHANGED if world.values[stack] == 2}
            assert done == set(CHANGED) & set(change.deployed)
    print(f"\n{situation}: {number} kills of what closes it, then closed again")


def finish_iris(world: PlatformWorld) -> None:
    """Run what was asked for of iris last, if nobody has."""
    latest = world.services().store.version("promotions/iris.json")
    if not world.services().journal("iris").knows(latest):
        assert world.release(latest) == "served"
