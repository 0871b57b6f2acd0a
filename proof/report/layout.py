"""Where the boxes of the proof's picture stand.

The layout is our own, as it is small: columns by how far a box is from where connections start,
one lane for each stack, and what is outside of the VPC at its left (who calls in) and at its right
(what is called).
"""

from collections import defaultdict

from proof.report.boxes import Arrow, Box

LEFT, RIGHT = {"client", "api"}, {"service", "bucket"}
"""Kinds that stand outside of the VPC's frame."""

WIDTH, HEIGHT, GAP, COLUMN, LANE, MARGIN = 214, 46, 14, 320, 34, 20
"""Sizes of a box, of what is between boxes, of a column, a lane's head and a frame's margin."""

Place = tuple[float, float, float, float]


def place(
    boxes: list[Box], arrows: list[Arrow]
) -> tuple[dict[str, Place], list[tuple[str, Place]], Place | None, tuple[float, float]]:
    """Where each box, each lane and the VPC's frame stand, and how large all is.

    Parameters
    ----------
    boxes, arrows
        What is to be drawn.
    """
    inside = [box for box in boxes if box.kind not in LEFT | RIGHT]
    column = _columns(inside, arrows)
    last = max(column.values(), default=-1)
    has_left = any(box.kind in LEFT for box in boxes)
    start = MARGIN + (COLUMN if has_left else 0) + (MARGIN if inside else 0)
    places: dict[str, Place] = {}
    lanes: list[tuple[str, Place]] = []
    y = MARGIN + LANE if inside else MARGIN
    for lane in sorted({box.lane for box in inside}):
        cells: dict[int, list[Box]] = defaultdict(list)
        for box in inside:
            if box.lane == lane:
                cells[column[box.id]].append(box)
        for at, held in cells.items():
            for row, box in enumerate(sorted(held, key=lambda each: (each.label, each.id))):
                top = y + LANE + row * (HEIGHT + GAP)
                places[box.id] = (start + MARGIN + at * COLUMN, top, WIDTH, HEIGHT)
        tall = LANE + max(map(len, cells.values())) * (HEIGHT + GAP)
        width = last * COLUMN + WIDTH + 2 * MARGIN
        lanes.append((lane or "no stack", (start, y, width, tall)))
        y += tall + GAP
    frame = None
    edge: float = start
    if inside:
        width = last * COLUMN + WIDTH + 4 * MARGIN
        frame = (start - MARGIN, float(MARGIN), width, y - MARGIN)
        edge = frame[0] + width
    for outside, x in ((LEFT, float(MARGIN)), (RIGHT, edge + COLUMN - WIDTH)):
        _stack([box for box in boxes if box.kind in outside], x, arrows, places)
    right = max((x + w for x, _, w, _ in places.values()), default=0)
    bottom = max((top + h for _, top, _, h in places.values()), default=0)
    size = (max(right, edge) + MARGIN, max(bottom, y) + MARGIN)
    return places, lanes, frame, size


def _columns(inside: list[Box], arrows: list[Arrow]) -> dict[str, int]:
    """The column of each box: behind all that reach it, as far as there is no circle."""
    ids = {box.id for box in inside}
    sources: dict[str, list[str]] = {each: [] for each in ids}
    for arrow in arrows:
        if arrow.source in ids and arrow.target in ids and arrow.source != arrow.target:
            sources[arrow.target].append(arrow.source)
    column: dict[str, int] = {}
    # By how many reach it: what only starts connections comes first, and circles break there.
    waiting = sorted(ids, key=lambda each: (len(sources[each]), each))
    while waiting:
        ready = [each for each in waiting if all(s in column for s in sources[each])]
        for each in ready or waiting[:1]:
            known = [column[source] for source in sources[each] if source in column]
            column[each] = max(known, default=-1) + 1
        waiting = [each for each in waiting if each not in column]
    # All doors to services stand in the last column, next to what is outside.
    last = max(column.values(), default=0)
    doors = {box.id for box in inside if box.kind == "endpoint"}
    return {each: last if each in doors else at for each, at in column.items()}


def _stack(boxes: list[Box], x: float, arrows: list[Arrow], places: dict[str, Place]) -> None:
    """Place boxes below one another, each as near as can be to what it is connected with."""

    def height(box: Box) -> float:
        ends = [
            a.source if a.target == box.id else a.target
            for a in arrows
            if box.id in (a.source, a.target)
        ]
        found = [places[end][1] for end in ends if end in places]
        return sum(found) / len(found) if found else 0.0

    wanted = {box.id: height(box) for box in boxes}
    y: float = MARGIN + LANE
    for box in sorted(boxes, key=lambda each: (wanted[each.id], each.label, each.id)):
        y = max(y, wanted[box.id])
        places[box.id] = (x, y, WIDTH, HEIGHT)
        y += HEIGHT + GAP
