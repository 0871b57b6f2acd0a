# Databricks notebook source
# MAGIC %md
# MAGIC # From a notebook to an endpoint that no internet reaches
# MAGIC
# MAGIC Trains a model, logs it to the platform's MLflow, registers it, deploys it to SageMaker into
# MAGIC the platform's own network, asks it, and writes the answer down with the run. Nothing is
# MAGIC resolved or downloaded when the endpoint starts: its image holds the environment.
# MAGIC
# MAGIC Attach a cluster with the instance profile of the stack `Client-<name>`, and fill in:
# MAGIC
# MAGIC | widget | holds |
# MAGIC |---|---|
# MAGIC | `platform` | the output `NotebookSettings`, as it is |
# MAGIC | `image` | the image by digest, `<repository>@sha256:...` |
# MAGIC | `endpoint` | what the endpoint is called, after the environment's prefix |
# MAGIC | `instance_type` | what it runs on |
# MAGIC | `data` | `iris.csv` |
# MAGIC | `scope` | the secret scope with `username` and `password` of your login to MLflow |
# MAGIC
# MAGIC Outside of Databricks the same names, in capitals, are read from the process environment:
# MAGIC `PLATFORM=... IMAGE=... python deploy_iris.py`. MLflow's client reads the login from
# MAGIC `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`.

# COMMAND ----------

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import boto3
import mlflow
import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, Schema

MODEL, ALIAS = "databricks-iris", "champion"
FEATURES = ["petal_length", "petal_width"]
CATEGORIES = ["Iris-Setosa", "Iris-Versicolour"]

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

platform: dict[str, Any] = json.loads(setting("platform"))
image = setting("image")
endpoint_name = platform["prefix"] + setting("endpoint", MODEL)
instance_type = setting("instance_type", "ml.m5.large")
data = pd.read_csv(setting("data", "../iris/iris.csv"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Train, log and register
# MAGIC The image `iris` serves weights, and no code: the model names the image's own loader.

# COMMAND ----------

rows = np.column_stack([data[FEATURES].to_numpy(), np.ones(len(data))])
classes = (data["species"] == CATEGORIES[1]).to_numpy(dtype=float)
weights = np.zeros(rows.shape[1])
for _ in range(2000):
    # Logistic regression, by gradient descent.
    likely = 1 / (1 + np.exp(-rows @ weights))
    weights -= 0.5 * rows.T @ (likely - classes) / len(rows)
accuracy = float(((likely >= 0.5) == classes).mean())

mlflow.set_tracking_uri(platform["tracking_uri"])
mlflow.set_registry_uri(platform["tracking_uri"])
mlflow.set_experiment(MODEL)
client = MlflowClient()

with tempfile.TemporaryDirectory() as folder, mlflow.start_run() as run:
    saved = Path(folder) / "weights.json"
    saved.write_text(json.dumps({"weights": weights[:-1].tolist(), "bias": float(weights[-1])}))
    mlflow.log_params({"algorithm": "logistic regression", "features": "petals"})
    mlflow.log_metric("accuracy", accuracy)
    logged = mlflow.pyfunc.log_model(
        name=MODEL,
        loader_module="iris_model.flavor",
        data_path=str(saved),
        signature=ModelSignature(
            inputs=Schema([ColSpec(DataType.double, feature) for feature in FEATURES]),
            outputs=Schema(
                [ColSpec(DataType.string, "category"), ColSpec(DataType.double, "probability")]
            ),
        ),
        pip_requirements=["iris-model==0.1.0"],
    )
version = int(mlflow.register_model(logged.model_uri, MODEL).version)
client.set_registered_model_alias(MODEL, ALIAS, str(version))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Deploy
# MAGIC The model gets a new name with each version, and the endpoint moves over without a gap. IAM
# MAGIC denies a model without `VpcConfig`, in another network, or with another role.

# COMMAND ----------


def aws(service: str) -> Any:
    """A client of an AWS service, as the platform's role for this client."""
    session = boto3.Session(region_name=platform["region"])
    if platform["assume_role"]:
        role = {"RoleArn": platform["assume_role"], "RoleSessionName": "notebook"}
        taken = session.client("sts").assume_role(**role)["Credentials"]
        session = boto3.Session(
            taken["AccessKeyId"],
            taken["SecretAccessKey"],
            taken["SessionToken"],
            platform["region"],
        )
    return session.client(service)


def digest(address: str) -> str:
    """The digest of the files at an address of MLflow's: the container serves no others."""
    files = Path(mlflow.artifacts.download_artifacts(address))
    total = hashlib.sha256()
    for name in sorted(p.relative_to(files).as_posix() for p in files.rglob("*") if p.is_file()):
        content = hashlib.sha256((files / name).read_bytes()).hexdigest()
        total.update(f"{content}  {name}\n".encode())
    return f"sha256:{total.hexdigest()}"


# MLflow hands files on; SageMaker reads them where MLflow keeps them. Where AWS runs MLflow, it
# says where that is.
stored = client.get_model_version_download_uri(MODEL, str(version))
prefix = stored.removeprefix("mlflow-artifacts:/").removeprefix(platform["artifacts"]).strip("/")
name = f"{endpoint_name}-v{version}"

sagemaker = aws("sagemaker")
sagemaker.create_model(
    ModelName=name,
    ExecutionRoleArn=platform["execution_role"],
    EnableNetworkIsolation=True,
    VpcConfig={
        "Subnets": platform["subnets"],
        "SecurityGroupIds": platform["security_groups"],
    },
    PrimaryContainer={
        "Image": image,
        "Environment": {
            "MODEL_DIGEST": digest(stored),
            "MLFLOW_DISABLE_ENV_CREATION": "true",
        },
        "ModelDataSource": {
            "S3DataSource": {
                "S3Uri": f"{platform['artifacts']}/{prefix}/",
                "S3DataType": "S3Prefix",
                "CompressionType": "None",
            }
        },
    },
)
sagemaker.create_endpoint_config(
    EndpointConfigName=name,
    ProductionVariants=[
        {
            "VariantName": "main",
            "ModelName": name,
            "InstanceType": instance_type,
            "InitialInstanceCount": 1,
        }
    ],
)
target = {"EndpointName": endpoint_name, "EndpointConfigName": name}
try:
    sagemaker.describe_endpoint(EndpointName=endpoint_name)
except sagemaker.exceptions.ClientError:
    sagemaker.create_endpoint(**target)
else:
    sagemaker.update_endpoint(**target)
sagemaker.get_waiter("endpoint_in_service").wait(
    EndpointName=endpoint_name, WaiterConfig={"Delay": 3, "MaxAttempts": 600}
)
served = sagemaker.describe_endpoint(EndpointName=endpoint_name)
if served["EndpointConfigName"] != name:
    raise RuntimeError(f"The former version serves on: {served.get('FailureReason')}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Ask, and read the run back

# COMMAND ----------

question = {"petal_length": 0.4, "petal_width": 1.4}
answered = aws("sagemaker-runtime").invoke_endpoint(
    EndpointName=endpoint_name, ContentType="application/json", Body=json.dumps(question)
)
answer = json.loads(answered["Body"].read())
client.set_tag(run.info.run_id, "endpoint", endpoint_name)
client.set_tag(run.info.run_id, "answer", answer["category"])

read = client.get_run(run.info.run_id).data
result = json.dumps(
    {
        "run": run.info.run_id,
        "version": version,
        "accuracy": read.metrics["accuracy"],
        "endpoint": read.tags["endpoint"],
        "answer": read.tags["answer"],
    }
)
if dbutils is None:
    print(result)
else:
    dbutils.notebook.exit(result)
