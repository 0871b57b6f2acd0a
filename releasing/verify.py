"""The step `verify`: ask the new version, and record it, or put the former one back."""

from operations.errors import OperationError
from releasing.finish import finish
from releasing.journal import Attempt
from releasing.restore import restore
from releasing.services import Services
from releasing.smoke import smoke_test
from releasing.turn import my_turn


def verify(services: Services, endpoint: str, promotion: str, execution: str) -> None:
    """Verify what was deployed.

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
        Where the version does not answer as it should. What served before does again, then.
    """
    attempt = my_turn(services, endpoint, promotion, execution, "deployed", "verified", "restoring")
    if attempt is None:
        return
    if attempt.step == "restoring":
        ended = restore(services, attempt, attempt.reason)
        raise OperationError(f"It {ended.outcome}: {ended.reason}", "See the journal.")
    if attempt.step == "deployed":
        attempt = _asked(services, attempt)
    finish(services, attempt)


def _asked(services: Services, attempt: Attempt) -> Attempt:
    endpoint = attempt.endpoint
    smoke = smoke_test(
        endpoint,
        services.environment.endpoints[endpoint],
        attempt.release,
        services.s3,
        services.caller,
        services.sleep,
    )
    services.say(f"{endpoint}: smoke test {smoke.said}")
    if smoke.faults:
        reason = f"the smoke test failed: {'; '.join(smoke.faults[:5])}"
        ended = restore(services, attempt, reason)
        raise OperationError(f"It {ended.outcome}: {ended.reason}", "Mend the model, and promote.")
    return services.journal(endpoint).advance(attempt, step="verified", smoke_test=smoke.said)
