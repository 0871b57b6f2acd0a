"""Diabetes and abalone, from training to the answers of the API; and abalone in a batch."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from examples.abalone.pack import pack
from local import examples
from local.demo import post, release
from local.examples import DIABETES, ENDPOINTS, LINE, PIPELINE, REQUEST, SHORT_PIPELINE
from local.platform import LocalPlatform
from operations.errors import OperationError
from tests.conftest import ROOT
from tests.local.conftest import Deployed
from tests.local.serving import until

LINES = (ROOT / "examples" / "abalone" / "request.csv").read_text().split()
"""The first is the article's."""


@dataclass(frozen=True)
class Examples:
    """The platform with the examples in service.

    Parameters
    ----------
    platform
        The platform.
    diabetes
        What the notebook said at its end.
    models
        The folder of abalone's models.
    progress
        What the registered diabetes model says of the article's rows, called directly.
    abalones
        What abalone's models say of each of `LINES`, called without a container.
    """

    platform: LocalPlatform
    diabetes: dict[str, Any]
    models: Path
    progress: list[float]
    abalones: list[dict[str, Any]]

    def ask(self, endpoint: str, body: str, kind: str = "text/csv", accept: str = "*/*") -> str:
        """What the API answers."""
        key = self.platform.api_key()
        return post(self.platform, endpoint, body.encode(), kind, key, accept)


@pytest.fixture(scope="module")
def served(deployed: Deployed) -> Iterator[Examples]:
    platform = deployed.platform
    # By the name that a client's VPC has for the load balancer, as Databricks would.
    name = platform.outputs("Client-databricks")["TrackingUri"].removeprefix("http://")
    diabetes = examples.log_diabetes(platform, platform.address(name))
    models = examples.train_abalone(platform)
    examples.publish_abalone(platform, models)
    for endpoint in ENDPOINTS:
        release(platform, endpoint)
    platform.deploy(*(f"Endpoint-{endpoint}" for endpoint in ENDPOINTS))
    assert LINES[0] == LINE
    progress = json.loads(examples.predicted_diabetes(platform))
    said = examples.predicted_abalone(platform, models, *LINES)
    abalones = [json.loads(line) for line in said.splitlines()]
    yield Examples(platform, diabetes, models, progress, abalones)
    for endpoint in ENDPOINTS:
        platform.client("sagemaker").delete_endpoint(EndpointName=platform.endpoint_name(endpoint))


class TestDiabetes:
    def test_logs_parameter_metric_chart_and_model(self, served: Examples) -> None:
        said = served.diabetes
        assert (said["alpha"], said["version"]) == ("0.03", 1)
        assert said["mse"] == pytest.approx(3424.86, abs=0.01)
        assert "actuals_vs_predictions.png" in said["artifacts"]
        with served.platform.logged_in("eve") as client:
            assert client.get_model_version_by_alias(DIABETES, "champion").version == "1"
            chart = client.download_artifacts(said["run"], "actuals_vs_predictions.png")
        assert Path(chart).read_bytes().startswith(b"\x89PNG")

    def test_answers_the_articles_three_rows_as_the_model_does(self, served: Examples) -> None:
        answer = json.loads(served.ask(DIABETES, REQUEST.read_text(), "application/json"))
        assert len(served.progress) == 3
        assert answer == {"predictions": pytest.approx(served.progress, rel=1e-12)}

    def test_takes_the_rows_without_names_too(self, served: Examples) -> None:
        rows = json.loads(REQUEST.read_text())["dataframe_split"]["data"]
        answer = json.loads(served.ask(DIABETES, json.dumps({"inputs": rows}), "application/json"))
        assert answer["predictions"] == pytest.approx(served.progress)

    def test_a_row_that_is_too_short_is_told(self, served: Examples) -> None:
        with pytest.raises(OperationError, match=r"answered 400: .*9 values"):
            served.ask(DIABETES, json.dumps({"inputs": [[0.1] * 9]}), "application/json")


class TestAbalone:
    def test_neighbours_fit(self, served: Examples) -> None:
        exchanges = examples.check_abalone(served.platform, served.models)
        assert [exchange.receiver for exchange in exchanges] == [
            "features",
            "regressor",
            "output",
            "the client",
        ]
        assert [(exchange.rows, exchange.columns) for exchange in exchanges] == [
            (3, 8),
            (3, 9),
            (3, 1),
            (3, 3),
        ]

    def test_three_containers_answer_the_line_as_the_models_do(self, served: Examples) -> None:
        answer = json.loads(served.ask(PIPELINE, LINE, accept="application/json"))
        assert answer == {"predictions": [served.abalones[0]["output"]]}

    def test_two_containers_answer_the_line_as_the_models_do(self, served: Examples) -> None:
        assert float(served.ask(SHORT_PIPELINE, LINE)) == served.abalones[0]["regressor"]

    def test_several_lines_get_an_answer_each(self, served: Examples) -> None:
        answer = served.ask(SHORT_PIPELINE, "\n".join(LINES))
        assert [float(line) for line in answer.split()] == [
            it["regressor"] for it in served.abalones
        ]
        rows = [line.split(",") for line in served.ask(PIPELINE, "\n".join(LINES)).split()]
        assert [row[2] for row in rows] == [it["output"]["group"] for it in served.abalones]

    def test_the_container_that_refuses_is_named(self, served: Examples) -> None:
        with pytest.raises(OperationError, match="unknown categories"):
            served.ask(PIPELINE, LINE.replace("F", "X"))

    def test_the_regressor_reads_one_file(self, served: Examples) -> None:
        """Of the registered version: what MLflow's clients load lies beside it."""
        with served.platform.logged_in("eve") as client:
            version = client.get_model_version_by_alias("abalone", "champion")
        containers = _model_of(served.platform, PIPELINE)["Containers"]
        (found,) = [it for it in containers if it["ContainerHostname"] == "regressor"]
        uri = found["ModelDataSource"]["S3DataSource"]["S3Uri"]
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        assert str(version.source).endswith("/container")
        listed = served.platform.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
        assert [it["Key"].removeprefix(prefix) for it in listed["Contents"]] == ["xgboost-model"]


@pytest.mark.parametrize("strategy", ["SingleRecord", "MultiRecord"])
@pytest.mark.parametrize("endpoint", [PIPELINE, SHORT_PIPELINE])
def test_a_batch_answers_as_the_endpoint_does(
    endpoint: str, strategy: str, served: Examples
) -> None:
    """The article's line among others, one a request or all in one.

    The job's model is that of the endpoint, with the archives that batch transform takes alone.
    """
    platform = served.platform
    client, s3 = platform.client("sagemaker"), platform.client("s3")
    bucket = platform.environment.naming.artifact_bucket(platform.environment.account)
    job = f"{endpoint}-{strategy.lower()}"
    model = _model_of(platform, endpoint)
    for archive in pack(served.models, served.models.parent / job):
        s3.upload_file(str(archive), bucket, f"batch/{job}/{archive.name}")
    client.create_model(
        ModelName=job,
        ExecutionRoleArn=model["ExecutionRoleArn"],
        EnableNetworkIsolation=True,
        VpcConfig=model["VpcConfig"],
        Containers=[
            {
                "ContainerHostname": it["ContainerHostname"],
                "Image": it["Image"],
                # The digest is that of the registered files, which for MLflow's hold its ids too.
                "Environment": {k: v for k, v in it["Environment"].items() if k != "MODEL_DIGEST"},
                "ModelDataUrl": f"s3://{bucket}/batch/{job}/{it['ContainerHostname']}.tar.gz",
            }
            for it in model["Containers"]
        ],
    )
    s3.put_object(Bucket=bucket, Key=f"batch/{job}/in/lines.csv", Body="\n".join(LINES).encode())
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/batch/{job}/in/"}
    client.create_transform_job(
        TransformJobName=job,
        ModelName=job,
        BatchStrategy=strategy,
        TransformInput={
            "DataSource": {"S3DataSource": source},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        TransformOutput={
            "S3OutputPath": f"s3://{bucket}/batch/{job}/out/",
            "Accept": "text/csv",
            "AssembleWith": "Line",
        },
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    client.get_waiter("transform_job_completed_or_stopped").wait(
        TransformJobName=job, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    out = s3.get_object(Bucket=bucket, Key=f"batch/{job}/out/lines.csv.out")["Body"].read()
    assert out.decode().split() == [served.ask(endpoint, line).strip() for line in LINES]


BATCH = "abalone-batch"


def test_the_deployed_state_machine_answers_the_lines_as_the_endpoint_does(
    served: Examples,
) -> None:
    platform = served.platform
    s3, states = platform.client("s3"), platform.client("stepfunctions")
    bucket = platform.environment.naming.artifact_bucket(platform.environment.account)
    for archive in pack(served.models, served.models.parent / BATCH):
        s3.upload_file(str(archive), bucket, f"batch/abalone/{archive.name}")
    release(platform, BATCH)
    platform.deploy(f"Endpoint-{BATCH}")
    s3.put_object(Bucket=bucket, Key="batch/abalone/in/lines.csv", Body="\n".join(LINES).encode())
    begun = states.start_execution(
        stateMachineArn=platform.outputs(f"Endpoint-{BATCH}")["StateMachineArn"]
    )
    ended = until(
        lambda: states.describe_execution(executionArn=begun["executionArn"]),
        lambda it: it["status"] != "RUNNING",
    )
    assert ended["status"] == "SUCCEEDED", ended
    out = s3.get_object(Bucket=bucket, Key="batch/abalone/out/lines.csv.out")["Body"].read()
    said = [served.ask(SHORT_PIPELINE, line).strip() for line in LINES]
    # Joined to its input, the prediction is the last column.
    assert out.decode().split() == [
        f"{line},{answer}" for line, answer in zip(LINES, said, strict=True)
    ]


def test_what_a_deployed_endpoint_is_asked_is_captured(served: Examples) -> None:
    platform = served.platform
    s3 = platform.client("s3")
    bucket = platform.environment.naming.artifact_bucket(platform.environment.account)
    prefix = f"capture/{platform.endpoint_name(SHORT_PIPELINE)}/main/"
    answer = served.ask(SHORT_PIPELINE, LINE).strip()

    def captured() -> list[tuple[str, str]]:
        keys = [
            it["Key"] for it in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        ]
        bodies = [s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys]
        found = [json.loads(line)["captureData"] for it in bodies for line in it.splitlines()]
        return [(it["endpointInput"]["data"], it["endpointOutput"]["data"].strip()) for it in found]

    assert (LINE, answer) in until(captured, lambda found: (LINE, answer) in found)


def _model_of(platform: LocalPlatform, endpoint: str) -> dict[str, Any]:
    """The model of an endpoint, as SageMaker describes it."""
    client = platform.client("sagemaker")
    found = client.describe_endpoint(EndpointName=platform.endpoint_name(endpoint))
    config = client.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
    model: dict[str, Any] = client.describe_model(
        ModelName=config["ProductionVariants"][0]["ModelName"]
    )
    return model
