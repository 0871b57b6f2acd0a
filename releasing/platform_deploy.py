"""The step `platform-deploy`: every stack of what was prepared, and what runs releases at last."""

from operations.errors import OperationError
from operations.source import APP, PROPOSED
from releasing.assembly import CLIENTS, LAST, Assembly, endpoint_of
from releasing.ending import FAILURES
from releasing.handed_on import take_over
from releasing.platform_change import Change
from releasing.platform_ending import became, end_change, looked_after, settle_change
from releasing.platform_endpoints import ask_again_for_pending, follow_up, pending, why_not
from releasing.prepare import ASSEMBLY, RELEASES
from releasing.services import Services
from releasing.stack import REVIEWED
from stacks.releases import load_images

UNPACKED = "build/handed-on"
"""Where in the workspace that stands which was handed on."""

RETRIED = ("failed", "stopped", "rejected")
"""What an execution goes on from, if its stage is tried again."""


def platform_deploy(services: Services, proposal: str, execution: str, digest: str) -> None:
    """Deploy what was prepared, one stack after the other.

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
        Where something else was handed on, or a stack failed. CloudFormation has put it back, those
        before it stay, and everybody was told.
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

    def run(self) -> None:
        """Deploy all of it.

        Raises
        ------
        OvertakenError
            Where another process has it.
        OperationError
            Where something else was handed on, or a stack failed.
        """
        take_over(self._services.store, self._digest, self._folder)
        stacks = self._stacks()
        self._go_on(stacks)
        for stack in stacks:
            seen = endpoint_of(stack) and stack not in self.change.waiting
            if stack != LAST and not seen and not self._leave(stack):
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
        """Go on from a former try: look after the stack that it was in the middle of."""
        left = {it: why for it, why in self.change.left.items() if endpoint_of(it)}
        self._advance(stacks=stacks, left=left)
        current = self.change.current
        if current not in stacks:
            self._advance(current="", updated="")
        elif endpoint_of(current):
            self._deploy(current)
        else:
            self.change = looked_after(self._services, self.change)

    def _deploy(self, stack: str) -> None:
        """Deploy a stack, unless its update has begun; say what became of it."""
        services, state = self._services, self._services.any_stack(stack).settled()
        if self.change.current != stack:
            looked = self.change.looked.get(stack)
            if looked is not None and state.updated != looked:
                raise OperationError(
                    f"The stack {stack} was updated since its changes were looked at.",
                    "Propose it again, to see them anew: make platform.",
                )
            step = self.change.step if self.change.step == "replaced" else "deploying"
            more = {"pending": pending(services, self.change)} if stack == LAST else {}
            self._advance(step=step, current=stack, updated=state.updated, **more)
        failure = ""
        # A stack that was never there is dated by its first look.
        if state.updated == self.change.updated or state.status == REVIEWED:
            services.say(f"{stack}: deploying")
            try:
                services.cdk.deploy(stack, self._assembly)
            except OperationError as error:
                failure = str(error)
            state = services.any_stack(stack).settled()
        verdict = state.verdict(self.change.updated, failure)
        if verdict == "right":
            self._advance(**self.change.done(stack, state.updated))
            return
        moved = state.updated != self.change.updated
        self._advance(looked={**self.change.looked, stack: state.updated}, current="", updated="")
        what = f"{stack} was not updated, and is {state.status}."
        if moved:
            did = "rolled it back" if verdict == "rolled back" else f"left it {state.status}"
            what = f"{stack}: CloudFormation {did}. {services.any_stack(stack).why()}"
        raise OperationError(
            f"{what} {failure}".strip(), "Mend it, and propose it again; or try the stage again."
        )

    def _leave(self, stack: str) -> bool:
        """Leave an endpoint as it is where what it serves is not what was looked at."""
        endpoint = endpoint_of(stack)
        if not endpoint or self.change.current == stack:
            return False
        reason = why_not(self._services, self.change, endpoint)
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
        self._advance(step="replaced", current="", updated="")

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
