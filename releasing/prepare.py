"""The step `prepare`: from a promotion to an assembly that was checked, and what it changes."""

import hashlib
import shlex
from pathlib import Path

from operations.errors import OperationError
from releasing.ending import FAILURES, end, settle
from releasing.examine import difference, speaks_against
from releasing.images import ensure_images
from releasing.journal import Attempt
from releasing.ledger import OvertakenError
from releasing.pipeline import KILLED
from releasing.promotion import read_promotion
from releasing.resolve import resolve
from releasing.services import Services
from releasing.stack import stack_of
from stacks.releases import Release

ASSEMBLY, RELEASES = "cdk.out", "releases"
VARIABLES = "build/release.env"
"""What the buildspec reads before it exports variables."""

LONGEST_HEADLINE = 900
"""An approval shows 1,000 letters of what it is told.
https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-pipeline-structure.html
"""

LONGEST_SUMMARY = 20_000
SECONDS, MOST_SECONDS = 15, 5 * 3600
"""How often a deployment that is under way is looked at, and for how long."""


def prepare(services: Services, endpoint: str, promotion: str, execution: str) -> None:
    """Prepare a release. Nothing that serves is changed here, nor has this step the rights.

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
        Where the promotion cannot be released. It ended, then, and everybody was told; but one
        that is unclean ends with the step `close`.
    """
    asked = read_promotion(services.store, endpoint, promotion)
    newest = _newest(services, endpoint) == asked.version
    attempt = services.journal(endpoint).begin(asked, execution, newest=newest)
    mine = _take(services, attempt, execution)
    if mine is None:
        return
    mine = _make_way(services, mine) if newest else mine
    if _newest(services, endpoint) != asked.version:
        _supersede(services, mine)
        return
    by = f"Superseded: {asked.promotion.summary} was promoted since."
    services.pipeline(endpoint).reject_others(execution, by)
    try:
        mine = _resolved(services, mine)
        _prepared(services, mine)
    except FAILURES as error:
        if mine.unclean:
            services.journal(endpoint).advance(mine, reason=str(error))
        else:
            end(services, mine, "failed", str(error))
        raise


def export_headline(services: Services, text: str, digest: str = "") -> None:
    """Have the pipeline know what an approval is about, and what is handed on.

    What a build exports are variables of its own execution, which no other one changes.
    https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-variables.html

    Parameters
    ----------
    services
        Whom to ask.
    text
        One line.
    digest
        Digest of what is handed on; what the buildspec says where empty.
    """
    services.say(text)
    path = services.workspace / VARIABLES
    path.parent.mkdir(parents=True, exist_ok=True)
    line = " ".join(text.split())[:LONGEST_HEADLINE]
    told = {"HEADLINE": line, **({"DIGEST": digest} if digest else {})}
    exported = (f"export {name}={shlex.quote(value)}\n" for name, value in told.items())
    path.write_text("".join(exported), encoding="utf-8")


def template_of(assembly: Path, endpoint: str) -> Path:
    """The template of an endpoint's stack in an assembly."""
    return assembly / f"{stack_of(endpoint)}.template.json"


def digest(template: Path) -> str:
    """The SHA-256 digest of a template."""
    return f"sha256:{hashlib.sha256(template.read_bytes()).hexdigest()}"


def _take(services: Services, attempt: Attempt | None, execution: str) -> Attempt | None:
    """The attempt, if it is this execution's to go on with."""
    if attempt is None or attempt.outcome in ("served", "superseded"):
        said = f"ended: {attempt.outcome}" if attempt else "ended long ago"
        export_headline(services, f"Nothing to do: this promotion {said}.")
        return None
    if attempt.outcome != "running":
        raise OperationError(
            f"This promotion {attempt.outcome} before: {attempt.reason}",
            f"Move the alias to another version, or ask again: make release-again"
            f" ENDPOINT={attempt.endpoint} ENV={services.environment.name}.",
        )
    own = attempt.execution == execution
    if not own and services.runs(attempt):
        export_headline(
            services, f"Nothing to do: execution {attempt.execution} releases this promotion."
        )
        return None
    changes = {} if attempt.untouched else {"step": "resolved", "unclean": attempt.record}
    return services.journal(attempt.endpoint).advance(attempt, execution=execution, **changes)


def _make_way(services: Services, mine: Attempt) -> Attempt:
    """End what other promotions began, or wait for it, as long as this one is the newest.

    Parameters
    ----------
    services
        Whom to ask.
    mine
        The attempt.

    Returns
    -------
    Attempt
        The attempt; it is unclean where another was left half way.
    """
    endpoint = mine.endpoint
    for _ in range(MOST_SECONDS // SECONDS):
        others = [
            it
            for it in services.journal(endpoint).entries()
            if it.promotion.version != mine.promotion.version and not it.settled
        ]
        if not others or _newest(services, endpoint) != mine.promotion.version:
            return mine
        under_way = [it for it in others if not it.untouched and services.runs(it)]
        for other in others:
            if other not in under_way:
                mine = _take_over(services, other, mine)
        if under_way:
            services.say(f"{endpoint}: the release before this one is under way: waiting")
            services.sleep(SECONDS)
    raise OperationError(
        f"Another release of '{endpoint}' is still under way after {MOST_SECONDS // 3600} hours.",
        "See its pipeline; then run 'make release-again'.",
    )


def _take_over(services: Services, other: Attempt, mine: Attempt) -> Attempt:
    """Take the place of an attempt that changed nothing, or that nobody goes on with."""
    left = other.record if other.half_way else other.unclean
    if left and not mine.unclean:
        mine = services.journal(mine.endpoint).advance(mine, unclean=left)
    try:
        if other.half_way:
            reason = f"{other.reason or KILLED} after '{other.step}', and then"
            end(services, other, "failed", f"{reason} {mine.promotion.content.summary} came")
        elif other.untouched and other.outcome in ("running", "superseded"):
            _overtake(services, other, mine)
        else:
            settle(services, other)
    except OvertakenError as error:
        services.say(str(error))  # it ends by itself: the next look says how
    return mine


def _overtake(services: Services, other: Attempt, mine: Attempt) -> None:
    """Take the place of a release that changed nothing yet."""
    by = mine.promotion.content.summary
    reason = f"{by} was promoted since"
    if other.outcome == "running":
        # From here on its own steps have nothing to do, whatever the pipeline does.
        other = services.journal(other.endpoint).end(other, "superseded", reason)
    settle(services, other)


def _newest(services: Services, endpoint: str) -> str:
    """The promotion that was asked for last."""
    return read_promotion(services.store, endpoint).version


def _supersede(services: Services, mine: Attempt) -> None:
    by = read_promotion(services.store, mine.endpoint).promotion.summary
    export_headline(services, f"Nothing to do: superseded, because {by} was promoted since.")
    if mine.unclean:
        return  # the newer one ends it, and sees to what was left half way
    end(services, mine, "superseded", f"{by} was promoted since")


def _resolved(services: Services, attempt: Attempt) -> Attempt:
    """The attempt with its record, which does not change from then on."""
    endpoint = attempt.endpoint
    if attempt.record:
        return attempt
    served = services.records.current(endpoint)
    unknown = served is None and not attempt.unclean
    if unknown and services.stack(endpoint).state().there:
        raise OperationError(
            f"The stack of '{endpoint}' is deployed, but no record says what it serves.",
            f"Put its record into the bucket: make records-seed ENV={services.environment.name}.",
        )
    former = served.release if served else None
    release = resolve(
        services.environment,
        attempt.promotion.content,
        services.records.images(),
        services.mlflow,
        services.s3,
        former,
    )
    services.say(f"{endpoint}: {release.summary}")
    return services.journal(endpoint).advance(
        attempt,
        step="resolved",
        record=dict(release.containers),
        former=dict(former.containers) if former else {},
    )


def _prepared(services: Services, attempt: Attempt) -> None:
    """Write the assembly, have it checked, and say what it changes."""
    endpoint, workspace = attempt.endpoint, services.workspace
    ensure_images(services.environment, endpoint, attempt.release, services.ecr)
    releases, assembly = workspace / RELEASES, workspace / ASSEMBLY
    services.records.collect(releases, endpoint, attempt.release)
    services.cdk.synth(releases, assembly, only=endpoint)
    made = template_of(assembly, endpoint)
    faults = speaks_against(services, made)
    if faults:
        raise OperationError(f"The checks found: {'; '.join(faults)}", "Mend it, then ask again.")
    stack = services.stack(endpoint)
    state = stack.settled()
    changes = difference(services, stack, state, made)
    text = changes.markdown()
    services.say(text)
    release = services.environment.release
    if changes.destructive and not (release and release.destructive):
        raise OperationError(
            f"It would destroy something: {changes.headline}.",
            "Where that is meant, set release.destructive: true, and ask again.",
        )
    headline = _headline(attempt, changes.headline)
    services.journal(endpoint).advance(
        attempt,
        step="prepared",
        headline=headline,
        summary=text[:LONGEST_SUMMARY],
        template=digest(made),
        updated=state.updated,
    )
    export_headline(services, f"{headline} {changes.brief}")


def _headline(attempt: Attempt, difference: str) -> str:
    """What is approved: the models, who promoted them, why, and what changes."""
    content = attempt.promotion.content
    before = Release(attempt.former).summary if attempt.former else "nothing"
    who = f" by {content.promoted_by}" if content.promoted_by else ""
    why = f" ({content.reason})" if content.reason else ""
    return f"{attempt.endpoint}: {before} -> {attempt.release.summary}{who}{why}: {difference}"
