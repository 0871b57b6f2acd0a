"""The actions that run here: an object of S3, a build, a person's approval."""

import json
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from local.extensions.codebuild.artifacts import Place
from local.extensions.codebuild.service import CodeBuild
from local.extensions.codepipeline.execution import (
    IN_PROGRESS,
    ActionError,
    ActionRun,
    Execution,
    Perform,
)
from local.extensions.hooks import scoped
from local.extensions.json_service import RefusedError
from local.host import Host

APPROVAL_MINUTES = 7 * 24 * 60
"""How long an approval waits, where nothing else is said.

https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html
"""
LOOK_SECONDS = 0.1


class Approvals:
    """Approvals that wait for somebody.

    https://docs.aws.amazon.com/codepipeline/latest/userguide/approvals.html

    Parameters
    ----------
    host
        Where topics are told.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._results: dict[str, Mapping[str, str]] = {}
        self._told = threading.Condition()

    def perform(self, execution: Execution, run: ActionRun) -> None:
        """Wait for a result."""
        minutes = run.declared.get("timeoutInMinutes", APPROVAL_MINUTES)
        end = time.monotonic() + self._host.pace.seconds(60 * minutes)
        run.token = str(uuid.uuid4())
        self._notify(execution, run)
        while run.token not in self._results:
            if execution.abandoned.is_set():
                return
            if time.monotonic() > end:
                raise ActionError("JobFailed", f"Nobody answered within {minutes} minutes.")
            with self._told:
                self._told.wait(LOOK_SECONDS)
        result = self._results.pop(run.token)
        run.summary = result["summary"]
        if result["status"] == "Rejected":
            raise ActionError("JobFailed", result["summary"])

    def answer(self, run: ActionRun | None, token: str, result: Mapping[str, str]) -> float:
        """Give the result of an approval; when.

        Raises
        ------
        RefusedError
            Where it does not wait, or another one does by now.
        """
        if run is None or run.status != IN_PROGRESS or not run.token:
            raise RefusedError("ApprovalAlreadyCompletedException", "No approval waits there.")
        if run.token != token:
            raise RefusedError("InvalidApprovalTokenException", f"{token} is not of this approval.")
        with self._told:
            if token in self._results:
                raise RefusedError("ApprovalAlreadyCompletedException", "It has been answered.")
            self._results[token] = result
            self._told.notify_all()
        return time.time()

    def _notify(self, execution: Execution, run: ActionRun) -> None:
        """Tell the action's topic, where it names one.

        https://docs.aws.amazon.com/codepipeline/latest/userguide/approvals-json-format.html
        """
        topic = run.configuration.get("NotificationArn")
        if not topic:
            return
        message = {
            "region": execution.scope[1],
            "approval": {
                "pipelineName": execution.structure["name"],
                "stageName": run.stage,
                "actionName": run.name,
                "token": run.token,
                "externalEntityLink": run.configuration.get("ExternalEntityLink"),
                "customData": run.configuration.get("CustomData", ""),
            },
        }
        self._host.client("sns", execution.scope[1]).publish(
            TopicArn=topic,
            Subject=f"APPROVAL NEEDED: {execution.structure['name']} {run.name}"[:100],
            Message=json.dumps(message),
        )


class Actions:
    """What carries actions out.

    Parameters
    ----------
    host
        Where they act.
    codebuild
        What builds.
    approvals
        What waits for people.
    """

    def __init__(self, host: Host, codebuild: CodeBuild, approvals: Approvals) -> None:
        self._host = host
        self._codebuild = codebuild
        self.by_provider: Mapping[str, Perform] = {
            "S3": self._source,
            "CodeBuild": self._build,
            "Manual": approvals.perform,
        }

    def _source(self, execution: Execution, run: ActionRun) -> None:
        """Copy an object into the artifact store.

        https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-S3.html
        """
        s3 = self._host.client("s3", execution.scope[1])
        bucket, key = run.configuration["S3Bucket"], run.configuration["S3ObjectKey"]
        asked = execution.revisions.get(run.name)
        try:
            found = s3.head_object(
                Bucket=bucket, Key=key, **({"VersionId": asked} if asked else {})
            )
        except ClientError as error:
            raise ActionError(
                "ConfigurationError",
                f"s3://{bucket}/{key}{f' in version {asked}' if asked else ''} cannot be read:"
                f" {error}",
            ) from error
        version = found.get("VersionId")
        if not version or version == "null":
            raise ActionError("ConfigurationError", f"The bucket '{bucket}' is not versioned.")
        (output,) = run.outputs
        source = {"Bucket": bucket, "Key": key, "VersionId": version}
        s3.copy_object(Bucket=output.bucket, Key=output.key, CopySource=source)
        run.revision = run.summary = version
        run.variables = {
            "BucketName": bucket,
            "ObjectKey": key,
            "VersionId": version,
            "ETag": found["ETag"].strip('"'),
        }

    def _build(self, execution: Execution, run: ActionRun) -> None:
        """Run a build to its end; what it exports are the action's variables.

        https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeBuild.html
        """
        given = run.configuration
        variables = json.loads(given.get("EnvironmentVariables", "[]"))
        first = given.get("PrimarySource", run.inputs[0].name)
        inputs = sorted(run.inputs, key=lambda artifact: artifact.name != first)
        try:
            with scoped(execution.scope):
                build = self._codebuild.start(
                    _for_pipeline(self._codebuild.project(given["ProjectName"])),
                    variables,
                    f"codepipeline/{execution.structure['name']}",
                    {artifact.name: Place(artifact.bucket, artifact.key) for artifact in inputs},
                    {each.name: Place(each.bucket, each.key) for each in run.outputs},
                )
        except RefusedError as error:
            raise ActionError("ConfigurationError", str(error)) from error
        run.external_id = build.record["id"]
        while not build.done.wait(LOOK_SECONDS):
            if execution.abandoned.is_set():
                return
        if build.status != "SUCCEEDED":
            raise ActionError(
                "JobFailed", f"Build terminated with state: {build.status}. {build.reason}"
            )
        run.variables = build.exported


def _for_pipeline(project: Mapping[str, Any]) -> dict[str, Any]:
    """A project as a pipeline has it built."""
    spec = project["source"].get("buildspec", "")
    pipeline = {"type": "CODEPIPELINE"}
    return {**project, "source": {**pipeline, "buildspec": spec}, "artifacts": pipeline}
