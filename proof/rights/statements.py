"""Policies of roles, read into what each statement really allows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from proof.rights import library
from proof.rights.library import Action
from proof.rights.patterns import Bound, bound

OWN_ACCOUNTS = frozenset({"${AWS.AccountId}", "${AWS::AccountId}"})
"""What stands for the templates' own account where nobody said which it is."""

NARROWING = frozenset({"ec2:subnet", "ec2:vpc", "ecs:cluster"})
"""Conditions that narrow a resource as well as an ARN would; so do conditions on its tags."""

UNKNOWN = "${?}"
"""What stands in a text for a part that the templates do not say."""


@dataclass(frozen=True)
class RolePolicy:
    """One policy of a role. A role without any comes with an empty document.

    Parameters
    ----------
    role
        ``Template.LogicalId`` of the role.
    policy
        ``Template.LogicalId`` of the resource that holds the policy: the role's own where it is
        inline.
    template
        File name of the template that holds the policy.
    document
        The policy as JSON. A reference stands there as ``${Template.LogicalId.Arn}``, which means
        exactly one resource, and what is not known at all as ``${?}``.
    trust
        The role's trust policy, in the same way.
    arn
        The role's ARN with its path, as far as it is known; empty where it is not.
    managed
        ARNs of the policies that are attached to the role and held by no template.
    boundary
        The role's permissions boundary, where the templates hold it.
    runs
        ``Template.LogicalId`` of what runs as the role: functions, task definitions, models.
    """

    role: str
    policy: str
    template: str
    document: Mapping[str, Any]
    trust: Mapping[str, Any] = field(default_factory=dict)
    arn: str = ""
    managed: tuple[str, ...] = ()
    boundary: Mapping[str, Any] | None = None
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Condition:
    """One line of a statement's conditions.

    Parameters
    ----------
    operator
        ``StringEquals``.
    key
        ``aws:PrincipalAccount``.
    values
        What it is compared with.
    """

    operator: str
    key: str
    values: tuple[str, ...]

    @property
    def asks(self) -> bool:
        """Whether it holds only where the key is there and has one of the values.

        ``...IfExists`` and ``ForAllValues:`` hold without the key, and a value that starts with
        ``*`` says nothing of how names start.
        """
        operator = self.operator.removeprefix("ForAnyValue:")
        positive = {"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike"}
        vague = any(each[:1] in ("", "*", "?") or UNKNOWN in each for each in self.values)
        return (operator in positive and not vague) or (
            operator == "Bool" and self.values == ("true",)
        )

    def __str__(self) -> str:
        return f"{self.operator} {self.key}: {', '.join(self.values)}"


@dataclass(frozen=True)
class Statement:
    """One statement of a policy.

    Parameters
    ----------
    source
        The policy.
    effect
        ``Allow``, ``Deny``, or whatever is written there.
    actions, not_actions, resources, not_resources
        What it names, as lists.
    conditions
        When it holds.
    taken
        Actions, in small letters, that a Deny or a boundary takes away from it.
    """

    source: RolePolicy
    effect: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    conditions: tuple[Condition, ...]
    taken: frozenset[str] = frozenset()

    @cached_property
    def spelled(self) -> tuple[Action, ...]:
        """Every action that it means, wildcards spelled out, sorted; unknown ones are left out."""
        if self.not_actions:
            left_out = {each.key for name in self.not_actions for each in library.expand(name)}
            found = {each.key: each for each in library.expand("*") if each.key not in left_out}
        else:
            found = {each.key: each for name in self.actions for each in library.expand(name)}
        return tuple(found[key] for key in sorted(found.keys() - self.taken))

    @cached_property
    def keys(self) -> frozenset[str]:
        """The names of `spelled`, in small letters."""
        return frozenset(action.key for action in self.spelled)

    @property
    def written(self) -> tuple[str, ...]:
        """The actions for people."""
        return self.actions or tuple(f"everything but {each}" for each in self.not_actions)

    def asked(self, key: str) -> tuple[str, ...]:
        """The values that a condition key must have; none where it may have any.

        Parameters
        ----------
        key
            ``iam:PassedToService``, or the beginning of keys that end in a name of their own.
        """
        asked = (each for each in self.conditions if each.asks)
        found = (each for each in asked if each.key.lower().startswith(key.lower()))
        return tuple(value for each in found for value in each.values)

    @cached_property
    def bound(self) -> Bound:
        """How far its resources reach, under its conditions."""
        reach = max((bound(each) for each in self.resources), default=Bound.ANY)
        # A condition on what the resource is narrows `*` as well as an ARN would.
        if any(self.asked(key) for key in ("aws:resourceaccount", "aws:resourceorgid")):
            reach = min(reach, Bound.ACCOUNT)
        keys = (each.key.lower() for each in self.conditions if each.asks)
        if any(key in NARROWING or ":resourcetag/" in key for key in keys):
            reach = Bound.NARROW
        return reach


def read(source: RolePolicy, document: Mapping[str, Any]) -> tuple[list[Statement], list[str]]:
    """The statements of a policy, and what of it cannot be read.

    Parameters
    ----------
    source
        The policy that they belong to.
    document
        Its document, its role's trust policy or its boundary.
    """
    if not isinstance(document, Mapping):
        return [], [f"the policy is not known: {_why(document)}"]
    statements: list[Statement] = []
    unread: list[str] = []
    for number, each in enumerate(_listed(document.get("Statement")), 1):
        if not isinstance(each, Mapping):
            unread.append(f"statement {number} is not known: {_why(each)}")
            continue
        statement = Statement(
            source=source,
            # What may allow counts as if it did.
            effect=str(each.get("Effect", "")).replace(UNKNOWN, "Allow"),
            actions=_texts(each.get("Action")),
            not_actions=_texts(each.get("NotAction")),
            resources=_texts(each.get("Resource")),
            not_resources=_texts(each.get("NotResource")),
            conditions=tuple(_conditions(each.get("Condition"))),
        )
        unread += [f"statement {number}: {what}" for what in _unread(each, statement)]
        statements.append(statement)
    return statements, unread


def _unread(written: Mapping[str, Any], statement: Statement) -> Iterator[str]:
    if UNKNOWN in str(written.get("Effect", "")):
        yield "whether it allows is not known"
    for name in (*statement.actions, *statement.not_actions):
        if "${" in name:
            yield f"an action is not known: {name}"
    for resource in (*statement.resources, *statement.not_resources):
        # Only where the unknown part decides how far it reaches.
        if UNKNOWN in resource and bound(resource.replace(UNKNOWN, "*")) is not Bound.NARROW:
            yield f"a resource is not known: {resource}"
    for condition in statement.conditions:
        if any(UNKNOWN in each for each in (condition.operator, condition.key, *condition.values)):
            yield f"a condition is not known: {condition}"


def _conditions(written: Any) -> Iterator[Condition]:
    if isinstance(written, Mapping):
        for operator, lines in written.items():
            if isinstance(lines, Mapping):
                for key, values in lines.items():
                    yield Condition(str(operator), str(key), _texts(values))
            else:
                yield Condition(str(operator), UNKNOWN, _texts(lines))
    elif written is not None:
        yield Condition(UNKNOWN, UNKNOWN, ())


def principals(trust: Any) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Kind and name of each principal of a trust policy, with the statement that names it.

    Parameters
    ----------
    trust
        The policy as JSON.
    """
    for each in _listed(trust.get("Statement") if isinstance(trust, Mapping) else None):
        if not isinstance(each, Mapping) or each.get("Effect") == "Deny":
            continue
        if "NotPrincipal" in each:
            yield "NotPrincipal", str(each["NotPrincipal"]), each
        principal = each.get("Principal")
        kinds = principal if isinstance(principal, Mapping) else {"AWS": principal}
        for kind, names in kinds.items():
            for name in _texts(names):
                yield str(kind), name, each


def _why(value: Any) -> str:
    return str(getattr(value, "why", value))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(
        str(each).lower() if isinstance(each, bool) else str(each) for each in _listed(value)
    )
