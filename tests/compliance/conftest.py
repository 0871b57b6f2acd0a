"""Every environment as the cdk CLI synthesizes it, in a process of its own."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ENVIRONMENTS, RELEASES, ROOT, VARIANTS, folder_of


def synth(
    environment: str, output: Path, *options: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `cdk synth` as the Makefile does."""
    command = ["cdk", "synth", "--quiet", "--output", str(output), "-c", f"env={environment}"]
    return subprocess.run(
        [*command, *options],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


@dataclass(frozen=True)
class Assembly:
    """A cloud assembly, and what synth said while making it."""

    folder: Path
    said: str


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Assembly]:
    """The cloud assembly of each environment."""
    made = {}
    for name in (*ENVIRONMENTS, *VARIANTS):
        folder = tmp_path_factory.mktemp("assembly") / name
        folders = ("-c", f"releases={RELEASES}", "-c", f"environments={folder_of(name)}")
        result = synth(name, folder, *folders, PYTHONHASHSEED="1")
        assert result.returncode == 0, result.stderr
        made[name] = Assembly(folder, result.stdout + result.stderr)
    return made
