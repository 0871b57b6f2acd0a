"""What answers without a login, who may make what is new, and a MLflow that has changed."""

import asyncio
import configparser
import stat
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from mlflow.exceptions import MlflowException
from mlflow.server import auth, security_utils
from mlflow.server.auth.config import read_auth_config
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

from tracking_server import access
from tracking_server.access import (
    CACHE_SECONDS,
    SESSION_KEY,
    AccessError,
    authenticate,
    configure,
    is_open,
    may_create,
    named_run,
)
from tracking_server.database import Database
from tracking_server.settings import PERMISSIONS


@pytest.fixture
def configured(tmp_path: Path) -> dict[str, str]:
    database = Database("db.internal", 3307, "mlflow", tmp_path / "50%.cnf")
    return configure(database, tmp_path, default_permission="READ", session_key="k%y")


class TestConfiguration:
    def test_mlflow_reads_what_was_meant(
        self, configured: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLFLOW_AUTH_CONFIG_PATH", configured["MLFLOW_AUTH_CONFIG_PATH"])
        found = read_auth_config()
        assert found.default_permission == "READ"
        assert "/mlflow_access?" in found.database_uri
        assert found.database_uri.endswith("50%.cnf")
        assert found.auth_cache_ttl_seconds == CACHE_SECONDS
        assert not found.grant_default_workspace_access
        assert found.admin_password is None

    def test_no_variable_holds_a_secret_and_no_other_user_reads_the_files(
        self, configured: dict[str, str]
    ) -> None:
        assert "k%y" not in str(configured)
        assert Path(configured[SESSION_KEY]).read_text() == "k%y"
        for name in ("MLFLOW_AUTH_CONFIG_PATH", SESSION_KEY):
            assert stat.S_IMODE(Path(configured[name]).stat().st_mode) == 0o600

    def test_what_no_rule_decides_is_refused(self, configured: dict[str, str]) -> None:
        assert configured["MLFLOW_BASIC_AUTH_FAIL_CLOSED"] == "true"

    def test_its_permissions_are_mlflows(self) -> None:
        assert set(PERMISSIONS) <= set(auth.permissions.ALL_PERMISSIONS)

    def test_every_setting_is_one_of_mlflows(self, configured: dict[str, str]) -> None:
        written = configparser.ConfigParser(interpolation=None)
        written.read(configured["MLFLOW_AUTH_CONFIG_PATH"])
        assert set(written["mlflow"]) <= set(auth.config.AuthConfig._fields)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/health", True),
        ("/api/3.0/mlflow/server-info", True),
        ("/healthy", False),
        ("/health/../api/2.0/mlflow/runs/search", False),
        ("/static-files/x", False),
        ("/favicon.ico", False),
        ("/version", False),
        ("/", False),
    ],
)
def test_what_answers_without_a_login(path: str, expected: bool) -> None:
    assert is_open(path) == expected


class TestProtect:
    @pytest.fixture(autouse=True)
    def restored(self, configured: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(SESSION_KEY, configured[SESSION_KEY])
        for name in (
            *("get_flask_server_secret_key", "is_unprotected_route", "_can_create_in_workspace"),
            *("authenticate_request_basic_auth", "_run_id_or_uuid_param"),
            *("_get_require_authentication_validator", "_EXPERIMENT_ID_PATTERN"),
        ):
            monkeypatch.setattr(auth, name, getattr(auth, name))
        monkeypatch.setattr(
            security_utils, "HEALTH_ENDPOINTS", list(security_utils.HEALTH_ENDPOINTS)
        )
        return

    def test_mlflow_uses_what_is_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(auth, "create_app", lambda flask: ("protected", flask))
        assert access.protect("flask") == ("protected", "flask")
        assert auth.get_flask_server_secret_key() == "k%y"
        assert not auth.is_unprotected_route("/static/x")

    @pytest.mark.parametrize("name", ["is_unprotected_route", "_can_create_in_workspace"])
    def test_a_version_without_what_is_changed_is_refused(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(auth, name)
        with pytest.raises(AccessError, match=f"has no mlflow.server.auth.{name}"):
            access.protect("flask")

    def test_what_mlflow_leaves_open_is_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(auth, "create_app", lambda flask: flask)
        assert "/version" in security_utils.HEALTH_ENDPOINTS
        assert auth._experiment_id_from_canonical_proxy_path("01/x") == "01"
        access.protect("flask")
        assert security_utils.HEALTH_ENDPOINTS == ["/health"]
        assert not asyncio.run(access.refuse("ana", "a call"))
        assert auth._get_require_authentication_validator() is access.refuse
        for path, number in (("1/x", "1"), ("10/x", "10"), ("01/x", None), ("\u0661/x", None)):
            assert auth._experiment_id_from_canonical_proxy_path(path) == number

    def test_mlflow_asks_it_for_all_that_is_new(self) -> None:
        """Otherwise a change of ours would change nothing."""
        source = Path(str(auth.__file__)).read_text()
        assert "return _can_create_in_workspace(authenticate_request().username)" in source
        for validator in ("validate_can_create_experiment", "validate_can_create_registered_model"):
            body = source.partition(f"def {validator}(")[2].partition("\ndef ")[0]
            assert "_user_can_create_in_workspace()" in body


@pytest.mark.parametrize(
    ("grants", "expected"),
    [
        ([], False),
        ([("experiment", "*", "MANAGE")], False),
        ([("workspace", "*", "USE")], True),
    ],
)
def test_who_may_make_what_is_new(
    grants: list[Any], expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqlAlchemyStore()
    store.init_db(f"sqlite:///{tmp_path / 'access.db'}")
    monkeypatch.setattr(auth, "store", store)
    user = store.create_user("ana", "a-long-password")
    role = store.create_role("team", "default")
    store.assign_role_to_user(user.id, role.id)
    for grant in grants:
        store.add_role_permission(role.id, *grant)
    assert may_create(auth, "ana") == expected
    store.engine.dispose()


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        ("Basic YW5hOng=", True),
        ("basic YW5hOng=", True),
        ("Bearer abc", False),
        ("Basic \xff%%%", False),
        ("Basic", True),
        ("", False),
    ],
)
def test_a_header_that_is_no_login_is_none(header: str, asked: bool) -> None:
    with Flask("test").test_request_context(headers={"Authorization": header}):
        answer = authenticate(auth, lambda: "asked")
        assert answer == "asked" if asked else answer.status_code == 401


class TestNamedRun:
    @pytest.mark.parametrize("query", ["run_id=a", "run_uuid=a", "run_id=a&run_uuid=a"])
    def test_one_is_found_by_either_word(self, query: str) -> None:
        with Flask("test").test_request_context(f"/?{query}"):
            assert named_run(auth) == "a"

    @pytest.mark.parametrize("query", ["", "run_id=", "run_id=a&run_uuid=b"])
    def test_none_and_two_are_refused(self, query: str) -> None:
        with (
            Flask("test").test_request_context(f"/?{query}"),
            pytest.raises(MlflowException, match="Name one run"),
        ):
            named_run(auth)
