"""A summary in one line, for whoever approves: it may be cut where there is no room."""

from typing import TYPE_CHECKING

from diffing.markdown import TITLES, in_all, signed
from proof.report.content import clean

if TYPE_CHECKING:
    from diffing.summary import Summary

FEW = 3
"""How many changes of one section are named."""


def brief(summary: "Summary") -> str:
    """What a month costs otherwise, and what changes: what has to be seen first before the rest.

    Parameters
    ----------
    summary
        The summary.

    Examples
    --------
    >>> brief(Summary(()))  # doctest: +SKIP
    ''
    """
    parts = [f"Cost of a month: {_cost(summary)}"] if summary.costs else []
    for section, title in TITLES.items():
        found = summary.of(section)
        named = [f"{it.path} {it.says}" for it in found[:FEW]]
        more = [f"and {len(found) - FEW} more"] if len(found) > FEW else []
        if found:
            parts.append(f"{title}: {'; '.join([*named, *more])}")
    return " ".join(" ".join(str(clean(f"{part}.")).split()) for part in parts)


def _cost(summary: "Summary") -> str:
    total, rest = in_all(summary.costs)
    return "not priced" if total is None else f"{signed(total)}{rest}"
