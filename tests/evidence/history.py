"""Writes what a team keeps in MLflow, and reads all of it back, in words that no version changes.

Runs by the Python of any MLflow from 2.9.2 on: ``python history.py write|read <tracking address>``.
It says what it found as JSON.
"""

import hashlib
import json
import logging
import math
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from mlflow.pyfunc.model import PythonModel

Found = dict[str, Any]

RUNS = 12
STEPS = 20
VERSIONS = 3
LONG = "x" * 499 + "é"
SPECIAL = {"not_a_number": math.nan, "endless": math.inf, "tiny": 5e-324, "below": -math.inf}


def multiplier(factor: int) -> PythonModel:
    """A model that needs nothing but MLflow. Its class goes into the file with it."""

    class Multiplier(PythonModel):
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            return [factor * value for value in model_input["x"]]

    return Multiplier()


def write(client: MlflowClient) -> None:
    """Write experiments, runs, files, models, versions and aliases; delete some of them."""
    experiment = client.create_experiment("iris/größen", tags={"team": "植物"})
    retired = client.create_experiment("retired")
    names = [_run(client, experiment, number) for number in range(RUNS)]
    client.delete_run(names[-1])
    last = client.create_run(retired, run_name="last").info.run_id
    client.log_text(last, "the end", "why.txt")
    client.set_terminated(last)
    client.delete_experiment(retired)
    mlflow.set_experiment(experiment_id=experiment)
    client.create_registered_model("iris", {"owner": "lab"}, "What flower it is")
    for number in range(1, VERSIONS + 1):
        with mlflow.start_run(run_name=f"model {number}") as run:
            mlflow.pyfunc.log_model(
                "model", python_model=multiplier(number), pip_requirements=["mlflow"]
            )
        uri = f"runs:/{run.info.run_id}/model"
        mlflow.register_model(uri, "iris")
        client.set_model_version_tag("iris", str(number), "checked", f"yes, {number} times")
        client.update_model_version("iris", str(number), f"Version {number}")
    client.set_registered_model_alias("iris", "champion", "2")
    client.set_registered_model_alias("iris", "challenger", "3")
    client.transition_model_version_stage("iris", "1", "Archived")
    client.create_registered_model("empty")


def _run(client: MlflowClient, experiment: str, number: int) -> str:
    run: str = client.create_run(experiment, run_name=f"run {number}").info.run_id
    metrics = [
        Metric(name, value * step, 1_600_000_000_000 + step, step)
        for name, value in (("loss", 0.1 * number), ("accuracy", 1e-9))
        for step in range(STEPS)
    ]
    metrics += [Metric(name, value, 1_600_000_000_000, 0) for name, value in SPECIAL.items()]
    client.log_batch(
        run,
        metrics,
        [Param("number", str(number)), Param("long", LONG), Param("words", "Ünïcode 🌷 'q' \"Q\"")],
        [RunTag("note", "y" * 5000), RunTag("stage", "dev")],
    )
    dataset = Dataset(f"set {number % 3}", f"digest{number % 3}", "local", "{}", "{}", "{}")
    client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])])
    client.log_text(run, f"report of {number}\n" * 100, "reports/weekly/report.txt")
    client.log_dict(run, {"number": number}, "facts.json")
    client.set_terminated(run, ("FINISHED", "FAILED", "KILLED")[number % 3])
    return run


def read(client: MlflowClient) -> Found:
    """Everything there is, by what identifies it."""
    experiments = _all(client.search_experiments, view_type=ViewType.ALL)
    ids = [experiment.experiment_id for experiment in experiments]
    runs = _all(client.search_runs, experiment_ids=ids, run_view_type=ViewType.ALL)
    models = _all(client.search_registered_models)
    versions = _all(client.search_model_versions)
    return {
        "experiments": {
            e.experiment_id: [
                *(e.name, e.lifecycle_stage, e.artifact_location, e.tags),
                *(e.creation_time, e.last_update_time),
            ]
            for e in experiments
        },
        "runs": {r.info.run_id: _info(r.info) for r in runs},
        "params": {f"{r.info.run_id} {k}": v for r in runs for k, v in r.data.params.items()},
        "tags": {f"{r.info.run_id} {k}": v for r in runs for k, v in r.data.tags.items()},
        "latest metrics": {
            # Text, as no number that is not one equals itself.
            f"{r.info.run_id} {k}": repr(v)
            for r in runs
            for k, v in r.data.metrics.items()
        },
        "metric values": {
            f"{r.info.run_id} {k} {m.step}": [repr(m.value), m.timestamp]
            for r in runs
            for k in r.data.metrics
            for m in client.get_metric_history(r.info.run_id, k)
        },
        "inputs": {
            f"{r.info.run_id} {i.dataset.name}": [
                i.dataset.digest,
                [[t.key, t.value] for t in i.tags],
            ]
            for r in runs
            for i in r.inputs.dataset_inputs
        },
        "files": dict(_files(runs)),
        "models": {m.name: [m.description, m.tags, m.creation_timestamp] for m in models},
        "aliases": {
            f"{m.name} {alias}": str(version)
            for m in models
            for alias, version in client.get_registered_model(m.name).aliases.items()
        },
        "versions": {
            f"{v.name} {v.version}": [
                *(v.description, v.tags, v.status, v.run_id, v.current_stage),
                *(v.creation_timestamp, client.get_model_version_download_uri(v.name, v.version)),
            ]
            for v in versions
        },
        "answers": {f"{v.name} {v.version}": _ask(v.name, v.version) for v in versions},
    }


def _all(search: Any, **asked: Any) -> list[Any]:
    """Every page of a search."""
    found: list[Any] = []
    token = None
    while True:
        page = search(**asked, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _info(info: Any) -> list[Any]:
    return [
        *(info.run_name, info.status, info.lifecycle_stage, info.experiment_id),
        *(info.start_time, info.end_time, info.artifact_uri, info.user_id),
    ]


def _files(runs: list[Any]) -> Iterator[tuple[str, str]]:
    """The digest of every file of every run."""
    for run in runs:
        with tempfile.TemporaryDirectory() as folder:
            mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=folder)
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file():
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                    yield f"{run.info.run_id} {path.relative_to(folder)}", digest


def _ask(name: str, version: Any) -> list[int]:
    """What a registered version answers, by way of its files."""
    import pandas as pd

    model = mlflow.pyfunc.load_model(f"models:/{name}/{version}")
    return [int(value) for value in model.predict(pd.DataFrame({"x": [1, 10]}))]


def main() -> None:
    """Do as the command line says."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    what, address = sys.argv[1:]
    mlflow.set_tracking_uri(address)
    client = MlflowClient()
    if what == "write":
        write(client)
    print(json.dumps(read(client)))


if __name__ == "__main__":
    main()
