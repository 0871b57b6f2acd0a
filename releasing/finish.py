"""Recording a version that was verified: from then on it is what serves."""

from releasing.ending import end
from releasing.journal import Attempt
from releasing.services import Services
from stacks.releases import Release, Released


def finish(services: Services, attempt: Attempt) -> Attempt:
    """Record what serves, and say so.

    Parameters
    ----------
    services
        Whom to ask.
    attempt
        The attempt, whose version was verified.

    Raises
    ------
    OvertakenError
        Where another process has it.
    OperationError
        Where it is recorded, and MLflow could not be told.
    """
    containers = {name: _noted(it, attempt) for name, it in attempt.record.items()}
    services.records.write(attempt.endpoint, Release(containers))
    return end(services, attempt, "served", "", record=containers)


def _noted(released: Released, attempt: Attempt) -> Released:
    """A container, with what the smoke test of its endpoint said."""
    if released.promotion is None:
        return released
    notes = released.promotion.model_copy(update={"smoke_test": attempt.smoke_test})
    return released.model_copy(update={"promotion": notes})
