"""How fast the waits of services pass here: bake times of an hour would make nothing testable."""

MINUTE = 1.0
"""Seconds that stand for a minute, where nothing else is said."""


class Pace:
    """One rate for all that waits: deployments, periods of alarms, cooldowns.

    What a program takes to answer is as it is: only what a service would wait for is shortened.

    Parameters
    ----------
    minute
        Seconds that stand for a minute of the service's.

    Examples
    --------
    >>> Pace(1).seconds(600)
    10.0
    >>> print(Pace(1))
    a minute counts as 1 s on this machine
    """

    def __init__(self, minute: float = MINUTE) -> None:
        if minute <= 0:
            raise ValueError(f"A minute cannot count as {minute} s: say how many seconds it takes.")
        self.minute = minute

    def seconds(self, declared: float) -> float:
        """How long here a wait takes that is declared as so many seconds."""
        return declared * self.minute / 60

    def __str__(self) -> str:
        return f"a minute counts as {self.minute:g} s on this machine"
