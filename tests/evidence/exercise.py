"""What a client does all day, step by step, and what came of each; it says so as JSON.

Runs by the Python of any MLflow from 2.9.2 on: ``python exercise.py <tracking address> <name>``.
"""

import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel


def multiplier() -> PythonModel:
    """A model that needs nothing but MLflow. Its class goes into the file with it."""

    class Multiplier(PythonModel):
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            return [7 * value for value in model_input["x"]]

    return Multiplier()


def exercise(client: MlflowClient, name: str) -> dict[str, Any]:
    """Do everything once, under a name of its own.

    Parameters
    ----------
    client
        The client.
    name
        Name of the experiment and the model.
    """
    import pandas as pd

    found: dict[str, Any] = {}
    experiment = client.create_experiment(name)
    mlflow.set_experiment(name)
    with mlflow.start_run(run_name="first") as active:
        run = active.info.run_id
        mlflow.log_param("depth", 3)
        for step in range(3):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        client.log_batch(run, [Metric("f1", 0.5, 1, 0)], [Param("leaf", "1")], [RunTag("a", "b")])
        mlflow.log_text("many words", "notes/words.txt")
        mlflow.pyfunc.log_model("model", python_model=multiplier(), pip_requirements=["mlflow"])
    data = client.get_run(run).data
    found["params"] = dict(data.params)
    found["metrics"] = dict(data.metrics)
    found["history"] = [metric.value for metric in client.get_metric_history(run, "loss")]
    found["tag"] = data.tags["a"]
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(run, "notes/words.txt", folder)
        found["file"] = Path(path).read_text()

    version = mlflow.register_model(f"runs:/{run}/model", name).version
    client.set_registered_model_alias(name, "champion", version)
    client.set_model_version_tag(name, version, "checked", "yes")
    aliased = client.get_model_version_by_alias(name, "champion")
    found["alias"] = [str(aliased.version), aliased.tags, aliased.run_id == run]
    model = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    found["answer"] = [int(value) for value in model.predict(pd.DataFrame({"x": [1, 2]}))]

    second = client.create_run(experiment, run_name="second").info.run_id
    client.log_metric(second, "loss", 0.9)
    client.log_text(second, "no use", "why.txt")
    client.set_terminated(second, "FAILED")

    def search(text: str, view: int = ViewType.ACTIVE_ONLY) -> list[str]:
        runs = client.search_runs([experiment], text, view, order_by=["metrics.loss ASC"])
        return [run.info.run_name for run in runs]

    found["search"] = [
        search("metrics.loss < 0.5"),
        search("params.depth = '3' and tags.a = 'b'"),
        search("attributes.status = 'FAILED'"),
        search(""),
    ]
    found["search models"] = [m.name for m in client.search_registered_models(f"name = '{name}'")]
    found["search versions"] = len(client.search_model_versions(f"name = '{name}'"))

    client.delete_run(second)
    found["deleted run"] = [search(""), search("", ViewType.DELETED_ONLY)]
    client.restore_run(second)
    found["restored run"] = search("")
    client.delete_experiment(experiment)
    found["deleted experiment"] = client.get_experiment(experiment).lifecycle_stage
    client.restore_experiment(experiment)
    found["restored experiment"] = client.get_experiment(experiment).lifecycle_stage

    client.delete_registered_model_alias(name, "champion")
    found["deleted alias"] = _refused(client.get_model_version_by_alias, name, "champion")
    client.set_registered_model_alias(name, "champion", version)
    spare = mlflow.register_model(f"runs:/{run}/model", name).version
    client.delete_model_version(name, spare)
    found["deleted version"] = _refused(client.get_model_version, name, spare)
    client.create_registered_model(f"{name} spare")
    client.delete_registered_model(f"{name} spare")
    found["deleted model"] = _refused(client.get_registered_model, f"{name} spare")
    return found


def _refused(ask: Any, *words: Any) -> bool:
    try:
        ask(*words)
    except MlflowException as error:
        return "not found" in str(error)
    return False


def main() -> None:
    """Do as the command line says."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    address, name = sys.argv[1:]
    mlflow.set_tracking_uri(address)
    print(json.dumps(exercise(MlflowClient(), name)))


if __name__ == "__main__":
    main()
