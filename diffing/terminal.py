"""A summary for a terminal."""

from rich.text import Text

from diffing.headline import serving
from diffing.markdown import TITLES, change
from diffing.model import SECURITY
from diffing.summary import Summary


def text(summary: Summary) -> Text:
    """The summary, what is refused in red.

    Parameters
    ----------
    summary
        The summary.
    """
    made = Text()
    made.append(f"{summary.headline}\n", "bold red" if summary.refused else "bold")
    for served in summary.served:
        made.append(f"  {serving(served)}\n")
    for section, title in TITLES.items():
        found = summary.of(section)
        if found:
            made.append(f"\n{title}\n", "bold yellow" if section in SECURITY else "bold")
        for each in found:
            named = summary.naming.reasons.get(each.path) if each.destructive else None
            refused = each.destructive and not named
            kind = f" ({each.type})" if each.type else ""
            made.append(f"  {each.path}{kind} {each.says}", "red" if refused else "")
            made.append(f". Named: {named}\n" if named else "\n")
            for line in each.details:
                made.append(f"    {line}\n", "dim")
    if summary.costs:
        made.append("\nCost of a month\n", "bold")
    for cost in summary.costs:
        made.append(f"  {cost.path}: {cost.what}, {change(cost)}\n")
    for path in summary.unused:
        made.append(f"\nNamed, and nothing of it has to be: {path}\n")
    if summary.refused:
        made.append("\nRefused until each is named, with a reason:\n", "bold red")
        for path in sorted({each.path for each in summary.refused}):
            made.append(f"  allow-destroy: {path}: <reason>\n")
    return made
