"""Capacity that AWS provides while there are requests."""

from collections.abc import Iterator
from dataclasses import dataclass

from mlops_constructs.faults import Fault


@dataclass(frozen=True)
class Serverless:
    """Capacity that AWS provides while there are requests.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariantServerlessConfig.html

    Parameters
    ----------
    memory_mib
        Memory of a container, in MiB: 1024 to 6144, in steps of 1024.
    concurrency
        Requests that are answered at once, at most: 1 to 200.
    provisioned
        How much of it is kept ready, at most all; none where 0.
    """

    memory_mib: int = 2048
    concurrency: int = 5
    provisioned: int = 0

    def faults(self, path: str) -> Iterator[Fault]:
        """What SageMaker would refuse."""
        if self.memory_mib not in range(1024, 6144 + 1, 1024):
            yield Fault(
                f"{path}.memory",
                f"{self.memory_mib} MiB",
                "1 GiB to 6 GiB, in whole GiB",
                "Round it up.",
            )
        if not 1 <= self.concurrency <= 200:
            yield Fault(
                f"{path}.concurrency", str(self.concurrency), "1 to 200", "Choose one in the range."
            )
        if not 0 <= self.provisioned <= self.concurrency:
            yield Fault(
                f"{path}.provisioned",
                f"{self.provisioned}, with a concurrency of {self.concurrency}",
                "no more than the concurrency",
                "Lower it, or raise the concurrency.",
            )
