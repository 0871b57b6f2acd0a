"""The step `close`: for every end of a pipeline that is not success."""

from releasing.ending import end, settle
from releasing.finish import finish
from releasing.journal import Attempt
from releasing.pipeline import Ended
from releasing.promotion import read_promotion
from releasing.restore import restore
from releasing.services import Services


def close(services: Services, endpoint: str, promotion: str, execution: str) -> None:
    """See to it that an execution that is over left nothing half done.

    Parameters
    ----------
    services
        Whom to ask.
    endpoint
        Name of the endpoint.
    promotion
        The version of the promotion; what the execution says where empty.
    execution
        Execution of the pipeline.

    Raises
    ------
    OperationError
        Where MLflow or the topic could not be told.
    """
    ended = services.pipeline(endpoint).ended(execution)
    version = promotion or ended.promotion
    journal = services.journal(endpoint)
    attempt = next((it for it in journal.entries() if it.execution == execution), None)
    if attempt is None and version:
        # It came to its end before it wrote a word: overtaken between stages, or killed.
        asked = read_promotion(services.store, endpoint, version)
        newest = read_promotion(services.store, endpoint).version == version
        attempt = journal.begin(asked, execution, newest=newest)
    if attempt is None or attempt.execution != execution:
        services.say(f"{endpoint}: nothing is left of execution {execution}")
        return
    close_attempt(services, attempt, ended)


def close_attempt(services: Services, attempt: Attempt, ended: Ended | None = None) -> Attempt:
    """End an attempt whose execution is over: forward if it was verified, else back.

    Parameters
    ----------
    services
        Whom to ask.
    attempt
        The attempt.
    ended
        How its execution ended; the pipeline is asked if not given.

    Raises
    ------
    OvertakenError
        Where another process has it.
    OperationError
        Where MLflow or the topic could not be told.
    """
    if attempt.outcome != "running":
        return attempt if attempt.settled else settle(services, attempt)
    if attempt.step == "verified":
        return finish(services, attempt)
    known = ended or services.pipeline(attempt.endpoint).ended(attempt.execution)
    reason = known.why(attempt.step)
    if attempt.unclean or not attempt.untouched:
        return restore(services, attempt, attempt.reason or reason)
    latest = read_promotion(services.store, attempt.endpoint)
    if latest.version != attempt.promotion.version:
        return end(
            services, attempt, "superseded", f"{latest.promotion.summary} was promoted since"
        )
    return end(services, attempt, "failed", reason)
