"""How an attempt ends: written into the journal, said in MLflow, told once."""

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from mlflow.exceptions import MlflowException

from mlops_constructs.faults import FaultsError
from operations.errors import OperationError
from releasing.journal import Attempt, Outcome
from releasing.promotion import read_promotion
from releasing.services import Services
from releasing.telling import tell
from releasing.write_back import write_back

FAILURES = (OperationError, FaultsError, BotoCoreError, ClientError, MlflowException)
"""What a step may fail with: the attempt ends then, and says why."""


def end(
    services: Services, attempt: Attempt, outcome: Outcome, reason: str, **more: Any
) -> Attempt:
    """End an attempt.

    Parameters
    ----------
    services
        Whom to ask.
    attempt
        The attempt.
    outcome
        How it ended.
    reason
        Why, in words.
    more
        What else is new of it.

    Raises
    ------
    OvertakenError
        Where another process has it.
    OperationError
        Where it ended, and MLflow could not be told: what runs next tells it.
    """
    ended = services.journal(attempt.endpoint).end(attempt, outcome, reason, **more)
    return settle(services, ended)


def settle(services: Services, attempt: Attempt) -> Attempt:
    """Tell whoever does not know yet how an attempt ended.

    A topic is told before that is written down: who is killed in between tells it again. So it is
    told once, or, after a kill at that very point, twice; the message names its promotion.

    Parameters
    ----------
    services
        Whom to ask.
    attempt
        The attempt, which ended.

    Raises
    ------
    OvertakenError
        Where another process has it.
    OperationError
        Where MLflow could not be told: what runs next tells it.
    """
    journal, fault = services.journal(attempt.endpoint), ""
    if not attempt.tagged:
        try:
            _write_back(services, attempt)
            attempt = journal.advance(attempt, tagged=True)
        except MlflowException as error:
            fault = f"MLflow could not be told: {error.message}"
    if not attempt.notified:
        if attempt.outcome != "served":
            _publish(services, attempt, fault)
        attempt = journal.advance(attempt, notified=True)
    services.say(f"{attempt.endpoint}: {attempt.outcome}{_because(attempt)}")
    if fault:
        raise OperationError(fault, "The next step, or the schedule of drift, tells it again.")
    return attempt


def _write_back(services: Services, attempt: Attempt) -> None:
    newer = {}
    if attempt.outcome == "superseded":
        latest = read_promotion(services.store, attempt.endpoint).promotion
        newer = {it.name: it.version for it in latest.models.values()}
    write_back(services.mlflow, services.environment.name, attempt, newer)


def _publish(services: Services, attempt: Attempt, fault: str) -> None:
    environment, content = services.environment.name, attempt.promotion.content
    message = {
        "environment": environment,
        "endpoint": attempt.endpoint,
        "outcome": attempt.outcome,
        "reason": attempt.reason,
        "models": attempt.models,
        "promoted_by": content.promoted_by,
        "promotion": attempt.promotion.version,
        "execution": attempt.execution,
        **({"also": fault} if fault else {}),
    }
    subject = f"{environment}/{attempt.endpoint}: {content.summary} {attempt.outcome}"
    tell(services, subject, json.dumps(message, indent=2))


def _because(attempt: Attempt) -> str:
    return f", because {attempt.reason}" if attempt.reason else ""
