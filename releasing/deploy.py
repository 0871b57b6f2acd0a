"""The step `deploy`: the very assembly that was prepared, and the truth about how that went."""

from operations.errors import OperationError
from releasing.ending import FAILURES, end
from releasing.journal import Attempt, Outcome
from releasing.prepare import ASSEMBLY, digest, template_of
from releasing.restore import restore
from releasing.services import Services
from releasing.stack import EndpointStackState, State, stack_of
from releasing.turn import my_turn

OUTDATED = "The endpoint's stack was updated since its changes were looked at."


def deploy(services: Services, endpoint: str, promotion: str, execution: str) -> None:
    """Deploy what was prepared.

    Who is killed and begins again finds what became of the update, and starts none twice.

    Parameters
    ----------
    services
        Whom to ask.
    endpoint
        Name of the endpoint.
    promotion
        The version of the promotion; the latest where empty.
    execution
        Execution of the pipeline.

    Raises
    ------
    OperationError
        Where it failed, or was rolled back. It ended, then, and everybody was told.
    """
    attempt = my_turn(services, endpoint, promotion, execution, "prepared", "deploying", "deployed")
    if attempt is None or attempt.step == "deployed":
        return
    stack = services.stack(endpoint)
    try:
        state = stack.settled()
        if attempt.step == "prepared":
            _check_unchanged(services, attempt, state)
            attempt = services.journal(endpoint).advance(attempt, step="deploying")
        failure = ""
        if state.updated == attempt.updated:
            failure = _update(services, endpoint)
            state = stack.settled()
    except FAILURES as error:
        _end(services, attempt, "failed", str(error))
        raise
    _judge(services, attempt, stack, state, failure)


def _check_unchanged(services: Services, attempt: Attempt, state: State) -> None:
    """Make sure that what is deployed is what was looked at, and onto what it was compared with."""
    template = template_of(services.workspace / ASSEMBLY, attempt.endpoint)
    if not template.is_file() or digest(template) != attempt.template:
        raise OperationError(
            f"{template} is not what was prepared: its digest is not {attempt.template}.",
            "Ask again: make release-again.",
        )
    if state.updated != attempt.updated:
        raise OperationError(
            OUTDATED,
            "Ask again, to see them anew: make release-again.",
        )


def _update(services: Services, endpoint: str) -> str:
    """Deploy; what the cdk CLI said where it failed."""
    services.say(f"{endpoint}: deploying")
    try:
        services.cdk.deploy(services.workspace / ASSEMBLY, stack_of(endpoint))
    except OperationError as error:
        return str(error)
    return ""


def _judge(
    services: Services, attempt: Attempt, stack: EndpointStackState, state: State, failure: str
) -> None:
    """Write down what became of the update."""
    verdict = state.verdict(attempt.updated, failure)
    if verdict == "right":
        services.journal(attempt.endpoint).advance(attempt, step="deployed")
        return
    if verdict == "rolled back":
        reason = stack.why()
        _end(services, attempt, "rolled back", reason)
        raise OperationError(f"CloudFormation rolled it back. {reason}", "What served before does.")
    reason = f"{failure} The stack is {state.status}. {stack.why()}".strip()
    _end(services, attempt, "failed", reason)
    raise OperationError(reason, "See the stack's events; then ask again: make release-again.")


def _end(services: Services, attempt: Attempt, outcome: Outcome, reason: str) -> None:
    """End the attempt; where nobody verified what was there before, put back what is recorded."""
    if attempt.unclean:
        restore(services, attempt, reason)
    else:
        end(services, attempt, outcome, reason)
