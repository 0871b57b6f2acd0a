"""What of a shared fleet each model gets, and how many copies of it there are."""

from collections.abc import Iterator
from dataclasses import dataclass

from mlops_constructs.bounds import bounds_faults
from mlops_constructs.faults import Fault

LEAST_MEMORY_MIB = 128
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_InferenceComponentComputeResourceRequirements.html"""


@dataclass(frozen=True)
class Share:
    """What one copy of a model gets of an instance, and how many copies there are.

    Parameters
    ----------
    memory_mib
        Memory of a copy, in MiB.
    cpus
        Cores of a copy.
    accelerators
        GPUs of a copy, or other accelerators.
    least, most
        Copies that there are in any case, none too, and at most.
    invocations
        Requests in a minute that one copy is meant for: more copies are made by it.
    """

    memory_mib: int = 1024
    cpus: int = 1
    accelerators: int = 0
    least: int = 1
    most: int = 1
    invocations: int = 0

    @property
    def scaled(self) -> bool:
        """Whether the number of copies changes."""
        return self.least < self.most

    def faults(self, path: str) -> Iterator[Fault]:
        """What is wrong with the share.

        Parameters
        ----------
        path
            What a fault calls it.
        """
        if self.memory_mib < LEAST_MEMORY_MIB:
            yield Fault(
                f"{path}.memory",
                f"{self.memory_mib} MiB",
                f"{LEAST_MEMORY_MIB} MiB or more",
                "Give it more.",
            )
        if not (self.cpus or self.accelerators):
            yield Fault(f"{path}.cpus", "no core", "a core, or an accelerator", "Give it one.")
        bounds = list(
            bounds_faults(f"{path}.max_copies", self.least, self.most, "copies", none=True)
        )
        yield from bounds
        if not bounds and self.scaled and not self.invocations:
            yield Fault(
                f"{path}.invocations",
                f"nothing, with {self.least} to {self.most} copies",
                "the requests in a minute that one copy is meant for",
                "Add it, or have as many copies at most as in any case.",
            )


@dataclass(frozen=True)
class Fleet:
    """The instances that models share.

    Parameters
    ----------
    instance_type
        SageMaker instance type.
    least, most
        Instances that run in any case, none too, and at most. SageMaker adds what the copies need.
    """

    instance_type: str = "ml.m5.large"
    least: int = 2
    most: int = 4

    def faults(self, path: str) -> Iterator[Fault]:
        """What is wrong with the fleet.

        Parameters
        ----------
        path
            What a fault calls it.
        """
        bound = f"{path}.max_instances"
        yield from bounds_faults(bound, self.least, self.most, "instances", none=True)
