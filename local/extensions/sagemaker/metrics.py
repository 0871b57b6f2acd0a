"""The metrics of endpoints, summed up for a moment before CloudWatch gets them.

https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

import math
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

from local.extensions.metric_names import SAGEMAKER

DIGITS = 3
"""Significant digits that a latency is kept with, so that equal ones are one value."""

Scope = tuple[str, str]
Key = tuple[Scope, str, str, str, tuple[tuple[str, str], ...]]
Publish = Callable[[Scope, str, str, str, Mapping[str, str], Mapping[float, int]], None]


class Metrics:
    """What has been measured since the last flush.

    Parameters
    ----------
    publish
        Given scope, namespace, metric, unit, dimensions, and how often which value was measured.
    """

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._lock = threading.Lock()
        self._values: dict[Key, Counter[float]] = defaultdict(Counter)

    def add(
        self,
        scope: Scope,
        name: str,
        value: float,
        unit: str,
        dimensions: Mapping[str, str],
        namespace: str = SAGEMAKER,
    ) -> None:
        """Measure.

        Parameters
        ----------
        scope
            Account and region.
        name
            The metric.
        value, unit
            What was measured.
        dimensions
            Of what.
        namespace
            Where the metric is found.
        """
        key = (scope, namespace, name, unit, tuple(sorted(dimensions.items())))
        with self._lock:
            self._values[key][rounded(value)] += 1

    def flush(self) -> None:
        """Publish what has been measured."""
        with self._lock:
            values, self._values = self._values, defaultdict(Counter)
        for (scope, namespace, name, unit, dimensions), counts in values.items():
            self._publish(scope, namespace, name, unit, dict(dimensions), counts)


def rounded(value: float) -> float:
    """A value with its first digits, so that a second's latencies are a few values."""
    if value == 0 or not math.isfinite(value):
        return value
    return round(value, DIGITS - 1 - math.floor(math.log10(abs(value))))
