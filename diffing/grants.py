"""What statements allow, one action on one resource at a time, and which covers which.

A statement of the proof's reader becomes one grant for each principal, action and resource. A
policy is no wider than before where each grant that allows is covered by one from before, and
each that denies covers what was denied before. That is enough, and not always needed: what is
spelled otherwise may be called wider, and what is wider never goes unseen.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from proof.rights.patterns import covers as glob
from proof.rights.patterns import overlap
from proof.system.policies import Condition, Statement
from proof.system.values import is_unknown

EVERYBODY = "AWS:*"
NOBODY_NAMED = ""
"""The principal of a policy of a role, which names none."""

POSITIVE = frozenset(
    {
        "ArnEquals",
        "ArnLike",
        "BinaryEquals",
        "DateEquals",
        "IpAddress",
        "NumericEquals",
        "StringEquals",
        "StringEqualsIgnoreCase",
        "StringLike",
    }
)
"""Operators that hold for any of their values: fewer values are narrower."""

NEGATIVE = frozenset(
    {
        "ArnNotEquals",
        "ArnNotLike",
        "DateNotEquals",
        "NotIpAddress",
        "NumericNotEquals",
        "StringNotEquals",
        "StringNotEqualsIgnoreCase",
        "StringNotLike",
    }
)
"""Operators that hold for none of their values: more values are narrower."""


def arn_like(wide: str, narrow: str) -> bool:
    """Whether one pattern of an ARN covers another: each of the six parts for itself.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html

    Examples
    --------
    >>> arn_like("arn:aws:s3:::models-*", "arn:aws:s3:::models-a")
    True
    >>> arn_like("arn:*", "arn:aws:s3:::models-a")
    False
    """
    parts, others = wide.split(":", 5), narrow.split(":", 5)
    return len(parts) == len(others) and all(map(glob, parts, others))


FITS = {"ArnEquals": arn_like, "ArnLike": arn_like, "StringLike": glob}
"""Operators whose values are patterns, and how one pattern covers another."""


@dataclass(frozen=True)
class Names:
    """Names of principals, actions or resources.

    Parameters
    ----------
    patterns
        The names, which may hold ``*`` and ``?``.
    excluded
        Whether everything but these is meant.
    """

    patterns: tuple[str, ...]
    excluded: bool = False

    def cover(self, other: "Names") -> bool:
        """Whether everything that the other means is meant.

        Examples
        --------
        >>> Names(("s3:*",)).cover(Names(("s3:getobject",)))
        True
        """
        if self.excluded and other.excluded:
            return all(any(glob(each, ours) for each in other.patterns) for ours in self.patterns)
        if self.excluded:
            return not any(overlap(ours, each) for ours in self.patterns for each in other.patterns)
        if other.excluded:
            return "*" in self.patterns
        return all(any(glob(ours, each) for ours in self.patterns) for each in other.patterns)

    def __str__(self) -> str:
        return f"everything but {', '.join(self.patterns)}" if self.excluded else self.patterns[0]


@dataclass(frozen=True)
class Grant:
    """One thing that a statement allows, or denies.

    Parameters
    ----------
    allows
        Whether it allows.
    principals
        Whom it means.
    actions, resources
        What it means; actions in small letters.
    conditions
        When it holds.
    branch
        The choices of a deployment that lead to it.
    source
        Id of the resource that holds the policy.
    written
        The action as it is written.
    """

    allows: bool
    principals: Names
    actions: Names
    resources: Names
    conditions: tuple[Condition, ...] = ()
    branch: tuple[str, ...] = ()
    source: str = ""
    written: str = ""

    @property
    def unknown(self) -> bool:
        """Whether the templates do not say what a part of it is."""
        texts = (
            *self.principals.patterns,
            *self.actions.patterns,
            *self.resources.patterns,
            *(each.key for each in self.conditions),
            *(value for each in self.conditions for value in each.values),
        )
        return any(is_unknown(text) for text in texts)

    def covers(self, other: "Grant") -> bool:
        """Whether it holds for everything that the other holds for.

        Of what is not known only the same text, in a policy that did not change, is the same:
        whoever asks sees to that.
        """
        if self.unknown or other.unknown:
            return False
        return (
            set(self.branch) <= set(other.branch)
            and _principals(self.principals, other.principals)
            and self.actions.cover(other.actions)
            and self.resources.cover(other.resources)
            and all(_implied(each, other.conditions) for each in self.conditions)
        )


def grants(
    statements: Iterable[Statement], source: str, branch: tuple[str, ...] = ()
) -> Iterator[Grant]:
    """What statements allow and deny, one thing at a time.

    Parameters
    ----------
    statements
        The statements.
    source
        Id of the resource that holds them.
    branch
        The choices of a deployment that lead to them.
    """
    for each in statements:
        whom = [f"{kind}:{name}" for kind, name in each.principals] or [NOBODY_NAMED]
        principals = _names(whom, each.not_principals)
        # A policy of a role's trust, of a queue and the like may name no resource: its own.
        resources = _names(list(each.resources) or ["*"], each.not_resources)
        for who, (action, written), resource in product(principals, _actions(each), resources):
            yield Grant(
                each.allows, who, action, resource, each.conditions, branch, source, written
            )


def _actions(statement: Statement) -> list[tuple[Names, str]]:
    if statement.not_actions:
        names = Names(tuple(each.lower() for each in statement.actions), excluded=True)
        return [(names, f"everything but {', '.join(statement.actions)}")]
    return [(Names((each.lower(),)), each) for each in statement.actions]


def _names(names: list[str], excluded: bool) -> list[Names]:
    return [Names(tuple(names), True)] if excluded else [Names((each,)) for each in names]


def _principals(wide: Names, narrow: Names) -> bool:
    """Principals are compared as names: but for everybody, they have no patterns."""
    if wide == narrow:
        return True
    if narrow.excluded:  # services are among everybody but somebody
        return wide.excluded and set(wide.patterns) <= set(narrow.patterns)
    if wide.excluded:  # an account stands for all that is in it, so that nobody is surely outside
        return False
    return EVERYBODY in wide.patterns and narrow.patterns[0].startswith("AWS:")


def _implied(wanted: Condition, given: tuple[Condition, ...]) -> bool:
    """Whether a condition holds wherever some others hold."""
    return any(_follows(wanted, each) for each in given)


def _follows(wanted: Condition, given: Condition) -> bool:
    if wanted.key != given.key:
        return False
    lenient = given.operator in (wanted.operator, wanted.operator.removesuffix("IfExists"))
    if not lenient:
        return False
    if wanted.base in POSITIVE:
        fits = FITS.get(wanted.base, str.__eq__)
        return all(any(fits(ours, each) for ours in wanted.values) for each in given.values)
    if wanted.base in NEGATIVE:
        return set(wanted.values) <= set(given.values)
    return set(wanted.values) == set(given.values)
