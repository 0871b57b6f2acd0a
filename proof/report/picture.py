"""The picture of which component can reach which: boxes by stack inside the VPC, and arrows."""

from collections.abc import Iterable, Mapping

from markupsafe import Markup

from proof.model import Component, Reach
from proof.report.boxes import Arrow, Box, gather
from proof.report.content import clean
from proof.report.layout import HEIGHT, Place, place

LINE = 27
"""How many letters go into a box."""

COLOURS = 8
"""How many colours tell arrows apart by where they start."""


def draw(components: Iterable[Component], reaches: Iterable[Reach]) -> Markup:
    """The picture as SVG; its colours come from the page's style sheet.

    Parameters
    ----------
    components, reaches
        Which component can reach which. An end that is no component is drawn by its id.
    """
    boxes, arrows = gather(components, reaches)
    if not boxes:
        return Markup("")
    places, lanes, frame, size = place(boxes, arrows)
    parts = [
        Markup(
            '<svg class="picture" role="img" '
            'aria-label="Which component can reach which" viewBox="0 0 {} {}">'
        ).format(*size),
        Markup("<defs>"),
        *(_tip(number) for number in range(COLOURS)),
        Markup("</defs>"),
    ]
    if frame:
        parts.append(_rectangle("vpc", frame, "VPC"))
    parts += [_rectangle("lane", place, name) for name, place in lanes]
    colours = {name: at % COLOURS for at, name in enumerate(sorted({a.source for a in arrows}))}
    labels = {box.id: box.label for box in boxes}
    parts += [_line(arrow, places, colours[arrow.source], labels) for arrow in arrows]
    parts += [_ports(box, places, arrows) for box in boxes]
    parts += [_drawn(box, places[box.id]) for box in boxes]
    return Markup("\n").join([*(part for part in parts if part), Markup("</svg>")])


def _line(
    arrow: Arrow, places: Mapping[str, Place], colour: int, labels: Mapping[str, str]
) -> Markup:
    x1, y1, width, height = places[arrow.source]
    x2, y2, _, _ = places[arrow.target]
    start, end = y1 + height / 2, y2 + height / 2
    if x2 > x1:
        x1 += width
        bend = max(60.0, (x2 - x1) / 2)
        path = f"M{x1:.0f} {start:.0f} C{x1 + bend:.0f} {start:.0f} {x2 - bend:.0f} {end:.0f} "
        path += f"{x2 - 2:.0f} {end:.0f}"
    elif x2 == x1:
        side = x1 + width
        path = f"M{side:.0f} {start:.0f} C{side + 50:.0f} {start:.0f} {side + 50:.0f} {end:.0f} "
        path += f"{side + 2:.0f} {end:.0f}"
    else:
        x2 += width
        path = f"M{x1:.0f} {start:.0f} C{x1 - 60:.0f} {start:.0f} {x2 + 60:.0f} {end:.0f} "
        path += f"{x2 + 2:.0f} {end:.0f}"
    says = f"{labels[arrow.source]} \u2192 {labels[arrow.target]}: {', '.join(arrow.ports)}"
    return Markup(
        '<path class="arrow c{}" d="{}" marker-end="url(#tip{})"><title>{}</title></path>'
    ).format(colour, path, colour, clean(says))


def _ports(box: Box, places: Mapping[str, Place], arrows: list[Arrow]) -> Markup:
    """The ports of what comes in: at the left, and at the right where arrows come from there."""
    x, y, width, _ = places[box.id]
    parts = []
    for left, anchor, at in ((True, "end", x - 10), (False, "start", x + width + 12)):
        coming = [a for a in arrows if a.target == box.id and (places[a.source][0] < x) == left]
        ports = sorted({port for arrow in coming for port in arrow.ports})
        if ports:
            tag = Markup('<text class="port" x="{}" y="{}" text-anchor="{}">{}</text>')
            text = clean(_short(", ".join(ports), LINE))
            parts.append(tag.format(f"{at:.0f}", f"{y + HEIGHT / 2 - 7:.0f}", anchor, text))
    return Markup("").join(parts)


def _drawn(box: Box, place: Place) -> Markup:
    x, y, width, height = place
    return Markup(
        '<g class="box"><title>{title}</title>'
        '<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'
        '<text x="{left}" y="{one}">{label}</text>'
        '<text class="kind" x="{left}" y="{two}">{kind}</text></g>'
    ).format(
        title=clean(f"{box.label}: {', '.join(box.members)}"),
        x=f"{x:.0f}",
        y=f"{y:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        left=f"{x + 10:.0f}",
        one=f"{y + 20:.0f}",
        two=f"{y + 36:.0f}",
        label=clean(_short(box.label, LINE)),
        kind=clean(_short(box.kind, LINE)),
    )


def _rectangle(kind: str, place: Place, name: str) -> Markup:
    x, y, _, _ = place
    return Markup(
        '<g class="{}"><rect x="{}" y="{}" width="{}" height="{}" rx="8"/>'
        '<text x="{}" y="{}">{}</text></g>'
    ).format(
        kind, *(f"{each:.0f}" for each in place), f"{x + 12:.0f}", f"{y + 22:.0f}", clean(name)
    )


def _tip(colour: int) -> Markup:
    return Markup(
        '<marker id="tip{0}" class="tip c{0}" viewBox="0 0 8 8" refX="7" refY="4" '
        'markerWidth="7" markerHeight="7" orient="auto-start-reverse">'
        '<path d="M0 0 8 4 0 8z"/></marker>'
    ).format(colour)


def _short(text: str, most: int) -> str:
    """The beginning of a text, and its end where that says how many there are."""
    if len(text) <= most:
        return text
    head, sign, tail = text.rpartition(" and ")
    ending = f"{sign}{tail}" if sign and tail.endswith(" more") else ""
    return f"{(head if ending else text)[: most - len(ending) - 1]}\u2026{ending}"
