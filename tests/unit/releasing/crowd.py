"""Executions that go on in any order, and processes that die."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from random import Random

from tests.unit.releasing.world import Boundaries, World


class Executions(ABC):
    """Executions that go on in an order that a seed decides.

    As in CodePipeline, one execution is in a stage at a time, and what ends otherwise than well is
    closed: at some time, and not always at once.

    Parameters
    ----------
    world
        The world.
    random
        Decides.
    """

    def __init__(self, world: World, random: Random) -> None:
        self.random = random
        self.next: dict[str, str] = {}
        self.busy: set[str] = set()
        self.told_twice: Counter[str] = Counter()
        self.kills = 0
        self._world = world
        world.meanwhile = self.meanwhile

    @abstractmethod
    def step(self) -> bool:
        """Have one execution do its next step; whether there was one."""

    def meanwhile(self) -> None:
        """A process waits: others go on."""
        boundaries, self._world.boundaries = self._world.boundaries, Boundaries()
        self.step()
        self._world.boundaries = boundaries

    def run(
        self, step: str, execution: str, tried: Callable[[str, str], str], boundaries: Boundaries
    ) -> str:
        """Have a step done, or killed where the boundaries say so; how it ended."""
        self.busy.add(step)
        self._world.boundaries = boundaries
        ended = tried(step, execution)
        if ended == "killed" and self._world.boundaries.told_and_not_written:
            last = self._world.sns.messages[-1]
            self.told_twice[last.get("proposal") or last["promotion"]] += 1
        self.kills += ended == "killed"
        self._world.boundaries = Boundaries()
        self.busy.remove(step)
        return ended
