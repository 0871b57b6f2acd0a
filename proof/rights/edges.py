"""Ways straight from a role to another one, and what there is to gain by them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from proof.rights import library
from proof.rights.library import Action, Level
from proof.rights.patterns import covers, overlap
from proof.rights.roles import Role, own
from proof.rights.rules import BINDING, exposing, giving_away
from proof.rights.statements import Statement

PRINCIPALS = {
    "apprunner": "tasks.apprunner",
    "ec2-instance-connect": "ec2",
    "ecs": "ecs-tasks",
}
"""As whom a service's programs assume a role, where that is not the prefix of its actions."""

PASS, ASSUME = "iam:passrole", "sts:assumerole"


@dataclass(frozen=True)
class Edge:
    """One role gets at another.

    Parameters
    ----------
    target
        The other role.
    actions
        By which actions, for people.
    statement
        The statement that allows it.
    free
        Whether any right of the other role counts, or only grave ones.
    """

    target: Role
    actions: str
    statement: Statement
    free: bool


def edges(role: Role, roles: Sequence[Role], account: str) -> Iterator[Edge]:
    """Every way from a role straight to another one.

    Parameters
    ----------
    role
        Where the ways start.
    roles
        Where they may end.
    account
        The templates' own account.
    """
    passing, assuming = role.allowing(PASS), role.allowing(ASSUME)
    changes = list(changing(role))
    running = _running(role) if passing else {}
    for other in roles:
        if other.id == role.id:
            continue
        for statement in passing:
            to = set(statement.asked("iam:passedtoservice")) or other.services
            runs = sorted(running[each] for each in other.services & to if each in running)
            if runs and any(means(each, other) for each in statement.resources):
                yield Edge(other, f"iam:PassRole and {runs[0]}", statement, free=False)
        for statement in assuming:
            trusted = _trusts(other, role, account)
            if trusted and any(means(each, other) for each in statement.resources):
                yield Edge(other, "sts:AssumeRole", statement, free=False)
        for name, statement in changes:
            services = {_principal(key) for key in dict(library.methods())[name]}
            if services & other.services and _may_run(statement, other, roles):
                yield Edge(other, name, statement, free=True)


def gains(role: Role, other: Role, grave: bool) -> list[str]:
    """What another role may do, and this one may not: names of actions, sorted.

    Parameters
    ----------
    role, other
        The roles.
    grave
        Whether only what is grave counts; see `proof.rights.paths`.
    """
    gained = set()
    for statement in other.statements:
        actions = _grave(statement) if grave else _ordinary(statement)
        for action in actions:
            mine = [each for held in role.allowing(action.key) for each in held.resources]
            if not all(any(covers(one, each) for one in mine) for each in statement.resources):
                gained.add(action.name)
    return sorted(gained)


def _grave(statement: Statement) -> list[Action]:
    if any(statement.asked(key) for key in BINDING):
        return giving_away(statement)
    over_identities = [each for each in statement.spelled if each.key in _over_identities()]
    return [*exposing(statement), *giving_away(statement), *over_identities]


def _ordinary(statement: Statement) -> list[Action]:
    # To see names, to do what knows no resource, and to write logs gains nothing worth a way.
    return [
        action
        for action in statement.spelled
        if action.level is not Level.LIST
        and action.resources
        and action.key not in ("logs:createlogstream", "logs:putlogevents")
    ]


@cache
def _over_identities() -> frozenset[str]:
    """The actions of the library's ways that need no other role."""
    ways = (actions for _, actions in library.methods() if is_direct(actions))
    return frozenset(key for actions in ways for key in actions if key.startswith("iam:"))


def is_direct(actions: frozenset[str]) -> bool:
    """Whether one of the library's ways changes identities themselves, and passes no role."""
    return PASS not in actions and any(key.startswith("iam:") for key in actions)


def unbound(role: Role, action: str) -> list[Statement]:
    """The statements that allow an action without binding it to a purpose."""
    return [each for each in role.allowing(action) if not any(each.asked(key) for key in BINDING)]


def changing(role: Role) -> Iterator[tuple[str, Statement]]:
    """The library's ways to change what runs as another role, with the statement that allows."""
    held: list[frozenset[str]] = []
    for name, actions in library.methods():
        needs_identity = any(key.startswith(("iam:", "sts:")) for key in actions)
        if needs_identity or not actions <= role.actions or any(less < actions for less in held):
            continue
        held.append(actions)
        # The action that changes is the one that names what is changed; the rest starts it.
        statements = (role.allowing(key)[0] for key in sorted(actions))
        yield name, min(statements, key=lambda each: each.bound)


def _running(role: Role) -> dict[str, str]:
    """The services that a role can make run something, and the first action that does."""
    verbs = ("Create", "Put", "Register", "Request", "Run", "Start", "Update")
    found: dict[str, str] = {}
    for statement in role.statements:
        for action in statement.spelled:
            if action.level is Level.WRITE and action.name.partition(":")[2].startswith(verbs):
                found.setdefault(_principal(action.key), action.name)
    return found


def _principal(action: str) -> str:
    """As whom what an action starts assumes its role."""
    service = action.partition(":")[0]
    return f"{PRINCIPALS.get(service, service)}.amazonaws.com"


def _may_run(statement: Statement, other: Role, roles: Sequence[Role]) -> bool:
    """Whether what a statement changes may run as another role, as far as the templates say."""
    for resource in statement.resources:
        named = re.fullmatch(r"\$\{([\w-]+\.\w+)(\.\w+)?\}", resource)
        holders = [each for each in roles if named and named[1] in each.policies[0].runs]
        if not holders or other in holders:
            return True
    return bool(statement.not_resources)


def _trusts(other: Role, role: Role, account: str) -> bool:
    """Whether a role lets another one assume it."""
    mine = {role.arn, f"${{{role.id}.Arn}}", "*"} - {""}
    return any(
        who in mine or (own(who, account) and (who.endswith(":root") or who.isdigit()))
        for kind, who, _ in other.trusts
        if kind == "AWS"
    )


def means(resource: str, role: Role) -> bool:
    """Whether a resource of a statement means a role, as far as its name is known."""
    if resource == f"${{{role.id}.Arn}}":
        return True
    if resource.startswith("${"):
        return False
    if not role.arn:
        return "*" in resource or "?" in resource
    return overlap(resource, role.arn)
