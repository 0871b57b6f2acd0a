"""A stack as CloudFormation has it, and why an update of it failed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from botocore.exceptions import ClientError
from ruamel.yaml import YAML

from operations.errors import OperationError

SECONDS, MOST_SECONDS = 10, 4 * 3600
"""How often a stack that is being updated is looked at, and for how long: canaries take time."""

NONE = "NONE"
"""The status of a stack that is not there."""

REVIEWED = "REVIEW_IN_PROGRESS"
"""The status of a stack whose first change set was never executed: nothing goes on in it.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
"""

RIGHT = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")

Verdict = Literal["right", "rolled back", "failed"]


def stack_of(endpoint: str) -> str:
    """What the stack of an endpoint is called in the app."""
    return f"Endpoint-{endpoint}"


@dataclass(frozen=True)
class State:
    """How a stack is.

    Parameters
    ----------
    status
        What CloudFormation says.
    updated
        When it was last updated; empty where it is not there.
    description
        What it holds, in words.
    """

    status: str = NONE
    updated: str = ""
    description: str = ""

    @property
    def there(self) -> bool:
        """Whether there is anything of it: what failed at its creation is an empty stack."""
        return self.status not in (NONE, REVIEWED, "ROLLBACK_COMPLETE", "DELETE_COMPLETE")

    @property
    def moves(self) -> bool:
        """Whether CloudFormation is at work on it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != REVIEWED

    @property
    def right(self) -> bool:
        """Whether it is as its last template says."""
        return self.status in RIGHT

    @property
    def rolled_back(self) -> bool:
        """Whether it is as it was before its last update."""
        return self.status in ("ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "DELETE_COMPLETE")

    def verdict(self, before: str, failure: str) -> Verdict:
        """What became of an update: by what CloudFormation says rather than the cdk CLI.

        Parameters
        ----------
        before
            When the stack was updated before that.
        failure
            What the cdk CLI said, if it failed.
        """
        updated = self.updated != before
        # What a rollback left is right, too, where there was nothing to change.
        unchanged = self.rolled_back and not updated and not failure
        if unchanged or (self.right and (updated or not failure)):
            return "right"
        return "rolled back" if self.rolled_back else "failed"


class StackState:
    """A stack.

    Parameters
    ----------
    cloudformation
        A client.
    name
        Name of the stack.
    sleep
        Waits for some seconds.
    """

    def __init__(self, cloudformation: Any, name: str, sleep: Callable[[float], None]) -> None:
        self._cloudformation = cloudformation
        self.name = name
        self._sleep = sleep

    def state(self) -> State:
        """How the stack is now."""
        try:
            (stack,) = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if _missing(error):
                return State()
            raise
        updated = stack.get("LastUpdatedTime") or stack["CreationTime"]
        return State(stack["StackStatus"], updated.isoformat(), stack.get("Description", ""))

    def settled(self) -> State:
        """How the stack is once no update of it is under way.

        Raises
        ------
        OperationError
            Where that takes too long.
        """
        for _ in range(MOST_SECONDS // SECONDS):
            state = self.state()
            if not state.moves:
                return state
            self._sleep(SECONDS)
        raise OperationError(
            f"The stack {self.name} is still {state.status} after {MOST_SECONDS // 3600} hours.",
            "See its events in CloudFormation; then ask again.",
        )

    def template(self) -> dict[str, Any] | None:
        """The template that is deployed; nothing where there is none."""
        try:
            body = self._cloudformation.get_template(StackName=self.name, TemplateStage="Original")[
                "TemplateBody"
            ]
        except ClientError as error:
            if _missing(error):
                return None
            raise
        # JSON comes parsed. The cdk CLI sends a small template as YAML, which comes as text.
        found = YAML(typ="safe", pure=True).load(body) if isinstance(body, str) else body
        template: dict[str, Any] = json.loads(json.dumps(found))
        return template

    def why(self) -> str:
        """Why the last update failed: what CloudFormation says first."""
        return self._first_failure() or "CloudFormation gives no reason."

    def _first_failure(self) -> str:
        """The first event that failed since the last update began."""
        pages = self._cloudformation.get_paginator("describe_stack_events").paginate(
            StackName=self.name
        )
        found = ""
        try:
            for event in (event for page in pages for event in page["StackEvents"]):
                reason, status = event.get("ResourceStatusReason", ""), event["ResourceStatus"]
                if status.endswith("_FAILED") and reason and "cancelled" not in reason:
                    found = f"{event['LogicalResourceId']}: {reason}"
                of_stack = event["LogicalResourceId"] == self.name
                if of_stack and status in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
                    break
        except ClientError as error:
            if not _missing(error):
                raise
        return found


class EndpointStackState(StackState):
    """The stack of one endpoint.

    Parameters
    ----------
    cloudformation, sagemaker
        Clients.
    name
        Name of the stack.
    endpoint
        Name of the endpoint in SageMaker.
    sleep
        Waits for some seconds.
    """

    def __init__(
        self,
        cloudformation: Any,
        sagemaker: Any,
        name: str,
        endpoint: str,
        sleep: Callable[[float], None],
    ) -> None:
        super().__init__(cloudformation, name, sleep)
        self._sagemaker = sagemaker
        self._endpoint = endpoint

    def why(self) -> str:
        """Why the last update failed: what CloudFormation says first, and what SageMaker does."""
        said, endpoint = self._first_failure(), self._endpoint_failure()
        # CloudFormation often hands on what SageMaker told it.
        if endpoint and _words(endpoint) not in _words(said):
            said = f"{said} SageMaker: {endpoint}".strip()
        return said or "CloudFormation gives no reason."

    def _endpoint_failure(self) -> str:
        try:
            described = self._sagemaker.describe_endpoint(EndpointName=self._endpoint)
        except ClientError as error:
            if _missing(error):
                return ""
            raise
        return str(described.get("FailureReason", "")).strip()


def _words(text: str) -> str:
    """A text as it is compared, however it is broken into lines, or ends."""
    return " ".join(text.split()).rstrip(".")


def _missing(error: ClientError) -> bool:
    """Whether what was asked for is not there: both services say so as of a wrong request."""
    said = error.response["Error"]
    text = said.get("Message", "").lower()
    return said["Code"] in ("ValidationError", "ValidationException") and (
        "not exist" in text or "not find" in text
    )
