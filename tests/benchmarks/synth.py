"""Synthesizing an environment, against an empty app of one stack: wall time of `cdk synth`."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.report import Measure, median, report

ROOT = Path(__file__).parent.parent.parent
ROUNDS = 7
GOAL = 2.0

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
    ratio = median([one / other for one, other in zip(ours, peer, strict=True)])
    measures = [
        Measure("cdk synth, environment dev, 6 stacks", median(ours), "s"),
        Measure("cdk synth, an empty app of one stack", median(peer), "s"),
        Measure("ratio", ratio, "x", GOAL),
    ]
    return 0 if report("synth", measures) else 1


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
