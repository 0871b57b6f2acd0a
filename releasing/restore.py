"""Putting back what served before an attempt that cannot be finished."""

from pathlib import Path

from releasing.ending import FAILURES, end
from releasing.journal import Attempt
from releasing.services import Services
from releasing.stack import stack_of
from stacks.releases import Release

FORMER = "former"
"""The folder of the workspace with the former version's records and assembly."""


def restore(services: Services, attempt: Attempt, reason: str) -> Attempt:
    """Have the endpoint serve what it did before an attempt, and end that.

    The former version is deployed again; where CloudFormation has put it back already, that changes
    nothing. A stack that the attempt made itself goes.

    Parameters
    ----------
    services
        Whom to ask.
    attempt
        The attempt.
    reason
        Why it cannot be finished.

    Raises
    ------
    OvertakenError
        Where another process has it.
    OperationError
        Where it ended, and MLflow could not be told.
    """
    attempt = services.journal(attempt.endpoint).advance(attempt, step="restoring", reason=reason)
    endpoint, stack = attempt.endpoint, services.stack(attempt.endpoint)
    try:
        state = stack.settled()
        if state.rolled_back and not attempt.unclean:
            # CloudFormation has put it back already, to what it was before this attempt.
            return end(services, attempt, "rolled back", reason)
        assembly = _assembly(services, attempt)
        if attempt.former:
            services.say(f"{endpoint}: deploying {Release(attempt.former).summary} again")
            services.cdk.deploy(assembly, stack_of(endpoint))
        elif state.updated:
            services.say(f"{endpoint}: nothing served before: deleting the stack")
            services.cdk.destroy(stack_of(endpoint), assembly)
        state = stack.settled()
    except FAILURES as error:
        return end(services, attempt, "failed", f"{reason} It could not be put back: {error}")
    if attempt.former and not (state.right or state.rolled_back):
        said = f"{reason} It could not be put back: the stack is {state.status}."
        return end(services, attempt, "failed", said)
    return end(services, attempt, "rolled back", reason)


def _assembly(services: Services, attempt: Attempt) -> Path:
    folder = services.workspace / "build" / FORMER
    releases, assembly = folder / "releases", folder / "cdk.out"
    release = Release(attempt.former or attempt.record or attempt.unclean)
    services.records.collect(releases, attempt.endpoint, release)
    services.cdk.synth(releases, assembly, only=attempt.endpoint)
    return assembly
