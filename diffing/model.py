"""What a summary is made of: plain data, filled by the comparison and shown by the outputs."""

from dataclasses import dataclass, field
from enum import IntEnum


class Section(IntEnum):
    """Where a change is shown; what has to be seen first comes first."""

    WIDENED = 1
    """More is allowed, or a safeguard is gone."""
    GRANTED = 2
    """What is itself new may do something, or a right moves with what it is for."""
    NARROWED = 3
    """Less is allowed, or a safeguard is new."""
    REPLACED = 4
    DELETED = 5
    ADDED = 6
    CHANGED = 7


SECURITY = (Section.WIDENED, Section.GRANTED, Section.NARROWED)


@dataclass(frozen=True, order=True)
class Change:
    """One change of one resource.

    Parameters
    ----------
    section
        Where it is shown.
    stack
        Name of the resource's template: ``Data``.
    path
        The construct's path: ``Data/Database/Instance``. A change that has to be named is named
        by it.
    type
        ``AWS::RDS::DBInstance``.
    says
        What happens, after the resource's name: ``is replaced``.
    destructive
        Whether it has to be named: data is lost, or more is allowed.
    headline
        What happens as a sentence of its own; empty where ``says`` is enough.
    details
        The properties that differ, in words.
    """

    section: Section
    stack: str
    path: str
    type: str
    says: str
    destructive: bool = False
    headline: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class Served:
    """Another version that an endpoint serves.

    Parameters
    ----------
    stack
        Name of its template.
    endpoint
        Its name.
    before, after
        Name and version of each model, or where it is and no version; empty where the endpoint is
        new, or gone.
    """

    stack: str
    endpoint: str
    before: tuple[tuple[str, str], ...]
    after: tuple[tuple[str, str], ...]


@dataclass(frozen=True, order=True)
class Cost:
    """What a resource costs in a month.

    Parameters
    ----------
    path
        The construct's path.
    what
        What is paid for: ``2 x ml.m5.large``.
    before, after
        Dollars; ``None`` where a price is not known.
    """

    path: str
    what: str
    before: float | None
    after: float | None


@dataclass(frozen=True)
class Naming:
    """Which destructive changes are meant.

    Parameters
    ----------
    reasons
        The reason by the construct's path.

    Examples
    --------
    >>> Naming({"Data/Database/Instance": "a new engine"}).names("Data/Database/Instance")
    True
    """

    reasons: dict[str, str] = field(default_factory=dict)

    def names(self, path: str) -> bool:
        """Whether a change is named: its own path, never one above it."""
        return path in self.reasons
