"""A summary as Markdown, for the comment on a pull request."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from diffing.headline import serving
from diffing.model import Change, Cost, Section
from proof.report.bill import dollars
from proof.report.text import plain

if TYPE_CHECKING:
    from diffing.summary import Summary

TITLES = {
    Section.WIDENED: "Security: allows more",
    Section.GRANTED: "Security: rights that are new, or moved",
    Section.NARROWED: "Security: allows less",
    Section.REPLACED: "Replaced",
    Section.DELETED: "Deleted",
    Section.ADDED: "New",
    Section.CHANGED: "Changed",
}
MOST = 40
"""How many changes of one section are shown: whoever reads has an end."""

LONGEST = 60_000
"""The longest comment; GitHub takes 65,536 signs."""


def comment(summary: "Summary") -> str:
    """The comment; empty where nothing changes.

    Parameters
    ----------
    summary
        The summary.
    """
    if summary.empty:
        return ""
    lines, length = [], 0
    for line in _lines(summary):
        length += len(line) + 1
        if length > LONGEST:
            lines += ["", "And more: the whole is in summary.json."]
            break
        lines.append(line)
    return "\n".join(lines) + "\n"


def _lines(summary: "Summary") -> Iterator[str]:
    yield f"### {plain(summary.headline)}"
    if summary.refused:
        yield from ("", "**Refused** until it is named in the text of the request:", "", "```")
        for path in sorted({each.path for each in summary.refused}):
            yield f"allow-destroy: {path}: <reason>"
        yield "```"
    for path in summary.unused:
        yield from ("", f"Named, and nothing of it has to be: {plain(path)}.")
    told = [said for each in summary.served if (said := serving(each)) not in summary.headline]
    if told:
        yield from ("", *(f"- {plain(said)}" for said in told))
    for section, title in TITLES.items():
        found = summary.of(section)
        if found:
            yield from ("", f"#### {title}", "")
            yield from _section(found, summary)
    yield from _costs(summary.costs)


def _section(found: list[Change], summary: "Summary") -> Iterator[str]:
    for each in found[:MOST]:
        kind = f" ({plain(each.type)})" if each.type else ""
        yield f"- **{plain(each.path)}**{kind} {plain(each.says)}{_why(each, summary)}"
        yield from (f"  - {plain(line)}" for line in each.details)
    if len(found) > MOST:
        yield f"- and {len(found) - MOST} more"


def _why(each: Change, summary: "Summary") -> str:
    if not each.destructive:
        return ""
    reason = summary.naming.reasons.get(each.path)
    return f". Named: {plain(reason)}" if reason else ". **Not named**"


def _costs(found: tuple[Cost, ...]) -> Iterator[str]:
    if not found:
        return
    yield from ("", "#### Cost of a month", "")
    for each in found:
        yield f"- {plain(each.path)}: {plain(each.what)}, {change(each)}"
    total, rest = in_all(found)
    if total is not None:
        yield f"- In all{rest}: {signed(total)}, without traffic, storage and requests"


def in_all(found: Sequence[Cost]) -> tuple[float | None, str]:
    """What changes of prices come to, and of how much of them: nothing where none is priced.

    Parameters
    ----------
    found
        The changes.
    """
    priced = [
        each.after - each.before
        for each in found
        if each.before is not None and each.after is not None
    ]
    rest = " of what is priced" if len(priced) < len(found) else ""
    return (sum(priced) if priced else None), rest


def change(cost: Cost) -> str:
    """What a change of the price comes to, in words."""
    if cost.before is None or cost.after is None:
        return "not priced"
    return signed(cost.after - cost.before)


def signed(amount: float) -> str:
    """Dollars more or less.

    Examples
    --------
    >>> signed(-12.5), signed(3)
    ('-$12.50', '+$3.00')
    """
    return f"{'-' if amount < 0 else '+'}{dollars(abs(amount))}"
