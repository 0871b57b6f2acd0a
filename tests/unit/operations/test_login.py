import json
import os

import pytest
from botocore.exceptions import ClientError
from mlflow.exceptions import MlflowException

from mlops_constructs.naming import Naming
from operations.errors import OperationError
from operations.login import logged_in, login_variables
from operations.release import resolve_release
from stacks.config import Environment
from tests.unit.operations.conftest import FakeS3

USER, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"


class Manager:
    """Holds one login."""

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803
        if SecretId != "platform-blue/mlflow/ana":
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetSecretValue")
        return {"SecretString": json.dumps({"username": "ana", "password": "hidden"})}


def test_a_user_has_a_secret() -> None:
    found = login_variables(Manager(), Naming("platform", "blue"), "ana")
    assert found == {USER: "ana", PASSWORD: "hidden"}


def test_a_secret_that_cannot_be_read_is_named() -> None:
    with pytest.raises(OperationError) as raised:
        login_variables(Manager(), Naming("platform", "blue"), "eve")
    assert "platform-blue/mlflow/eve" in raised.value.what
    assert "tracking.access.users" in raised.value.fix


def test_what_was_there_before_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USER, "somebody")
    monkeypatch.delenv(PASSWORD, raising=False)
    with logged_in({USER: "ana", PASSWORD: "hidden"}):
        assert os.environ[USER] == "ana"
    assert os.environ[USER] == "somebody"
    assert PASSWORD not in os.environ


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "PERMISSION_DENIED"])
def test_a_login_that_may_not_read_the_model_is_told_how_to_log_in(
    code: str, dev: Environment
) -> None:
    class Mlflow:
        def get_model_version_by_alias(self, *_: str) -> None:
            error = MlflowException("refused")
            error.error_code = code
            raise error

    images = dict.fromkeys(dev.images, f"sha256:{'1' * 64}")
    with pytest.raises(OperationError) as raised:
        resolve_release(dev, "iris", images, Mlflow(), FakeS3({}))  # type: ignore[arg-type]
    assert "LOGIN=<user>" in raised.value.fix
