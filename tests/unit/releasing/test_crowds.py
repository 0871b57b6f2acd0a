"""Several promotions of one endpoint at once, in any order; events come twice; processes die."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.unit.releasing.crowd import Executions
from tests.unit.releasing.world import Boundaries, World

SEEDS = 150
NEXT = {"prepare": "deploy", "deploy": "verify"}


class Crowd(Executions):
    """The executions of an endpoint's pipeline."""

    def __init__(self, world: World, random: Random) -> None:
        super().__init__(world, random)
        self.world = world
        self.promotions: list[tuple[str, int]] = []

    def promote(self) -> None:
        version = self.random.choice((6, 7, 8, 9))
        promotion = self.world.promote(version)
        self.promotions.append((promotion, version))
        for _ in range(self.random.choice((1, 1, 1, 2))):
            self.next[self.world.execution(promotion)] = "prepare"

    def step(self) -> bool:
        """Have one execution do its next step; whether there was one."""
        ready = [(e, step) for e, step in self.next.items() if step not in self.busy]
        if not ready:
            return False
        execution, step = self.random.choice(ready)
        kill = step != "close" and self.random.random() < 0.15
        boundaries = Boundaries(self.random.randrange(20) if kill else -1)
        ended = self.run(step, execution, self.world.step, boundaries)
        del self.next[execution]
        if step == "close":
            assert ended != "killed"
        elif ended in ("failed", "killed"):
            self.world.codepipeline.status[execution] = "Failed"
            self.next[execution] = "close"
        elif step in NEXT:
            self.next[execution] = NEXT[step]
        else:
            self.world.codepipeline.status[execution] = "Succeeded"
        return True


@pytest.mark.parametrize("part", range(5))
def test_the_newest_counts_and_each_is_deployed_once(tmp_path: Path, part: int) -> None:
    begun = World(tmp_path)
    total: Counter[str] = Counter()
    for seed in range(part, SEEDS, 5):
        random, world = Random(seed), begun.copy()  # noqa: S311 - no secret is made of it
        world.failing, world.bad = {9}, {6}
        crowd = Crowd(world, random)
        for _ in range(random.randrange(2, 5)):
            crowd.promote()
            for _ in range(random.randrange(6)):
                crowd.step()
        while crowd.step():
            pass
        latest, version = crowd.promotions[-1]
        outcome = world.outcome(latest)
        attempts = world.services().journal("iris").entries()
        assert all(attempt.settled for attempt in attempts), seed
        assert outcome != "running", seed
        assert world.serves == world.recorded, seed
        assert world.serves not in (6, 9), seed
        if outcome == "served":
            assert world.serves == version, seed
        elif not crowd.kills:
            # Nobody was killed: the newest served, unless it could not.
            assert version in (6, 9), seed
        # What fails is tried once for each time that it is promoted, and never put back.
        promoted = Counter(version for _, version in crowd.promotions)
        for version in (6, 9):
            assert world.updates.count(version) <= promoted[version], seed
        told = Counter(message["promotion"] for message in world.sns.messages)
        for promotion, _ in crowd.promotions:
            assert told[promotion] <= 1 + crowd.told_twice[promotion], seed
        assert world.drift() == {"iris": []}, seed
        total += Counter({"promotions": len(crowd.promotions), "kills": crowd.kills, outcome: 1})
    print(f"\n{SEEDS // 5} crowds: {dict(total)}")
