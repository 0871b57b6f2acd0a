"""Endpoints while the platform changes: each may be released meanwhile, with the former app."""

from operations.errors import OperationError
from releasing.asking import release_again
from releasing.deploy import OUTDATED
from releasing.pipeline import APPROVE
from releasing.platform_change import Change, Pending
from releasing.prepare import MOST_SECONDS, SECONDS
from releasing.promotion import promotion_key
from releasing.services import Services

PATIENCE = 20
"""How often a release is looked at that nobody goes on with: what closes it takes a while."""

PROPOSE = "propose again for it"


def under_way(services: Services, endpoint: str) -> bool:
    """Whether a release of an endpoint is being deployed just now.

    Parameters
    ----------
    services
        Whom to ask.
    endpoint
        Name of the endpoint.
    """
    entries = services.journal(endpoint).entries()
    return any(it.half_way and services.runs(it) for it in entries)


def stirred(services: Services, change: Change, endpoint: str) -> bool:
    """Whether a release of an endpoint is half way, or another one was recorded. Nobody waits.

    Parameters
    ----------
    services
        Whom to ask.
    change
        The change.
    endpoint
        Name of the endpoint; of none there is no release.
    """
    if not endpoint:
        return False
    half_way = any(it.half_way for it in services.journal(endpoint).entries())
    return half_way or _released(services, change, endpoint)


def why_not(services: Services, change: Change, endpoint: str) -> str:
    """Why the stack of an endpoint is not to be deployed as it was prepared; empty where it is.

    A release that is being deployed is waited for.

    Parameters
    ----------
    services
        Whom to ask.
    change
        The change.
    endpoint
        Name of the endpoint.

    Raises
    ------
    OperationError
        Where that takes too long.
    """
    reason = _half_way(services, endpoint)
    if not reason and _released(services, change, endpoint):
        return "another version was released since its changes were looked at"
    return reason


def follow_up(services: Services, change: Change, endpoint: str, left: str) -> str:
    """Have an endpoint released again that the former app has released, or is about to.

    What was prepared with that app would take the change of its stack back.

    Parameters
    ----------
    services
        Whom to ask.
    change
        The change, whose app releases are made with by now.
    endpoint
        Name of the endpoint.
    left
        Why its stack was left as it is; empty where it was deployed.

    Returns
    -------
    str
        What is to be told of it; empty where nothing is.
    """
    meanwhile = _released(services, change, endpoint) or _promoted(services, change, endpoint)
    if not left and not meanwhile:
        return ""
    said = _ask_again(services, change, endpoint)
    services.say(f"{endpoint}: {said}")
    if not left and not said.startswith(PROPOSE):
        return ""
    return f"{left or 'it was released with the former app meanwhile'}; {said}"


def pending(services: Services, change: Change) -> dict[str, Pending]:
    """What was promoted last and is not released yet, by the endpoints.

    What a former try found is kept, as it may have updated their pipelines already.

    Parameters
    ----------
    services
        Whom to ask.
    change
        The change.
    """
    release, found = services.environment.release, {}
    for endpoint in release.follow if release else []:
        journal, pipeline = services.journal(endpoint), services.pipeline(endpoint)
        promotion = services.store.version(promotion_key(endpoint))
        attempt = journal.of(promotion)
        if attempt:
            waits = attempt.outcome == "running" and pipeline.runs(attempt.execution)
        else:
            waits = bool(promotion) and not journal.knows(promotion)
        if waits:
            found[endpoint] = Pending(promotion=promotion, pipeline=pipeline.version())
    return {
        **found,
        **{it: former for it, former in change.pending.items() if _last(services, it, former)},
    }


def ask_again_for_pending(services: Services, change: Change) -> Change:
    """Ask again for releases that fail because their pipeline was updated under them.

    What runs in it just then comes to its end first, and the execution fails after that:
    https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-edit.html

    Parameters
    ----------
    services
        Whom to ask.
    change
        The change, whose last stack holds the pipelines.

    Returns
    -------
    Change
        The change, of which no release is pending any more.

    Raises
    ------
    OvertakenError
        Where another process has it.
    """
    for endpoint, it in change.pending.items():
        if not _last(services, endpoint, it):
            continue  # what was promoted since has its own execution
        pipeline, attempt = services.pipeline(endpoint), services.journal(endpoint).of(it.promotion)
        fails = pipeline.version() != it.pipeline
        if attempt:
            decided = pipeline.ended(attempt.execution).stage == APPROVE
            fails = fails or not services.runs(attempt)
            fails = fails and not decided and attempt.outcome != "served"
        if fails:
            services.say(f"{endpoint}: {_ask(services, change, endpoint)}")
    return services.changes.advance(change, pending={}) if change.pending else change


def _last(services: Services, endpoint: str, pending: Pending) -> bool:
    """Whether nothing was promoted for an endpoint since; it has to be one that is followed."""
    release = services.environment.release
    followed = release is not None and endpoint in release.follow
    return followed and services.store.version(promotion_key(endpoint)) == pending.promotion


def _ask_again(services: Services, change: Change, endpoint: str) -> str:
    """Ask for a release again, unless its version failed; what becomes of it, in words."""
    release = services.environment.release
    latest = services.journal(endpoint).latest()
    failed = latest is not None and latest.outcome not in ("running", "served")
    if not release or endpoint not in release.follow:
        return PROPOSE
    if failed and not _promoted(services, change, endpoint):
        return PROPOSE
    return _ask(services, change, endpoint)


def _ask(services: Services, change: Change, endpoint: str) -> str:
    content = change.proposal.content
    reason = f"the platform changed: {content.commit[:12]}"
    try:
        release_again(services, endpoint, content.by, reason)
    except OperationError as error:
        return f"{PROPOSE}: {error}"
    return "it is released again with the new app"


def _half_way(services: Services, endpoint: str) -> str:
    """Wait for a release that is being deployed; why not, where nobody goes on with it."""
    alone = 0
    for _ in range(MOST_SECONDS // SECONDS):
        running = [it for it in services.journal(endpoint).entries() if it.outcome == "running"]
        if any(it.unclean and it.untouched for it in running):
            return "a version that nobody verified may serve"
        if not any(it.half_way for it in running):
            return ""
        alone = 0 if under_way(services, endpoint) else alone + 1
        if alone > PATIENCE:
            return "a release of it was left half way"
        services.say(f"{endpoint}: a release is under way: waiting")
        services.sleep(SECONDS)
    raise OperationError(
        f"A release of '{endpoint}' is still under way after {MOST_SECONDS // 3600} hours.",
        "See its pipeline; then try the stage again.",
    )


def _promoted(services: Services, change: Change, endpoint: str) -> bool:
    """Whether a version was promoted whose release has not ended, or not even begun.

    Or one that failed for no other reason than that the change updated the stack under it.
    """
    journal = services.journal(endpoint)
    entries, promoted = journal.entries(), services.store.version(promotion_key(endpoint))
    running = any(it.outcome == "running" for it in entries)
    outdated = any(
        it.reason.startswith(OUTDATED) and it.ended >= change.began for it in entries[:1]
    )
    return running or outdated or (bool(promoted) and not journal.knows(promoted))


def _released(services: Services, change: Change, endpoint: str) -> bool:
    """Whether what serves is recorded anew since the change was prepared."""
    served = services.records.current(endpoint)
    return (served.version if served else "") != change.records.get(endpoint, "")
