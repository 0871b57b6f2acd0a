"""An account, MLflow and the cdk CLI, as far as releases use them, where any call may be the last.

Whatever is changed outside of a process is changed through `Boundaries`, which can kill the process
right before and right after.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities import PagedList

from diffing.model import Change, Naming
from mlops_constructs.faults import FaultsError
from operations.errors import OperationError
from operations.records import record_text
from releasing.close import close
from releasing.deploy import deploy
from releasing.drift import drift
from releasing.ledger import OvertakenError
from releasing.prepare import prepare
from releasing.promotion import PromotedModel, Promotion, ask, promotion_key
from releasing.records import Records
from releasing.services import Services
from releasing.smoke import Answer
from releasing.store import Store
from releasing.verify import verify
from stacks.config import load_environment
from stacks.releases import ImageDigests, load_release
from tests.conftest import ROOT
from tests.unit.releasing.registry import FakeEcr

START = datetime(2026, 11, 25, tzinfo=UTC)
ARTIFACTS = "private-mlops-dev-artifacts-111111111111"
RELEASES = "private-mlops-dev-releases-111111111111"
IMAGE = f"sha256:{'1' * 64}"
DEV = load_environment("dev", ROOT / "environments")
ENVIRONMENT = DEV.model_copy(update={"endpoints": {"iris": DEV.endpoints["iris"]}})
STEPS = {"prepare": prepare, "deploy": deploy, "verify": verify, "close": close}
SIGNATURE = {
    "inputs": json.dumps([{"type": "double", "name": "petal_length", "required": True}]),
    "outputs": json.dumps([{"type": "string", "name": "category", "required": True}]),
}
QUESTION = json.dumps({"dataframe_split": {"columns": ["petal_length"], "data": [[1.4], [4.7]]}})


class Killed(BaseException):
    """The process is gone, as a build that is stopped: nothing of it runs any more."""


class Boundaries:
    """Counts what is changed outside, and kills at one of the places before and after.

    Parameters
    ----------
    at
        Where to kill, counted from 0; nowhere where negative.
    """

    def __init__(self, at: int = -1) -> None:
        self.at = at
        self.places: list[str] = []

    def pass_by(self, place: str) -> None:
        self.places.append(place)
        if len(self.places) == self.at + 1:
            raise Killed(place)

    @property
    def told_and_not_written(self) -> bool:
        """Whether the last thing done was to tell the topic, which is not written down yet."""
        return "after notification" in self.places[-2:] and "after write" not in self.places[-1]

    @contextmanager
    def effect(self, name: str) -> Iterator[None]:
        self.pass_by(f"before {name}")
        try:
            yield
        except OperationError:
            self.pass_by(f"after {name}")
            raise
        self.pass_by(f"after {name}")


@dataclass
class Object:
    body: bytes
    version: str
    at: datetime

    @property
    def etag(self) -> str:
        return f'"{hash(self.body)}-{len(self.body)}"'


class FakeBody(io.BytesIO):
    """What S3 answers with: it is read once, as a whole or in parts."""

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        return iter(lambda: self.read(min(size, 100)), b"")


def refused(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "call")


class FakeS3:
    """Buckets with versions and conditional writes."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.objects: dict[tuple[str, str], list[Object]] = {}
        self.denied: set[str] = set()
        self.read: list[str] = []

    def put_object(
        self,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        IfMatch: str = "",  # noqa: N803
        IfNoneMatch: str = "",  # noqa: N803
    ) -> dict[str, str]:
        with self._world.boundaries.effect(f"write of {Key}"):
            known = self.objects.get((Bucket, Key), [])
            if (IfNoneMatch and known) or (IfMatch and (not known or known[0].etag != IfMatch)):
                raise refused("PreconditionFailed")
            return {"VersionId": self.write(Bucket, Key, Body)}

    def write(self, bucket: str, key: str, body: bytes) -> str:
        versions = self.objects.setdefault((bucket, key), [])
        made = Object(body, f"v{self._world.tick()}", self._world.now)
        versions.insert(0, made)
        return made.version

    def get_object(self, Bucket: str, Key: str, VersionId: str = "") -> dict[str, Any]:  # noqa: N803
        if Bucket in self.denied:
            raise refused("AccessDenied")
        self.read.append(Key)
        for found in self.objects.get((Bucket, Key), []):
            if VersionId in ("", found.version):
                return {
                    "Body": FakeBody(found.body),
                    "ETag": found.etag,
                    "VersionId": found.version,
                    "LastModified": found.at,
                }
        raise refused("NoSuchVersion" if VersionId else "NoSuchKey")

    def head_object(self, Bucket: str, Key: str) -> dict[str, str]:  # noqa: N803
        known = self.objects.get((Bucket, Key))
        if not known:
            raise refused("404")
        return {"VersionId": known[0].version}

    def copy_object(self, Bucket: str, Key: str, CopySource: dict[str, str]) -> None:  # noqa: N803
        with self._world.boundaries.effect(f"copy to {Key}"):
            body = self.get_object(**CopySource)["Body"].read()
            self.write(Bucket, Key, body)

    def copy(self, source: dict[str, str], bucket: str, key: str) -> None:
        with self._world.boundaries.effect(f"copy of {key}"):
            if source["Bucket"] in self.denied:
                raise refused("AccessDenied")
            self.write(bucket, key, self.objects[source["Bucket"], source["Key"]][0].body)

    def upload_fileobj(self, body: Any, bucket: str, key: str) -> None:
        with self._world.boundaries.effect(f"copy of {key}"):
            self.write(bucket, key, body.read())

    def get_paginator(self, operation: str) -> Any:
        def objects(Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
            keys = sorted(k for b, k in self.objects if b == Bucket and k.startswith(Prefix))
            sizes = {key: len(self.objects[Bucket, key][0].body) for key in keys}
            yield {"Contents": [{"Key": key, "Size": size} for key, size in sizes.items()]}

        def versions(Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
            for (bucket, key), known in sorted(self.objects.items()):
                if bucket == Bucket and key.startswith(Prefix):
                    yield {"Versions": [{"Key": key, "VersionId": it.version} for it in known]}

        return SimpleNamespace(
            paginate={"list_objects_v2": objects, "list_object_versions": versions}[operation]
        )


@dataclass
class FakeVersion:
    version: str
    place: str
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)


class FakeMlflow:
    """A registry, and the logged models behind it."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.versions: dict[tuple[str, int], FakeVersion] = {}
        self.aliases: dict[tuple[str, str], int] = {}
        self.logged: list[Any] = []
        self.experiments: dict[str, str] = {}
        self.down = False

    def _known(self, name: str, version: str) -> FakeVersion:
        if self.down:
            raise MlflowException("Connection refused")
        if (name, int(version)) not in self.versions:
            raise MlflowException(f"no version {version} of {name}", RESOURCE_DOES_NOT_EXIST)
        return self.versions[name, int(version)]

    def get_model_version(self, name: str, version: str) -> FakeVersion:
        return self._known(name, version)

    def get_model_version_download_uri(self, name: str, version: str) -> str:
        return self._known(name, version).place

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        with self._world.boundaries.effect(f"tag {key} of {name} {version}"):
            self._known(name, version).tags[key] = value

    def update_model_version(self, name: str, version: str, description: str) -> None:
        with self._world.boundaries.effect(f"description of {name} {version}"):
            self._known(name, version).description = description

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        with self._world.boundaries.effect(f"alias {alias} of {name}"):
            self._known(name, version)
            self.aliases[name, alias] = int(version)

    def create_registered_model(self, name: str) -> None:
        if any(known == name for known, _ in self.versions):
            raise MlflowException("it is there", RESOURCE_ALREADY_EXISTS)

    def search_model_versions(self, filter_string: str) -> list[FakeVersion]:
        return [it for (name, _), it in self.versions.items() if f"name='{name}'" == filter_string]

    def get_experiment_by_name(self, name: str) -> Any:
        found = self.experiments.get(name)
        return SimpleNamespace(experiment_id=found) if found else None

    def create_experiment(self, name: str) -> str:
        with self._world.boundaries.effect(f"experiment {name}"):
            self.experiments[name] = str(len(self.experiments) + 1)
            return self.experiments[name]

    def search_logged_models(
        self, experiment_ids: list[str], page_token: str | None = None
    ) -> PagedList[Any]:
        """One of them for each page."""
        found = [it for it in self.logged if it.experiment_id in experiment_ids]
        at = int(page_token or 0)
        return PagedList(found[at : at + 1], str(at + 1) if found[at + 1 :] else None)

    def create_logged_model(self, experiment_id: str, name: str, tags: dict[str, str]) -> Any:
        with self._world.boundaries.effect(f"logged model {name}"):
            number = f"m-{len(self.logged) + 1}"
            self.logged.append(
                SimpleNamespace(
                    experiment_id=experiment_id,
                    model_id=number,
                    tags=tags,
                    artifact_location=f"mlflow-artifacts:/{experiment_id}/models/{number}/artifacts",
                )
            )
            return self.logged[-1]

    def finalize_logged_model(self, model_id: str, status: str) -> None:
        assert status == "READY"

    def create_model_version(
        self, name: str, source: str, tags: dict[str, str], model_id: str
    ) -> FakeVersion:
        with self._world.boundaries.effect(f"version of {name}"):
            number = max((it for known, it in self.versions if known == name), default=0) + 1
            made = FakeVersion(str(number), source, tags=dict(tags))
            self.versions[name, number] = made
            return made


class FakeCdk:
    """Assemblies with one line of what serves, and stacks that are updated with them.

    A version that is in `World.failing` is rolled back by CloudFormation, as by an alarm.
    """

    def __init__(self, world: "World") -> None:
        self._world = world

    def synth(self, releases: Path, assembly: Path, *, only: str = "") -> None:
        release = load_release(releases, "dev", only)
        assert release
        template = {
            "served": {
                name: [it.model, it.version, it.source, it.digest, it.image]
                for name, it in release.containers.items()
            },
            "description": f"Endpoint {only}: model {release.summary} (private-mlops-dev)",
            **self._world.made_of(f"Endpoint-{only}", assembly),
        }
        assembly.mkdir(parents=True, exist_ok=True)
        (assembly / f"Endpoint-{only}.template.json").write_text(json.dumps(template))

    def deploy(self, assembly: Path, *stacks: str) -> None:
        (stack,) = stacks
        with self._world.boundaries.effect("deployment"):
            text = (assembly / f"{stack}.template.json").read_text()
            self.update(self._world.stack, json.loads(text))

    def update(self, stack: "FakeStack", template: dict[str, Any]) -> None:
        # The cdk CLI skips what is deployed already, unless the stack is in a failed state.
        if stack.template == template and not stack.status.endswith("_FAILED"):
            return
        version = template["served"]["model"][1]
        self._world.updates.append(version)
        stack.updated = self._world.tick()
        if version in self._world.failing:
            existed = stack.template is not None
            stack.status = "UPDATE_ROLLBACK_COMPLETE" if existed else "ROLLBACK_COMPLETE"
            raise OperationError("'cdk deploy' ended with status 1.", "See its output.")
        stack.status = "UPDATE_COMPLETE" if stack.template else "CREATE_COMPLETE"
        stack.template = template

    def destroy(self, stack: str, assembly: Path) -> None:
        with self._world.boundaries.effect("deletion of the stack"):
            self._world.stack.status, self._world.stack.template = "", None
            self._world.stack.updated = 0


@dataclass
class FakeStack:
    """The stack as CloudFormation has it; it answers as its client."""

    world: "World"
    name: str = "private-mlops-dev-Endpoint-iris"
    status: str = ""
    updated: int = 0
    template: dict[str, Any] | None = None

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        if not self.status:
            raise refused("ValidationError", f"Stack with id {StackName} does not exist")
        described = {
            "StackStatus": self.status,
            "CreationTime": START,
            "LastUpdatedTime": START + timedelta(seconds=self.updated),
            "Description": (self.template or {}).get("description", ""),
        }
        return {"Stacks": [described]}

    def get_template(self, StackName: str, TemplateStage: str) -> dict[str, Any]:  # noqa: N803
        assert TemplateStage == "Original"
        if StackName != self.name and StackName in self.world.around:
            return {"TemplateBody": {"Description": StackName}}
        if StackName != self.name or self.template is None:
            raise refused("ValidationError", f"Stack with id {StackName} does not exist")
        return {"TemplateBody": self.template}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "describe_stack_events"

        def event(resource: str, status: str, reason: str = "") -> dict[str, str]:
            return {
                "LogicalResourceId": resource,
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
            }

        def events(StackName: str) -> list[dict[str, Any]]:  # noqa: N803
            found = [
                event(StackName, "UPDATE_ROLLBACK_COMPLETE"),
                event("Other", "UPDATE_FAILED", "Resource update cancelled"),
                event("Endpoint", "UPDATE_FAILED", "the alarm Errors was in ALARM"),
                event(StackName, "UPDATE_IN_PROGRESS", "User Initiated"),
                event("Endpoint", "UPDATE_FAILED", "something of last year"),
            ]
            return [{"StackEvents": found}]

        return SimpleNamespace(paginate=events)


class FakeSageMaker:
    """Describes what the stack has serve."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.status = "InService"
        self.failure = ""

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:  # noqa: N803
        if self._world.stack.template is None:
            raise refused("ValidationException", f"Could not find endpoint {EndpointName}")
        said = {"EndpointConfigName": "config", "EndpointStatus": self.status}
        return {**said, **({"FailureReason": self.failure} if self.failure else {})}

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict[str, Any]:  # noqa: N803
        return {"ProductionVariants": [{"ModelName": "model"}]}

    def describe_model(self, ModelName: str) -> dict[str, Any]:  # noqa: N803
        assert self._world.stack.template
        _, _, source, _, image = self._world.stack.template["served"]["model"]
        place = {"S3DataSource": {"S3Uri": source}}
        return {"PrimaryContainer": {"Image": f"registry/iris@{image}", "ModelDataSource": place}}


class FakeCodePipeline:
    """Executions of an endpoint's pipeline, of which one may wait for a person."""

    name, variable = "private-mlops-dev-release-iris", "PROMOTION"

    def __init__(self, world: "World") -> None:
        self._world = world
        self.status: dict[str, str] = {}
        self.promotions: dict[str, str] = {}
        self.waiting = ""
        self.rejected: dict[str, str] = {}
        self.stopped: dict[str, str] = {}
        self.version = 1

    def get_pipeline_execution(
        self,
        pipelineName: str,  # noqa: N803
        pipelineExecutionId: str,  # noqa: N803
    ) -> dict[str, Any]:
        assert pipelineName == self.name
        if pipelineExecutionId not in self.status:
            raise refused("PipelineExecutionNotFoundException")
        variable = {"name": self.variable, "resolvedValue": self.promotions[pipelineExecutionId]}
        found = {
            "status": self.status[pipelineExecutionId],
            "statusSummary": self.stopped.get(pipelineExecutionId, ""),
            "variables": [variable],
        }
        return {"pipelineExecution": found}

    def get_pipeline_state(self, name: str) -> dict[str, Any]:
        latest = {"status": "InProgress", "token": "t"} if self.waiting else {"status": "Failed"}
        return {
            "pipelineVersion": self.version,
            "stageStates": [
                {"stageName": "Source", "actionStates": [{"actionName": "App"}]},
                {
                    "stageName": "Approve",
                    "latestExecution": {"pipelineExecutionId": self.waiting},
                    "actionStates": [{"actionName": "Approve", "latestExecution": latest}],
                },
            ],
        }

    def put_approval_result(self, **given: Any) -> None:
        with self._world.boundaries.effect("rejection"):
            assert (given["token"], given["result"]["status"]) == ("t", "Rejected")
            self.rejected[self.waiting] = given["result"]["summary"]
            self.status[self.waiting] = "Failed"
            self.waiting = ""

    def stop_pipeline_execution(
        self,
        pipelineName: str,  # noqa: N803
        pipelineExecutionId: str,  # noqa: N803
        abandon: bool,
        reason: str,
    ) -> None:
        with self._world.boundaries.effect("stop"):
            assert abandon
            assert pipelineName == self.name
            assert len(reason) <= 200
            if self.status[pipelineExecutionId] != "InProgress":
                raise refused("PipelineExecutionNotStoppableException")
            self.status[pipelineExecutionId] = "Stopped"
            self.stopped[pipelineExecutionId] = reason
            self.waiting = ""

    def list_action_executions(
        self,
        pipelineName: str,  # noqa: N803
        filter: dict[str, str],  # noqa: A002
    ) -> dict[str, Any]:
        execution = filter["pipelineExecutionId"]
        if self.status[execution] != "Failed":
            return {"actionExecutionDetails": []}
        summary = self.rejected.get(execution, "Build terminated with state: STOPPED")
        failed = {
            "stageName": "Approve" if execution in self.rejected else "Deploy",
            "status": "Failed",
            "output": {"executionResult": {"externalExecutionSummary": summary}},
        }
        return {"actionExecutionDetails": [{"status": "Succeeded"}, failed]}


class FakeSns:
    def __init__(self, world: "World") -> None:
        self._world = world
        self.messages: list[dict[str, Any]] = []

    def publish(self, TopicArn: str, Subject: str, Message: str) -> None:  # noqa: N803
        with self._world.boundaries.effect("notification"):
            if len(Subject) > 100 or not Subject.isprintable():
                raise refused("InvalidParameter", "Invalid parameter: Subject")
            if len(Message.encode()) > 262_144:
                raise refused("InvalidParameter", "Invalid parameter: Message too long")
            whole = Message.startswith("{") and Message.endswith("}")
            text = Message if whole else json.dumps({"text": Message})
            self.messages.append({**json.loads(text), "subject": Subject})


@dataclass
class FakeDifference:
    headline: str
    destructive: tuple[Change, ...] = ()
    refused: tuple[Change, ...] = ()
    empty: bool = False
    brief: str = "Cost of a month: +$1.00."

    def markdown(self) -> str:
        return f"- {self.headline}"


class World:
    """Everything outside of the process of a release, and the processes themselves.

    Parameters
    ----------
    folder
        Where builds have their workspaces.
    serving
        The version that serves at first; none where 0.
    """

    def __init__(self, folder: Path, serving: int = 7) -> None:
        self.now = START
        self.ticks = 0
        self.folder = folder
        self.boundaries = Boundaries()
        self.killed = Boundaries()
        self.failing: set[int] = set()
        self.bad: set[int] = set()
        self.destructive: tuple[Change, ...] = ()
        self.faults: list[str] = []
        self.proved: dict[str, Any] = {}
        self.linted: list[str] = []
        self.around = ["private-mlops-dev-Network", "private-mlops-dev-Data"]
        self.updates: list[int] = []
        self.said: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.s3 = FakeS3(self)
        self.mlflow = FakeMlflow(self)
        self.stack = FakeStack(self)
        self.sagemaker = FakeSageMaker(self)
        self.codepipeline = FakeCodePipeline(self)
        self.sns = FakeSns(self)
        self.ecr = FakeEcr(self)
        self.ecr.keep("private-mlops/dev/iris", IMAGE)
        self.store = Store(self.s3, RELEASES)
        self.environment = ENVIRONMENT
        for version in (6, 7, 8, 9):
            self.register(version)
        images = record_text(ImageDigests(images={"iris": IMAGE}))
        self.s3.write(RELEASES, "records/images.yaml", images.encode())
        if serving:
            promotion = self.promote(serving)
            assert self.release(promotion) == "served"
            self.updates.clear()
            self.codepipeline.status.clear()

    def tick(self) -> int:
        self.ticks += 1
        self.now += timedelta(seconds=1)
        return self.ticks

    def register(self, version: int, *, example: bool = True) -> None:
        """Register a version of iris in MLflow, with its files in S3."""
        place = f"1/models/m-{version}/artifacts"
        info = "saved_input_example_info: {serving_input_path: serving_input_example.json}\n"
        text = f"signature: {json.dumps(SIGNATURE)}\n{info if example else ''}"
        files = {"MLmodel": text, "weights.json": f"[{version}]"}
        if example:
            files["serving_input_example.json"] = QUESTION
        for name, content in files.items():
            self.s3.write(ARTIFACTS, f"mlflow/{place}/{name}", content.encode())
        made = FakeVersion(str(version), f"mlflow-artifacts:/{place}")
        self.mlflow.versions["iris", version] = made

    def promote(self, version: int, by: str = "ana") -> str:
        """Move the alias, and write the promotion as the promoter does."""
        self.mlflow.aliases["iris", "champion"] = version
        found = self.store.read(promotion_key("iris"))
        model = PromotedModel(name="iris", alias="champion", version=version)
        promotion = Promotion(
            endpoint="iris", models={"model": model}, promoted_by=by, reason="better recall"
        )
        with self.outside():
            return ask(self.store, promotion, after=found.etag if found else "")

    def copy(self, at: int = -1) -> "World":
        """The same once more, killed at another place."""
        made = deepcopy(self, {id(ENVIRONMENT): ENVIRONMENT})
        made.boundaries = Boundaries(at)
        return made

    def revive(self) -> None:
        """Go on after a kill; from here on nobody is killed."""
        self.killed, self.boundaries = self.boundaries, Boundaries()

    @contextmanager
    def outside(self) -> Iterator[None]:
        """What others do is no boundary of the process."""
        boundaries, self.boundaries = self.boundaries, Boundaries()
        try:
            yield
        finally:
            self.boundaries = boundaries

    def execution(self, promotion: str) -> str:
        """An execution of the pipeline that has started."""
        name = f"00000000-0000-0000-0000-{len(self.codepipeline.promotions):012d}"
        self.codepipeline.status[name] = "InProgress"
        self.codepipeline.promotions[name] = promotion
        return name

    def services(self, execution: str = "") -> Services:
        return Services(
            environment=self.environment,
            store=self.store,
            records=Records(self.store, "dev", self.folder / "committed"),
            mlflow=self.mlflow,
            s3=self.s3,
            ecr=self.ecr,
            sagemaker=self.sagemaker,
            cloudformation=self.stack,
            codepipeline=self.codepipeline,
            sns=self.sns,
            topic="arn:aws:sns:ap-northeast-1:111111111111:alarms",
            cdk=FakeCdk(self),
            check=self.check,
            compare=self.compare,
            caller=self,
            workspace=self.folder / f"workspace-{execution}",
            say=self.said.append,
            sleep=lambda seconds: self.meanwhile(),
        )

    def check(self, folder: Path, templates: Sequence[Path]) -> list[str]:
        """Say what speaks against templates."""
        self.linted = [path.name for path in templates]
        self.proved = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
        return self.faults

    def compare(self, before: Path, after: Path, naming: Naming) -> FakeDifference:
        """Say what differs."""
        return FakeDifference("1 change", self.destructive)

    def made_of(self, stack: str, assembly: Path) -> dict[str, Any]:
        """What a template holds besides, by the app that makes it."""
        return {}

    def fetch(self, endpoint: str, invocation: str) -> Answer:
        """Nobody is answered later here."""
        raise AssertionError(invocation)

    def ask(self, endpoint: str, question: str, headers: Mapping[str, str]) -> Answer:
        """Answer as the endpoint does."""
        assert self.stack.template
        if self.stack.template["served"]["model"][1] in self.bad:
            return Answer(200, json.dumps({"predictions": [{"category": 3}, {"category": "b"}]}))
        return Answer(200, json.dumps({"predictions": [{"category": "a"}, {"category": "b"}]}))

    def step(self, step: str, execution: str) -> str:
        """Run a step as a build does; how it ends."""
        promotion = "" if step == "close" else self.codepipeline.promotions[execution]
        services = self.services(execution)
        return self.ends(lambda: STEPS[step](services, "iris", promotion, execution))

    def ends(self, work: Callable[[], None]) -> str:
        """How a process ends: ``done``, ``failed``, ``overtaken`` or ``killed``."""
        try:
            work()
        except OvertakenError as error:
            self.said.append(str(error))
            return "overtaken"
        except (OperationError, FaultsError, MlflowException, ClientError) as error:
            self.said.append(str(error))
            return "failed"
        except Killed:
            return "killed"
        return "done"

    def release(self, promotion: str, execution: str = "") -> str:
        """Run a pipeline to its end, and what closes it; how the attempt ended."""
        execution = execution or self.execution(promotion)
        for step in ("prepare", "deploy", "verify"):
            if self.step(step, execution) not in ("done", "overtaken"):
                self.codepipeline.status[execution] = "Failed"
                self.step("close", execution)
                break
        else:
            self.codepipeline.status[execution] = "Succeeded"
        return self.outcome(promotion)

    def outcome(self, promotion: str) -> str:
        attempt = self.services().journal("iris").of(promotion)
        return attempt.outcome if attempt else "forgotten"

    def drift(self) -> dict[str, list[str]]:
        return drift(self.services(), ["iris"])

    @property
    def serves(self) -> int:
        """The version that the endpoint serves; none where 0."""
        return int(self.stack.template["served"]["model"][1]) if self.stack.template else 0

    @property
    def recorded(self) -> int:
        """The version that the record says; none where 0."""
        served = self.services().records.current("iris")
        return served.release.only.version if served else 0

    def tags(self, version: int) -> dict[str, str]:
        start = "release.dev.iris"
        tags = self.mlflow.versions["iris", version].tags
        return {k.removeprefix(start).lstrip("."): v for k, v in tags.items()}
