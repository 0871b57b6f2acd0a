"""Synthesizing an environment, against an empty app of one stack: wall time of `cdk synth`."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML

from tests.benchmarks.report import Measure, median, report

ROOT = Path(__file__).parent.parent.parent
ROUNDS = 7
GOAL = 2.0
MANY = 200
FEW_ROUNDS = 3
MANY_GOAL = 30.0
"""Seconds for an app of as many endpoints, each in a stack of its own."""
ONE_GOAL = 1.5
"""One endpoint of as many."""
UNCHECKED = "--no-validation"
"""As a release makes it: cfn-lint examines its template then, in place of the CDK's validation."""

SYNTH = ("cdk", "synth", "--quiet", "--no-notices", "--app", "python app.py")

EMPTY = """\
import gc
import os

gc.disable()
os.environ["NODE_OPTIONS"] = "--max-semi-space-size=64"
from aws_cdk import App, Stack

app = App()
Stack(app, "Empty")
app.synth()
gc.freeze()
"""
"""The peer. Its memory is treated as `app.py` treats ours."""


def main() -> int:
    """Measure, alternating between ours and the peer so that both see the same machine."""
    runs: dict[str, list[Run]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "app.py").write_text(EMPTY)
        many = _many(folder)
        one = [*many, "-c", "only=m100"]
        commands = {
            "dev": (ROOT, ["-c", "env=dev", "-c", f"releases={ROOT / 'tests' / 'releases'}"]),
            "empty": (folder, []),
            "one": (ROOT, one),
            "one unchecked": (ROOT, [*one, UNCHECKED]),
            "empty unchecked": (folder, [UNCHECKED]),
        }
        for _ in range(ROUNDS):
            for what, (place, options) in commands.items():
                runs[what].append(_run(place, folder / what, options))
        for _ in range(FEW_ROUNDS):
            runs["many"].append(_run(ROOT, folder / "many", many))
    measures = [
        _seconds("cdk synth, environment dev, 10 stacks", runs["dev"]),
        _seconds("cdk synth, an empty app of one stack", runs["empty"]),
        *_ratios(runs["dev"], runs["empty"], GOAL),
        _seconds(f"one endpoint of {MANY}", runs["one"]),
        *_ratios(runs["one"], runs["empty"], ONE_GOAL),
        _seconds("the same without validation, as a release makes it", runs["one unchecked"]),
        _seconds("the empty app without validation", runs["empty unchecked"]),
        *_ratios(runs["one unchecked"], runs["empty unchecked"]),
        _seconds(f"environment dev with {MANY} endpoints", runs["many"], MANY_GOAL),
    ]
    return 0 if report("synth", measures) else 1


class Run(NamedTuple):
    """What one synth took: of the clock, and of the processor."""

    wall: float
    processor: float


def _seconds(what: str, runs: Sequence[Run], goal: float | None = None) -> Measure:
    return Measure(what, median([run.wall for run in runs]), "s", goal)


def _ratios(ours: Sequence[Run], peer: Sequence[Run], goal: float | None = None) -> list[Measure]:
    pairs = list(zip(ours, peer, strict=True))
    return [
        Measure("ratio", median([one.wall / other.wall for one, other in pairs]), "x", goal),
        Measure(
            "ratio of the processor's time",
            median([one.processor / other.processor for one, other in pairs]),
            "x",
        ),
    ]


def _many(folder: Path) -> list[str]:
    """Write the environment dev with many endpoints, each like its first; where it stands."""
    environments, releases = folder / "environments", folder / "releases"
    environments.mkdir()
    (releases / "dev").mkdir(parents=True)
    recorded = ROOT / "tests" / "releases" / "dev"
    shutil.copy(recorded / "images.yaml", releases / "dev")
    names = [f"m{number:03}" for number in range(MANY)]
    for name in names:
        shutil.copy(recorded / "iris.yaml", releases / "dev" / f"{name}.yaml")
    yaml = YAML()
    environment = yaml.load((ROOT / "environments" / "dev.yaml").read_text(encoding="utf-8"))
    first = dict(environment["endpoints"]["iris"])
    environment["endpoints"] = {name: dict(first) for name in names}
    environment["release"]["follow"] = names[:1]
    with (environments / "dev.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(environment, file)
    return ["-c", "env=dev", "-c", f"environments={environments}", "-c", f"releases={releases}"]


def _run(folder: Path, output: Path, options: Sequence[str]) -> Run:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run(
        [*SYNTH, "--output", str(output), *options],
        cwd=folder,
        # Python keeps what it compiled, of ours as of the libraries, unless this tells it not to.
        env={name: it for name, it in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        check=True,
        capture_output=True,
    )
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Run(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    sys.exit(main())
