"""Alarms that are looked at again and again, by the metrics that this machine measures."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.extensions import hooks
from local.extensions.cloudwatch import evaluation, expressions
from local.extensions.hooks import Created, Properties, Scope
from local.extensions.metric_names import SAGEMAKER
from local.pace import Pace

LAG_SECONDS = 0.4
"""How long a value may take from being measured to being kept, by this machine's clock."""

log = logging.getLogger(__name__)


class Alarms:
    """The alarms of the emulator.

    Parameters
    ----------
    pace
        How long a period is here.
    now
        The time.
    """

    def __init__(self, pace: Pace, now: Callable[[], float] = time.time) -> None:
        self._pace = pace
        self._now = now

    def evaluate(self) -> None:
        """Bring the state of every alarm up to date whose metrics are measured here.

        Of others, nothing is known: they stay as they were made.
        """
        for scope, alarm in hooks.metric_alarms():
            namespaces = {metric["Namespace"] for metric in _metrics(alarm)}
            if all(name == SAGEMAKER or hooks.measures(scope, name) for name in namespaces):
                self._evaluate(scope, alarm)

    def in_alarm(self, scope: Scope, names: Sequence[str]) -> Sequence[str]:
        """Which of these alarms are in ALARM."""
        return [name for name in names if hooks.alarm_state(scope, name) == evaluation.ALARM]

    def missing(self, scope: Scope, names: Sequence[str]) -> Sequence[str]:
        """Which of these alarms do not exist."""
        return [name for name in names if hooks.alarm_state(scope, name) is None]

    def _evaluate(self, scope: Scope, alarm: Mapping[str, Any]) -> None:
        current = str(alarm["StateValue"])
        values = self.values(scope, alarm)
        state, reason = evaluation.state(alarm, values, current)
        if state != current:
            log.info("alarm %s: %s (%s)", alarm["AlarmName"], state, reason)
            hooks.set_alarm_state(scope, alarm["AlarmName"], state, reason)

    def values(self, scope: Scope, alarm: Mapping[str, Any]) -> Sequence[float | None]:
        """The values of an alarm's evaluation range, the oldest first."""
        queries = alarm.get("Metrics")
        count = int(alarm["EvaluationPeriods"]) + evaluation.FURTHER_PERIODS
        if not queries:
            statistic = alarm.get("ExtendedStatistic") or alarm["Statistic"]
            return self._series(scope, alarm, statistic, float(alarm["Period"]), count)
        return self._calculated(scope, queries, count)

    def _calculated(
        self, scope: Scope, queries: Sequence[Mapping[str, Any]], count: int
    ) -> Sequence[float | None]:
        series: dict[str, Sequence[float | None]] = {}
        for query in queries:
            if "MetricStat" in query:
                asked = query["MetricStat"]
                series[query["Id"]] = self._series(
                    scope, asked["Metric"], asked["Stat"], float(asked["Period"]), count
                )
        returned = next(query["Id"] for query in queries if query.get("ReturnData", True))
        found: list[float | None] = []
        for period in range(count):
            values = {name: them[period] for name, them in series.items()}
            found.append(_resolve(returned, queries, values))
        return found

    def _series(
        self, scope: Scope, metric: Mapping[str, Any], statistic: str, period: float, count: int
    ) -> Sequence[float | None]:
        """The values of a metric in the last whole periods, the oldest first."""
        seconds = self._pace.seconds(period)
        end = (self._now() - LAG_SECONDS) // seconds * seconds
        begin = end - count * seconds
        dimensions = {each["Name"]: each["Value"] for each in metric.get("Dimensions") or []}
        points = hooks.metric_points(
            scope, metric["Namespace"], metric["MetricName"], dimensions, begin
        )
        periods: list[list[Mapping[str, Any]]] = [[] for _ in range(count)]
        for point in points:
            number = int((point["Timestamp"] - begin) // seconds)
            if 0 <= number < count:
                periods[number].append(point)
        return [hooks.statistic(each, statistic) for each in periods]


class AlarmResource:
    """``AWS::CloudWatch::Alarm``, of a metric or of metric math."""

    def __init__(self) -> None:
        self._record = hooks.Original("AWS::CloudWatch::Alarm")

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Keep one; where it cannot be evaluated, say so."""
        evaluation.check(properties)
        if not properties.get("Metrics"):
            return self._record.create(logical_id, properties, stack)
        for query in properties["Metrics"]:
            if "Expression" in query:
                expressions.parse(query["Expression"])
        name = properties.get("AlarmName") or f"{stack}-{logical_id}"
        return Created(name, {"Arn": hooks.put_math_alarm(name, _typed(properties))})

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Change one, or make another where it changes its kind."""
        if new.get("Metrics") or old.get("Metrics"):
            name = new.get("AlarmName") or physical_id
            return self.create(logical_id, {**new, "AlarmName": name}, stack)
        evaluation.check(new)
        return self._record.update(physical_id, old, new, stack, logical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Forget one."""
        self._record.delete(physical_id, properties)


def _metrics(alarm: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The metrics that an alarm is about."""
    queries = alarm.get("Metrics")
    if not queries:
        return [alarm]
    return [query["MetricStat"]["Metric"] for query in queries if "MetricStat" in query]


def _resolve(
    name: str, queries: Sequence[Mapping[str, Any]], values: Mapping[str, float | None]
) -> float | None:
    """The value of a query in one period."""
    if name in values:
        return values[name]
    query = next(query for query in queries if query["Id"] == name)
    tree = expressions.parse(query["Expression"])
    found = expressions.evaluate(tree, _Resolving(queries, values))
    if isinstance(found, list):
        return None
    return found


class _Resolving(dict[str, float | None]):
    """Values by id, of expressions too."""

    def __init__(
        self, queries: Sequence[Mapping[str, Any]], values: Mapping[str, float | None]
    ) -> None:
        super().__init__(values)
        self._queries = queries

    def __missing__(self, key: str) -> float | None:
        return _resolve(key, self._queries, dict(self))


def _typed(properties: Properties) -> Properties:
    """Properties whose periods are numbers, as templates may have them as text."""
    metrics = []
    for query in properties["Metrics"]:
        stat = query.get("MetricStat")
        typed = {**query}
        if stat:
            typed["MetricStat"] = {**stat, "Period": int(stat["Period"])}
        if "ReturnData" in query:
            typed["ReturnData"] = str(query["ReturnData"]).lower() == "true"
        metrics.append(typed)
    return {**properties, "Metrics": metrics}
