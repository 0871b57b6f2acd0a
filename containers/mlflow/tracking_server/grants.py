"""Users, teams and permissions as they are declared: what is not declared goes.

A team is what MLflow calls a role. Beside the roles, MLflow keeps one for each user, with what
the user made, or was given by another: it stays with whoever is in a team, and goes with the last.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import boto3

from tracking_server.access import ACCESS_DATABASE
from tracking_server.database import open_database, read_secret
from tracking_server.migration import require_current
from tracking_server.settings import DIRECT, ENVIRONMENT, Settings

PROXY = "mlflow-artifacts:/"
"""Where files of new experiments lie for clients that send them through the server."""

WORKSPACE = "default"
"""The workspace that a server without workspaces keeps everything in."""

CREATE = ("workspace", "*", "USE")
"""The permission that lets a team make experiments and models; see `access.may_create`."""


class GrantsError(Exception):
    """Every part of the declaration that cannot be applied."""


@dataclass(frozen=True)
class Login:
    """A user's name and password.

    Parameters
    ----------
    name, password
        What the user logs in with.
    administrator
        Whether the user may do everything.
    """

    name: str
    password: str
    administrator: bool


@dataclass(frozen=True)
class Team:
    """Users who may do the same things.

    Parameters
    ----------
    members
        Names of its users.
    create
        Whether they may make experiments and models.
    grants
        What they may do: the kind of thing, its name or ``*``, and the permission.
    """

    members: frozenset[str]
    create: bool
    grants: frozenset[tuple[str, str, str]]


@dataclass(frozen=True)
class Declaration:
    """Who may do what.

    Parameters
    ----------
    users
        Name of each user: the secret with the password, and whether it is an administrator.
    teams
        The teams by their names.
    """

    users: Mapping[str, tuple[str, bool]]
    teams: Mapping[str, Team]

    @classmethod
    def read(cls, text: str) -> "Declaration":
        """Read the variable ``ACCESS``.

        Parameters
        ----------
        text
            JSON: ``users`` by name, each with ``secret`` and ``administrator``; ``teams`` by name,
            each with ``members``, ``create`` and ``grants`` of ``kind``, ``name``, ``permission``.

        Raises
        ------
        GrantsError
            Where it is not that.
        """
        try:
            said = json.loads(text)
            users = {
                name: (str(user["secret"]), bool(user["administrator"]))
                for name, user in said["users"].items()
            }
            teams = {
                name: Team(
                    frozenset(team["members"]),
                    bool(team["create"]),
                    frozenset((g["kind"], g["name"], g["permission"]) for g in team["grants"]),
                )
                for name, team in said["teams"].items()
            }
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise GrantsError(f"ACCESS is no declaration of users and teams: {error!r}") from error
        unknown = sorted({member for team in teams.values() for member in team.members} - {*users})
        if unknown:
            raise GrantsError(f"ACCESS has teams of users that it lacks: {', '.join(unknown)}")
        return cls(users, teams)


def grant(settings: Settings) -> int:
    """Apply the declaration to the databases that the server uses.

    Parameters
    ----------
    settings
        Where the declaration, the passwords and the databases are.

    Raises
    ------
    GrantsError
        Where the declaration cannot be applied.
    """
    declaration = Declaration.read(settings.declaration)
    manager = boto3.client("secretsmanager")
    secret = read_secret(manager, settings.administrator_secret_arn)
    logins = [Login(secret["username"], secret["password"], administrator=True)]
    for name, (arn, administrator) in declaration.users.items():
        logins.append(Login(name, read_secret(manager, arn)["password"], administrator))
    database = open_database(read_secret(manager, settings.secret_arn), settings.certificates)
    require_current(database)
    os.environ.update(ENVIRONMENT)

    # Importing either takes seconds, and what is wrong above is said before.
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore as AccessStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as RunStore

    store = AccessStore()
    store.init_db(replace(database, name=ACCESS_DATABASE).uri)
    runs = RunStore(database.uri, settings.artifacts if settings.files == DIRECT else PROXY)
    apply(store, runs, {login.name: login for login in logins}, declaration.teams)
    return 0


class Experiments(Protocol):
    """MLflow's store of runs, as far as it is asked here."""

    def get_experiment_by_name(self, experiment_name: str) -> Any:
        """The experiment, or nothing."""

    def create_experiment(self, name: str) -> str:
        """Make one; its id."""


def apply(
    store: Any,
    experiments: Experiments,
    logins: Mapping[str, Login],
    teams: Mapping[str, Team],
    say: Callable[[str], None] = print,
) -> None:
    """Make what is there what is declared; a second time, nothing is left to do.

    What takes rights away comes first: where it is cut off, nobody has more than is declared.

    Parameters
    ----------
    store
        MLflow's store of users and permissions.
    experiments
        Where experiments that a team names are looked up, and made where there are none.
    logins
        Every user that there is to be, by name.
    teams
        The teams by their names.
    say
        Told each change.

    Raises
    ------
    GrantsError
        Where a team names an experiment that is deleted.
    """
    wanted = {name: _permissions(team, experiments, say) for name, team in teams.items()}
    for user in store.list_users():
        if user.username not in logins:
            store.delete_user(user.username)
            say(f"removed user {user.username}")
    roles = {role.name: role for role in _roles(store)}
    for name in [name for name in roles if name not in teams]:
        store.delete_role(roles.pop(name).id)
        say(f"removed team {name}")
    users = {login.name: _ensure_user(store, login, say) for login in logins.values()}
    for name, team in teams.items():
        if name not in roles:
            roles[name] = store.create_role(name, WORKSPACE)
            say(f"made team {name}")
        _sync_permissions(store, roles[name], wanted[name], say)
        _sync_members(store, roles[name], {users[m].id: m for m in team.members}, say)
    in_teams = {member for team in teams.values() for member in team.members}
    for name, user in users.items():
        if name not in in_teams:
            _forget_own(store, user, say)


def _permissions(
    team: Team, experiments: Experiments, say: Callable[[str], None]
) -> dict[tuple[str, str], str]:
    """What a team may do, with experiments by their ids, as MLflow wants it."""
    found = {}
    grants = [*team.grants, CREATE] if team.create else [*team.grants]
    for kind, name, permission in sorted(grants):
        pattern = name
        if kind == "experiment" and name != "*":
            experiment = experiments.get_experiment_by_name(name)
            if experiment is None:
                pattern = experiments.create_experiment(name)
                say(f"made experiment {name}")
            elif experiment.lifecycle_stage == "deleted":
                raise GrantsError(
                    f"the experiment '{name}' is deleted: restore it, or take it out of the teams"
                )
            else:
                pattern = experiment.experiment_id
        found[kind, str(pattern)] = permission
    return found


def _roles(store: Any) -> Iterator[Any]:
    """The teams: roles that are not a user's own."""
    for role in store.list_roles([WORKSPACE]):
        if not store._is_synthetic_role_name(role.name):
            yield role


def _ensure_user(store: Any, login: Login, say: Callable[[str], None]) -> Any:
    if not store.has_user(login.name):
        say(f"made user {login.name}")
        return store.create_user(login.name, login.password, is_admin=login.administrator)
    if not store.authenticate_user(login.name, login.password):
        store.update_user(login.name, password=login.password)
        say(f"changed the password of {login.name}")
    user = store.get_user(login.name)
    if bool(user.is_admin) != login.administrator:
        user = store.update_user(login.name, is_admin=login.administrator)
        say(f"{login.name} is {'now' if login.administrator else 'no longer'} an administrator")
    return user


def _sync_permissions(
    store: Any, role: Any, wanted: Mapping[tuple[str, str], str], say: Callable[[str], None]
) -> None:
    there = {
        (permission.resource_type, permission.resource_pattern): permission
        for permission in store.list_role_permissions(role.id)
    }
    for (kind, pattern), permission in there.items():
        if (kind, pattern) not in wanted:
            store.remove_role_permission(permission.id)
            say(f"{role.name} no longer has {permission.permission} on {kind} {pattern}")
    for (kind, pattern), wish in wanted.items():
        found = there.get((kind, pattern))
        if found is None:
            store.add_role_permission(role.id, kind, pattern, wish)
        elif found.permission != wish:
            store.update_role_permission(found.id, wish)
        if found is None or found.permission != wish:
            say(f"{role.name} has {wish} on {kind} {pattern}")


def _sync_members(
    store: Any, role: Any, wanted: Mapping[int, str], say: Callable[[str], None]
) -> None:
    there = {assignment.user_id for assignment in store.list_role_users(role.id)}
    for user in there - set(wanted):
        store.unassign_role_from_user(user, role.id)
        say(f"a user left {role.name}")
    for user in set(wanted) - there:
        store.assign_role_to_user(user, role.id)
        say(f"{wanted[user]} joined {role.name}")


def _forget_own(store: Any, user: Any, say: Callable[[str], None]) -> None:
    """Take away what a user who is in no team made, or was given."""
    for role in store.list_user_roles(user.id):
        if store._is_synthetic_role_name(role.name):
            store.delete_role(role.id)
            say(f"{user.username} is in no team, and has nothing of its own any more")
