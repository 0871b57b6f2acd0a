"""Releases that follow aliases, on this machine: what they start from, and how one goes."""

import dataclasses
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from local.platform import ENVIRONMENT, LocalPlatform
from local.state import ROOT
from mlops_constructs.release_store import PROMOTIONS
from operations.errors import OperationError
from operations.source import put_source
from releasing.journal import Attempt, Journal
from releasing.records import Records
from releasing.store import Store

PROMOTED, PREPARE, DEPLOY, VERIFY, TOLD = (
    "MLflow tells of the alias; the receiver writes the promotion",
    "Prepare: record, images, synth, proof, lint, diff",
    "Deploy: canary under alarms",
    "Verify: smoke test through the API, record",
    "Say so in MLflow; one notification where it failed",
)
STEPS = (PROMOTED, PREPARE, DEPLOY, VERIFY, TOLD)
STAGES = {"Prepare": PREPARE, "Deploy": DEPLOY, "Verify": VERIFY}
NOTED = re.compile(r"(?P<at>\d{4}-\S+) (?P<what>cdk \w+ (?:begins|ended))")
OVER = ("Succeeded", "Failed", "Stopped", "Superseded")


def provide_source(platform: LocalPlatform) -> None:
    """Put this checkout, and the records of the running platform, where releases take them.

    Parameters
    ----------
    platform
        The platform, whose Data stack is deployed.
    """
    put_source(platform.environment, ROOT, platform.client("s3"))
    Records(release_store(platform), ENVIRONMENT, platform.state.releases).seed()


def release_store(platform: LocalPlatform) -> Store:
    """The bucket of releases."""
    environment = platform.environment
    bucket = environment.naming.release_bucket(environment.account)
    return Store(platform.client("s3"), bucket)


@dataclass
class Step:
    """A step of a release, as it is shown.

    Parameters
    ----------
    title
        What it does.
    seconds
        How long it took, or has taken by now; nothing before it begins.
    state
        ``waits``, ``runs``, ``done`` or ``failed``.
    now
        What happens in it.
    """

    title: str
    seconds: float | None = None
    state: str = "waits"
    now: str = ""


@dataclass
class Progress:
    """How far a release has come.

    Parameters
    ----------
    steps
        Its steps.
    execution
        Of the pipeline; empty before there is one.
    attempt
        What the journal says of it; nothing before it does.
    """

    steps: list[Step] = field(default_factory=lambda: [Step(title) for title in STEPS])
    execution: Mapping[str, Any] = field(default_factory=dict)
    attempt: Attempt | None = None

    @property
    def settled(self) -> bool:
        """Whether it ended, everybody knows, and its pipeline rests."""
        rests = self.execution.get("status") in OVER
        return rests and self.attempt is not None and self.attempt.settled


class Followed:
    """One release, followed from outside: by what the services say of it.

    Parameters
    ----------
    platform
        The platform.
    endpoint
        Name of the endpoint.
    before
        The version of the promotion that was the last before; empty where there was none.
    """

    def __init__(self, platform: LocalPlatform, endpoint: str, before: str) -> None:
        self.platform = platform
        self.endpoint = endpoint
        self.pipeline = platform.environment.naming.pipeline(endpoint)
        self.began = time.time()
        self._before = before
        self._codepipeline = platform.client("codepipeline")
        self._codebuild = platform.client("codebuild")
        self._sagemaker = platform.client("sagemaker")
        self._store = release_store(platform)

    def look(self) -> Progress:
        """How far it is."""
        progress = Progress()
        promoted, prepare, deploy, verify, told = progress.steps
        promotion = promotion_version(self.platform, self.endpoint)
        execution = self._execution(promotion) if promotion != self._before else None
        if execution is None:
            return self._waiting(progress)
        progress.execution = execution
        promoted.state = "done"
        promoted.seconds = execution["startTime"].timestamp() - self.began
        progress.attempt = Journal(self._store, self.endpoint).of(promotion)
        for action in self._actions(execution["pipelineExecutionId"]):
            if action["stageName"] in STAGES:
                step = next(it for it in progress.steps if it.title == STAGES[action["stageName"]])
                self._describe(step, action)
        if progress.attempt and progress.attempt.outcome != "running":
            ended = max((it for it in (prepare, deploy, verify) if it.seconds), key=_order)
            told.state = "done" if progress.settled else "runs"
            told.now = _outcome(progress.attempt)
            if ended.state == "failed":
                ended.now = progress.attempt.reason
        return progress

    def until_settled(self, show: Callable[[Progress], None], seconds: float) -> Progress:
        """Look until it is settled.

        Parameters
        ----------
        show
            Told how far it is, again and again.
        seconds
            How long it may take.

        Raises
        ------
        OperationError
            Where it takes longer.
        """
        while True:
            progress = self.look()
            show(progress)
            if progress.settled:
                return progress
            if time.time() > self.began + seconds:
                ran = [step for step in progress.steps if step.state == "runs"]
                at = f"'{ran[0].title}': {ran[0].now}" if ran else "its beginning"
                raise OperationError(
                    f"The release of '{self.endpoint}' is still at {at} after {seconds:.0f} s.",
                    f"The logs of its builds are in {self.platform.state.logs}.",
                )
            time.sleep(0.3)

    def shares(self, progress: Progress) -> "Shares":
        """What the time until the endpoint's update began was spent on."""
        actions = {
            action["stageName"]: action
            for action in self._actions(progress.execution["pipelineExecutionId"])
        }
        updated = self._update_began()
        prepare, deploy = actions["Prepare"], actions["Deploy"]
        noted = self._noted(prepare)
        synth = noted["cdk synth ended"] - noted["cdk synth begins"]
        prepared = (prepare["lastUpdateTime"] - prepare["startTime"]).total_seconds()
        cdk = self._noted(deploy)["cdk deploy begins"]
        started = progress.execution["startTime"].timestamp()
        return Shares(
            total=updated - self.began,
            webhook=started - self.began,
            pipeline=prepare["startTime"].timestamp()
            - started
            + (deploy["startTime"] - prepare["lastUpdateTime"]).total_seconds(),
            synth=synth,
            steps=prepared - synth + cdk - deploy["startTime"].timestamp(),
            deploy=updated - cdk,
        )

    def _waiting(self, progress: Progress) -> Progress:
        progress.steps[0].state = "runs"
        progress.steps[0].seconds = time.time() - self.began
        return progress

    def _execution(self, promotion: str) -> dict[str, Any] | None:
        """The newest execution for a promotion."""
        listed = self._codepipeline.list_pipeline_executions(pipelineName=self.pipeline)
        for summary in listed["pipelineExecutionSummaries"]:
            found = self._codepipeline.get_pipeline_execution(
                pipelineName=self.pipeline, pipelineExecutionId=summary["pipelineExecutionId"]
            )["pipelineExecution"]
            values = {each["name"]: each["resolvedValue"] for each in found.get("variables", [])}
            if values.get("PROMOTION") == promotion:
                chosen: dict[str, Any] = summary
                return chosen
        return None

    def _actions(self, execution: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._codepipeline.list_action_executions(
            pipelineName=self.pipeline, filter={"pipelineExecutionId": execution}
        )["actionExecutionDetails"]
        return found[::-1]

    def _describe(self, step: Step, action: Mapping[str, Any]) -> None:
        began, ended = action["startTime"].timestamp(), action["lastUpdateTime"].timestamp()
        states = {"InProgress": "runs", "Succeeded": "done"}
        step.state = states.get(action["status"], "failed")
        step.seconds = (time.time() if step.state == "runs" else ended) - began
        if step.state == "runs":
            deployment = self._deployment() if step.title == DEPLOY else ""
            step.now = deployment or self._last_words(action)
        elif step.state == "done" and step.title == PREPARE:
            step.now = action["output"].get("outputVariables", {}).get("HEADLINE", "")

    def _deployment(self) -> str:
        """What SageMaker says of the endpoint's update."""
        name = self.platform.endpoint_name(self.endpoint)
        try:
            described = self._sagemaker.describe_endpoint(EndpointName=name)
        except ClientError:
            return ""
        pending = described.get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
        stages = [stage for variant in pending for stage in variant.get("VariantStatus", [])]
        return str(stages[-1].get("StatusMessage") or stages[-1]["Status"]) if stages else ""

    def _log(self, action: Mapping[str, Any]) -> str:
        build = action["output"]["executionResult"].get("externalExecutionId")
        if not build:
            return ""
        (found,) = self._codebuild.batch_get_builds(ids=[build])["builds"]
        name = f"build-{found['projectName']}-{found['buildNumber']}.log"
        path = self.platform.state.logs / name
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    def _last_words(self, action: Mapping[str, Any]) -> str:
        lines = [line for line in self._log(action).splitlines() if line.strip()]
        said = [line for line in lines if not line.startswith("[Container]")]
        return said[-1].strip() if said else ""

    def _noted(self, action: Mapping[str, Any]) -> dict[str, float]:
        """When the cdk CLI began and ended in an action: `releasing.cdk` notes it."""
        found = [NOTED.fullmatch(line) for line in self._log(action).splitlines()]
        return {
            match["what"]: datetime.fromisoformat(match["at"]).timestamp()
            for match in found
            if match
        }

    def _update_began(self) -> float:
        """When CloudFormation began to update the endpoint."""
        name = self.platform.environment.naming.stack(f"Endpoint-{self.endpoint}")
        pages = self.platform.client("cloudformation").get_paginator("describe_stack_events")
        times = [
            event["Timestamp"].timestamp()
            for page in pages.paginate(StackName=name)
            for event in page["StackEvents"]
            if event["ResourceType"] == "AWS::SageMaker::Endpoint"
            and event["ResourceStatus"] == "UPDATE_IN_PROGRESS"
            and event["Timestamp"].timestamp() >= self.began
        ]
        if not times:
            raise OperationError(
                f"The endpoint '{self.endpoint}' was not updated.", "See the log of its build."
            )
        return float(min(times))


@dataclass(frozen=True)
class Shares:
    """What the seconds from the alias to the beginning of the endpoint's update were spent on.

    Parameters
    ----------
    total
        All of them.
    webhook
        Until the pipeline was started: MLflow's delivery, the receiver, the event.
    pipeline
        Between the steps: the source, and starting builds.
    steps
        In the platform's own steps, but for the cdk CLI.
    synth, deploy
        In the cdk CLI: synth, and deploy until the endpoint's update began.
    """

    total: float
    webhook: float
    pipeline: float
    steps: float
    synth: float
    deploy: float

    @property
    def own(self) -> float:
        """The platform's own share."""
        return self.webhook + self.pipeline + self.steps

    def as_json(self) -> dict[str, float]:
        """All of it, in seconds."""
        return {name: round(value, 2) for name, value in dataclasses.asdict(self).items()}


def promotion_version(platform: LocalPlatform, endpoint: str) -> str:
    """The version of the promotion that was written last; empty where there is none."""
    found = release_store(platform).read(f"{PROMOTIONS}{endpoint}.json")
    return found.version if found else ""


def _order(step: Step) -> int:
    return STEPS.index(step.title)


def _outcome(attempt: Attempt) -> str:
    models = ", ".join(f"{name} {version}" for name, version in attempt.models.items())
    return f"{models}: {attempt.outcome}" + (f": {attempt.reason}" if attempt.reason else "")


def notifications(platform: LocalPlatform, queue: str) -> list[dict[str, Any]]:
    """What a queue that is subscribed to the platform's topic has been told of releases."""
    sqs = platform.client("sqs")
    found: list[dict[str, Any]] = []
    while True:
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        if not received:
            return found
        for message in received:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            content = json.loads(json.loads(message["Body"])["Message"])
            if "outcome" in content:
                found.append(content)


def listen(platform: LocalPlatform) -> str:
    """Subscribe a new queue to the platform's topic; its address."""
    sqs, sns = platform.client("sqs"), platform.client("sns")
    queue = str(sqs.create_queue(QueueName="told-of-releases")["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    topic = platform.outputs("Data")["AlarmTopic"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    return queue
