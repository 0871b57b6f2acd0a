"""Rules that span fields of the configuration of MLflow's users and teams."""

from collections.abc import Iterator, Sequence

from mlops_constructs.faults import Fault
from mlops_constructs.naming import ADMINISTRATOR
from stacks.validation import Check, Parts


def _user_faults(parts: Parts) -> Iterator[Fault]:
    users = parts.get("tracking.access.users")
    if users is None:
        return
    yield from _repeated("tracking.access.users", users)
    if ADMINISTRATOR in users:
        yield Fault(
            "tracking.access.users",
            f"'{ADMINISTRATOR}'",
            "any other name: that user is always there",
            "Remove it.",
        )
    lists = {"tracking.access.administrators": parts.get("tracking.access.administrators", [])} | {
        f"tracking.access.teams.{name}.members": team.get("members", [])
        for name, team in parts.get("tracking.access.teams", {}).items()
    }
    for path, named in lists.items():
        yield from _repeated(path, named)
        if None not in users:
            for user in sorted({user for user in named if user and user not in users}):
                known = ", ".join(users) or "none is declared"
                yield Fault(
                    path,
                    f"'{user}'",
                    f"some of tracking.access.users: {known}",
                    f"Add '{user}' to tracking.access.users, or mend the name.",
                )


def _repeated(path: str, named: Sequence[str | None]) -> Iterator[Fault]:
    for name in sorted({name for name in named if name and named.count(name) > 1}):
        yield Fault(path, f"'{name}' twice", "each once", "Remove one.")


ACCESS_CHECKS: tuple[Check, ...] = (_user_faults,)
