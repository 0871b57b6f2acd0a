"""Which policies allow more than before, and which less."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from diffing.grants import EVERYBODY, Grant, Names
from diffing.model import Change, Section
from diffing.newly import newly
from diffing.policies import Held, held
from diffing.resources import properties
from diffing.sides import Sides, path_of
from diffing.words import listed, noun
from proof.system.system import System
from proof.system.values import named

SORTS = {
    "rights": "",
    "trust": "as its trust policy says, ",
    "policy": "as its policy says, ",
    "boundary": "as its boundary says, ",
}
"""How a change of each sort of policy starts."""

ROLE_NAMES = ("role", "rolearn", "iaminstanceprofile")
"""How the names of properties end that say as whom a resource acts."""

MOST = 8
"""How many lines of one policy are shown."""


def widening(sides: Sides) -> list[Change]:
    """What policies allow now that they did not, and no longer.

    What is itself new has no policy from before, so that nothing of it is wider: its rights are
    shown with it, and the proof judges them.

    Parameters
    ----------
    sides
        What there was, and what there is to be.
    """
    before, after = held(sides.before), _renamed(held(sides.after), sides.renamed)
    afterwards = {sides.renamed.get(each, each) for each in sides.after.resources}
    made: list[Change] = []
    for key in sorted(before.keys() | after.keys()):
        about, sort = key
        was, now = before.get(key, []), after.get(key, [])
        resource = sides.after.resources.get(about) or sides.before.resources.get(about)
        there = about in sides.before.resources or resource is None
        if about in sides.before.resources and about not in afterwards:
            continue  # gone, and its rights with it
        common: dict[str, Any] = {
            "stack": resource.template.name if resource else "",
            "path": path_of(resource) if resource else named(about),
            "type": resource.type if resource else "",
        }
        wider, narrower = compared(was, now, sides.unchanged)
        moves = _moves(common["stack"], sides) if sort == "rights" and wider else []
        moved = [each for each in wider if _follows(each, was, moves)]
        if moved:
            # What the role loses with the old version's files is told with the move.
            wider = [each for each in wider if each not in moved]
            back = [(new, old) for old, new in moves]
            narrower = [each for each in narrower if not _follows(each, now, back)]
        if not there:
            if sort in ("rights", "trust"):
                details = _lines([each for each in now if each.allows])
                says = "is new, and " + ("is assumed by:" if sort == "trust" else "may:")
                made.append(Change(Section.GRANTED, says=says, details=details, **common))
            continue
        if moved:
            details = tuple(f"{old} → {new}" for old, new in moves)
            says = "may do with the new model's files what it might with the old one's"
            made.append(Change(Section.GRANTED, says=says, details=details, **common))
        if wider:
            made.append(_wider(sort, wider, common))
        if narrower:
            details = _lines(narrower)
            says = f"{SORTS[sort]}allows less" if sort != "rights" else "may less"
            made.append(Change(Section.NARROWED, says=says, details=details, **common))
    return [*made, *_acting(sides)]


def _acting(sides: Sides) -> Iterator[Change]:
    """What was there, and acts as another role now: its rights are that role's."""
    says, headline = "comes to act as {new}", "Lets the {resource} act as {new}"
    return newly(sides, _acts_as, says=says, headline=headline)


def _acts_as(value: Any, system: System, key: str = "") -> Iterator[str]:
    """The roles that a resource's properties name, wherever they stand."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _acts_as(each, system, name)
    elif isinstance(value, list):
        for each in value:
            yield from _acts_as(each, system, key)
    elif value is not None and key.lower().endswith(ROLE_NAMES):
        found = system.find(value, "AWS::IAM::Role", "AWS::IAM::InstanceProfile")
        yield found.id if found else str(value)


def _renamed(found: Held, names: Mapping[str, str]) -> Held:
    """Grants under the ids from before, where only a logical id changed."""
    if not names:
        return found
    pattern = re.compile("|".join(rf"(?<=\$\{{){re.escape(each)}(?=[.}}])" for each in names))

    def text(value: str) -> str:
        return pattern.sub(lambda match: names[match[0]], value)

    def all_of(each: Names) -> Names:
        return Names(tuple(map(text, each.patterns)), each.excluded)

    return {
        (names.get(about, about), sort): [
            replace(
                each,
                principals=all_of(each.principals),
                resources=all_of(each.resources),
                conditions=tuple(
                    replace(condition, values=tuple(map(text, condition.values)))
                    for condition in each.conditions
                ),
            )
            for each in listed_here
        ]
        for (about, sort), listed_here in found.items()
    }


def compared(
    was: list[Grant], now: list[Grant], unchanged: frozenset[str]
) -> tuple[list[Grant], list[Grant]]:
    """What is wider, and what is narrower.

    Parameters
    ----------
    was, now
        What one policy allows and denies, before and after.
    unchanged
        Ids of the resources whose text is the same on both sides.
    """
    wider = _uncovered([each for each in now if each.allows], was, unchanged)
    wider += _uncovered([each for each in was if not each.allows], now, unchanged)
    narrower = _uncovered([each for each in was if each.allows], now, unchanged)
    narrower += _uncovered([each for each in now if not each.allows], was, unchanged)
    return wider, narrower


def _uncovered(
    grants: Iterable[Grant], others: list[Grant], unchanged: frozenset[str]
) -> list[Grant]:
    return [
        each
        for each in grants
        if not any(
            other.allows == each.allows
            and (other.covers(each) or (each == other and each.source in unchanged))
            for other in others
        )
    ]


def _follows(each: Grant, others: list[Grant], moves: list[tuple[str, str]]) -> bool:
    """Whether a right only follows a model's files to where the other version's are.

    The roles of an endpoint read the files of its models and of no other: with the version the
    prefix changes, in the model and in the roles alike.
    """
    return each.allows and any(
        other.allows and other.covers(_moved(each, old, new))
        for old, new in moves
        for other in others
    )


def _moves(stack: str, sides: Sides) -> list[tuple[str, str]]:
    """Where the models of a stack stood and stand: each a key of the same depth."""
    moves: set[tuple[str, str]] = set()
    for pair in sides.pairs:
        model = pair.resource.type == "AWS::SageMaker::Model"
        if not (model and pair.before and pair.after) or pair.after.template.name != stack:
            continue
        before, after = properties(sides.before, pair.before), properties(sides.after, pair.after)
        sources = [_keys(each) for each in (before, after)]
        for place in sources[0].keys() & sources[1].keys():
            (bucket, old), (other, new) = sources[0][place], sources[1][place]
            if bucket == other and old != new and old and old.count("/") == new.count("/"):
                moves.add((old, new))
    return sorted(moves)


def _keys(model: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    containers = [model.get("PrimaryContainer"), *(model.get("Containers") or [])]
    found = {}
    for number, each in enumerate(containers):
        source = (each or {}).get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri")
        uri = str(source or (each or {}).get("ModelDataUrl") or "")
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        found[str(number)] = (bucket, key.rstrip("/"))
    return found


def _moved(grant: Grant, old: str, new: str) -> Grant:
    def text(value: str) -> str:
        return value.replace(new, old)

    return replace(
        grant,
        resources=Names(tuple(map(text, grant.resources.patterns)), grant.resources.excluded),
        conditions=tuple(
            replace(each, values=tuple(map(text, each.values))) for each in grant.conditions
        ),
    )


def _wider(sort: str, wider: list[Grant], common: dict[str, Any]) -> Change:
    allowed = [each for each in wider if each.allows]
    kind = noun(common["type"]) if common["type"] else "principal"
    lines = _lines(wider)
    if sort == "boundary" and any(each.written == "*" for each in allowed):
        lines = ("it has no permissions boundary any more",)
    if any(EVERYBODY in each.principals.patterns for each in allowed):
        headline = f"Lets EVERYBODY use the {kind} {common['path']}"
    elif sort == "trust":
        headline = f"Lets others assume the role {common['path']}"
    elif not allowed:
        headline = f"Takes a Deny away from the {kind} {common['path']}"
    else:
        actions = sorted({each.written for each in allowed})
        headline = f"Widens the {kind} {common['path']}: {listed(actions, 2)}"
    says = f"{SORTS[sort]}allows more" if sort != "rights" else "may more"
    return Change(
        Section.WIDENED, says=says, destructive=True, headline=headline, details=lines, **common
    )


def _lines(grants: Iterable[Grant]) -> tuple[str, ...]:
    """Grants in words, those together that differ in nothing but the action."""
    together: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for each in grants:
        whom = "" if each.principals.patterns == ("",) else _whom(each.principals)
        when = "; ".join(named(str(condition)) for condition in each.conditions)
        unknown = " (a part of it is not known, so it counts as wider)" if each.unknown else ""
        words = "" if each.allows else "Deny "
        key = (words, whom, named(str(each.resources)), when, unknown)
        together[key].add(each.written or str(each.actions))
    lines = [
        f"{deny}{listed(sorted(actions), 10)} on {resource}"
        + (f" for {whom}" if whom else "")
        + (f" if {when}" if when else "")
        + unknown
        for (deny, whom, resource, when, unknown), actions in sorted(together.items())
    ]
    more = [f"and {len(lines) - MOST} more"] if len(lines) > MOST else []
    return (*lines[:MOST], *more)


def _whom(names: Names) -> str:
    words = [
        "everybody" if each == EVERYBODY else named(each.partition(":")[2])
        for each in names.patterns
    ]
    return f"everybody but {listed(words)}" if names.excluded else listed(words)
