"""Ways from a role to more rights than it was given.

A role gets at another's rights in three ways: it passes the role to something that it then runs,
it assumes the role, or it changes what runs as the role. Each is an edge; a finding names the
edges from a role to the first one that may do what the role itself may not.

What counts as more: for a change of what runs as another role, anything beyond writing one's own
logs. For a role that is passed or assumed under the conditions that are asked for, only what is
grave: rights over permissions, all data of a kind, and the library's ways to more rights. To hand a
narrow role to a service is what passing is for.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence

from proof.model import Finding, Verdict
from proof.rights import library
from proof.rights.edges import ASSUME, PASS, Edge, changing, edges, gains, is_direct, means, unbound
from proof.rights.patterns import Bound
from proof.rights.roles import Role
from proof.rights.rules import finding
from proof.rights.statements import Statement

VIOLATION, UNDECIDED = Verdict.VIOLATION, Verdict.UNDECIDED

PATH_RULES = {
    "right.pass-role": "A role is passed only to services that are named, and only where its name "
    "is given or its path is the platform's.",
    "right.assume-role": "No role may assume every role of an account.",
    "right.escalation": "No role can get at rights that it was not given.",
}
"""Each rule, and what holds where it finds nothing."""


def judge_paths(roles: Sequence[Role], account: str) -> list[Finding]:
    """What the rules about passing, assuming and growing find.

    Parameters
    ----------
    roles
        Every role of the templates.
    account
        The templates' own account.
    """
    path = _path(roles)
    ways = {role.id: list(edges(role, roles, account)) for role in roles}
    found: list[Finding] = []
    for role in roles:
        for statement in role.allowing(PASS):
            found += _judge_passing(role, statement, roles, path)
        for statement in role.allowing(ASSUME):
            if statement.bound is not Bound.NARROW:
                says = f"It may assume every role that trusts it: {', '.join(statement.resources)}."
                mend = "Name the roles that it assumes."
                steps = (role.id, statement.source.policy)
                found.append(
                    finding("right.assume-role", statement.source, steps, VIOLATION, says, mend)
                )
        found += _judge_direct(role)
        found += _judge_unseen(role)
        found += _judge_reached(role, ways)
    return found


def _judge_passing(
    role: Role, statement: Statement, roles: Sequence[Role], path: str
) -> Iterator[Finding]:
    services = statement.asked("iam:passedtoservice")
    steps = (role.id, statement.source.policy)

    def says(verdict: Verdict, what: str, mend: str) -> Finding:
        return finding("right.pass-role", statement.source, steps, verdict, what, mend)

    wide = [each for each in statement.resources if _is_wide(each, path)]
    if wide or statement.not_resources:
        where = ", ".join(wide) or "everything but some roles"
        yield says(
            VIOLATION,
            f"It may pass every role that matches {where}.",
            f"Name the roles, or a path of their own: role{path or '/<path>/'}*.",
        )
    exact = [each for each in statement.resources if "*" not in each and "?" not in each]
    named = [other for other in roles if any(means(each, other) for each in exact)]
    # Roles that are named, and trust one service each, can go to no other service anyway.
    closed = len(named) == len(statement.resources) and all(len(r.services) == 1 for r in named)
    if not services and not closed:
        yield says(
            VIOLATION,
            "It may pass roles to any service.",
            "Ask for the service: StringEquals iam:PassedToService.",
        )
    elif not closed:
        for each in exact:
            if not any(means(each, other) for other in named):
                yield says(
                    UNDECIDED,
                    f"It may pass {each}, which no template holds.",
                    "Prove the template that holds the role together with these.",
                )


def _judge_direct(role: Role) -> Iterator[Finding]:
    """Rights over identities themselves: no other role is needed."""
    held = []
    for name, actions in library.methods():
        if is_direct(actions) and all(unbound(role, action) for action in actions):
            held.append((name, actions))
    # A method that needs more than another one says nothing new.
    least = [(name, each) for name, each in held if not any(less < each for _, less in held)]
    if least:
        statement = unbound(role, min(least[0][1]))[0]
        ways = ", ".join(name for name, _ in least)
        own_ones = ", ".join(sorted({action for _, each in least for action in each}))
        yield finding(
            "right.escalation",
            statement.source,
            (role.id, statement.source.policy, own_ones),
            VIOLATION,
            f"It can give itself rights: {ways}.",
            "Take the actions away, or bind them by iam:PermissionsBoundary or iam:PolicyARN.",
        )


def _judge_unseen(role: Role) -> Iterator[Finding]:
    """Changes of what may run as roles that no template holds."""
    wide = [
        (name, statement)
        for name, statement in changing(role)
        if statement.bound is not Bound.NARROW
    ]
    if wide:
        ways = ", ".join(name for name, _ in wide)
        statement = wide[0][1]
        yield finding(
            "right.escalation",
            statement.source,
            (role.id, statement.source.policy),
            UNDECIDED,
            f"It can change what runs as roles that no template holds: {ways}.",
            f"Name what it may change instead of {', '.join(statement.resources)}.",
        )


def _judge_reached(role: Role, ways: dict[str, list[Edge]]) -> Iterator[Finding]:
    """The nearest role with rights that this one lacks, by each first step."""
    seen = {role.id}
    waiting: deque[tuple[tuple[Edge, ...], Role]] = deque([((), role)])
    while waiting:
        taken, here = waiting.popleft()
        for edge in ways[here.id]:
            if edge.target.id in seen:
                continue
            seen.add(edge.target.id)
            way = (*taken, edge)
            gained = gains(role, edge.target, grave=not (edge.free and not taken))
            if gained:
                yield _reached(role, way, gained)
            waiting.append((way, edge.target))


def _reached(role: Role, way: Sequence[Edge], gained: Sequence[str]) -> Finding:
    steps = [role.id]
    for edge in way:
        steps += [f"{edge.actions} ({edge.statement.source.policy})", edge.target.id]
    few = ", ".join(gained[:6]) + (f" and {len(gained) - 6} more" if len(gained) > 6 else "")
    return finding(
        "right.escalation",
        way[0].statement.source,
        (*steps, f"gains {few}"),
        VIOLATION,
        f"By {way[0].actions} it gets at what {way[-1].target.id} may do: {few}.",
        f"Take {way[0].actions} away, or narrow what {way[-1].target.id} may do.",
    )


def _is_wide(resource: str, path: str) -> bool:
    """Whether a pattern means roles outside of the path that the templates' roles live under."""
    if "*" not in resource and "?" not in resource:
        return False
    plain = re.sub(r"\$\{[^}]*\}", "${}", resource)
    within = re.match(rf"arn:[^:]+:iam::[^:*?]+:role{re.escape(path)}", plain)
    return not path or within is None


def _path(roles: Sequence[Role]) -> str:
    """The IAM path that most roles live under; empty where they live under none."""
    paths = [found[1] for role in roles if (found := re.search(r":role(/(?:[^/]+/)+)", role.arn))]
    return max(sorted(set(paths)), key=paths.count, default="")
