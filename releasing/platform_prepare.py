"""The step `platform-prepare`: from a proposed app to an assembly, and what it would change."""

from collections.abc import Mapping

from diffing.deployed import fetch
from diffing.naming import from_text
from operations.errors import OperationError
from operations.images import missing_images
from operations.records import write_images
from operations.source import PROPOSED
from releasing.assembly import Assembly
from releasing.ending import FAILURES
from releasing.examine import emptied
from releasing.handed_on import hand_on
from releasing.images import ensure_images
from releasing.ledger import OvertakenError
from releasing.pipeline import Ended
from releasing.platform_change import PROPOSAL, Change, Proposal, proposed_since, read_proposed
from releasing.platform_ending import close_change, end_change, settle_change
from releasing.prepare import (
    ASSEMBLY,
    LONGEST_SUMMARY,
    MOST_SECONDS,
    RELEASES,
    SECONDS,
    export_headline,
)
from releasing.records import Served
from releasing.services import Services


def platform_prepare(services: Services, proposal: str, execution: str) -> None:
    """Prepare a change of the platform. Nothing is changed here, nor has this step the rights.

    It runs in the app that is proposed, which nobody has approved yet.

    Parameters
    ----------
    services
        Whom to ask.
    proposal
        The version of the proposal; the latest where empty.
    execution
        Execution of the pipeline.

    Raises
    ------
    OperationError, FaultsError
        Where the proposal cannot be deployed. It ended, then, and everybody was told.
    """
    proposed = read_proposed(services.store, proposal)
    newest = services.store.version(PROPOSED) == proposed.version
    change = services.changes.begin(proposed, execution, newest=newest)
    mine = _take(services, change, execution)
    if mine is None:
        return
    if newest:
        _make_way(services, mine)
    by = proposed_since(services.store, mine.version)
    if by:
        export_headline(services, f"Nothing to do: superseded, because {by}.")
        end_change(services, mine, "superseded", by)
        return
    by = f"Superseded: {proposed.content.summary} was proposed since."
    services.platform_pipeline.stop_others(execution, by)
    try:
        _prepared(services, mine)
    except FAILURES as error:
        end_change(services, mine, "failed", str(error))
        raise


def _take(services: Services, change: Change | None, execution: str) -> Change | None:
    """The change, if it is this execution's to go on with."""
    if change is None or change.outcome in ("deployed", "superseded"):
        said = f"ended: {change.outcome}" if change else "ended long ago"
        export_headline(services, f"Nothing to do: this proposal {said}.")
        return None
    own = change.execution == execution
    if change.outcome != "running" and not own:
        raise OperationError(
            f"This proposal has ended before: {change.outcome}, because {change.reason}",
            f"Propose it again: make platform ENV={services.environment.name}.",
        )
    if not own and services.platform_pipeline.runs(change.execution):
        export_headline(services, f"Nothing to do: execution {change.execution} has this proposal.")
        return None
    # From the beginning: what was done of it is compared with, as everything that is deployed.
    return services.changes.advance(
        change,
        execution=execution,
        step="preparing",
        outcome="running",
        reason="",
        ended="",
        notified=False,
        deployed=(),
        begun={},
        touched=(),
        left={},
        seen_to=(),
    )


def _make_way(services: Services, mine: Change) -> None:
    """End what other proposals began, or wait for it, as long as this one is the newest."""
    pipeline = services.platform_pipeline
    for _ in range(MOST_SECONDS // SECONDS):
        others = [
            it for it in services.changes.entries() if it.version != mine.version and not it.settled
        ]
        if not others or services.store.version(PROPOSED) != mine.version:
            return
        under_way = [it for it in others if not it.untouched and pipeline.runs(it.execution)]
        for other in others:
            if other not in under_way:
                _end_other(services, other, mine)
        if under_way:
            services.say("The change before this one is being deployed: waiting")
        services.sleep(SECONDS)
    raise OperationError(
        f"Another change is still under way after {MOST_SECONDS // 3600} hours.",
        f"See its pipeline; then run 'make platform ENV={services.environment.name}' again.",
    )


def _end_other(services: Services, other: Change, mine: Change) -> None:
    """End a change that changed nothing, or that nobody goes on with."""
    try:
        if other.outcome == "running" and other.untouched:
            by = f"{mine.proposal.content.summary} was proposed since"
            # From here on its own steps have nothing to do, whatever the pipeline does.
            end_change(services, other, "superseded", by)
        elif other.outcome == "running":
            # This is code that nobody approved yet, which may ask for no release.
            close_change(services, other, Ended(), may_ask=False)
        else:
            settle_change(services, other)
    except OvertakenError as error:
        services.say(str(error))  # it ends by itself: the next look says how


def _prepared(services: Services, mine: Change) -> None:
    """Write the assembly, have it checked, and say what it changes."""
    environment, workspace, content = (
        services.environment,
        services.workspace,
        mine.proposal.content,
    )
    _check_workspace(services, content)
    naming = from_text(content.request)
    served, images = _collected(services)
    folder = workspace / ASSEMBLY
    services.cdk.synth(workspace / RELEASES, folder)
    assembly = Assembly(folder)
    _check_images(services, assembly, served, images)
    faults = services.check(folder, assembly.templates(assembly.stacks))
    if faults:
        raise OperationError(f"The checks found: {'; '.join(faults)}", "Mend it, then propose it.")
    looked = {
        it: services.any_stack(it).settled().updated
        for it, stack in assembly.stacks.items()
        if not stack.endpoint
    }
    before, after = (emptied(workspace / "build" / side) for side in ("before", "after"))
    found = fetch(folder, before, lambda _: services.cloudformation)
    stacks = assembly.order([it for it in assembly.stacks if environment.naming.stack(it) in found])
    assembly.copy(after, stacks)
    difference = services.compare(before, after, naming)
    text = difference.markdown()
    services.say(text)
    if difference.refused:
        paths = sorted({each.path for each in difference.refused})
        raise OperationError(
            f"It would destroy something: {difference.headline} Not named: {', '.join(paths)}.",
            "Where it is meant, propose it with a line 'allow-destroy: <path>: <reason>' for each"
            " (REQUEST=<file>, or ALLOW='<path>=<reason>').",
        )
    said = "No template changes; releases are made with it." if difference.empty else ""
    headline = f"{content.summary}: {said or difference.headline}"
    digest = hand_on(services.store, workspace)
    services.changes.advance(
        mine,
        step="prepared",
        headline=headline,
        summary=text[:LONGEST_SUMMARY],
        stacks=stacks,
        looked={it: at for it, at in looked.items() if it in stacks},
        records={endpoint: it.version for endpoint, it in served.items()},
    )
    export_headline(services, f"{headline} {difference.brief}", digest)
    services.say(f"Handed on: {digest}")


def _check_workspace(services: Services, content: Proposal) -> None:
    """Make sure that this is what is proposed, and is of the platform that it is proposed to."""
    path = services.workspace / PROPOSAL
    if not path.is_file() or Proposal.model_validate_json(path.read_bytes()) != content:
        raise OperationError(
            f"{services.workspace} is not what is proposed: its {PROPOSAL} says otherwise.",
            "Run this step in the files of the proposal, as its pipeline does.",
        )
    environment = services.environment
    bucket = environment.naming.release_bucket(environment.account)
    if bucket != services.store.bucket:
        raise OperationError(
            f"The proposal is of another platform: its bucket of releases is {bucket}, not"
            f" {services.store.bucket}.",
            "A platform's name and account stay as they are: deploy another one beside it.",
        )


def _collected(services: Services) -> tuple[dict[str, Served], dict[str, str]]:
    """Write what serves for synth, with the images of the app; what serves, and their digests.

    The versions are read first: a record that is written meanwhile is another one, and its endpoint
    is left as it is.
    """
    environment, releases = services.environment, services.workspace / RELEASES
    served = {
        endpoint: found
        for endpoint in sorted(environment.endpoints)
        if (found := services.records.current(endpoint))
    }
    images = services.records.proposed_images()
    services.records.collect(releases)
    write_images(releases, environment.name, images)
    return served, images


def _check_images(
    services: Services, assembly: Assembly, served: Mapping[str, Served], images: dict[str, str]
) -> None:
    """Make sure that every image that a template names is there."""
    environment = services.environment
    missing = missing_images(environment, images, services.ecr)
    if missing:
        raise OperationError(
            f"Not in this environment's ECR: {', '.join(missing)}.",
            f"Build and push them: make images ENV={environment.name}. Then propose it again.",
        )
    for stack in assembly.stacks.values():
        if stack.endpoint in served:
            release = served[stack.endpoint].release
            ensure_images(environment, stack.endpoint, release, services.ecr)
