"""How much of an endpoint's traffic is kept, and as what."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mlops_constructs.faults import Fault
from mlops_constructs.prefixes import prefix_faults

CAPTURE_PREFIX = "capture/"
"""Where what is captured stands in the artifact bucket, in a folder for each endpoint."""

Mode = Literal["Input", "Output"]


@dataclass(frozen=True)
class CapturePlan:
    """How much of an endpoint's traffic is kept, and as what.

    Parameters
    ----------
    prefix
        Where in the store, with a slash at the end.
    percent
        Percent of the requests.
    modes
        What of a request is kept: ``Input``, ``Output``.
    csv_types, json_types
        Content types that are kept as the text they are. Others are kept in base64, and cannot be
        monitored.
    """

    prefix: str = CAPTURE_PREFIX
    percent: int = 20
    modes: Sequence[Mode] = ("Input", "Output")
    csv_types: Sequence[str] = ("text/csv",)
    json_types: Sequence[str] = ("application/json",)

    def faults(self, path: str = "capture") -> Iterator[Fault]:
        """What is wrong with it.

        Parameters
        ----------
        path
            What a fault calls it.
        """
        yield from prefix_faults(f"{path}.prefix", self.prefix)
        if not 1 <= self.percent <= 100:
            yield Fault(
                f"{path}.percent",
                f"{self.percent} %",
                "1 to 100 %",
                "Keep some of the requests, or remove capture.",
            )
        if not self.modes or len(set(self.modes)) < len(self.modes):
            yield Fault(
                f"{path}.modes",
                ", ".join(self.modes) or "nothing",
                "Input, Output, or both",
                "Name what is kept, each once.",
            )
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CaptureContentTypeHeader.html
        for name, types in (("csv_types", self.csv_types), ("json_types", self.json_types)):
            if len(types) > 10 or any("/" not in each for each in types):
                yield Fault(
                    f"{path}.{name}",
                    ", ".join(types),
                    "at most 10 content types, such as text/csv",
                    "Name the types that clients send.",
                )


DEFAULT = CapturePlan()
"""What is kept where nothing else is said."""
