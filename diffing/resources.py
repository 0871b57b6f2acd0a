"""Which resources are replaced, deleted, added or changed, and what of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from diffing.model import Change, Section
from diffing.schemas import at, replacing
from diffing.sides import Pair, Sides, path_of
from diffing.values import Difference, differences
from diffing.words import STATEFUL, listed, noun
from proof.system.system import System
from proof.system.templates import Resource
from proof.system.values import PLACEHOLDER

ATTRIBUTES = (
    "Condition",
    "CreationPolicy",
    "DeletionPolicy",
    "UpdatePolicy",
    "UpdateReplacePolicy",
)
"""What is said of a resource beside its properties, and has an effect."""

MADE_ANEW = frozenset({"AWS::ApiGateway::Deployment", "AWS::Lambda::Version"})
"""Types that never change: each new state is a new resource, and nothing is lost."""

SNAPSHOT = frozenset({"AWS::RDS::DBCluster", "AWS::RDS::DBInstance"})
"""Types that are kept as a snapshot where nobody says what is kept.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
"""

MOST = 8
"""How many differences of one resource are shown."""


@dataclass(frozen=True)
class Compared:
    """One resource on both sides, and where it differs.

    Parameters
    ----------
    pair
        The resource.
    differences
        Where its properties differ, and what is said beside them.
    """

    pair: Pair
    differences: tuple[Difference, ...]


def compare(sides: Sides) -> list[Compared]:
    """Every resource that differs, is new or is gone.

    Parameters
    ----------
    sides
        What there was, and what there is to be.
    """
    found = []
    for pair in sides.pairs:
        differing = tuple(_differences(pair, sides))
        if differing or pair.renamed or not (pair.before and pair.after):
            found.append(Compared(pair, differing))
    return found


def changes(compared: list[Compared], sides: Sides) -> list[Change]:
    """What becomes of each resource.

    Parameters
    ----------
    compared
        The resources that differ.
    sides
        What there was, and what there is to be.
    """
    because = _replaced(compared, sides)
    made = [_change(each, because.get(each.pair.resource.id, ()), sides) for each in compared]
    # What did not change itself can be replaced for what it refers to.
    seen = {each.pair.resource.id for each in compared}
    for pair in sides.pairs:
        if pair.resource.id in because and pair.resource.id not in seen:
            made.append(_change(Compared(pair, ()), because[pair.resource.id], sides))
    return made


def properties(system: System, resource: Resource | None) -> Any:
    """The properties of a resource, as it is deployed unless somebody chooses otherwise."""
    views = system.branches(resource) if resource else ()
    return views[0].properties if views else {}


def _differences(pair: Pair, sides: Sides) -> Iterator[Difference]:
    if not (pair.before and pair.after):
        return
    if pair.before.type != pair.after.type:
        yield Difference(("Type",), pair.before.type, pair.after.type)
        return
    seen: set[tuple[str, ...]] = set()
    for before, after in _branches(pair, sides):
        for each in differences(before, after):
            if each.path not in seen:
                seen.add(each.path)
                yield each
    # What nobody knows before a deployment is compared as it is written.
    written = [each.body.get("Properties", {}) for each in (pair.before, pair.after)]
    for name in {**written[0], **written[1]}:
        one, other = (each.get(name) for each in written)
        resolved = json.dumps(properties(sides.after, pair.after), default=str)
        if one != other and "${?}" in resolved and not any(name == path[0] for path in seen):
            yield Difference((name,), json.dumps(one), json.dumps(other))
    for name in ATTRIBUTES:
        yield from differences(pair.before.body.get(name), pair.after.body.get(name), (name,))


def _branches(pair: Pair, sides: Sides) -> Iterator[tuple[Any, Any]]:
    """The properties of both sides in each branch, or else in the usual one."""
    assert pair.before  # noqa: S101 - as the caller made sure
    assert pair.after  # noqa: S101
    before = {view.branch: view.properties for view in sides.before.branches(pair.before)}
    after = {view.branch: view.properties for view in sides.after.branches(pair.after)}
    if before.keys() != after.keys():
        yield properties(sides.before, pair.before), properties(sides.after, pair.after)
    for branch in before.keys() & after.keys():
        yield before[branch], after[branch]


def _replaced(compared: list[Compared], sides: Sides) -> dict[str, tuple[str, ...]]:
    """Ids of what is replaced, each with the properties that it is replaced for."""
    both = [each for each in sides.pairs if each.before and each.after]
    because: dict[str, tuple[str, ...]] = {}
    for each in compared:
        if not (each.pair.before and each.pair.after):
            continue
        if each.pair.before.type != each.pair.after.type:
            because[each.pair.after.id] = ("Type",)
        elif each.pair.renamed:
            because[each.pair.after.id] = ("its logical id",)
        else:
            reasons = _surely(each.pair, sides)
            if reasons:
                because[each.pair.after.id] = reasons
    rest = [pair.after for pair in both if pair.after and pair.after.id not in because]
    fresh = set(because)
    while fresh:
        found = {}
        for resource in rest:
            if resource.id not in because:
                reasons = _following(resource, fresh, sides)
                if reasons:
                    found[resource.id] = reasons
        because.update(found)
        fresh = set(found)
    return because


def _surely(pair: Pair, sides: Sides) -> tuple[str, ...]:
    known = replacing(pair.resource.type, sides.region)
    return _differing(pair, known[0], sides) if known else ()


def _differing(pair: Pair, paths: tuple[str, ...], sides: Sides) -> tuple[str, ...]:
    before, after = properties(sides.before, pair.before), properties(sides.after, pair.after)
    return tuple(
        path for path in paths if any(True for _ in differences(at(before, path), at(after, path)))
    )


def _following(resource: Resource, replaced: set[str], sides: Sides) -> tuple[str, ...]:
    """The properties that cannot change in place, and name what is replaced."""
    known = replacing(resource.type, sides.region)
    values = properties(sides.after, resource)
    return tuple(
        path
        for path in (known[0] if known else ())
        for found in PLACEHOLDER.finditer(json.dumps(at(values, path), default=str))
        if f"{found[1]}.{found[2]}" in replaced
    )


def _change(each: Compared, because: tuple[str, ...], sides: Sides) -> Change:
    pair, resource = each.pair, each.pair.resource
    kind = resource.type
    stateful = kind in STATEFUL
    common: dict[str, Any] = {
        "stack": resource.template.name,
        "path": path_of(resource),
        "type": kind,
        "details": _details(each.differences),
    }
    if not pair.before:
        return Change(Section.ADDED, says="is new", **common)
    if not pair.after:
        fate = _fate(pair.before, "DeletionPolicy") if stateful else ""
        return Change(
            Section.DELETED,
            says=f"is deleted{fate}",
            destructive=stateful,
            headline=f"DELETES the {noun(kind)} {common['path']}{fate}" if stateful else "",
            **common,
        )
    if because and kind not in MADE_ANEW:
        fate = _fate(pair.before, "UpdateReplacePolicy") if stateful else ""
        return Change(
            Section.REPLACED,
            says=f"is replaced{fate}, for {listed(sorted(set(because)))}",
            destructive=stateful,
            headline=f"REPLACES the {noun(kind)} {common['path']}{fate}" if stateful else "",
            **common,
        )
    known = replacing(kind, sides.region)
    maybe = _differing(pair, known[1], sides) if known else ()
    says = "is made anew" if kind in MADE_ANEW else "changes"
    if maybe:
        says = f"may be replaced, for {listed(list(maybe))}"
    elif known is None:
        says = "changes, and whether it is replaced is not known: there is no schema of its type"
    risk = stateful and bool(maybe or known is None)
    return Change(
        Section.REPLACED if risk else Section.CHANGED,
        says=says,
        destructive=risk,
        headline=f"May REPLACE the {noun(kind)} {common['path']}" if risk else "",
        **common,
    )


def _fate(resource: Resource, attribute: str) -> str:
    """What becomes of the old one and its data."""
    default = "Delete"
    if resource.type in SNAPSHOT and attribute == "DeletionPolicy":
        clustered = "DBClusterIdentifier" in resource.body.get("Properties", {})
        default = "Delete" if clustered else "Snapshot"
    policy = resource.body.get(attribute, default)
    what = "which" if attribute == "DeletionPolicy" else "and the old one"
    return {
        "Retain": f", {what} is kept outside of the stacks",
        "RetainExceptOnCreate": f", {what} is kept outside of the stacks",
        "Snapshot": ", and a snapshot is kept",
    }.get(str(policy), " with its data")


def _details(found: tuple[Difference, ...]) -> tuple[str, ...]:
    texts = [str(each) for each in found]
    more = [f"and {len(texts) - MOST} more"] if len(texts) > MOST else []
    return (*texts[:MOST], *more)
