"""How an endpoint moves from one version to the next: in which steps, and how long each is watched.

https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Literal

from mlops_constructs.faults import Fault

Strategy = Literal["all_at_once", "canary", "linear", "rolling"]

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TrafficRoutingConfig.html
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_RollingUpdatePolicy.html
STEPS: Mapping[Strategy, range] = {
    "canary": range(1, 50 + 1),
    "linear": range(10, 50 + 1),
    "rolling": range(5, 50 + 1),
}
"""The percent of an endpoint's instances that a step of each strategy may have."""

LONGEST_WAIT = 3600
LONGEST_DEPLOYMENT = 28800
SHORTEST_DEPLOYMENT = 600
STARTING = 1800
"""Seconds that instances may take to start, in each step of a deployment, before it has failed."""

MOST_ALARMS = 10
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AutoRollbackConfig.html"""


@dataclass(frozen=True)
class Deployment:
    """How an endpoint is updated.

    Parameters
    ----------
    strategy
        How traffic moves: to new instances beside the old at once (``all_at_once``), after a part
        of it was watched (``canary``) or in equal steps (``linear``); or instances are replaced in
        batches (``rolling``), for which fewer have to be there at once. Without one it is a canary
        where there are two instances, and all at once where there is one: half of it is none.
    step
        Percent of the traffic in a step, or of the instances in a batch.
    bake
        Seconds that each step is watched for alarms.
    keep
        Seconds that the former instances stand by after the last step, to roll back to.

    Examples
    --------
    >>> Deployment().chosen(instances=2), Deployment().chosen(instances=1)
    ('canary', 'all_at_once')
    """

    strategy: Strategy | None = None
    step: int = 25
    bake: int = 600
    keep: int = 300

    def chosen(self, instances: int | None) -> Strategy:
        """The strategy for a number of instances, or where there are none to count."""
        if self.strategy:
            return self.strategy
        return "canary" if instances and instances > 1 else "all_at_once"

    def steps(self, strategy: Strategy) -> int:
        """How often traffic moves."""
        match strategy:
            case "all_at_once":
                return 1
            case "canary":
                return 2
            case _:
                return ceil(100 / self.step)

    def longest(self, strategy: Strategy) -> int:
        """Seconds after which a deployment has failed: all that it waits, and for instances."""
        waits = self.watched(strategy) + self.steps(strategy) * STARTING
        return min(LONGEST_DEPLOYMENT, max(SHORTEST_DEPLOYMENT, waits))

    def watched(self, strategy: Strategy) -> int:
        """Seconds that it is watched."""
        return self.steps(strategy) * self.bake + self.keep

    def faults(self, path: str, instances: int | None) -> Iterator[Fault]:
        """What SageMaker would refuse.

        Parameters
        ----------
        path
            What a fault calls the deployment.
        instances
            Instances of the smallest variant, when it is updated; None where AWS chooses.
        """
        strategy = self.chosen(instances)
        allowed = STEPS.get(strategy)
        if allowed and self.step not in allowed:
            yield Fault(
                f"{path}.step",
                f"{self.step} %, with strategy '{strategy}'",
                f"{allowed[0]} % to {allowed[-1]} %",
                "Choose one in the range.",
            )
        if strategy != "all_at_once" and instances is not None and instances < 2:
            yield Fault(
                f"{path}.strategy",
                f"'{strategy}' with one instance",
                "two instances or more, or 'all_at_once'",
                "Run two: a step is at most half of them.",
            )
        for key, seconds in (("bake", self.bake), ("keep", self.keep)):
            if not 0 <= seconds <= LONGEST_WAIT:
                yield Fault(
                    f"{path}.{key}", f"{seconds} s", f"0 to {LONGEST_WAIT} s", "Shorten it."
                )
        if self.watched(strategy) + STARTING > LONGEST_DEPLOYMENT:
            yield Fault(
                f"{path}.bake",
                f"{self.bake} s in each of {self.steps(strategy)} steps, and {self.keep} s",
                f"at most {LONGEST_DEPLOYMENT - STARTING} s in all: after {LONGEST_DEPLOYMENT} s"
                " a deployment has failed, and instances take time to start",
                "Bake for less long, or in larger steps.",
            )


GUARDED = Deployment()
"""How an endpoint is updated, unless somebody knows better."""


def alarm_faults(path: str, variants: int, others: int) -> Iterator[Fault]:
    """Whether there is room for an alarm of each variant beside others.

    Parameters
    ----------
    path
        What a fault calls the other alarms.
    variants
        Number of variants that answer.
    others
        Number of other alarms.
    """
    if variants + others > MOST_ALARMS:
        yield Fault(
            path,
            f"{others} alarms, with {variants} variants that have one at least",
            f"at most {MOST_ALARMS} that roll a deployment back",
            "Name fewer, or one that is composed of them.",
        )
