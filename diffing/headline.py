"""The one line that says what a change comes to."""

from collections.abc import Sequence
from itertools import starmap

from diffing.model import SECURITY, Change, Section, Served
from diffing.words import count, noun

NOTHING = "Nothing changes."
MAX_LENGTH = 100
LOUD = ("OPENS", "Lets EVERYBODY")
"""How the headline starts of what opens more than anything else."""


def headline(changes: Sequence[Change], served: Sequence[Served]) -> str:
    """What a change comes to: what is lost first, then what opens, then what serves.

    Parameters
    ----------
    changes
        Every change, sorted.
    served
        The versions that endpoints serve otherwise.

    Examples
    --------
    >>> headline((), ())
    'Nothing changes.'
    """
    if not changes and not served:
        return NOTHING
    lost = [each for each in changes if each.destructive and each.section not in SECURITY]
    opened = [each for each in changes if each.destructive and each.section in SECURITY]
    parts = [part for found in (lost, opened) for part in _first(found)]
    if parts:
        return _cut("; ".join(parts))
    stacks = {each.stack for each in changes} | {each.stack for each in served}
    what = _serving(served) or _only(changes) or _counts(changes)
    return _cut(f"{count(len(stacks), 'stack')}: {what}")


def serving(each: Served) -> str:
    """What an endpoint serves now, and did."""
    was, now = each.before, each.after
    if not now:
        return f"endpoint {each.endpoint} is gone"
    if not was:
        return f"new endpoint {each.endpoint} serves {', '.join(starmap(_model, now))}"
    # The same models in the same places: what differs is their versions.
    if [name for name, _ in was] != [name for name, _ in now]:
        return f"endpoint {each.endpoint} serves {', '.join(starmap(_model, now))}"
    if len(now) == 1:
        return f"endpoint {each.endpoint} serves version {now[0][1]} (was {was[0][1]})"
    differing = [
        f"{_model(name, version)} (was {old})"
        for (name, version), (_, old) in zip(now, was, strict=True)
        if version != old
    ]
    return f"endpoint {each.endpoint} serves {', '.join(differing)}"


def _model(name: str, version: str) -> str:
    return f"{name} version {version}" if version else name


def _first(found: list[Change]) -> list[str]:
    if not found:
        return []
    loudest = min(found, key=lambda each: not each.headline.startswith(LOUD))
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return [f"{loudest.headline}{more}"]


def _only(changes: Sequence[Change]) -> str:
    """What happens to the only resource that something happens to."""
    found = [each for each in changes if each.section not in SECURITY]
    if len(found) != 1:
        return ""
    only = found[0]
    what = f": {', '.join(only.details)}" if only.details else ""
    return f"{noun(only.type)} {only.path} {only.says}{what}"


def _serving(served: Sequence[Served]) -> str:
    if not served:
        return ""
    more = f", and {count(len(served) - 1, 'more endpoint')}" if len(served) > 1 else ""
    return serving(served[0]) + more


def _counts(changes: Sequence[Change]) -> str:
    words = {
        Section.REPLACED: "replaced",
        Section.DELETED: "deleted",
        Section.ADDED: "new",
        Section.CHANGED: "changed",
    }
    numbers = [
        (len({(each.stack, each.path) for each in changes if each.section is section}), word)
        for section, word in words.items()
    ]
    said = [f"{number} {word}" for number, word in numbers if number]
    return ", ".join(said) or count(len(changes), "right") + " less or new"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1].rstrip()}…"
