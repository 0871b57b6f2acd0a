# Databricks notebook source
# MAGIC %md
# MAGIC # From a client of MLflow to a model that the platform serves
# MAGIC
# MAGIC Fits scikit-learn's Ridge on its diabetes data, logs parameter, metrics, a chart and the
# MAGIC model to the platform's MLflow, registers the model, and makes it the champion. It is served
# MAGIC from there: `make release`, then `cdk deploy Endpoint-diabetes`.
# MAGIC
# MAGIC | widget | holds |
# MAGIC |---|---|
# MAGIC | `tracking_uri` | the address of MLflow: the output `TrackingUri` of the client's stack |
# MAGIC | `scope` | the secret scope with `username` and `password` of your login to MLflow |
# MAGIC
# MAGIC Outside of Databricks the same names, in capitals, are read from the process environment:
# MAGIC `TRACKING_URI=... python train_diabetes.py`. MLflow's client reads the login from
# MAGIC `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`.

# COMMAND ----------

import json
import os
from typing import Any

import mlflow
import mlflow.sklearn
import sklearn
from matplotlib.figure import Figure
from mlflow.models import infer_signature
from mlflow.tracking import MlflowClient
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.model_selection import train_test_split

MODEL, ALIAS = "diabetes", "champion"
ALPHA = 0.03
COLUMNS = ["age", "gender", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]

dbutils: Any = globals().get("dbutils")

# By itself MLflow's client fetches and sends files by links to the bucket, which the bucket's
# policy and this network need not let through. The server hands them on.
for way in ("DOWNLOAD", "UPLOAD"):
    os.environ.setdefault(f"MLFLOW_ENABLE_PROXY_MULTIPART_{way}", "false")


def setting(name: str, default: str = "") -> str:
    """The value of a widget; of a variable of the process where there are no widgets."""
    if dbutils is None:
        return os.environ.get(name.upper(), default)
    dbutils.widgets.text(name, default)
    return str(dbutils.widgets.get(name))


if dbutils is not None:
    for part in ("username", "password"):
        secret = dbutils.secrets.get(setting("scope", "mlflow"), part)
        os.environ[f"MLFLOW_TRACKING_{part.upper()}"] = secret

mlflow.set_tracking_uri(setting("tracking_uri"))
mlflow.set_registry_uri(setting("tracking_uri"))
mlflow.set_experiment(MODEL)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The data
# MAGIC scikit-learn carries it: nothing is fetched.

# COMMAND ----------

rows, progress = load_diabetes(return_X_y=True, as_frame=True)
rows.columns = COLUMNS
train_rows, test_rows, train_progress, test_progress = train_test_split(
    rows, progress, test_size=0.2, random_state=0
)
print(f"{len(train_rows)} rows to learn from, {len(test_rows)} to measure on")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Train and log
# MAGIC `alpha` is a parameter of the run, so that runs can be compared by it.

# COMMAND ----------


def chart(actual: Any, predicted: Any) -> Figure:
    """What was predicted for each test row, beside what was, in the order of the latter."""
    order = actual.argsort()
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(actual[order], label="actual")
    axes.plot(predicted[order], ".", label="predicted")
    axes.set_xlabel("test rows, by actual progress")
    axes.set_ylabel("progress of the disease in a year")
    axes.legend()
    return figure


with mlflow.start_run() as run:
    mlflow.log_param("alpha", ALPHA)
    model = Ridge(alpha=ALPHA).fit(train_rows, train_progress)
    predicted = model.predict(test_rows)
    mlflow.log_metrics(
        {
            "mse": mean_squared_error(test_progress, predicted),
            "r2": r2_score(test_progress, predicted),
        }
    )
    mlflow.log_figure(chart(test_progress.to_numpy(), predicted), "actuals_vs_predictions.png")
    logged = mlflow.sklearn.log_model(
        model,
        name="model",
        signature=infer_signature(train_rows, predicted),
        input_example=train_rows.head(3),
        # What the image `model-server` holds: nothing is installed when the endpoint starts.
        pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
    )

# COMMAND ----------

# MAGIC %md
# MAGIC ## Register

# COMMAND ----------

version = int(mlflow.register_model(logged.model_uri, MODEL).version)
client = MlflowClient()
client.set_registered_model_alias(MODEL, ALIAS, str(version))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Read the run back

# COMMAND ----------

read = client.get_run(run.info.run_id).data
result = json.dumps(
    {
        "run": run.info.run_id,
        "version": version,
        "alpha": read.params["alpha"],
        "mse": read.metrics["mse"],
        "artifacts": [file.path for file in client.list_artifacts(run.info.run_id)],
    }
)
if dbutils is None:
    print(result)
else:
    dbutils.notebook.exit(result)
