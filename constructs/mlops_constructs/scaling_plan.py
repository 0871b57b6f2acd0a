"""How many instances an endpoint has, by its load and by the clock."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlops_constructs.bounds import bounds_faults, start_faults
from mlops_constructs.faults import Fault


@dataclass(frozen=True)
class Scheduled:
    """Other bounds from a time on.

    Parameters
    ----------
    at
        When, as Application Auto Scaling writes it: ``cron(0 8 ? * MON-FRI *)``, ``at(...)``.
        https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
    least, most
        The bounds.
    timezone
        Where the clock hangs, such as ``Asia/Tokyo``.
    """

    at: str
    least: int
    most: int
    timezone: str = "UTC"


@dataclass(frozen=True)
class Scaling:
    """Bounds, and what instances are added and taken away by.

    Parameters
    ----------
    least, most
        Instances that run in any case, and at most.
    invocations
        Requests in a minute that one instance is meant for; not counted where 0.
    concurrency
        Requests at once that one model is meant for; not counted where 0.
    scale_out, scale_in
        Seconds to wait after adding instances, and before taking some away.
    schedule
        Other bounds, by the clock.

    Examples
    --------
    >>> list(Scaling(2, 6, invocations=1000).faults("scaling"))
    []
    """

    least: int
    most: int
    invocations: int = 0
    concurrency: int = 0
    scale_out: int = 60
    scale_in: int = 300
    schedule: Sequence[Scheduled] = ()

    def faults(self, path: str, instances: int | None = None) -> Iterator[Fault]:
        """What is wrong with the plan.

        Parameters
        ----------
        path
            What a fault calls it.
        instances
            Instances that an endpoint starts with; anything between the bounds where None.
        """
        bounds = list(bounds_faults(f"{path}.max", self.least, self.most, "instances", none=False))
        yield from bounds or start_faults(f"{path}.min", self.least, self.most, instances)
        if not (self.invocations or self.concurrency or self.schedule):
            yield Fault(
                path,
                "bounds, and nothing to scale by",
                "'invocations', 'concurrency' or a 'schedule'",
                "Say what one instance is meant for, or remove it.",
            )
        for number, entry in enumerate(self.schedule):
            bound = f"{path}.schedule.{number}.max"
            yield from bounds_faults(bound, entry.least, entry.most, "instances", none=False)
