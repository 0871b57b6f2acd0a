"""Whether a step of an execution is still to be done."""

from operations.errors import OperationError
from releasing.ending import settle
from releasing.journal import Attempt, Step
from releasing.promotion import read_promotion
from releasing.services import Services


def my_turn(
    services: Services, endpoint: str, promotion: str, execution: str, *steps: Step
) -> Attempt | None:
    """The attempt, if it is this execution's to go on with.

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
    steps
        Where it may stand.

    Returns
    -------
    Attempt or None
        Nothing where there is nothing to do: it was superseded, or another execution has it.

    Raises
    ------
    OperationError
        Where it ended otherwise, or the step before this one was not done.
    """
    version = promotion or read_promotion(services.store, endpoint).version
    attempt = services.journal(endpoint).of(version)
    if attempt is None or attempt.outcome in ("superseded", "served"):
        said = attempt.outcome if attempt else "not under way"
        services.say(f"{endpoint}: nothing to do: this promotion is {said}")
        if attempt and attempt.execution == execution and not attempt.settled:
            settle(services, attempt)  # whoever ended it was killed before everybody knew
        return None
    if attempt.outcome != "running":
        raise OperationError(
            f"This promotion {attempt.outcome}: {attempt.reason}",
            f"Ask again: make release-again ENDPOINT={endpoint} ENV={services.environment.name}.",
        )
    if attempt.execution != execution:
        services.say(f"{endpoint}: nothing to do: execution {attempt.execution} has this promotion")
        return None
    if attempt.step not in steps:
        raise OperationError(
            f"The release of '{endpoint}' stands at '{attempt.step}', and this step goes on from"
            f" {' or '.join(steps)}.",
            "Run the steps in order: prepare, deploy, verify.",
        )
    return attempt
