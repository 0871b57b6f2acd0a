"""How much an asynchronous endpoint does at once, and where its requests and answers stand."""

from collections.abc import Iterator
from dataclasses import dataclass

from mlops_constructs.bounds import bounds_faults, start_faults
from mlops_constructs.faults import Fault

ASYNC_PREFIX = "async/"
"""Where requests and answers stand in the bucket, each endpoint's below its name."""


@dataclass(frozen=True)
class AsyncPlan:
    """How much is done at once.

    https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-autoscale.html

    Parameters
    ----------
    concurrency
        Requests that an instance works at: 1 to 1000.
    least, most
        Instances that run in any case, none too, and at most.
    backlog
        Requests that may wait for each instance before one is added.
    notify
        Whether topics say that a request succeeded or failed.
    """

    concurrency: int = 4
    least: int = 0
    most: int = 4
    backlog: int = 5
    notify: bool = True

    def faults(self, path: str, instances: int | None = None) -> Iterator[Fault]:
        """What is wrong with the plan.

        Parameters
        ----------
        path
            What a fault calls it.
        instances
            Instances that the endpoint starts with; any number of them where None.
        """
        if not 1 <= self.concurrency <= 1000:
            yield Fault(f"{path}.concurrency", str(self.concurrency), "1 to 1000", "Choose one.")
        if self.backlog < 1:
            yield Fault(f"{path}.backlog", str(self.backlog), "1 or more", "Choose more.")
        bound = f"{path}.max_instances"
        bounds = list(bounds_faults(bound, self.least, self.most, "instances", none=True))
        yield from bounds or start_faults(bound, self.least, self.most, instances)


@dataclass(frozen=True)
class AsyncPlaces:
    """Where an endpoint's requests, answers and failures stand in the bucket."""

    name: str

    @property
    def requests(self) -> str:
        """What callers put there, to be named in a request."""
        return f"{ASYNC_PREFIX}{self.name}/in/"

    @property
    def answers(self) -> str:
        """What the model says."""
        return f"{ASYNC_PREFIX}{self.name}/out/"

    @property
    def failures(self) -> str:
        """What was wrong."""
        return f"{ASYNC_PREFIX}{self.name}/failed/"
