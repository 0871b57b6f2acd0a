"""Faults in what a user gave us, reported all together and in words that help."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with an input.

    Parameters
    ----------
    path
        Where it stands, as the user would name it: ``network.cidr``.
    given
        What was given, as text.
    allowed
        What would be accepted instead.
    fix
        What to do about it.
    line
        Line in the file, counted from 1; unknown where 0.

    Examples
    --------
    >>> print(Fault("tracking.tasks", "0", "1 to 10", "Set at least one task."))
    tracking.tasks
      given:   0
      allowed: 1 to 10
      fix:     Set at least one task.
    """

    path: str
    given: str
    allowed: str
    fix: str
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.path} (line {self.line})" if self.line else self.path
        return f"{place}\n  given:   {self.given}\n  allowed: {self.allowed}\n  fix:     {self.fix}"


class FaultsError(Exception):
    """Every fault found in one input.

    Parameters
    ----------
    subject
        What was examined: a file name, or the name of a construct.
    faults
        All that was found, in the order of the input.

    Raises
    ------
    ValueError
        Where there is no fault: then nothing should be raised.
    """

    def __init__(self, subject: str, faults: Iterable[Fault]) -> None:
        self.subject = subject
        self.faults = tuple(faults)
        if not self.faults:
            raise ValueError("FaultsError needs at least one fault")
        super().__init__(str(self))

    def __str__(self) -> str:
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        return "\n\n".join([f"{self.subject}: {count}.", *map(str, self.faults)])


def raise_faults(subject: str, faults: Iterable[Fault]) -> None:
    """Raise every fault in `faults` together; do nothing where there is none.

    Parameters
    ----------
    subject
        What was examined.
    faults
        What was found.

    Raises
    ------
    FaultsError
        Where `faults` holds at least one.

    Examples
    --------
    >>> raise_faults("TrackingServer", [])
    """
    found = tuple(faults)
    if found:
        raise FaultsError(subject, found)
