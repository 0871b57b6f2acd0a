"""Proving an environment of twenty endpoints, against synthesizing it: wall time and memory."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.report import Measure, median, report

ROOT = Path(__file__).parent.parent.parent
ROUNDS = 3
ENDPOINTS = 20
GOAL_SECONDS = 15.0
GOAL_MIB = 500.0


def main() -> int:
    """Measure, alternating between the two so that both see the same machine."""
    proofs, synths, memory = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environments, releases = _twenty_endpoints(folder)
        places = ["-c", f"environments={environments}", "-c", f"releases={releases}"]
        synth = ["cdk", "synth", "--quiet", "-c", "env=prod", *places]
        proof = [sys.executable, "-m", "proof", "environment", "prod"]
        for _ in range(ROUNDS):
            assembly = folder / "assembly"
            shutil.rmtree(assembly, ignore_errors=True)
            synth_seconds, synth_mib = _run([*synth, "--output", str(assembly)], (0,))
            options = ["--assembly", str(assembly), "--environments", str(environments)]
            seconds, mib = _run([*proof, *options, "--output", str(folder / "proof")], (0,))
            synths.append(synth_seconds)
            proofs.append(synth_seconds + seconds)
            memory.append(max(mib, synth_mib))
    ratio = median([one / other for one, other in zip(proofs, synths, strict=True)])
    measures = [
        Measure(f"make prove, prod with {ENDPOINTS} endpoints", median(proofs), "s", GOAL_SECONDS),
        Measure("cdk synth of the same alone", median(synths), "s"),
        Measure("ratio", ratio, "x"),
        Measure("most memory of one process", median(memory), "MiB", GOAL_MIB),
    ]
    return 0 if report("prove", measures) else 1


def _twenty_endpoints(folder: Path) -> tuple[Path, Path]:
    """The environment prod and its releases, with as many endpoints as one of a team has."""
    environments, releases = folder / "environments", folder / "releases" / "prod"
    shutil.copytree(ROOT / "environments", environments)
    shutil.copytree(ROOT / "tests" / "releases" / "prod", releases)
    names = [f"model-{number}" for number in range(1, ENDPOINTS)]
    path = environments / "prod.yaml"
    text = path.read_text(encoding="utf-8")
    more = "".join(f"  {name}: {{image: iris, model: models:/{name}@champion}}\n" for name in names)
    path.write_text(text.replace("endpoints:\n", f"endpoints:\n{more}"), encoding="utf-8")
    for name in names:
        shutil.copy(releases / "iris.yaml", releases / f"{name}.yaml")
    return environments, releases.parent


def _run(command: list[str], allowed: tuple[int, ...]) -> tuple[float, float]:
    """Seconds, and the most memory in MiB that one process of it held."""
    started = time.perf_counter()
    environment = {**os.environ, "CDK_VALIDATION": "false"}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in allowed:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
