"""Policy documents: statements, and whom they let in."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from proof.system.values import Unknown, as_list


@dataclass(frozen=True)
class Condition:
    """One test of a statement's conditions.

    Parameters
    ----------
    operator
        As it is written: ``StringEqualsIfExists``.
    key
        In lower case, as IAM compares it: ``aws:sourcevpce``.
    values
        What it is compared with.
    """

    operator: str
    key: str
    values: tuple[str, ...]

    @property
    def base(self) -> str:
        """The operator without its modifiers."""
        return self.operator.split(":")[-1].removesuffix("IfExists")

    @property
    def lenient(self) -> bool:
        """Whether it holds where the request has no such key."""
        return self.operator.endswith("IfExists") or self.operator.startswith("ForAllValues:")

    def __str__(self) -> str:
        return f"{self.operator} {self.key} {', '.join(self.values)}"


@dataclass(frozen=True)
class Statement:
    """One statement of a policy, with single values as lists.

    Parameters
    ----------
    effect
        ``Allow`` or ``Deny``; unknown where the templates do not say.
    principals
        Kind and name of each: ``("AWS", "*")``, ``("Service", "s3.amazonaws.com")``.
    actions, resources
        What it names.
    conditions
        All of them have to hold.
    not_principals, not_actions, not_resources
        Whether it means everything except what it names.
    sid
        Its name, where it has one.
    """

    effect: str
    principals: tuple[tuple[str, str], ...]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    not_principals: bool = False
    not_actions: bool = False
    not_resources: bool = False
    sid: str = ""

    @property
    def allows(self) -> bool:
        """Whether it may allow something."""
        return self.effect != "Deny"


def statements(document: Any) -> list[Statement]:
    """The statements of a policy document, which may be text.

    What cannot be read becomes a statement whose parts are unknown.

    Parameters
    ----------
    document
        The document, resolved.

    Examples
    --------
    >>> statements({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})[0].actions
    ('s3:*',)
    """
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return [_unreadable(getattr(document, "why", "the policy cannot be read"))]
    if document is None:
        return []
    found = document.get("Statement") if isinstance(document, dict) else None
    made = []
    for body in as_list(found):
        readable = isinstance(body, dict)
        made.append(_statement(body) if readable else _unreadable(_why(body)))
    return made or [_unreadable("the policy holds no statements")]


def _why(value: Any) -> str:
    return getattr(value, "why", "the statement cannot be read")


def _unreadable(why: str) -> Statement:
    word = Unknown(why)
    return Statement("Allow", (("AWS", word),), (word,), (word,))


def _statement(body: dict[str, Any]) -> Statement:
    principals = body.get("Principal", body.get("NotPrincipal"))
    actions = body.get("Action", body.get("NotAction"))
    resources = body.get("Resource", body.get("NotResource"))
    return Statement(
        effect=str(body.get("Effect", "Allow")),
        principals=tuple(_principals(principals)),
        actions=_texts(actions),
        resources=_texts(resources),
        conditions=tuple(_conditions(body.get("Condition"))),
        not_principals="NotPrincipal" in body,
        not_actions="NotAction" in body,
        not_resources="NotResource" in body,
        sid=str(body.get("Sid", "")),
    )


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(item if isinstance(item, str) else str(item) for item in as_list(value))


def _principals(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for kind, names in value.items():
            yield from ((str(kind), name) for name in _texts(names))
    else:
        yield from (("AWS", name) for name in _texts(value))


def _conditions(value: Any) -> Iterator[Condition]:
    if isinstance(value, Unknown):
        yield Condition("?", "?", (value,))
    elif isinstance(value, dict):
        for operator, tests in value.items():
            for key, values in tests.items() if isinstance(tests, dict) else [("?", tests)]:
                texts = tuple(
                    str(item).lower() if isinstance(item, bool) else text
                    for item, text in zip(as_list(values), _texts(values), strict=True)
                )
                yield Condition(str(operator), str(key).lower(), texts)


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"([*?])", pattern)
    text = "".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts)
    return re.compile(text, re.IGNORECASE | re.DOTALL)


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern of IAM covers a text, which may be a narrower pattern.

    Examples
    --------
    >>> matches("s3:Get*", "s3:GetObject"), matches("s3:GetObject", "s3:Get*")
    (True, False)
    """
    return bool(_pattern(str(pattern)).fullmatch(str(text)))


def overlaps(one: str, other: str) -> bool:
    """Whether two patterns can mean the same thing.

    Examples
    --------
    >>> overlaps("ecr:*", "ecr:Batch*"), overlaps("s3:*", "sqs:SendMessage")
    (True, False)
    """
    if matches(one, other) or matches(other, one):
        return True
    head, tail = one.split("*")[0].lower(), other.split("*")[0].lower()
    return "*" in one and "*" in other and (head.startswith(tail) or tail.startswith(head))
