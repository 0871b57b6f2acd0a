"""Publish the three models of the abalone pipeline: a run, its metrics, versions, and the alias.

`MLFLOW_TRACKING_URI` says where MLflow is.

    python -m examples.abalone.publish build/abalone/models
"""

import json
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import mlflow.xgboost
import xgboost
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

EXPERIMENT, ALIAS = "abalone", "champion"
MODELS = {"features": "abalone-features", "regressor": "abalone", "output": "abalone-output"}
"""The registered model of each container."""
FOR_CONTAINER = "container"
"""Where in an MLflow model the files of a container lie that reads no MLflow model."""


def publish(folder: Path) -> dict[str, int]:
    """Log and register the three models, and make them the champions.

    Parameters
    ----------
    folder
        What `train` wrote.

    Returns
    -------
    dict of str to int
        The version of each registered model.
    """
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run(), TemporaryDirectory() as scratch:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        mlflow.log_metrics(metrics)
        regressor = as_mlflow_model(folder / "regressor", Path(scratch) / "regressor")
        return {
            name: log_and_register(
                name,
                regressor if part == "regressor" else folder / part,
                FOR_CONTAINER if part == "regressor" else "",
            )
            for part, name in MODELS.items()
        }


def as_mlflow_model(regressor: Path, target: Path) -> Path:
    """The regressor as MLflow's clients load it, with the container's files in a folder of it.

    AWS's XGBoost takes every file beside `xgboost-model` for another model of an ensemble, and
    does not start on an `MLmodel`. So the registered version is that folder alone.

    Parameters
    ----------
    regressor
        The folder with `xgboost-model`.
    target
        Where to.
    """
    booster = xgboost.Booster(model_file=str(regressor / "xgboost-model"))
    mlflow.xgboost.save_model(booster, str(target), pip_requirements=["xgboost"])
    shutil.copytree(regressor, target / FOR_CONTAINER)
    return target


def log_and_register(name: str, folder: Path, inside: str = "") -> int:
    """Log a folder as a model of the active run, and register it or a folder of it.

    Parameters
    ----------
    name
        Name of the model.
    folder
        Its files.
    inside
        The folder in it that its container reads; all of it if not given.

    Returns
    -------
    int
        The registered version.
    """
    client = MlflowClient()
    run = mlflow.active_run()
    if run is None:
        raise RuntimeError("No run is active: call this within mlflow.start_run().")
    logged = mlflow.initialize_logged_model(name=name, source_run_id=run.info.run_id)
    client.log_model_artifacts(logged.model_id, str(folder))
    mlflow.finalize_logged_model(logged.model_id, "READY")
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"{logged.artifact_location.rstrip('/')}/{inside}".rstrip("/")
    version = client.create_model_version(
        name, source, run.info.run_id, model_id=logged.model_id
    ).version
    client.set_registered_model_alias(name, ALIAS, str(version))
    return int(version)


if __name__ == "__main__":
    print(json.dumps(publish(Path(sys.argv[1]))))
