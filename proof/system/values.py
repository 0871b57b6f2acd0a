"""What intrinsic functions resolve to: plain data, references as text, and what is unknown.

A reference to a resource stands in text as ``${Template.LogicalId}`` or
``${Template.LogicalId.Attribute}``, a pseudo parameter that nobody gave as ``${AWS.Region}``.
Such a placeholder means exactly one thing that is known by its name.
"""

import re
from typing import Any

PLACEHOLDER = re.compile(r"\$\{([^.${}]+)\.([^.${}]+)(?:\.([^${}]+))?\}")
ACCOUNT = "${AWS.AccountId}"


class Unknown(str):
    """A value that the templates do not say, wholly or in part.

    It is text, so that what is known of it can be shown and searched.

    Parameters
    ----------
    why
        What is missing: "the parameter Cidr has no value".
    text
        The text, with ``${?}`` for each part that is unknown.

    Examples
    --------
    >>> Unknown("the parameter Name has no value", "arn:aws:s3:::${?}").why
    'the parameter Name has no value'
    """

    __slots__ = ("why",)
    why: str

    def __new__(cls, why: str, text: str = "${?}") -> "Unknown":  # noqa: D102 - as the class says
        made = super().__new__(cls, text)
        made.why = why
        return made


def as_list(value: Any) -> list[Any]:
    """A list, from a list or a single value or nothing.

    Examples
    --------
    >>> as_list("a"), as_list(None), as_list(["a"])
    (['a'], [], ['a'])
    """
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def truth(value: Any, default: bool) -> bool | None:
    """A flag, which templates write as a boolean or as text; ``None`` where it is unknown.

    Examples
    --------
    >>> truth("true", False), truth(None, False), truth(Unknown("no value"), False)
    (True, False, None)
    """
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if isinstance(value, Unknown) or text not in ("true", "false"):
        return None
    return text == "true"


def joined(delimiter: str, parts: list[Any]) -> str:
    """Text from parts; unknown where one of them is."""
    text = delimiter.join(_text(part) for part in parts)
    for part in parts:
        if isinstance(part, Unknown):
            return Unknown(part.why, text)
    return text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def is_unknown(value: Any) -> bool:
    """Whether a value, or a part of its text, is unknown.

    Examples
    --------
    >>> is_unknown(Unknown("no value")), is_unknown("arn:aws:s3:::${?}/*"), is_unknown("a")
    (True, True, False)
    """
    return isinstance(value, Unknown) or (isinstance(value, str) and "${?}" in value)


def named(value: Any) -> str:
    """A value as a sentence shows it: the reference without its braces, or why it is unknown."""
    if isinstance(value, Unknown) and value == "${?}":
        return f"something unknown ({value.why})"
    if value is None:
        return "something unnamed"
    text = ", ".join(map(str, as_list(value)))
    return text.replace("${", "").replace("}", "") if not is_unknown(text) else text


def best(tests: list[bool | None]) -> bool | None:
    """What tests come to of which one has to hold; ``None`` where it is unknown."""
    return True if True in tests else None if None in tests else False


def alike(export: str, wanted: str) -> bool:
    """Whether two names can be the same, whatever the stacks are called."""

    def pattern(name: str) -> str:
        parts = re.split(r"\$\{[^{}]*\}", name)
        return ".+".join(re.escape(part) for part in parts)

    if "${" not in export + wanted:
        return False
    plain = re.sub(r"\$\{[^{}]*\}", "x", wanted)
    other = re.sub(r"\$\{[^{}]*\}", "x", export)
    return bool(re.fullmatch(pattern(export), plain) or re.fullmatch(pattern(wanted), other))
