"""What is declared is what MLflow's own tables hold afterwards, whatever they held before."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.server.auth import sqlalchemy_store
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore
from werkzeug.security import generate_password_hash

from tracking_server.grants import (
    WORKSPACE,
    Declaration,
    GrantsError,
    Login,
    Team,
    apply,
)

EVERYTHING = frozenset({("experiment", "*", "EDIT"), ("registered_model", "*", "EDIT")})


class Experiments:
    """MLflow's runs, of which there are three experiments."""

    def __init__(self) -> None:
        self.made = {"churn": "1", "fraud": "2", "gone": "3"}

    def get_experiment_by_name(self, experiment_name: str) -> Any:
        number = self.made.get(experiment_name)
        stage = "deleted" if experiment_name == "gone" else "active"
        return number and SimpleNamespace(experiment_id=number, lifecycle_stage=stage)

    def create_experiment(self, name: str) -> str:
        self.made[name] = str(len(self.made) + 1)
        return self.made[name]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlAlchemyStore]:
    """MLflow's own store, which spends less on each password here."""
    quick = partial(generate_password_hash, method="pbkdf2:sha256:1")
    monkeypatch.setattr(sqlalchemy_store, "generate_password_hash", quick)
    made = SqlAlchemyStore()
    made.init_db(f"sqlite:///{tmp_path / 'access.db'}")
    yield made
    made.engine.dispose()


def logins(*names: str, administrators: tuple[str, ...] = ()) -> dict[str, Login]:
    return {name: Login(name, f"password-of-{name}", name in administrators) for name in names}


def team(*members: str, create: bool = False, grants: Any = EVERYTHING) -> Team:
    return Team(frozenset(members), create, frozenset(grants))


def change(store: Any, users: dict[str, Login], teams: dict[str, Team]) -> list[str]:
    """Apply a declaration; what was said."""
    said: list[str] = []
    apply(store, Experiments(), users, teams, said.append)
    return said


def found(store: Any) -> dict[str, Any]:
    """What the tables hold."""
    names = {user.id: user.username for user in store.list_users()}
    return {
        "users": {
            user.username: (
                bool(user.is_admin),
                store.authenticate_user(user.username, f"password-of-{user.username}"),
            )
            for user in store.list_users()
        },
        "teams": {
            role.name: (
                {names[assignment.user_id] for assignment in store.list_role_users(role.id)},
                {
                    (right.resource_type, right.resource_pattern, right.permission)
                    for right in store.list_role_permissions(role.id)
                },
            )
            for role in store.list_roles()
        },
    }


def test_users_teams_and_permissions_are_made(store: SqlAlchemyStore) -> None:
    users = logins("ana", "ben", administrators=("ben",))
    grants = {("experiment", "fraud", "MANAGE"), ("registered_model", "*", "READ")}
    said = change(store, users, {"scientists": team("ana", create=True, grants=grants)})
    assert found(store) == {
        "users": {"ana": (False, True), "ben": (True, True)},
        "teams": {
            "scientists": (
                {"ana"},
                {
                    # MLflow knows experiments by their ids.
                    ("experiment", "2", "MANAGE"),
                    ("registered_model", "*", "READ"),
                    ("workspace", "*", "USE"),
                },
            )
        },
    }
    assert "made user ana" in said
    assert "password" not in " ".join(said)


def test_a_second_time_nothing_is_left_to_do(store: SqlAlchemyStore) -> None:
    declared = logins("ana"), {"scientists": team("ana")}
    change(store, *declared)
    assert change(store, *declared) == []


def test_what_is_no_longer_declared_goes(store: SqlAlchemyStore) -> None:
    change(store, logins("ana", "ben"), {"a": team("ana", "ben", create=True), "b": team("ben")})
    change(store, logins("ana"), {"a": team("ana", grants={("experiment", "*", "READ")})})
    assert found(store) == {
        "users": {"ana": (False, True)},
        "teams": {"a": ({"ana"}, {("experiment", "*", "READ")})},
    }


def test_a_new_password_and_a_lost_rank_arrive(store: SqlAlchemyStore) -> None:
    change(store, {"ana": Login("ana", "an-older-password", True)}, {})
    assert change(store, logins("ana"), {}) == [
        "changed the password of ana",
        "ana is no longer an administrator",
    ]
    assert found(store)["users"] == {"ana": (False, True)}


def test_an_experiment_that_is_not_there_is_made(store: SqlAlchemyStore) -> None:
    grants = {("experiment", "new", "EDIT")}
    assert "made experiment new" in change(store, logins("ana"), {"a": team("ana", grants=grants)})
    assert found(store)["teams"]["a"][1] == {("experiment", "4", "EDIT")}


def test_a_deleted_experiment_changes_nothing_and_is_named(store: SqlAlchemyStore) -> None:
    grants = {("experiment", "gone", "EDIT")}
    with pytest.raises(GrantsError, match="'gone' is deleted"):
        change(store, logins("ana"), {"a": team("ana", grants=grants)})
    assert found(store) == {"users": {}, "teams": {}}


def test_what_is_ones_own_goes_with_the_last_team(store: SqlAlchemyStore) -> None:
    users = logins("ana", "ben")
    change(store, users, {"a": team("ana", "ben")})
    for name in users:
        store.grant_user_permission(name, "experiment", "7", "MANAGE")
    change(store, users, {"a": team("ana")})
    rights = {
        user.username: {
            right.resource_pattern
            for role in store.list_user_roles(user.id)
            for right in store.list_role_permissions(role.id)
        }
        for user in store.list_users()
    }
    assert rights == {"ana": {"*", "7"}, "ben": set()}


NAMES = st.sampled_from(["ana", "ben", "eve"])
GRANTS = st.dictionaries(
    st.tuples(st.sampled_from(["experiment", "registered_model"]), st.sampled_from(["*", "churn"])),
    st.sampled_from(["READ", "EDIT", "MANAGE", "DENY"]),
    max_size=3,
)


@st.composite
def declarations(draw: st.DrawFn) -> tuple[dict[str, Login], dict[str, Team]]:
    users = draw(st.sets(NAMES, min_size=1))
    administrators = tuple(draw(st.sets(st.sampled_from(sorted(users)))))
    teams = {
        name: team(
            *draw(st.sets(st.sampled_from(sorted(users)), min_size=1)),
            create=draw(st.booleans()),
            grants={(*what, permission) for what, permission in draw(GRANTS).items()},
        )
        for name in draw(st.sets(st.sampled_from(["a", "b"])))
    }
    return logins(*users, administrators=administrators), teams


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=declarations(), after=declarations())
def test_what_was_before_makes_no_difference(
    before: Any, after: Any, store: SqlAlchemyStore
) -> None:
    change(store, *before)
    change(store, *after)
    changed = found(store)
    change(store, {}, {})
    assert found(store) == {"users": {}, "teams": {}}
    change(store, *after)
    assert found(store) == changed


class TestDeclaration:
    def test_is_read(self) -> None:
        grants = [{"kind": "experiment", "name": "*", "permission": "EDIT"}]
        said = {
            "users": {"ana": {"secret": "arn", "administrator": False}},
            "teams": {"a": {"members": ["ana"], "create": True, "grants": grants}},
        }
        read = Declaration.read(json.dumps(said))
        assert read.users == {"ana": ("arn", False)}
        assert read.teams == {
            "a": Team(frozenset({"ana"}), True, frozenset({("experiment", "*", "EDIT")}))
        }

    @pytest.mark.parametrize(
        "text",
        ["", "[]", "{}", '{"users": {"ana": {}}, "teams": {}}', '{"users": [], "teams": {}}'],
    )
    def test_anything_else_is_a_fault(self, text: str) -> None:
        with pytest.raises(GrantsError, match="ACCESS is no declaration"):
            Declaration.read(text)

    def test_a_member_who_is_no_user_is_a_fault(self) -> None:
        stranger = {"members": ["eve"], "create": False, "grants": []}
        with pytest.raises(GrantsError, match="lacks: eve"):
            Declaration.read(json.dumps({"users": {}, "teams": {"a": stranger}}))


def test_teams_stand_where_mlflow_looks_without_workspaces() -> None:
    from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME

    assert WORKSPACE == DEFAULT_WORKSPACE_NAME
