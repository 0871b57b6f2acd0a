"""What state the values of a metric put an alarm into.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html and
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from operations.errors import OperationError

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"

FURTHER_PERIODS = 2
"""Periods before those of the alarm that are looked at where values are missing."""

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


def check(alarm: Mapping[str, Any]) -> None:
    """Make sure that an alarm can be evaluated here.

    Raises
    ------
    OperationError
        Where it cannot.
    """
    if alarm["ComparisonOperator"] not in COMPARISONS:
        raise OperationError(
            f"The alarm compares by {alarm['ComparisonOperator']}, which is not evaluated here.",
            f"Use {', '.join(COMPARISONS)}, or deploy to an account.",
        )


def state(
    alarm: Mapping[str, Any], values: Sequence[float | None], current: str
) -> tuple[str, str]:
    """The state that an alarm goes to.

    Parameters
    ----------
    alarm
        Its settings, as ``DescribeAlarms`` gives them.
    values
        Those of its evaluation range: the periods that it looks at and `FURTHER_PERIODS` before
        them, the oldest first; nothing where one is missing.
    current
        The state that it has.

    Returns
    -------
    tuple of str
        The state, and why.
    """
    periods = int(alarm["EvaluationPeriods"])
    needed = int(alarm.get("DatapointsToAlarm") or periods)
    treatment = alarm.get("TreatMissingData") or "missing"
    compare, threshold = COMPARISONS[alarm["ComparisonOperator"]], float(alarm["Threshold"])
    real = [value for value in values if value is not None][-periods:]
    breaching = [compare(value, threshold) for value in real]
    missing = periods - len(real)
    shown = ", ".join(f"{value:g}" for value in real) or "none"
    reason = (
        f"Threshold Crossed: {sum(breaching)} of the last {periods} datapoints [{shown}] are"
        f" {alarm['ComparisonOperator']} {threshold:g}; {missing} are missing ({treatment})."
    )
    if not real and treatment in ("missing", "ignore"):
        return (INSUFFICIENT if treatment == "missing" else current), reason
    count = sum(breaching) + (missing if treatment == "breaching" else 0)
    if count >= needed:
        return ALARM, reason
    if missing and treatment in ("missing", "ignore") and all(breaching):
        return (_premature(values, needed) if treatment == "missing" else current), reason
    return OK, reason


def _premature(values: Sequence[float | None], needed: int) -> str:
    """Of too few values that all breach: an alarm where the oldest of them is old enough."""
    oldest = next(index for index, value in enumerate(values) if value is not None)
    return ALARM if len(values) - oldest >= needed else OK
