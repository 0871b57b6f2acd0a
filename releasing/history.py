"""What served when, as a table."""

from collections.abc import Iterable

from rich.table import Table

from releasing.services import Services

DIGITS = len("sha256:") + 12


def history(services: Services, endpoint: str) -> Table:
    """What an endpoint served, the latest first.

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
    for number, served in enumerate(services.records.history(endpoint)):
        containers = served.release.containers.values()
        notes = [it.promotion for it in containers if it.promotion]
        images = dict.fromkeys(it.image[:DIGITS] for it in containers if it.image)
        table.add_row(
            served.at.strftime("%Y-%m-%d %H:%M:%S") if served.at else "",
            served.release.summary,
            ", ".join(images),
            _joined(it.promoted_by for it in notes),
            _joined(it.reason for it in notes),
            _joined(it.smoke_test for it in notes),
            style="" if number else "bold",
        )
    latest = services.journal(endpoint).latest()
    if latest:
        reason = f": {latest.reason}" if latest.reason else ""
        table.caption = (
            f"Latest attempt: {latest.promotion.content.summary}, {latest.outcome}{reason}"
        )
    return table


def _joined(values: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))
