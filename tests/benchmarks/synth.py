"""Synthesizing an environment, against an empty app of one stack: wall time of `cdk synth`."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.report import Measure, median, report

ROOT = Path(__file__).parent.parent.parent
ROUNDS = 7
GOAL = 2.0
MANY = 200
FEW_ROUNDS = 3
MANY_GOAL = 20.0
"""Seconds for an app of as many endpoints, each in a stack of its own."""

EMPTY = """\
from aws_cdk import App, Stack

app = App()
Stack(app, "Empty")
app.synth()
"""


def main() -> int:
    """Measure, alternating between the two so that both see the same machine."""
    ours, peer = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "app.py").write_text(EMPTY)
        releases = ROOT / "tests" / "releases"
        for _ in range(ROUNDS):
            context = ["-c", "env=dev", "-c", f"releases={releases}"]
            ours.append(_seconds(ROOT, folder / "ours", "python app.py", *context))
            peer.append(_seconds(folder, folder / "empty", "python app.py"))
        many = [_many(folder) for _ in range(FEW_ROUNDS)]
    ratio = median([one / other for one, other in zip(ours, peer, strict=True)])
    measures = [
        Measure("cdk synth, environment dev, 6 stacks", median(ours), "s"),
        Measure("cdk synth, an empty app of one stack", median(peer), "s"),
        Measure("ratio", ratio, "x", GOAL),
        Measure(f"cdk synth, environment dev with {MANY} endpoints", median(many), "s", MANY_GOAL),
    ]
    return 0 if report("synth", measures) else 1


def _many(folder: Path) -> float:
    """Synthesize the environment dev with many endpoints, each like its first."""
    environments, releases = folder / "environments", folder / "releases"
    if not environments.exists():
        environments.mkdir()
        (releases / "dev").mkdir(parents=True)
        recorded = ROOT / "tests" / "releases" / "dev"
        shutil.copy(recorded / "images.yaml", releases / "dev")
        text = (ROOT / "environments" / "dev.yaml").read_text()
        first = text.partition("\n  iris:\n")[2].partition("\n\n")[0]
        names = [f"m{number:03}" for number in range(MANY)]
        for name in names:
            shutil.copy(recorded / "iris.yaml", releases / "dev" / f"{name}.yaml")
        blocks = "\n".join(f"  {name}:\n{first}" for name in names)
        (environments / "dev.yaml").write_text(text.replace(f"  iris:\n{first}", blocks, 1))
    context = ["-c", "env=dev", "-c", f"environments={environments}", "-c", f"releases={releases}"]
    return _seconds(ROOT, folder / "many", "python app.py", *context)


def _seconds(folder: Path, output: Path, app: str, *options: str) -> float:
    started = time.perf_counter()
    subprocess.run(
        ["cdk", "synth", "--quiet", "--app", app, "--output", str(output), *options],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
