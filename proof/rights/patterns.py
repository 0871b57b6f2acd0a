"""Resources as policies name them: how far a pattern reaches, and what two have in common."""

import re
from collections.abc import Iterable
from enum import IntEnum

from proof.rights import library


class Bound(IntEnum):
    """How far a resource of a statement reaches."""

    NARROW = 0
    """Part of a name is given."""
    ACCOUNT = 1
    """Everything of a kind, in one account."""
    ANY = 2
    """Everything, in any account."""


def bound(resource: str) -> Bound:
    """How far one resource of a statement reaches.

    Parameters
    ----------
    resource
        As the statement names it.

    Examples
    --------
    >>> bound("*"), bound("arn:aws:s3:::*"), bound("arn:aws:s3:::models-*")
    (<Bound.ANY: 2>, <Bound.ANY: 2>, <Bound.NARROW: 0>)
    >>> bound("arn:aws:iam::222222222222:role/*")
    <Bound.ACCOUNT: 1>
    """
    if not resource.startswith("arn:"):
        return Bound.ANY if resource[:1] in ("*", "?") else Bound.NARROW
    # What a placeholder is called separates nothing.
    parts = re.sub(r"\$\{[^}]*\}", "${}", resource).split(":", 5)
    if len(parts) < 6 or not parts[2].strip("*?"):
        return Bound.ANY
    name = parts[5].lstrip("/")
    kind, sign, rest = _cut(name)
    # What comes after a word such as `role/` is the name; a bucket's objects have no such word.
    if sign and (kind in library.kinds(parts[2]) or not kind.strip("*?")):
        name = rest
    if name[:1] not in ("", "*", "?"):
        return Bound.NARROW
    return Bound.ACCOUNT if parts[4].strip("*?") else Bound.ANY


def covers(pattern: str, resource: str) -> bool:
    """Whether a pattern means everything that another resource means.

    Parameters
    ----------
    pattern, resource
        Both as statements name them.
    """
    return library.glob(pattern).fullmatch(resource) is not None


def overlap(one: str, other: str) -> bool:
    """Whether two patterns mean something in common.

    Parameters
    ----------
    one, other
        Both as statements name them.

    Examples
    --------
    >>> overlap("arn:aws:s3:::models-*", "arn:*:s3:::*/*")
    True
    >>> overlap("arn:aws:s3:::models", "arn:*:s3:::*/*")
    False
    """
    # After each sign of `one`: the places in `other` that can have been reached.
    places = _over_stars(other, {0})
    for sign in one:
        if sign == "*":
            places = set(range(min(places), len(other) + 1)) if places else places
            continue
        after = set()
        for place in places:
            if place < len(other) and other[place] == "*":
                after.add(place)
            elif place < len(other) and (sign == other[place] or "?" in (sign, other[place])):
                after.add(place + 1)
        places = _over_stars(other, after)
    return len(other) in places


def _over_stars(pattern: str, places: Iterable[int]) -> set[int]:
    reached = set(places)
    for place in sorted(reached):
        while place < len(pattern) and pattern[place] == "*":
            place += 1
            reached.add(place)
    return reached


def _cut(name: str) -> tuple[str, str, str]:
    places = [place for place in (name.find(":"), name.find("/")) if place >= 0]
    if not places:
        return name, "", ""
    place = min(places)
    return name[:place], name[place], name[place + 1 :]
