"""Roles: who may assume each, and what all its policies together allow."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from proof.model import Expectations, Finding, Verdict
from proof.rights.patterns import covers
from proof.rights.rules import finding
from proof.rights.statements import (
    OWN_ACCOUNTS,
    UNKNOWN,
    RolePolicy,
    Statement,
    principals,
    read,
)

VIOLATION, UNDECIDED = Verdict.VIOLATION, Verdict.UNDECIDED

ROLE_RULES = {
    "right.trust": "Every role is assumed by one service, or by this account.",
    "right.managed-policy": "No role has a policy attached that no template holds.",
}
"""Each rule, and what holds where it finds nothing."""

ALL_MANAGED = re.compile(r"/(AdministratorAccess|PowerUserAccess|\w*FullAccess)$")
"""Policies of AWS whose name says that they allow everything, or everything of a service."""


@dataclass(frozen=True)
class Role:
    """A role, and what it may do.

    Parameters
    ----------
    policies
        Its policies, at least one.
    statements
        The statements of its policies that allow, without what others deny.
    trusts
        Kind and name of whom it trusts, and the conditions of that.
    """

    policies: tuple[RolePolicy, ...]
    statements: tuple[Statement, ...]
    trusts: tuple[tuple[str, str, Statement], ...]

    @property
    def id(self) -> str:
        """``Template.LogicalId``."""
        return self.policies[0].role

    @property
    def arn(self) -> str:
        """Its ARN, as far as it is known."""
        return self.policies[0].arn

    @property
    def trusted(self) -> tuple[str, ...]:
        """Whom it trusts, sorted."""
        return tuple(sorted({who for _, who, _ in self.trusts}))

    @property
    def services(self) -> frozenset[str]:
        """The services it trusts."""
        return frozenset(who for kind, who, _ in self.trusts if kind == "Service")

    @cached_property
    def actions(self) -> frozenset[str]:
        """Every action that it may do somewhere, in small letters."""
        return frozenset(key for each in self.statements for key in each.keys)

    def allowing(self, action: str) -> list[Statement]:
        """The statements that allow an action.

        Parameters
        ----------
        action
            Its name, in small letters.
        """
        return [each for each in self.statements if action in each.keys]


def gather(policies: Iterable[RolePolicy]) -> tuple[list[Role], list[Statement], list[Finding]]:
    """Roles with what they may do, the statements that do not allow, and what cannot be read.

    Parameters
    ----------
    policies
        Policies of any number of roles, in any order.
    """
    by_role: dict[str, list[RolePolicy]] = {}
    for policy in sorted(policies, key=_own_first):
        by_role.setdefault(policy.role, []).append(policy)
    roles: list[Role] = []
    others: list[Statement] = []
    findings: list[Finding] = []
    for owned in by_role.values():
        statements: list[Statement] = []
        for policy in owned:
            read_here, unread = read(policy, policy.document)
            statements += read_here
            findings += [_unreadable(policy, what) for what in unread]
        trust = owned[0].trust
        _, unread = read(owned[0], trust)
        findings += [_unreadable(owned[0], f"of the trust policy {what}") for what in unread]
        trusts = [
            (kind, who, statement)
            for kind, who, written in principals(trust)
            for statement in read(owned[0], {"Statement": written})[0]
        ]
        others += [each for each in statements if each.effect != "Allow"]
        roles.append(
            Role(
                policies=tuple(owned),
                statements=tuple(_effective(statements, owned[0])),
                trusts=tuple(trusts),
            )
        )
    return roles, others, findings


def judge_role(role: Role, account: str, expected: Expectations) -> list[Finding]:
    """Who may assume a role that should not, and what is attached to it unseen.

    Parameters
    ----------
    role
        The role.
    account
        The templates' own account.
    expected
        The accounts and the organization that it may trust besides.
    """
    # What is wrong with the role itself stands at the role.
    source = replace(role.policies[0], policy=role.id)
    found = [
        finding("right.trust", source, (role.id, who), verdict, says, mend)
        for who, verdict, says, mend in _trust_faults(role, account, expected)
    ]
    for arn in source.managed:
        everything = ALL_MANAGED.search(arn)
        found.append(
            finding(
                "right.managed-policy",
                source,
                (role.id, arn),
                VIOLATION if everything else UNDECIDED,
                f"'{arn}' is attached: "
                + (
                    "its name says it allows everything." if everything else "no template holds it."
                ),
                "Write down in a policy of its own what the role needs.",
            )
        )
    return found


def own(principal: str, account: str) -> bool:
    """Whether a principal is this account, or something in it.

    Parameters
    ----------
    principal
        As a trust policy names it.
    account
        The templates' own account.
    """
    ids = {account, *OWN_ACCOUNTS} - {""}
    reference = re.fullmatch(r"\$\{[\w-]+\.\w+\.Arn\}", principal)
    return (
        principal in ids
        or reference is not None
        or any(re.match(rf"arn:.*:(iam|sts)::{re.escape(each)}:", principal) for each in ids)
    )


def _trust_faults(
    role: Role, account: str, expected: Expectations
) -> Iterator[tuple[str, Verdict, str, str]]:
    one = "Let one service, or this account, assume it."
    if len(role.services) > 1:
        says = f"{len(role.services)} services may assume it: {', '.join(sorted(role.services))}."
        yield ", ".join(sorted(role.services)), VIOLATION, says, "Make a role for each service."
    for kind, who, statement in role.trusts:
        if own(who, account) or (kind == "Service" and UNKNOWN not in who):
            continue
        accounts = set(statement.asked("aws:principalaccount"))
        accounts |= {arn.split(":")[4] for arn in statement.asked("aws:principalarn") if ":" in arn}
        organizations = set(statement.asked("aws:principalorgid"))
        named = re.search(r"\d{12}", who)
        if named:
            accounts = {named[0]}
        if kind == "Federated":
            bound = any(each.asks and each.key.endswith(":sub") for each in statement.conditions)
            verdict = UNDECIDED if bound else VIOLATION
            says = f"{who} decides who may assume it" + ("." if bound else ", for all it knows.")
            yield who, verdict, says, "Ask for the subject in a condition, or trust a service."
        elif (accounts and accounts <= {account, *OWN_ACCOUNTS} | expected.accounts) or (
            expected.organization and organizations == {expected.organization}
        ):
            continue
        elif "${" in who and kind != "NotPrincipal":
            yield who, UNDECIDED, f"Who {who} is, the templates do not say.", one
        else:
            yield who, VIOLATION, f"{_whoever(kind, who)} may assume it.", one


def _own_first(policy: RolePolicy) -> tuple[str, bool, str]:
    """Sorts policies by role, those of the role's own template first."""
    template = policy.role.partition(".")[0]
    return policy.role, policy.policy.partition(".")[0] != template, policy.policy


def _whoever(kind: str, who: str) -> str:
    if kind == "NotPrincipal":
        return f"Everybody but {who}"
    return "Everybody" if who == "*" else who


def _effective(statements: list[Statement], source: RolePolicy) -> Iterator[Statement]:
    """The statements that allow, without what a Deny or the boundary surely takes away."""
    # A Deny under a condition leaves the right where the condition does not hold.
    denies = [each for each in statements if each.effect == "Deny" and not each.conditions]
    within: frozenset[str] | None = None
    if source.boundary is not None:
        limits, _ = read(source, source.boundary)
        allowed = [each for each in limits if each.effect == "Allow"]
        within = frozenset(key for each in allowed for key in each.keys)
        denies += [each for each in limits if each.effect == "Deny" and not each.conditions]
    for each in statements:
        if each.effect != "Allow":
            continue
        taken = {key for deny in denies if _all_of(each, deny) for key in each.keys & deny.keys}
        if within is not None:
            taken |= each.keys - within
        yield replace(each, taken=frozenset(taken))


def _all_of(statement: Statement, deny: Statement) -> bool:
    """Whether a Deny holds for every resource of a statement."""
    if deny.not_resources or statement.not_resources:
        return "*" in deny.resources
    return all(
        any(covers(pattern, resource) for pattern in deny.resources)
        for resource in statement.resources
    )


def _unreadable(policy: RolePolicy, what: str) -> Finding:
    return finding(
        "right.unreadable",
        policy,
        (policy.role, policy.policy),
        UNDECIDED,
        f"{what[:1].upper()}{what[1:]}.",
        "Write it out in the template, or give its parameters a default.",
    )
