"""The step `platform-close`: for every end of the platform's pipeline that is not success."""

from operations.source import PROPOSED
from releasing.platform_change import name_proposed
from releasing.platform_ending import close_change
from releasing.services import Services


def platform_close(services: Services, proposal: str, execution: str) -> None:
    """Write down how an execution ended, and tell it once.

    Parameters
    ----------
    services
        Whom to ask.
    proposal
        The version of the proposal; what the execution says where empty.
    execution
        Execution of the pipeline.

    Raises
    ------
    OvertakenError
        Where another process has the change.
    OperationError
        Where a stack does not come to rest, or the topic could not be told.
    """
    pipeline = services.platform_pipeline
    ended = pipeline.ended(execution)
    version = proposal or ended.proposal
    change = next((it for it in services.changes.entries() if it.execution == execution), None)
    if change is None and version:
        # It came to its end before it wrote a word: overtaken between stages, or killed.
        proposed = name_proposed(services.store, version)
        newest = services.store.version(PROPOSED) == version
        change = services.changes.begin(proposed, execution, newest=newest)
    if change is None or change.execution != execution:
        services.say(f"Nothing is left of execution {execution}")
    elif pipeline.runs(execution):
        services.say(f"Execution {execution} goes on: its stage was tried again")
    else:
        close_change(services, change, ended)
