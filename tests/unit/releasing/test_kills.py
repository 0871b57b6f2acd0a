"""A process of a release is killed at each boundary, one after the other: what becomes of it.

A boundary is right before or right after anything that a process changes outside of itself: each
write of the bucket, each call that changes MLflow, the stack, the pipeline or the topic. They are
counted in a run that nobody kills, so that none is forgotten.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from tests.unit.releasing.world import World

Prepare = Callable[[World], str]


def good(world: World) -> str:
    return world.promote(8)


def canary(world: World) -> str:
    world.failing.add(8)
    return world.promote(8)


def smoke(world: World) -> str:
    world.bad.add(8)
    return world.promote(8)


def refused(world: World) -> str:
    world.faults = ["proof: a way out"]
    return world.promote(8)


def overtaking(world: World) -> str:
    """Version 9 waits for a person when version 8 is promoted."""
    waiting = world.execution(world.promote(9))
    assert world.step("prepare", waiting) == "done"
    world.codepipeline.waiting = waiting
    return world.promote(8)


SITUATIONS: dict[str, tuple[Prepare, int, str]] = {
    "a good version": (good, 7, "served"),
    "a first version": (good, 0, "served"),
    "a version whose canary fails": (canary, 7, "rolled back"),
    "a first version whose canary fails": (canary, 0, "rolled back"),
    "a version that answers wrongly": (smoke, 7, "rolled back"),
    "a first version that answers wrongly": (smoke, 0, "rolled back"),
    "a version that the checks refuse": (refused, 7, "failed"),
    "a version that overtakes another": (overtaking, 7, "served"),
}
"""What is promoted, what serves before, and how it ends where nobody is killed."""

STEPS = ("prepare", "deploy", "verify")


@dataclass(frozen=True)
class Kill:
    """A world in which a step was killed.

    Parameters
    ----------
    world
        The world, where nobody is killed any more.
    promotion, execution
        What was under way.
    step
        The step that was killed.
    """

    world: World
    promotion: str
    execution: str
    step: str


def kills(folder: Path, situation: str) -> Iterator[Kill]:
    """A kill at each boundary of the pipeline's steps."""
    promoted, serving, _ = SITUATIONS[situation]
    begun = World(folder, serving)
    promotion = promoted(begun)
    execution = begun.execution(promotion)
    for at in count():
        world = begun.copy(at)
        ended = {}
        for step in STEPS:
            ended[step] = world.step(step, execution)
            if ended[step] != "done":
                break
        if "killed" not in ended.values():
            assert at == len(world.boundaries.places) >= 10
            return
        world.revive()
        yield Kill(world, promotion, execution, step)


def agree(world: World, *, told: int, before: int) -> None:
    """Record, endpoint, tags and alias say the same, and nothing is left over."""
    journal = world.services().journal("iris")
    assert all(attempt.settled for attempt in journal.entries())
    assert world.serves == world.recorded
    latest = journal.latest()
    assert latest
    if latest.outcome == "served":
        assert world.tags(world.serves)[""] == "serving"
    else:
        assert world.serves == before
        assert world.tags(8)[""].startswith(latest.outcome)
    if world.serves:
        assert world.mlflow.aliases["iris", "serving-dev"] == world.serves
    others = {version: world.tags(version).get("") for version in (7, 8, 9)}
    assert [version for version, tag in others.items() if tag == "serving"] == (
        [world.serves] if world.serves else []
    )
    # Told at least once; twice where the process was killed between telling and writing it down.
    assert len(world.sns.messages) == told + world.killed.told_and_not_written
    assert world.drift() == {"iris": []}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_closes_the_pipeline_finishes_or_cleans_up(tmp_path: Path, situation: str) -> None:
    _, serving, _ = SITUATIONS[situation]
    overtaken = situation == "a version that overtakes another"
    outcomes: dict[str, int] = {}
    for kill in kills(tmp_path, situation):
        world, promotion, execution = kill.world, kill.promotion, kill.execution
        world.codepipeline.status[execution] = "Failed"
        assert world.step("close", execution) in ("done", "overtaken")
        outcome = world.outcome(promotion)
        if overtaken and world.services().journal("iris").entries()[1:]:
            # What it was to overtake waits still, or is closed by the end of its own execution.
            waiting = next(iter(world.codepipeline.status))
            world.codepipeline.status[waiting] = "Failed"
            assert world.step("close", waiting) == "done"
        agree(world, told=int(outcome != "served") + overtaken, before=serving)
        assert world.updates.count(8) <= 1
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    print(f"\n{situation}: {sum(outcomes.values())} kills, then closed: {outcomes}")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_same_step_once_more_goes_on_where_it_was(tmp_path: Path, situation: str) -> None:
    """A stage of the pipeline is tried again: it ends as if nobody had been killed."""
    _, serving, expected = SITUATIONS[situation]
    overtaken = situation == "a version that overtakes another"
    number = 0
    for kill in kills(tmp_path, situation):
        number += 1
        world, promotion, execution = kill.world, kill.promotion, kill.execution
        for step in STEPS[STEPS.index(kill.step) :]:
            if world.step(step, execution) == "failed":
                world.codepipeline.status[execution] = "Failed"
                world.step("close", execution)
                break
        assert world.outcome(promotion) == expected
        agree(world, told=int(expected != "served") + overtaken, before=serving)
        assert world.updates.count(8) <= 1
    print(f"\n{situation}: {number} kills, each step again: all {expected}")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_next_promotion_cleans_up(tmp_path: Path, situation: str) -> None:
    """Nothing closes the pipeline: the event is lost. What is promoted next sees to it."""
    number = 0
    for kill in kills(tmp_path, situation):
        number += 1
        world, promotion, execution = kill.world, kill.promotion, kill.execution
        world.codepipeline.status[execution] = "Failed"
        world.faults = []
        newer = world.promote(6)
        assert world.release(newer) == "served"
        assert (world.serves, world.recorded) == (6, 6)
        assert world.outcome(promotion) != "running"
        assert all(attempt.settled for attempt in world.services().journal("iris").entries())
        assert world.tags(6)[""] == "serving"
        assert world.tags(8).get("", "never begun") != "serving"
        assert world.updates.count(8) <= 1
        assert world.updates.count(6) == 1
        assert world.drift() == {"iris": []}
    print(f"\n{situation}: {number} kills, then another promotion: all cleaned up")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_next_promotion_that_fails_puts_back_what_was_recorded(
    tmp_path: Path, situation: str
) -> None:
    """Nothing closes the pipeline, and what is promoted next fails, too."""
    _, serving, _ = SITUATIONS[situation]
    number = 0
    for kill in kills(tmp_path, situation):
        number += 1
        world = kill.world
        world.codepipeline.status[kill.execution] = "Failed"
        recorded = world.recorded
        for newer in ({"faults": ["proof: a way out"]}, {"failing": {6}}, {"bad": {6}}):
            world.faults = []
            vars(world).update(newer)
            assert world.release(world.promote(6)) in ("failed", "rolled back")
            assert (world.serves, world.recorded) == (recorded, recorded)
        assert recorded in (serving, 8)
        assert world.drift() == {"iris": []}
    print(f"\n{situation}: {number} kills, then promotions that fail: what was recorded serves")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_closes_it_may_be_killed_too(tmp_path: Path, situation: str) -> None:
    """Wherever a step was killed, what closes it is killed at each boundary, and begins again."""
    _, serving, _ = SITUATIONS[situation]
    number = 0
    for kill in kills(tmp_path, situation):
        kill.world.codepipeline.status[kill.execution] = "Failed"
        for at in count():
            world = kill.world.copy(at)
            if world.step("close", kill.execution) != "killed":
                break
            number += 1
            world.revive()
            assert world.step("close", kill.execution) == "done"
            assert world.outcome(kill.promotion) != "running"
            assert world.serves == world.recorded
            assert world.serves in (serving, 8)
            assert world.updates.count(8) <= 1
    print(f"\n{situation}: {number} kills of what closes it, then closed again")
