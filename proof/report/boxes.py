"""What the picture of the proof shows as one box, and which boxes are connected.

Components of one kind with the same neighbours are one box, so that twenty model endpoints are as
legible as three. Stacks that hold the same kinds of components mirror one another; what no template
holds, such as a service of AWS, always stands for itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from proof.model import Component, Reach

MERGED_FROM = 3
"""From how many components on they are one box."""


@dataclass(frozen=True)
class Box:
    """What is drawn as one box.

    Parameters
    ----------
    id
        Id of its first component.
    label, kind
        What is written in it.
    lane
        The stack, or the stacks, that it belongs to; empty outside of them.
    members
        Ids of its components.
    """

    id: str
    label: str
    kind: str
    lane: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Arrow:
    """A connection between two boxes.

    Parameters
    ----------
    source, target
        Ids of the boxes.
    ports
        Its ports: ``tcp/443``.
    """

    source: str
    target: str
    ports: tuple[str, ...]


def gather(
    components: Iterable[Component], reaches: Iterable[Reach]
) -> tuple[list[Box], list[Arrow]]:
    """The boxes and arrows of a picture, before they have places.

    Parameters
    ----------
    components, reaches
        Which component can reach which.
    """
    by_id = {each.id: each for each in components}
    reaches = sorted(_through_doors(reaches, by_id))
    for end in sorted({end for each in reaches for end in (each.source, each.target)} - set(by_id)):
        by_id[end] = Component(end, end, "service", "")
    classes = _classes(by_id, reaches)
    boxes: dict[str, Box] = {}
    holder: dict[str, str] = {}
    for members in sorted(classes):
        first = by_id[members[0]]
        more = f" and {len(members) - 1} more" if len(members) > 1 else ""
        stacks = sorted({by_id[each].template for each in members})
        others = f" and {len(stacks) - 1} more" if len(stacks) > 1 else ""
        lane = stacks[0].partition(".")[0] + others
        boxes[first.id] = Box(first.id, first.label + more, first.kind, lane, members)
        holder |= dict.fromkeys(members, first.id)
    ports: dict[tuple[str, str], set[str]] = defaultdict(set)
    for each in reaches:
        ports[holder[each.source], holder[each.target]].add(each.port)
    arrows = [Arrow(*ends, tuple(sorted(each))) for ends, each in sorted(ports.items())]
    return list(boxes.values()), arrows


def _through_doors(reaches: Iterable[Reach], by_id: Mapping[str, Component]) -> Iterator[Reach]:
    """The same connections, each led through the endpoints that its evidence names."""
    doors = {each.id for each in by_id.values() if each.kind == "endpoint"}
    for each in reaches:
        through = doors & set(each.evidence)
        if not through or doors & {each.source, each.target}:
            yield each
            continue
        for door in through:
            yield replace(each, target=door)
            yield replace(each, source=door)


def _classes(by_id: Mapping[str, Component], reaches: Iterable[Reach]) -> list[tuple[str, ...]]:
    """Ids of what is one box: the same kind, in stacks of the same shape, with such neighbours."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for each in by_id.values():
        kinds[each.template].append(each.kind)
    shapes: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for template, held in kinds.items():
        shapes[tuple(sorted(held))].append(template)
    # Stacks that mirror one another count as one; what no template holds stays what it is.
    alike = {
        name: min(names) if len(names) >= MERGED_FROM else name
        for names in shapes.values()
        for name in names
    }
    number: dict[str, int] = {}
    colour: dict[str, object] = {
        each.id: (each.kind, alike[each.template]) if each.template else each.id
        for each in by_id.values()
    }
    count = -1
    # Colours are refined by those of the neighbours until no class falls apart any more.
    while len(set(number.values())) > count:
        count = len(set(number.values()))
        order = {each: at for at, each in enumerate(sorted(set(map(repr, colour.values()))))}
        number = {name: order[repr(colour[name])] for name in by_id}
        near: dict[str, set[tuple[int, bool, str]]] = defaultdict(set)
        for reach in reaches:
            near[reach.source].add((number[reach.target], True, reach.port))
            near[reach.target].add((number[reach.source], False, reach.port))
        colour = {name: (number[name], sorted(near[name])) for name in by_id}
    found: dict[int, list[str]] = defaultdict(list)
    for name in sorted(by_id):
        found[number[name]].append(name)
    return [
        members
        for held in found.values()
        for members in ([tuple(held)] if len(held) >= MERGED_FROM else [(name,) for name in held])
    ]
