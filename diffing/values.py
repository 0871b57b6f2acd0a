"""Where two values differ."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from diffing.words import HASH, shown

NAMES = ("Key", "Name", "Id", "VariantName")
"""What tells entries of a list apart, so that a new first one does not change all."""


@dataclass(frozen=True)
class Difference:
    """One place where two values differ.

    Parameters
    ----------
    path
        The steps that lead there.
    before, after
        The values; ``None`` where there is none.
    """

    path: tuple[str, ...]
    before: Any
    after: Any

    @property
    def last(self) -> str:
        """The last step that is a name."""
        names = [step for step in self.path if not step.startswith("[")]
        return names[-1] if names else ""

    def __str__(self) -> str:
        place = ".".join(self.path).replace(".[", "[") or "all of it"
        if isinstance(self.before, str) and isinstance(self.after, str):
            # A hash of what was built says only that something else was built.
            if HASH.sub("", self.before) == HASH.sub("", self.after):
                return f"{place}: other content"
            if max(len(self.before), len(self.after)) > 200:
                return f"{place}: another text"
        if isinstance(self.before, list) and isinstance(self.after, list):
            gone = [each for each in self.before if each not in self.after]
            new = [each for each in self.after if each not in self.before]
            parts = [f"{shown(new)} added"] if new else []
            parts += [f"{shown(gone)} removed"] if gone else []
            return f"{place}: {', '.join(parts) or 'another order'}"
        return f"{place}: {shown(self.before)} → {shown(self.after)}"


def differences(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[Difference]:
    """Where two values differ, as deep as both have the same form.

    Parameters
    ----------
    before, after
        The values.
    path
        The steps that lead to them.

    Examples
    --------
    >>> [str(each) for each in differences({"Size": 1, "Name": "a"}, {"Size": 2, "Name": "a"})]
    ['Size: 1 → 2']
    """
    if _same(before, after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from differences(before.get(key), after.get(key), (*path, str(key)))
        return
    if isinstance(before, list) and isinstance(after, list):
        ours, theirs = _by_name(before), _by_name(after)
        if ours is not None and theirs is not None and (ours.keys() & theirs.keys()):
            for name in [*ours, *(name for name in theirs if name not in ours)]:
                yield from differences(ours.get(name), theirs.get(name), (*path, f"[{name}]"))
            return
        if len(before) == len(after) and all(
            isinstance(each, dict | list) for each in (*before, *after)
        ):
            for number, (one, other) in enumerate(zip(before, after, strict=True)):
                yield from differences(one, other, (*path, f"[{number}]"))
            return
    yield Difference(path, before, after)


def _same(before: Any, after: Any) -> bool:
    # 1 is not True here, and "1" is 1: CloudFormation takes texts and numbers for each other.
    if isinstance(before, dict | list) or isinstance(after, dict | list):
        return bool(before == after)
    return _text(before) == _text(after)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def _by_name(values: list[Any]) -> dict[str, Any] | None:
    for name in NAMES:
        if values and all(isinstance(each, dict) and name in each for each in values):
            named = {str(each[name]): each for each in values}
            if len(named) == len(values):
                return named
    return None
