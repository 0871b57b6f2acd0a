"""A version that cannot be prepared never serves, and the one before goes on."""

import shutil
import urllib.request
from collections.abc import Iterator

import pytest

from local.images import ProcessImage
from local.platform import ENVIRONMENT, LocalPlatform
from operations.errors import OperationError
from operations.records import write_images
from stacks.releases import load_images

SCRIPT = """#!/bin/sh
case $1 in
  check) exit 3 ;;
  *) echo "tracking-server: no space is left for $1" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def broken(platform: LocalPlatform) -> Iterator[ProcessImage]:
    """A released image whose migration fails."""
    image = ProcessImage("mlflow", f"sha256:{'f' * 64}")
    programs = image.folder / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    (programs / "tracking-server").write_text(SCRIPT)
    (programs / "tracking-server").chmod(0o755)
    (image.folder / "installed").touch()
    released = load_images(platform.state.releases, ENVIRONMENT)
    write_images(platform.state.releases, ENVIRONMENT, {**released, "mlflow": image.digest})
    yield image
    write_images(platform.state.releases, ENVIRONMENT, released)
    shutil.rmtree(image.folder)


def serving(platform: LocalPlatform) -> set[str]:
    """What the service that answers was prepared with, and runs."""
    with urllib.request.urlopen(f"{platform.tracking_uri()}/health", timeout=10) as answer:
        assert answer.status == 200
    described = platform.client("cloudformation").describe_stack_resources(
        StackName=platform.environment.naming.stack("Tracking")
    )
    return {
        resource["PhysicalResourceId"]
        for resource in described["StackResources"]
        if resource["ResourceType"] in ("AWS::SSM::Association", "AWS::ECS::TaskDefinition")
    }


def test_a_version_whose_migration_fails_is_told_and_never_serves(
    platform: LocalPlatform, broken: ProcessImage
) -> None:
    before = serving(platform)
    with pytest.raises(OperationError) as raised:
        platform.deploy("Tracking")
    said = str(raised.value)
    assert "no space is left for migrate" in said
    assert "restore the snapshot" in said
    assert serving(platform) == before

    (snapshot,) = platform.client("rds").describe_db_snapshots()["DBSnapshots"]
    assert snapshot["DBSnapshotIdentifier"] in said
    assert {"Key": "before", "Value": broken.digest} in snapshot["TagList"]
    (log,) = [
        text
        for file in platform.state.logs.glob("runbook-*.log")
        if "MigrateFailed" in (text := file.read_text())
    ]
    assert "nothing is copied" in log
    assert "RunGrant" not in log
