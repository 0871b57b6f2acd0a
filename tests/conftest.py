"""What tests of every folder share."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import settings

# No test depends on the clock, or on luck: the same examples each time.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

ROOT = Path(__file__).parent.parent
RELEASES = ROOT / "tests" / "releases"
ENVIRONMENTS = ("local", "dev", "prod")
VARIANTS = ("managed", "serving")
"""Environments of the tests alone: what none of ours chooses."""

# What make puts there, for whoever runs pytest by hand.
for folder in (ROOT / "node_modules" / ".bin", ROOT / ".venv" / "bin"):
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"


def folder_of(environment: str) -> Path:
    """The folder of an environment's file."""
    return ROOT / "tests" / "environments" if environment in VARIANTS else ROOT / "environments"


@pytest.fixture(scope="session")
def feature_flags() -> dict[str, object]:
    """The context of cdk.json, which an app in a test would not read."""
    context: dict[str, object] = json.loads((ROOT / "cdk.json").read_text())["context"]
    return context


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test can reach an account, by whatever credentials this machine has."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-northeast-1")
