"""What served when, and what became of the platform, as tables."""

from collections.abc import Iterable
from itertools import islice

from rich.table import Table
from rich.text import Text

from releasing.services import Services

DIGITS = len("sha256:") + 12
MOST = 50
"""How many states of an endpoint are shown, or changes of the platform."""


def history(services: Services, endpoint: str) -> Table:
    """What an endpoint served lately, the latest first.

    Parameters
    ----------
    services
        Whom to ask.
    endpoint
        Name of the endpoint.
    """
    table = Table(title=f"{services.environment.name}/{endpoint}", title_justify="left")
    for heading in ("from", "models", "images", "promoted by", "reason", "smoke test"):
        table.add_column(heading)
    for number, served in enumerate(islice(services.records.history(endpoint), MOST)):
        containers = served.release.containers.values()
        notes = [it.promotion for it in containers if it.promotion]
        images = dict.fromkeys(it.image[:DIGITS] for it in containers if it.image)
        _add(
            table,
            served.at.strftime("%Y-%m-%d %H:%M:%S") if served.at else "",
            served.release.summary,
            ", ".join(images),
            _joined(it.promoted_by for it in notes),
            _joined(it.reason for it in notes),
            _joined(it.smoke_test for it in notes),
            latest=not number,
        )
    latest = services.journal(endpoint).latest()
    if latest:
        reason = f": {latest.reason}" if latest.reason else ""
        summary = latest.promotion.content.summary
        table.caption = Text(f"Latest attempt: {summary}, {latest.outcome}{reason}")
    return table


def platform_history(services: Services) -> Table:
    """How the platform was changed, the latest first.

    Parameters
    ----------
    services
        Whom to ask.
    """
    table = Table(title=services.environment.name, title_justify="left")
    for heading in ("began", "commit", "by", "outcome", "what", "why it ended so"):
        table.add_column(heading)
    for number, change in enumerate(islice(services.changes.history(), MOST)):
        content = change.proposal.content
        left = [f"{stack} is left: {why}" for stack, why in change.left.items()]
        _add(
            table,
            change.began,
            content.commit[:12] + (" with changes" if content.changed else ""),
            content.by,
            change.outcome if change.outcome != "running" else change.step,
            change.headline.removeprefix(f"{content.summary}: "),
            " ".join([change.reason, *left]).strip(),
            latest=not number,
        )
    return table


def _add(table: Table, *cells: str, latest: bool) -> None:
    """A row of what others wrote: brackets in it are no markup."""
    table.add_row(*map(Text, cells), style="bold" if latest else "")


def _joined(values: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))
