from pathlib import Path

import pytest

from local import platform
from local.extensions.aws_only import AwsOnly
from local.platform import running_platform
from local.state import StateFolder
from operations.errors import OperationError
from stacks.config import load_environment
from tests.conftest import ROOT


def test_a_resource_is_refused_and_what_runs_instead_is_said() -> None:
    refused = AwsOnly("A managed MLflow App", "tracking.kind: fargate")
    with pytest.raises(OperationError, match="cannot run on this machine") as created:
        refused.create("App", {}, "stack")
    assert "tracking.kind: fargate" in created.value.fix
    with pytest.raises(OperationError):
        refused.update("id", {}, {}, "stack", "App")
    refused.delete("id", {})


def test_an_environment_whose_mlflow_aws_runs_is_not_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    managed = load_environment("managed", ROOT / "tests" / "environments")
    monkeypatch.setattr(platform, "load_environment", lambda name, folder: managed)
    state = StateFolder(tmp_path / "state")
    with (
        pytest.raises(OperationError, match="in accounts alone") as raised,
        running_platform(state),
    ):
        pass
    assert "tracking.kind 'fargate'" in raised.value.fix
