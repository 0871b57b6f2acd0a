"""A benchmark's table: printed, and written for later."""

import json
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

BUILD = Path(__file__).parent.parent.parent / "build" / "bench"


@dataclass(frozen=True)
class Measure:
    """One thing that was measured.

    Parameters
    ----------
    what
        What it is.
    value
        Its median.
    unit
        In what.
    goal
        The most it should be.
    least
        The goal is the least it should be instead.
    """

    what: str
    value: float
    unit: str
    goal: float | None = None
    least: bool = False

    @property
    def met(self) -> bool:
        """Whether the goal is met, where there is one."""
        if self.goal is None:
            return True
        return self.value >= self.goal if self.least else self.value <= self.goal


def median(samples: Sequence[float]) -> float:
    """The median of several samples."""
    return statistics.median(samples)


def report(name: str, measures: Sequence[Measure]) -> bool:
    """Print the measures and write them to `build/bench/<name>.json`.

    Returns
    -------
    bool
        Whether every goal is met.
    """
    table = Table(title=name)
    for column in ("what", "median", "goal", "met"):
        table.add_column(column, justify="left" if column == "what" else "right")
    met = True
    for measure in measures:
        met = met and measure.met
        sign = "≥" if measure.least else "≤"
        goal = "" if measure.goal is None else f"{sign} {measure.goal:g} {measure.unit}"
        mark = "" if measure.goal is None else ("yes" if measure.met else "NO")
        table.add_row(measure.what, f"{measure.value:.3g} {measure.unit}", goal, mark)
    Console().print(table)
    BUILD.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "measures": [asdict(measure) for measure in measures],
    }
    (BUILD / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return met
