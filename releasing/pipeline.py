"""A pipeline: which executions run, which waits for a person, why one failed."""

import re
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

EXECUTION = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
OUTSIDE = ("github-", "gitlab-")
"""What the executions of GitHub and GitLab start with: their release files say so too."""
APPROVE = "Approve"
"""The stage in which a person decides."""
RUNNING = ("InProgress", "Stopping")
UNKNOWN = ("PipelineExecutionNotFoundException", "PipelineNotFoundException")
SUMMARY = 512
"""The longest comment of an approval.
https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ApprovalResult.html
"""
REASON = 200
"""The longest reason of a stop.
https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_StopPipelineExecution.html
"""
KILLED = "it ended without a word"
"""Why, where nobody says so: the process was killed."""
STOPPED = ("DuplicatedStopRequestException", "PipelineExecutionNotStoppableException")
"""What CodePipeline says of a stop that is not needed any more."""


def is_outside(execution: str) -> bool:
    """Whether an execution is one of GitHub's or GitLab's, which cannot be asked about.

    Parameters
    ----------
    execution
        Its name.

    Examples
    --------
    >>> is_outside("github-4711")
    True
    """
    return execution.startswith(OUTSIDE)


@dataclass(frozen=True)
class Waiting:
    """An approval that waits for a person.

    Parameters
    ----------
    execution, stage, action
        Where it stands.
    token
        What it is answered with.
    """

    execution: str
    stage: str
    action: str
    token: str


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
    proposal
        What its variable PROPOSAL says.
    """

    status: str = ""
    reason: str = ""
    promotion: str = ""
    stage: str = ""
    proposal: str = ""

    def why(self, step: str) -> str:
        """Why, of something that came to `step`, whether or not anybody said a word."""
        return self.reason or f"{KILLED} after '{step}'"


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

    def version(self) -> int:
        """Its version: an update makes it another one. None where it is not there is 0."""
        return int(self._state().get("pipelineVersion", 0))

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
            proposal=variables.get("PROPOSAL", ""),
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
        for waiting in self._waiting(execution):
            self._codepipeline.put_approval_result(
                pipelineName=self._name,
                stageName=waiting.stage,
                actionName=waiting.action,
                result={"summary": summary[:SUMMARY], "status": "Rejected"},
                token=waiting.token,
            )

    def stop_others(self, execution: str, reason: str) -> None:
        """Stop what waits for a person: whoever may do that may not let anything through by it.

        Parameters
        ----------
        execution
            The execution that is not stopped.
        reason
            Why.
        """
        for waiting in self._waiting(execution):
            try:
                self._codepipeline.stop_pipeline_execution(
                    pipelineName=self._name,
                    pipelineExecutionId=waiting.execution,
                    abandon=True,
                    reason=reason[:REASON],
                )
            except ClientError as error:
                if error.response["Error"]["Code"] not in STOPPED:
                    raise

    def _waiting(self, execution: str) -> list[Waiting]:
        """The approvals that wait, but that of an execution."""
        found = []
        for stage in self._state().get("stageStates", []):
            inside = stage.get("latestExecution", {}).get("pipelineExecutionId")
            for action in stage["actionStates"] if inside != execution else []:
                latest = action.get("latestExecution", {})
                # Nothing but an approval has a token.
                if latest.get("status") == "InProgress" and latest.get("token"):
                    found.append(
                        Waiting(inside, stage["stageName"], action["actionName"], latest["token"])
                    )
        return found

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = self._codepipeline.get_pipeline_state(name=self._name)
        except ClientError as error:
            if error.response["Error"]["Code"] in UNKNOWN:
                return {}
            raise
        return state

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
