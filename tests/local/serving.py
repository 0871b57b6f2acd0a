"""A SageMaker that runs small containers, and the stacks that the tests of serving deploy."""

import hashlib
import json
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from local.host import CREDENTIALS
from local.images import STORE
from local.platform import LocalPlatform

BUCKET = "serving-tests"
PROGRAM = Path(__file__).with_name("echo_container.py")
ROLE = "arn:aws:iam::000000000000:role/mlops/serving"


@contextmanager
def echo_image() -> Iterator[str]:
    """An installed image whose `serve` is the small one; how a model names it."""
    digest = hashlib.sha256(PROGRAM.read_bytes()).hexdigest()
    folder = STORE / f"echo-{digest[:12]}"
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    serve = folder / "bin" / "serve"
    serve.write_text(f"#!/bin/sh\nexec {sys.executable} {PROGRAM}\n")
    serve.chmod(0o755)
    (folder / "installed").touch()
    try:
        yield f"000000000000.dkr.ecr.ap-northeast-1.amazonaws.com/tests/echo@sha256:{digest}"
    finally:
        shutil.rmtree(folder)


class Serving:
    """What the tests deploy, and ask.

    Parameters
    ----------
    platform
        A platform that runs; nothing needs to be deployed into it.
    image
        The image of all containers.
    """

    def __init__(self, platform: LocalPlatform, image: str) -> None:
        self.platform = platform
        self.image = image
        self.s3 = platform.client("s3")
        self.sagemaker = platform.client("sagemaker")
        self.runtime = boto3.client(
            "sagemaker-runtime",
            region_name=platform.environment.region,
            endpoint_url=platform.url,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            # Whatever is refused is seen, and not asked again behind the tests' back.
            config=Config(retries={"total_max_attempts": 1}),
        )
        self.cloudformation = platform.client("cloudformation")
        self._stacks: list[str] = []
        self.s3.create_bucket(
            Bucket=BUCKET,
            CreateBucketConfiguration={"LocationConstraint": platform.environment.region},
        )

    def container(self, label: str, hostname: str = "", **behaviour: Any) -> dict[str, Any]:
        """A container that answers with a label."""
        content = json.dumps({"label": label, **behaviour})
        prefix = f"models/{hashlib.sha256(content.encode()).hexdigest()[:12]}/"
        self.s3.put_object(Bucket=BUCKET, Key=f"{prefix}behaviour.json", Body=content.encode())
        source = {
            "S3DataType": "S3Prefix",
            "CompressionType": "None",
            "S3Uri": f"s3://{BUCKET}/{prefix}",
        }
        named = {"ContainerHostname": hostname} if hostname else {}
        return {"Image": self.image, "ModelDataSource": {"S3DataSource": source}, **named}

    def template(
        self,
        endpoint: str,
        *containers: Mapping[str, Any],
        instances: int = 1,
        variants: list[dict[str, Any]] | None = None,
        config: Mapping[str, Any] | None = None,
        deployment: Mapping[str, Any] | None = None,
        further: Mapping[str, Any] | None = None,
        mode: str = "",
    ) -> dict[str, Any]:
        """The template of an endpoint whose model and configuration are named by their content."""
        several = len(containers) > 1
        model: dict[str, Any] = {"ExecutionRoleArn": ROLE}
        model |= {"Containers": containers} if several else {"PrimaryContainer": containers[0]}
        if mode:
            model["InferenceExecutionConfig"] = {"Mode": mode}
        name = f"{endpoint}-{digest(model)}"
        given = variants or [{"VariantName": "main", "InitialVariantWeight": 1}]
        sized = [
            each
            if "ServerlessConfig" in each
            else {"InitialInstanceCount": instances, "InstanceType": "ml.m5.large", **each}
            for each in given
        ]
        production = [{"ModelName": {"Fn::GetAtt": "Model.ModelName"}, **each} for each in sized]
        settings = {"ProductionVariants": production, **(config or {})}
        config_name = f"{endpoint}-{digest([name, settings])}"
        return {
            "Resources": {
                "Model": {
                    "Type": "AWS::SageMaker::Model",
                    "Properties": {**model, "ModelName": name},
                },
                "Config": {
                    "Type": "AWS::SageMaker::EndpointConfig",
                    "Properties": {**settings, "EndpointConfigName": config_name},
                },
                "Endpoint": {
                    "Type": "AWS::SageMaker::Endpoint",
                    "Properties": {
                        "EndpointName": endpoint,
                        "EndpointConfigName": {"Fn::GetAtt": "Config.EndpointConfigName"},
                        **({"DeploymentConfig": deployment} if deployment else {}),
                    },
                    "DependsOn": [name for name in (further or {}) if name.startswith("Alarm")],
                },
                **(further or {}),
            }
        }

    def fleet(self, endpoint: str, components: Mapping[str, str], **needs: int) -> dict[str, Any]:
        """The template of an endpoint of inference components, each of which has a label.

        Parameters
        ----------
        endpoint
            Its name.
        components
            Names of the components, with their labels.
        needs
            What a copy asks of an instance.
        """
        template = self.template(endpoint, self.container("none"))
        resources = template["Resources"]
        settings = resources["Config"]["Properties"]
        settings["ExecutionRoleArn"] = ROLE
        del settings["ProductionVariants"][0]["ModelName"]
        for name, label in components.items():
            resources[f"Model{label}"] = {
                "Type": "AWS::SageMaker::Model",
                "Properties": {
                    "ExecutionRoleArn": ROLE,
                    "PrimaryContainer": self.container(label),
                },
            }
            resources[f"Component{label}"] = {
                "Type": "AWS::SageMaker::InferenceComponent",
                "DependsOn": ["Endpoint"],
                "Properties": {
                    "InferenceComponentName": name,
                    "EndpointName": endpoint,
                    "VariantName": "main",
                    "Specification": {
                        "ModelName": {"Fn::GetAtt": f"Model{label}.ModelName"},
                        **({"ComputeResourceRequirements": needs} if needs else {}),
                    },
                    "RuntimeConfig": {"CopyCount": 1},
                },
            }
        return template

    def deploy(self, stack: str, template: Mapping[str, Any]) -> None:
        """Create or update a stack, and wait for its end.

        Raises
        ------
        AssertionError
            Where it is rolled back, with what CloudFormation says.
        """
        verb = "update" if self.status(stack) else "create"
        self._stacks += [stack] if verb == "create" else []
        operation: Callable[..., Any] = getattr(self.cloudformation, f"{verb}_stack")
        operation(StackName=stack, TemplateBody=json.dumps(template))
        waiter = self.cloudformation.get_waiter(f"stack_{verb}_complete")
        try:
            waiter.wait(StackName=stack, WaiterConfig={"Delay": 0.5, "MaxAttempts": 240})
        except WaiterError as error:
            events = self.cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
            said = [event.get("ResourceStatusReason", "") for event in events]
            raise AssertionError("\n".join(filter(None, said))) from error

    def delete(self) -> None:
        """Delete every stack, and wait for the end of each."""
        for stack in self._stacks:
            self.cloudformation.delete_stack(StackName=stack)
        waiter = self.cloudformation.get_waiter("stack_delete_complete")
        for stack in self._stacks:
            waiter.wait(StackName=stack, WaiterConfig={"Delay": 0.5, "MaxAttempts": 120})

    def named(self, endpoint: str) -> str:
        """The SageMaker name of an endpoint that the API knows by this one."""
        return self.platform.endpoint_name(endpoint)

    def status(self, stack: str) -> str:
        """The status of a stack; empty where there is none."""
        try:
            (found,) = self.cloudformation.describe_stacks(StackName=stack)["Stacks"]
        except ClientError:
            return ""
        return str(found["StackStatus"])

    def settled(self, stack: str) -> str:
        """The status of a stack when nothing of it is in progress any more."""
        return str(
            until(lambda: self.status(stack), lambda found: not found.endswith("_IN_PROGRESS"))
        )

    def endpoint(self, name: str) -> dict[str, Any]:
        """How SageMaker describes an endpoint."""
        found: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
        return found

    def ask(self, endpoint: str, body: str = "x", **request: Any) -> str:
        """What an endpoint answers."""
        answer = self.runtime.invoke_endpoint(
            EndpointName=endpoint,
            Body=body.encode(),
            **{"ContentType": "text/csv", "Accept": "text/csv", **request},
        )
        text: str = answer["Body"].read().decode()
        return text

    def metric(self, namespace: str, name: str, of: Mapping[str, str], statistic: str) -> float:
        """A statistic of a metric in the last minutes; 0 where nothing was measured."""
        now = datetime.now(UTC)
        found = self.platform.client("cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": each, "Value": value} for each, value in of.items()],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=1),
            Period=3600,
            Statistics=[statistic],
        )
        return float(sum(point[statistic] for point in found["Datapoints"]))

    def object(self, key: str) -> str | None:
        """What an object of the bucket holds; nothing where there is none."""
        try:
            text: str = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()
        except ClientError:
            return None
        return text

    def lines(self, prefix: str) -> list[Any]:
        """The JSON lines of all objects below a prefix of the bucket."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        texts = [self.object(entry["Key"]) or "" for entry in listed]
        return [json.loads(line) for text in texts for line in text.splitlines()]


class Client:
    """A client that calls all the time.

    Parameters
    ----------
    call
        What it calls; an answer, or an exception.

    Attributes
    ----------
    answers : Counter
        How often which answer came.
    failures : list
        What was raised.
    """

    def __init__(self, call: Callable[[], str]) -> None:
        self._call = call
        self._stop = threading.Event()
        self.answers: Counter[str] = Counter()
        self.failures: list[Exception] = []

    def __enter__(self) -> "Client":
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.answers[self._call()] += 1
            except Exception as error:
                self.failures.append(error)


def digest(content: Any) -> str:
    """A short digest of what JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]


def until(look: Callable[[], Any], holds: Callable[[Any], bool] = bool, seconds: float = 60) -> Any:
    """Look until something holds.

    Raises
    ------
    AssertionError
        Where it does not in time, with what was seen last.
    """
    deadline = time.monotonic() + seconds
    while not holds(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.1)
    return seen
