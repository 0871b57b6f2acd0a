"""The table of AWS's images, against the one that the SageMaker SDK has."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mlops_constructs.aws_images import FRAMEWORKS, AwsImage
from operations.bootstrap import uv_environment
from tests.conftest import ROOT

LOCK = Path(__file__).parent / "sagemaker" / "requirements.lock"
ISOLATED = "us-iso"
"""What regions start with that are partitions apart: the platform is not for them."""


@pytest.fixture(scope="session")
def tables() -> Path:
    """The folder of the SDK's tables; the SDK itself is not run."""
    folder = ROOT / "build" / "sagemaker-sdk"
    result = subprocess.run(
        [
            *("uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes"),
            *("--target", str(folder), "-r", str(LOCK)),
        ],
        env=uv_environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return folder / "sagemaker" / "core" / "image_uri_config"


def inference(tables: Path, framework: str) -> dict[str, Any]:
    """What the SDK knows of a framework's images that serve."""
    table: dict[str, Any] = json.loads((tables / f"{framework}.json").read_text())
    found: dict[str, Any] = table.get("inference", table)
    return found


def tag(framework: Mapping[str, Any], version: str) -> str:
    """The tag of a version for a CPU, as the SDK puts it together."""
    known = framework["versions"][version]
    processors = known.get("processors") or framework.get("processors") or []
    pythons = known.get("py_versions", [])
    return "-".join([version, *processors[:1], *pythons[-1:]])


@pytest.mark.parametrize(
    ("framework", "version"),
    [(name, version) for name, known in FRAMEWORKS.items() for version in known.tags],
)
def test_every_image_is_where_the_sdk_has_it(framework: str, version: str, tables: Path) -> None:
    theirs = inference(tables, framework)
    known = theirs["versions"][version]
    ours = FRAMEWORKS[framework]
    assert ours.repository == known["repository"]
    accounts = {
        region: account
        for region, account in known["registries"].items()
        if not region.startswith(ISOLATED)
    }
    # A region that came with the latest version alone is not listed before all have it.
    assert {region: accounts[region] for region in ours.accounts} == dict(ours.accounts)
    assert set(accounts) - set(ours.accounts) <= {"me-west-1"}
    address = AwsImage(framework, version).address("eu-west-1")
    assert address.rpartition(":")[2] == tag(theirs, version)


def test_versions_are_only_left_out_by_intention(tables: Path) -> None:
    """What the SDK adds is noticed: add it to the table, or to what is left out here."""
    oldest = {"pytorch": (2, 3), "tensorflow": (2, 16)}
    left_out = {
        "sklearn": {"0.20.0", "1.4-2-py312"},
        "sparkml-serving": {"2.2", "2.4"},
        "xgboost": {"1", "0.90-1", "0.90-2", "1.0-1", "1.2-1", "1.2-2"},
        **{
            framework: {
                version
                for version in inference(tables, framework)["versions"]
                if tuple(map(int, version.split("."))) < since
            }
            for framework, since in oldest.items()
        },
    }
    for framework, known in FRAMEWORKS.items():
        theirs = set(inference(tables, framework)["versions"])
        assert theirs - left_out[framework] == set(known.tags), framework
