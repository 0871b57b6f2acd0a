"""How a change of the platform ends: written into the journal, told once."""

import json

from releasing.pipeline import APPROVE, Ended
from releasing.platform_change import Change, Outcome, proposed_since
from releasing.platform_endpoints import ask_again_for_pending
from releasing.services import Services
from releasing.telling import tell

NOT_ASKED = (
    "Releases under way may have failed as their pipelines were updated; ask for them again where"
    " they have: make release-again ENDPOINT="
)


GO_ON = "Its stage Deploy, tried again, goes on with the rest."


def end_change(services: Services, change: Change, outcome: Outcome, reason: str) -> Change:
    """End a change.

    Parameters
    ----------
    services
        Whom to ask.
    change
        The change.
    outcome
        How it ended.
    reason
        Why, in words.

    Raises
    ------
    OvertakenError
        Where another process has it.
    OperationError
        Where it ended, and the topic could not be told: what runs next tells it.
    """
    return settle_change(services, services.changes.end(change, outcome, reason))


def settle_change(services: Services, change: Change) -> Change:
    """Tell how a change ended, if nobody was told: of one that was deployed, what is left to do.

    The topic is told before that is written down, as of a release: once, or after a kill at that
    very point twice.

    Parameters
    ----------
    services
        Whom to ask.
    change
        The change, which ended.

    Raises
    ------
    OvertakenError
        Where another process has it.
    OperationError
        Where the topic could not be told.
    """
    if not change.notified:
        if change.outcome != "deployed" or change.left or change.reason:
            _publish(services, change)
        change = services.changes.advance(change, notified=True)
    because = f", because {change.reason}" if change.reason else ""
    services.say(f"{change.proposal.content.summary}: {change.outcome}{because}")
    return change


def close_change(
    services: Services, change: Change, ended: Ended, *, may_ask: bool = True
) -> Change:
    """End a change whose execution is over, by what CloudFormation says of its last stacks.

    Nothing is deployed here, nor put back: a stack whose update failed is as it was, and those
    before it stay. Releases that its last stack broke are asked for again.

    Parameters
    ----------
    services
        Whom to ask.
    change
        The change.
    ended
        How its execution ended.
    may_ask
        Whether releases may be asked for again. Where not, it is told which were not.

    Raises
    ------
    OvertakenError
        Where another process has it.
    OperationError
        Where a stack does not come to rest, or the topic could not be told.
    """
    if change.outcome != "running":
        if may_ask:
            change = ask_again_for_pending(services, change)
        return change if change.settled else settle_change(services, change)
    reason = ended.why(change.step)
    if change.untouched:
        by = proposed_since(services.store, change.version)
        if by:
            return end_change(services, change, "superseded", by)
        return end_change(services, change, _outcome(ended), reason)
    change = looked_after(services, change)
    if may_ask:
        change = ask_again_for_pending(services, change)
    not_asked = f"{NOT_ASKED}{','.join(change.pending)}" if change.pending else ""
    if change.step == "replaced" and not change.waiting:
        return end_change(services, change, "deployed", not_asked)
    go_on = GO_ON if change.waiting and may_ask else ""
    said = " ".join(it for it in (f"{reason}.", became(change), go_on, not_asked) if it)
    return end_change(services, change, _outcome(ended), said)


def became(change: Change) -> str:
    """What a change that ended half way has done, and has not."""
    done = ", ".join(change.deployed) or "nothing"
    app = "; releases are made with the proposed app" if change.step == "replaced" else ""
    rest = ", ".join(it for it in change.waiting if it not in change.begun) or "nothing"
    begun = f" Begun: {', '.join(change.begun)}." if change.begun else ""
    return f"Deployed: {done}{app}.{begun} Not deployed: {rest}."


def looked_after(services: Services, change: Change) -> Change:
    """The change, with what became of the stacks that it was in the middle of.

    Parameters
    ----------
    services
        Whom to ask.
    change
        The change.

    Raises
    ------
    OvertakenError
        Where another process has it.
    OperationError
        Where a stack does not come to rest.
    """
    for stack, before in change.begun.items():
        state = services.any_stack(stack).settled()
        new = change.done if state.updated != before and state.right else change.over
        change = services.changes.advance(change, **new(stack, state.updated))
    return change


def _outcome(ended: Ended) -> Outcome:
    if ended.stage == APPROVE:
        return "rejected"
    return "stopped" if ended.status == "Stopped" else "failed"


def _publish(services: Services, change: Change) -> None:
    environment, content = services.environment.name, change.proposal.content
    message = {
        "environment": environment,
        "outcome": change.outcome,
        "reason": change.reason,
        "headline": change.headline,
        "commit": content.commit,
        "by": content.by,
        "deployed": change.deployed,
        "left": change.left,
        "proposal": change.version,
        "execution": change.execution,
    }
    subject = f"{environment}: the change {content.commit[:12]} of the platform {change.outcome}"
    tell(services, subject, json.dumps(message, indent=2))
