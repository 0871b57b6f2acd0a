"""Publish a trained iris model: a run, its metrics, a registered version, and the alias.

What a data scientist does after training, wherever that was: on this machine, in a SageMaker job,
in Databricks. `MLFLOW_TRACKING_URI` says where MLflow is.

    python examples/iris/publish.py [--no-alias] <model folder> <metrics.json>
"""

import json
import sys
from pathlib import Path

import mlflow
from mlflow.tracking import MlflowClient

MODEL, ALIAS = "iris", "champion"


def publish(model_folder: Path, metrics: Path, alias: str | None = ALIAS) -> int:
    """Log and register a model folder as it is, and make it the champion.

    Parameters
    ----------
    model_folder
        An MLflow model folder, as `train` writes it.
    metrics
        What `train` measured, as JSON.
    alias
        The alias that it has from now on; none where None.

    Returns
    -------
    int
        The registered version.
    """
    mlflow.set_experiment(MODEL)
    with mlflow.start_run() as run:
        mlflow.log_params({"algorithm": "logistic regression", "features": "petals"})
        mlflow.log_metrics(json.loads(metrics.read_text(encoding="utf-8")))
        logged = mlflow.initialize_logged_model(name=MODEL, source_run_id=run.info.run_id)
        client = MlflowClient()
        client.log_model_artifacts(logged.model_id, str(model_folder))
        mlflow.finalize_logged_model(logged.model_id, "READY")
    version = int(mlflow.register_model(logged.model_uri, MODEL).version)
    if alias:
        client.set_registered_model_alias(MODEL, alias, str(version))
    return version


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--no-alias"]
    print(publish(Path(words[0]), Path(words[1]), ALIAS if words == sys.argv[1:] else None))
