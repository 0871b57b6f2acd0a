"""Logs with MLflow's own client, with its own retries, and says what was acknowledged.

Runs by the Python of the image: ``python logging_client.py <address> <experiment> <name>``.
Each write becomes a line of JSON: its kind, when it began and ended, the error, and its facts.
"""

import hashlib
import itertools
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

Facts = list[list[Any]]
KINDS = ("metric", "batch", "param", "file", "run")
PAUSE = 0.05


def write(client: MlflowClient, experiment: str, run: str, kind: str, number: int) -> Facts:
    """Write something; what is true from then on."""
    if kind == "metric":
        client.log_metric(run, "m", number / 2, timestamp=1, step=number)
        return [["metric", run, "m", number, number / 2]]
    if kind == "batch":
        metrics = [Metric(f"b{each}", number / 4, 1, number) for each in range(10)]
        client.log_batch(run, metrics, [Param(f"b{number}", str(number))])
        logged: Facts = [["metric", run, each.key, number, number / 4] for each in metrics]
        return [*logged, ["param", run, f"b{number}", str(number)]]
    if kind == "param":
        client.log_param(run, f"p{number}", number)
        return [["param", run, f"p{number}", str(number)]]
    if kind == "run":
        return [["run", client.create_run(experiment).info.run_id]]
    with tempfile.TemporaryDirectory() as folder:
        content = os.urandom(1000 * (1 + number % 300))
        file = Path(folder, f"{number}.bin")
        file.write_bytes(content)
        client.log_artifact(run, str(file))
    path = f"{experiment}/{run}/artifacts/{number}.bin"
    return [["file", path, hashlib.sha256(content).hexdigest()]]


def say(kind: str, began: float, done: Callable[[], Facts]) -> None:
    """Do something, and print what came of it."""
    error, facts = "", []
    try:
        facts = done()
    except Exception as raised:
        error = f"{type(raised).__name__}: {str(raised)[:150]}"
    print(json.dumps([kind, began, time.monotonic(), error, facts]), flush=True)


def main() -> None:
    """Log for ever."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    address, experiment, name = sys.argv[1:]
    mlflow.set_tracking_uri(address)
    client = MlflowClient()
    run = client.create_run(experiment, run_name=name).info.run_id
    for number in itertools.count():
        for kind in KINDS:
            began = time.monotonic()
            say(kind, began, lambda: write(client, experiment, run, kind, number))  # noqa: B023
            time.sleep(PAUSE)


if __name__ == "__main__":
    main()
