"""The step `platform-deploy`: every stack of what was prepared, and what runs releases at last."""

from collections.abc import Collection
from itertools import groupby, islice

from operations.errors import OperationError
from operations.source import APP, PROPOSED
from releasing.assembly import CLIENTS, LAST, Assembly, endpoint_of
from releasing.ending import FAILURES
from releasing.handed_on import take_over
from releasing.platform_change import Change
from releasing.platform_ending import became, end_change, looked_after, settle_change
from releasing.platform_endpoints import (
    ask_again_for_pending,
    follow_up,
    pending,
    stirred,
    under_way,
    why_not,
)
from releasing.prepare import ASSEMBLY, RELEASES
from releasing.services import Services
from stacks.releases import load_images

UNPACKED = "build/handed-on"
"""Where in the workspace that stands which was handed on."""

RETRIED = ("failed", "stopped", "rejected")
"""What an execution goes on from, if its stage is tried again."""

SIDE_BY_SIDE = 20
"""The most endpoints' stacks that are updated at once.

A hundred endpoints whose canaries take an hour take five hours then, of the eight of a build. Each
needs its new instances beside the former ones, of the account's quota, and the cdk CLI asks
CloudFormation about each every two seconds. It is one process for all of them: a build has memory
for seven.
"""

BEGINS = 5 * 3600
"""Seconds after which no more of them are begun: the rest of a build's time is for those that were.

`mlops_constructs.release_builds.MINUTES` is how long a build lasts.
"""


def platform_deploy(services: Services, proposal: str, execution: str, digest: str) -> None:
    """Deploy what was prepared, one stack after the other; those of endpoints side by side.

    The stack Release comes last, as it may change the pipeline that runs this. Its action ends
    then, and the execution as failed, whatever this step did: the step `platform-close` finds in
    the journal that all of it is deployed.
    https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-edit.html

    It runs in the files of the proposal itself, and takes what is deployed and recorded from what
    was handed on, if that has the digest that its own execution was told. The journal may have been
    written by another proposal, which nobody approved: what it says was done is done again, and
    that changes nothing where it is so. An endpoint that it says was deployed, or left, stays as it
    is, as a release may have followed.

    Parameters
    ----------
    services
        Whom to ask.
    proposal
        The version of the proposal; the latest where empty.
    execution
        Execution of the pipeline.
    digest
        Digest of what the step `platform-prepare` of this execution handed on.

    Raises
    ------
    OperationError
        Where something else was handed on, or a stack failed: CloudFormation has put it back, and
        those before it and beside it stay. Or where the time of a build is too short for all of
        them. Everybody was told.
    """
    change = _my_turn(services, proposal, execution)
    if change is None:
        return
    deployment = Deployment(services, change, digest)
    try:
        deployment.run()
    except FAILURES as error:
        change = deployment.change
        end_change(services, change, "failed", f"{error} {became(change)}")
        raise


def _my_turn(services: Services, proposal: str, execution: str) -> Change | None:
    """The change, if it is this execution's to go on with."""
    change = services.changes.of(proposal or services.store.version(PROPOSED))
    if change is None or change.outcome in ("deployed", "superseded"):
        said = change.outcome if change else "not under way"
        services.say(f"Nothing to do: this proposal is {said}")
        if change and change.execution == execution and not change.settled:
            settle_change(services, change)  # whoever ended it was killed before that was told
        return None
    if change.execution != execution:
        services.say(f"Nothing to do: execution {change.execution} has this proposal")
        return None
    if change.step == "preparing":
        raise OperationError(
            f"The change of the platform stands at '{change.step}'.",
            "Run the steps in order: platform-prepare, platform-deploy.",
        )
    if change.outcome not in RETRIED:
        return change
    return services.changes.advance(change, outcome="running", reason="", ended="", notified=False)


class Deployment:
    """The deployment of a change.

    Parameters
    ----------
    services
        Whom to ask.
    change
        The change, which was prepared.
    digest
        Digest of what was handed on.

    Attributes
    ----------
    change
        The change as it is written down.
    """

    def __init__(self, services: Services, change: Change, digest: str) -> None:
        self.change = change
        self._services = services
        self._digest = digest
        self._folder = services.workspace / UNPACKED
        self._assembly = self._folder / ASSEMBLY
        self._started = services.clock()

    def run(self) -> None:
        """Deploy all of it.

        Raises
        ------
        OvertakenError
            Where another process has it.
        OperationError
            Where something else was handed on, a stack failed, or the time is too short.
        """
        take_over(self._services.store, self._digest, self._folder)
        stacks = self._stacks()
        self._go_on(stacks)
        for of_endpoints, group in groupby(stacks, lambda it: bool(endpoint_of(it))):
            if of_endpoints:
                self._deploy_side_by_side(tuple(group))
                continue
            for stack in group:
                if stack != LAST:
                    self._deploy(stack)
        self._replace_app()
        for stack in (*self.change.touched, *self.change.left):
            self._follow_up(stack)
        if LAST in stacks:
            self._deploy(LAST)
            self.change = ask_again_for_pending(self._services, self.change)
        self.change = end_change(self._services, self.change, "deployed", "")

    def _stacks(self) -> tuple[str, ...]:
        """The stacks of the assembly, in their order."""
        assembly = Assembly(self._assembly)
        clients = [it for it in assembly.stacks if it.startswith(CLIENTS)]
        return assembly.order([it for it in clients if self._services.any_stack(it).state().there])

    def _go_on(self, stacks: tuple[str, ...]) -> None:
        """Go on from a former try: look after the stacks that it was in the middle of."""
        left = {it: why for it, why in self.change.left.items() if endpoint_of(it)}
        begun = {it: before for it, before in self.change.begun.items() if it in stacks}
        self._advance(stacks=stacks, left=left, begun=begun)
        self.change = looked_after(self._services, self.change)

    def _deploy_side_by_side(self, stacks: Collection[str]) -> None:
        """Deploy endpoints' stacks, so many at once. Those that are released just now come last."""
        while rest := [it for it in stacks if it in self.change.waiting]:
            self._check_time(rest)
            free = (it for it in rest if not under_way(self._services, endpoint_of(it)))
            chosen = list(islice(free, SIDE_BY_SIDE)) or rest[:1]
            ready = [it for it in chosen if not self._leave(it)]
            self._check_time(rest)  # it may have waited for a release
            if ready:
                self._deploy(*ready)

    def _check_time(self, rest: Collection[str]) -> None:
        """Begin nothing that this build may not see the end of."""
        if self._services.clock() - self._started > BEGINS:
            raise OperationError(
                f"{len(rest)} endpoints wait still: {BEGINS // 3600} hours after its start a build"
                " begins no more of them, as it may not last until their end.",
                "Try the stage Deploy of its pipeline again: it goes on with them.",
            )

    def _deploy(self, *stacks: str) -> None:
        """Deploy a stack, or several at once, and say what became of them.

        One whose release stirred meanwhile is left to be looked at anew.
        """
        services = self._services
        settled = {it: services.any_stack(it).settled().updated for it in stacks}
        # What was waited for since one was looked at may have let a release of it go on.
        before = {
            stack: updated
            for stack, updated in settled.items()
            if not stirred(services, self.change, endpoint_of(stack))
        }
        if not before:
            return
        for stack, updated in before.items():
            if self.change.looked.get(stack, updated) != updated:
                raise OperationError(
                    f"The stack {stack} was updated since its changes were looked at.",
                    "Propose it again, to see them anew: make platform.",
                )
        step = self.change.step if self.change.step == "replaced" else "deploying"
        more = {"pending": pending(services, self.change)} if LAST in before else {}
        self._advance(step=step, begun=before, **more)
        services.say(f"{', '.join(before)}: deploying")
        failure = ""
        try:
            services.cdk.deploy(self._assembly, *before)
        except OperationError as error:
            failure = str(error)
        self._judge(failure)

    def _judge(self, failure: str) -> None:
        """Write down what became of each stack that was begun, whatever the cdk CLI says of all."""
        failed, not_updated = [], []
        for stack, before in self.change.begun.items():
            found = self._services.any_stack(stack)
            state = found.settled()
            verdict = state.verdict(before, failure)
            if verdict == "right":
                self._advance(**self.change.done(stack, state.updated))
                continue
            self._advance(**self.change.over(stack, state.updated))
            if state.updated == before:
                not_updated.append(f"{stack} was not updated, and is {state.status}.")
                continue
            did = "rolled it back" if verdict == "rolled back" else f"left it {state.status}"
            failed.append(f"{stack}: CloudFormation {did}. {found.why()}")
        # Where one failed, the others had nothing to change, or were not begun any more.
        said = failed or not_updated
        if said:
            raise OperationError(
                " ".join([*said, failure]).strip(),
                "Mend it, and propose it again; or try the stage again.",
            )

    def _leave(self, stack: str) -> bool:
        """Leave an endpoint as it is where what it serves is not what was looked at."""
        reason = why_not(self._services, self.change, endpoint_of(stack))
        if not reason:
            return False
        self._services.say(f"{stack}: left as it is, because {reason}")
        self._advance(left={**self.change.left, stack: reason})
        return True

    def _replace_app(self) -> None:
        """From here on releases are made with the proposed app, and with its images."""
        services = self._services
        services.store.copy(PROPOSED, self.change.version, APP)
        images = load_images(self._folder / RELEASES, services.environment.name)
        services.records.write_images(images)
        self._advance(step="replaced")

    def _follow_up(self, stack: str) -> None:
        """See to an endpoint that was deployed or left, now that releases are made with the app."""
        if stack in self.change.seen_to:
            return
        left = self.change.left.get(stack, "")
        said = follow_up(self._services, self.change, endpoint_of(stack), left)
        told = {**self.change.left, stack: said} if said else self.change.left
        self._advance(seen_to=(*self.change.seen_to, stack), left=told)

    def _advance(self, **changes: object) -> None:
        self.change = self._services.changes.advance(self.change, **changes)
