"""Changes of the platform and releases of an endpoint at once, in any order; processes die."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from releasing.__main__ import PLATFORM_STEPS
from tests.unit.releasing.crowd import Executions
from tests.unit.releasing.platform_world import FIG, IRIS, PlatformWorld
from tests.unit.releasing.world import Boundaries

SEEDS = 150
NEXT = {
    "prepare": "deploy",
    "deploy": "verify",
    "platform-prepare": "platform-deploy",
}
CLOSES = ("close", "platform-close")


class Crowd(Executions):
    """The executions of the platform's pipeline and of an endpoint's."""

    def __init__(self, world: PlatformWorld, random: Random) -> None:
        super().__init__(world, random)
        self.world = world
        self.proposals: list[str] = []
        self.known = {world.services().store.version("promotions/iris.json")}
        self.mortal = random.random() < 0.5
        world.updated = self.while_updating

    def propose(self) -> None:
        number = len(self.proposals) + 2
        changed = {
            stack: number
            for stack in ("Network", "Api", "Endpoint_fig", "Endpoint_iris", "Release")
            if self.random.random() < 0.6
        }
        self.proposals.append(self.world.propose(f"app{number}", **changed))
        for _ in range(self.random.choice((1, 1, 1, 2))):
            self.next[self.world.start(self.proposals[-1])] = "platform-prepare"

    def promote(self) -> None:
        boundaries, self.world.boundaries = self.world.boundaries, Boundaries()
        self.world.promote(self.random.choice((6, 7, 8)))
        self.world.boundaries = boundaries

    def while_updating(self, stack: str) -> None:
        """A stack of the platform was updated, and its step goes on: so do releases."""
        if self.random.random() < 0.2:
            self.promote()
        busy, self.busy = self.busy, self.busy | set(PLATFORM_STEPS)
        for _ in range(self.random.randrange(3)):
            self.meanwhile()
        self.busy = busy

    def step(self) -> bool:
        """Have one execution do its next step; whether there was one."""
        self._hear()
        ready = [(e, step) for e, step in self.next.items() if step not in self.busy]
        if not ready:
            return False
        execution, step = self.random.choice(ready)
        del self.next[execution]
        kill = self.mortal and step not in CLOSES and self.random.random() < 0.3
        boundaries = Boundaries(self.random.randrange(30) if kill else -1)
        of_platform = step.startswith("platform-")
        tried = self.world.platform_step if of_platform else self.world.step
        ended = self.run(step, execution, tried, boundaries)
        pipeline = self.world.platform if of_platform else self.world.codepipeline
        if step in CLOSES:
            assert ended in ("done", "overtaken"), self.world.said[-1]
        elif ended in ("failed", "killed"):
            pipeline.status[execution] = "Failed"
            self.next[execution] = "platform-close" if of_platform else "close"
        elif step in NEXT:
            self.next[execution] = NEXT[step]
        else:
            pipeline.status[execution] = "Succeeded"
        return True

    def _hear(self) -> None:
        """Start the endpoint's pipeline for each promotion that was written, as events do."""
        latest = self.world.services().store.version("promotions/iris.json")
        if latest not in self.known:
            self.known.add(latest)
            self.next[self.world.execution(latest)] = "prepare"


@pytest.mark.parametrize("part", range(5))
def test_the_newest_is_deployed_and_what_serves_agrees_with_it(tmp_path: Path, part: int) -> None:
    begun = PlatformWorld(tmp_path, FIG)
    total: Counter[str] = Counter()
    for seed in range(part, SEEDS, 5):
        random, world = Random(seed), begun.copy()  # noqa: S311 - no secret is made of it
        assert isinstance(world, PlatformWorld)
        crowd = Crowd(world, random)
        for _ in range(random.randrange(2, 5)):
            random.choice((crowd.propose, crowd.promote))()
            for _ in range(random.randrange(5)):
                crowd.step()
        crowd.propose()
        for _ in range(random.randrange(4)):
            crowd.step()
        crowd.promote()
        while crowd.step():
            pass
        latest = crowd.proposals[-1]
        change = world.change_of(latest)
        services = world.services()
        assert all(it.settled for it in services.changes.entries()), seed
        assert all(it.settled for it in services.journal("iris").entries()), seed
        assert world.serves == world.recorded, seed
        app = f"app{len(crowd.proposals) + 1}"
        if not crowd.kills:
            assert change.outcome == "deployed", (seed, change.reason)
        if change.outcome == "deployed":
            assert world.app == app, seed
            wanted = {it: world.apps[app].get(it, 0) for it in world.values}
            if IRIS in change.left or crowd.kills:
                # Its release may have been killed: whoever is told proposes or promotes again.
                wanted[IRIS] = world.values[IRIS]
            assert world.values == wanted, seed
        told = Counter(it.get("proposal") or it.get("promotion") for it in world.sns.messages)
        for name, number in told.items():
            assert number <= 1 + crowd.told_twice[str(name)], (seed, name)
        total += Counter({"proposals": len(crowd.proposals), "kills": crowd.kills})
        total[change.outcome] += 1
    print(f"\n{SEEDS // 5} crowds: {dict(total)}")
