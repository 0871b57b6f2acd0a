"""Images of AWS's own: which they are, and what runs in their place."""

import sys

import pytest

from local import stand_ins
from local.stand_ins import aws_repository, find_stand_in
from operations.errors import OperationError

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
OURS = "000000000000.dkr.ecr.us-east-1.amazonaws.com/mlops/local/iris@sha256:1"


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = {"sagemaker-xgboost": ("python", "-m", "stand_in"), "other": ("/bin/serve",)}
    monkeypatch.setattr(stand_ins, "STAND_INS", programs)


@pytest.mark.parametrize(
    ("reference", "repository"),
    [
        (XGBOOST, "sagemaker-xgboost"),
        (OURS, None),
        ("246618743249.dkr.ecr.cn-north-1.amazonaws.com.cn/a/b@sha256:1", "a/b"),
        ("registry/mlops/iris@sha256:1", None),
    ],
)
def test_an_image_of_another_account_is_awss(reference: str, repository: str | None) -> None:
    assert aws_repository(reference, "000000000000") == repository


def test_a_stand_in_serves_and_does_nothing_else() -> None:
    found = find_stand_in(XGBOOST, "sagemaker-xgboost")
    assert found.command(["serve"]) == [sys.executable, "-m", "stand_in"]
    assert "PYTHONPATH" in found.environment({})
    assert find_stand_in("x", "other").command(["serve"]) == ["/bin/serve"]
    with pytest.raises(OperationError, match="does not run 'train'"):
        found.command(["train"])


def test_an_image_without_one_is_refused() -> None:
    with pytest.raises(OperationError, match="cannot be pulled here") as raised:
        find_stand_in("x:1", "sagemaker-sklearn")
    assert "other, sagemaker-xgboost" in raised.value.fix
