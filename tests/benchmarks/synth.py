"""Synthesizing an environment, against an empty app of one stack: wall time of `cdk synth`."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
"""One endpoint of as many. A release has cfn-lint examine its template, which the CDK's own
validation does too, as it does by default in the empty app."""

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
    ours, peer, one, one_fast, peer_fast = [], [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "app.py").write_text(EMPTY)
        releases = ROOT / "tests" / "releases"
        context = ["-c", "env=dev", "-c", f"releases={releases}"]
        many_context = _many(folder)
        alone = [*many_context, "-c", "only=m100"]
        for _ in range(ROUNDS):
            ours.append(_seconds(ROOT, folder / "ours", "python app.py", *context))
            peer.append(_seconds(folder, folder / "empty", "python app.py"))
            one.append(_seconds(ROOT, folder / "one", "python app.py", *alone))
            one_fast.append(
                _seconds(ROOT, folder / "fast", "python app.py", *alone, "--no-validation")
            )
            peer_fast.append(_seconds(folder, folder / "bare", "python app.py", "--no-validation"))
        many = [
            _seconds(ROOT, folder / "many", "python app.py", *many_context)
            for _ in range(FEW_ROUNDS)
        ]
    measures = [
        Measure("cdk synth, environment dev, 10 stacks", median(ours), "s"),
        Measure("cdk synth, an empty app of one stack", median(peer), "s"),
        Measure("ratio", _ratio(ours, peer), "x", GOAL),
        Measure(f"cdk synth, environment dev with {MANY} endpoints", median(many), "s", MANY_GOAL),
        Measure(f"one endpoint of {MANY}, as a release makes it", median(one_fast), "s"),
        Measure("ratio to the empty app", _ratio(one_fast, peer), "x", ONE_GOAL),
        Measure("one endpoint, with the CDK's own validation", median(one), "s"),
        Measure("ratio to the empty app", _ratio(one, peer), "x"),
        Measure("the empty app without that validation", median(peer_fast), "s"),
    ]
    return 0 if report("synth", measures) else 1


def _ratio(ours: list[float], peer: list[float]) -> float:
    return median([one / other for one, other in zip(ours, peer, strict=True)])


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


def _seconds(folder: Path, output: Path, app: str, *options: str) -> float:
    started = time.perf_counter()
    subprocess.run(
        ["cdk", "synth", "--quiet", "--app", app, "--output", str(output), *options],
        cwd=folder,
        # Python keeps what it compiled, of ours as of the libraries, unless this tells it not to.
        env={name: it for name, it in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
