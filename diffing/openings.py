"""Security groups that let more pass than before, and resources that come to stand in others."""

import ipaddress
from collections.abc import Iterator
from typing import Any

from diffing.model import Change, Section
from diffing.newly import newly
from diffing.sides import Sides, path_of
from proof.reach.groups import ANY, GroupRule, all_rules, group_key
from proof.system.values import as_list, is_unknown, named

GROUPS = "securitygroup"
"""What the name of every property that puts a resource into security groups holds."""


def openings(sides: Sides) -> list[Change]:
    """What security groups let pass now that they did not, and no longer.

    Parameters
    ----------
    sides
        What there was, and what there is to be.
    """
    was, now = all_rules(sides.before), all_rules(sides.after)
    names = sides.renamed
    made: list[Change] = []
    for rule in now:
        group = names.get(rule.group, rule.group)
        if not _there(group, sides):
            continue
        if not any(_covers(old, rule, sides) for old in was):
            made.append(_opened(rule, sides))
    for rule in was:
        group = rule.group
        there = group in {names.get(each, each) for each in sides.after.resources}
        if (there or not _ours(group)) and not any(_covers(new, rule, sides) for new in now):
            made.append(_closed(rule, sides))
    made += _joined(sides)
    return sorted(set(made))


def _there(group: str, sides: Sides) -> bool:
    """Whether a group was there before: it was among the templates, or it is none of them."""
    return group in sides.before.resources or group not in sides.after.resources


def _ours(group: str) -> bool:
    return "." in group


def _covers(wide: GroupRule, narrow: GroupRule, sides: Sides) -> bool:
    names = sides.renamed
    if names.get(wide.group, wide.group) != names.get(narrow.group, narrow.group):
        return False
    if wide.inbound != narrow.inbound or not set(wide.view.branch) <= set(narrow.view.branch):
        return False
    if is_unknown(wide.peer) or is_unknown(narrow.peer):
        return wide.peer == narrow.peer and _spelled(wide) == _spelled(narrow)
    if wide.protocol not in (ANY, narrow.protocol):
        return False
    if not (wide.first <= narrow.first and narrow.last <= wide.last):
        return False
    if wide.kind == narrow.kind == "cidr":
        return _within(narrow.peer, wide.peer)
    return wide.kind == narrow.kind and (
        names.get(wide.peer, wide.peer) == names.get(narrow.peer, narrow.peer)
    )


def _spelled(rule: GroupRule) -> Any:
    """How a rule is written, for what is not known of it."""
    return rule.view.resource.body.get("Properties")


def _within(narrow: str, wide: str) -> bool:
    try:
        one, other = (ipaddress.ip_network(each, strict=False) for each in (narrow, wide))
    except ValueError:
        return narrow == wide
    if isinstance(one, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and one.subnet_of(other)
    return isinstance(other, ipaddress.IPv6Network) and one.subnet_of(other)


def _common(rule: GroupRule, sides: Sides) -> dict[str, Any]:
    """The change is the group's, wherever the rule is written."""
    for system in (sides.after, sides.before):
        group = system.resources.get(rule.group)
        if group:
            return {"stack": group.template.name, "path": path_of(group), "type": group.type}
    resource = rule.view.resource
    return {"stack": resource.template.name, "path": path_of(resource), "type": resource.type}


def _opened(rule: GroupRule, sides: Sides) -> Change:
    common = _common(rule, sides)
    peer = _peer(rule, sides)
    if rule.inbound:
        says, headline = f"lets {peer} in, on {rule.ports}", f"Opens {common['path']} to {peer}"
    else:
        says = f"lets out to {peer}, on {rule.ports}"
        headline = f"Lets {common['path']} out to {peer}"
    return Change(
        Section.WIDENED,
        says=says,
        destructive=True,
        headline=f"{headline}, {rule.ports}",
        **common,
    )


def _closed(rule: GroupRule, sides: Sides) -> Change:
    peer = _peer(rule, sides)
    says = f"no longer lets {peer} in, on {rule.ports}"
    if not rule.inbound:
        says = f"no longer lets out to {peer}, on {rule.ports}"
    return Change(Section.NARROWED, says=says, **_common(rule, sides))


def _peer(rule: GroupRule, sides: Sides) -> str:
    for system in (sides.after, sides.before):
        if rule.peer in system.resources:
            return path_of(system.resources[rule.peer])
    return named(rule.peer)


def _joined(sides: Sides) -> Iterator[Change]:
    """Resources that were there, and stand in another group now."""
    return newly(
        sides,
        lambda properties, _: _groups(properties),
        says="comes to stand in {new}",
        headline="Puts the {resource} into {new}",
        but="AWS::EC2::SecurityGroup",
    )


def _groups(value: Any, inside: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _groups(each, GROUPS in key.lower())
    elif isinstance(value, list):
        for each in value:
            yield from _groups(each, inside)
    elif inside and value is not None:
        yield from (group_key(each) for each in as_list(value))
