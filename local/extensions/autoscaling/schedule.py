"""When a scheduled action is due.

https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from operations.errors import OperationError

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("weekday", 1, 7, DAYS),
    ("year", 1970, 2199, ()),
)
UNITS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}

RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
PART = re.compile(r"(\*|\?|[^/-]+)(?:-([^/]+))?(?:/(\d+))?")


class Schedule:
    """A schedule, as a scheduled action has it.

    Parameters
    ----------
    expression
        ``at(...)``, ``rate(...)`` or ``cron(...)``.
    zone
        The time zone that it is read in.

    Raises
    ------
    OperationError
        Where it cannot be read.
    """

    def __init__(self, expression: str, zone: str = "UTC") -> None:
        self._zone = ZoneInfo(zone)
        self._every: float | None = None
        self._at: datetime | None = None
        self._fields: Sequence[set[int]] = ()
        try:
            self._read(expression)
        except (ValueError, AttributeError) as error:
            raise OperationError(
                f"The schedule '{expression}' cannot be read here: {error}.",
                "Write at(2030-01-31T08:00:00), rate(5 minutes) or cron(0 8 ? * MON-FRI *).",
            ) from error

    @property
    def every(self) -> float | None:
        """The seconds of a rate; nothing where it has none."""
        return self._every

    def due(self, after: datetime, now: datetime) -> bool:
        """Whether it is due since a time.

        Parameters
        ----------
        after
            When it was looked at last.
        now
            The time.
        """
        if self._at:
            return after < self._at <= now
        moment = now.replace(second=0, microsecond=0)
        while moment > after:
            if self._matches(moment.astimezone(self._zone)):
                return True
            moment -= timedelta(minutes=1)
        return False

    def _matches(self, moment: datetime) -> bool:
        found = (
            moment.minute,
            moment.hour,
            moment.day,
            moment.month,
            moment.isoweekday() % 7 + 1,
            moment.year,
        )
        return all(value in allowed for value, allowed in zip(found, self._fields, strict=True))

    def _read(self, expression: str) -> None:
        rate = RATE.fullmatch(expression)
        if rate:
            self._every = int(rate[1]) * UNITS[rate[2]]
            return
        kind, _, rest = expression.partition("(")
        words = rest.rstrip(")").split()
        if kind == "at" and len(words) == 1:
            self._at = datetime.fromisoformat(words[0]).replace(tzinfo=self._zone).astimezone(UTC)
            return
        if kind != "cron" or len(words) != len(FIELDS):
            raise ValueError("it is none of at, rate and cron with 6 fields")
        self._fields = [
            _allowed(word, least, most, names)
            for word, (_, least, most, names) in zip(words, FIELDS, strict=True)
        ]


def _allowed(word: str, least: int, most: int, names: Sequence[str]) -> set[int]:
    """The values that a field of a cron expression allows."""

    def number(text: str) -> int:
        value = names.index(text.upper()) + 1 if text.upper() in names else int(text)
        if not least <= value <= most:
            raise ValueError(f"{value} is not from {least} to {most}")
        return value

    allowed: set[int] = set()
    for part in word.split(","):
        found = PART.fullmatch(part)
        if not found:
            raise ValueError(f"'{part}' is no part of a cron expression")
        first, last, step = found.groups()
        anything = first in "*?"
        begin = least if anything else number(first)
        end = most if anything or (step and not last) else number(last or first)
        allowed |= set(range(begin, end + 1, int(step or 1)))
    return allowed
