"""A pipeline: which executions run, which waits for a person, why one failed."""

import re
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

EXECUTION = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
RUNNING = ("InProgress", "Stopping")
UNKNOWN = ("PipelineExecutionNotFoundException", "PipelineNotFoundException")
SUMMARY = 512
"""The longest comment of an approval.
https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ApprovalResult.html
"""


@dataclass(frozen=True)
class Ended:
    """How an execution ended.

    Parameters
    ----------
    status
        What CodePipeline says; empty where it knows no such execution.
    reason
        Why, in words.
    promotion
        What its variable PROMOTION says.
    stage
        The stage that failed; empty where none did.
    source
        The version of the object that it took as its source; empty where it took none.
    """

    status: str = ""
    reason: str = ""
    promotion: str = ""
    stage: str = ""
    source: str = ""


class Pipeline:
    """A pipeline.

    Parameters
    ----------
    codepipeline
        A client.
    name
        Its name.
    """

    def __init__(self, codepipeline: Any, name: str) -> None:
        self._codepipeline = codepipeline
        self._name = name

    def runs(self, execution: str) -> bool:
        """Whether an execution is under way. A step by hand is a process nobody can ask about."""
        return self._execution(execution).get("status") in RUNNING

    def ended(self, execution: str) -> Ended:
        """How an execution ended, and why."""
        known = self._execution(execution)
        if not known:
            return Ended()
        variables = {it["name"]: it["resolvedValue"] for it in known.get("variables", [])}
        stage, said = self._failure(execution)
        return Ended(
            status=known["status"],
            reason=f"{stage}: {said}" if stage else known.get("statusSummary", ""),
            promotion=variables.get("PROMOTION", ""),
            stage=stage,
            # https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ArtifactRevision.html
            source=next((it["revisionId"] for it in known.get("artifactRevisions", [])), ""),
        )

    def reject_others(self, execution: str, summary: str) -> None:
        """Reject what waits for a person: none can, while another one does.

        Parameters
        ----------
        execution
            The execution that is not rejected.
        summary
            Why.
        """
        try:
            stages = self._codepipeline.get_pipeline_state(name=self._name)["stageStates"]
        except ClientError as error:
            if error.response["Error"]["Code"] in UNKNOWN:
                return
            raise
        for stage in stages:
            if stage.get("latestExecution", {}).get("pipelineExecutionId") == execution:
                continue
            for action in stage["actionStates"]:
                latest = action.get("latestExecution", {})
                # Nothing but an approval has a token.
                if latest.get("status") == "InProgress" and latest.get("token"):
                    self._codepipeline.put_approval_result(
                        pipelineName=self._name,
                        stageName=stage["stageName"],
                        actionName=action["actionName"],
                        result={"summary": summary[:SUMMARY], "status": "Rejected"},
                        token=latest["token"],
                    )

    def _execution(self, execution: str) -> dict[str, Any]:
        if not EXECUTION.fullmatch(execution):
            return {}
        try:
            answer = self._codepipeline.get_pipeline_execution(
                pipelineName=self._name, pipelineExecutionId=execution
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in UNKNOWN:
                return {}
            raise
        found: dict[str, Any] = answer["pipelineExecution"]
        return found

    def _failure(self, execution: str) -> tuple[str, str]:
        """The stage that failed, and what was said: by whoever rejected an approval, too."""
        answer = self._codepipeline.list_action_executions(
            pipelineName=self._name, filter={"pipelineExecutionId": execution}
        )
        for action in answer["actionExecutionDetails"]:
            if action.get("status") == "Failed":
                result = action.get("output", {}).get("executionResult", {})
                said = (
                    result.get("errorDetails", {}).get("message")
                    or result.get("externalExecutionSummary")
                    or "it said nothing"
                )
                return action["stageName"], said
        return "", ""
