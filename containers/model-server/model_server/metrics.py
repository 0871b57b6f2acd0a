"""Metrics, as lines of the log that CloudWatch makes metrics of.

A container in a network of its own reaches neither CloudWatch nor Prometheus, and SageMaker shows
no path but ``/ping`` and ``/invocations``: the log is what leaves it.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import time
from typing import Any

import orjson

NAMESPACE = "ModelServer"
SAMPLES = 100
"""Values that a line may hold of a metric."""

UNITS = {
    "Requests": "Count",
    "ClientErrors": "Count",
    "ServerErrors": "Count",
    "Latency": "Milliseconds",
    "PredictTime": "Milliseconds",
    "BatchSize": "Count",
}


class Metrics:
    """Counts what a process does, until it is written.

    Parameters
    ----------
    name
        Name of the model: the metrics' dimension.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._clear()

    def _clear(self) -> None:
        self._requests = self._client_errors = self._server_errors = 0
        self._latency: list[float] = []
        self._predict: list[float] = []
        self._batch: list[int] = []
        self._runs = 0

    def answered(self, status: int, seconds: float) -> None:
        """Count an answer.

        Parameters
        ----------
        status
            Its HTTP status.
        seconds
            Since the request was whole.
        """
        self._requests += 1
        if status >= 500:
            self._server_errors += 1
        elif status >= 400:
            self._client_errors += 1
        # Every one of the first, then each in the place of an older one.
        if len(self._latency) < SAMPLES:
            self._latency.append(1000 * seconds)
        else:
            self._latency[self._requests % SAMPLES] = 1000 * seconds

    def ran(self, calls: int, seconds: float) -> None:
        """Count a run of the model.

        Parameters
        ----------
        calls
            How many requests it was for.
        seconds
            How long it took.
        """
        self._runs += 1
        if len(self._batch) < SAMPLES:
            self._batch.append(calls)
            self._predict.append(1000 * seconds)
        else:
            self._batch[self._runs % SAMPLES] = calls
            self._predict[self._runs % SAMPLES] = 1000 * seconds

    def line(self) -> str:
        """What was counted since the last line; empty where it is nothing."""
        if not self._requests:
            return ""
        samples = {
            "Latency": [round(value, 3) for value in self._latency],
            "PredictTime": [round(value, 3) for value in self._predict],
            "BatchSize": list(self._batch),
        }
        values: dict[str, Any] = {
            "Requests": self._requests,
            "ClientErrors": self._client_errors,
            "ServerErrors": self._server_errors,
            **{name: sample for name, sample in samples.items() if sample},
        }
        self._clear()
        about = {
            "Timestamp": time.time_ns() // 1_000_000,
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [["Model"]],
                    "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in values],
                }
            ],
        }
        return orjson.dumps({"_aws": about, "Model": self._name, **values}).decode()
