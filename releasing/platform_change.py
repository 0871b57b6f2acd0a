"""A change of the platform itself: what is proposed, and its journal, `platform/change.json`."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from operations.errors import OperationError
from operations.source import PROPOSED
from releasing.assembly import endpoint_of
from releasing.ledger import Entry, Ledger, now, read_book
from releasing.store import Store

PROPOSAL = "proposal.json"
"""The file of the proposed app that says what it is."""

LARGEST = 1024 * 1024
"""The most bytes that this file holds, and no zip may unpack it to more."""

LONGEST_NAME, LONGEST_REASON = 200, 2_000
"""The most letters of who proposes and of a commit; and of why."""

UNKNOWN = "unknown"
"""The commit of a proposed app that does not say what it is."""

UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError, ValueError)
"""What reading a file of a zip ends with that anybody may have made: one with a password, too."""

KEY = "platform/change.json"

Step = Literal["preparing", "prepared", "deploying", "replaced"]
Outcome = Literal["running", "deployed", "failed", "rejected", "superseded", "stopped"]


class Proposal(BaseModel):
    """What is proposed, by whom and why.

    `changed` says whether the app differs from its commit, and `request` names the destructive
    changes that are meant.
    """

    model_config = ConfigDict(frozen=True)

    commit: str = Field(max_length=LONGEST_NAME)
    changed: bool
    by: str = Field(max_length=LONGEST_NAME)
    reason: str = Field("", max_length=LONGEST_REASON)
    request: str = ""

    @property
    def summary(self) -> str:
        """It in words."""
        differs = " with changes" if self.changed else ""
        why = f" ({self.reason})" if self.reason else ""
        return f"{self.commit[:12]}{differs} by {self.by}{why}"


class Proposed(BaseModel):
    """A proposal by the version of its object, and what it says."""

    model_config = ConfigDict(frozen=True)

    version: str
    content: Proposal


class Pending(BaseModel):
    """A release that has not ended: the versions of its promotion, and of its pipeline then."""

    model_config = ConfigDict(frozen=True)

    promotion: str
    pipeline: int


class Change(Entry):
    """One proposal's way.

    `step` is the last one that was finished, but `deploying`; `replaced` says that releases are
    made with the proposed app, and the stack Release may be in the middle of its update.

    `stacks` are those that are deployed, in their order, and `deployed` those that are done. They
    say what became of it: what is to be deployed says the assembly.
    `begun` are those that may be in the middle of it, and when each was last updated before that.
    `looked` is when each stack was last updated as the change was prepared, and
    `records` the version of each endpoint's record. `touched` are the stacks of endpoints that were
    updated, `left` those that stay as they are, and why; `seen_to` those of both whose releases
    were asked for again, or need not be. `pending` are releases that the stack Release breaks by an
    update of their pipelines, and that are still to be asked for again.
    """

    proposal: Proposed
    step: Step = "preparing"
    outcome: Outcome = "running"
    stacks: tuple[str, ...] = ()
    looked: dict[str, str] = {}
    records: dict[str, str] = {}
    deployed: tuple[str, ...] = ()
    begun: dict[str, str] = {}
    touched: tuple[str, ...] = ()
    left: dict[str, str] = {}
    seen_to: tuple[str, ...] = ()
    pending: dict[str, Pending] = {}

    @property
    def version(self) -> str:
        """The version of its proposal."""
        return self.proposal.version

    @property
    def untouched(self) -> bool:
        """Whether it changed nothing yet."""
        return self.step in ("preparing", "prepared")

    @property
    def waiting(self) -> tuple[str, ...]:
        """The stacks that are still to be deployed."""
        return tuple(it for it in self.stacks if it not in (*self.deployed, *self.left))

    def done(self, stack: str, updated: str) -> dict[str, Any]:
        """What is new of it where a stack is deployed.

        Parameters
        ----------
        stack
            The stack, which is as it is to be.
        updated
            When it was last updated.
        """
        moved = updated != self.begun[stack] and endpoint_of(stack)
        return {
            **self.over(stack, updated),
            "deployed": tuple(dict.fromkeys((*self.deployed, stack))),
            "touched": (*self.touched, stack) if moved else self.touched,
        }

    def over(self, stack: str, updated: str) -> dict[str, Any]:
        """What is new of it where a stack's update is over, however it ended.

        Parameters
        ----------
        stack
            The stack.
        updated
            When it was last updated.
        """
        looked = self.looked if endpoint_of(stack) else {**self.looked, stack: updated}
        return {
            "looked": looked,
            "begun": {it: before for it, before in self.begun.items() if it != stack},
        }


class Changes(Ledger[Change]):
    """The changes of an environment.

    Parameters
    ----------
    store
        The bucket of releases.

    Examples
    --------
    >>> Changes(store).latest().outcome  # doctest: +SKIP
    'deployed'
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store, KEY, Change)

    def begin(self, proposed: Proposed, execution: str, *, newest: bool) -> Change | None:
        """Begin a change, or find the one that was begun; nothing where it ended long ago.

        Parameters
        ----------
        proposed
            The proposal.
        execution
            Execution of the pipeline.
        newest
            Whether nothing was proposed since: then it is the latest change.
        """
        change = Change(proposal=proposed, execution=execution, began=now())
        return self.add(change, newest=newest)

    def history(self) -> Iterator[Change]:
        """Each change as it was last written down, the latest first.

        A version that cannot be read is passed over where another one came after it.
        """
        seen = set()
        for number, stored in enumerate(self._store.history(KEY)):
            try:
                entries = read_book(stored, Change, self.place).entries
            except OperationError:
                if not number:
                    raise
                continue
            for change in entries:
                if change.version not in seen:
                    seen.add(change.version)
                    yield change


def read_proposed(store: Store, version: str = "") -> Proposed:
    """What a proposed app says that it is.

    Parameters
    ----------
    store
        The bucket of releases.
    version
        The proposal; the latest where empty.

    Raises
    ------
    OperationError
        Where there is none, or it does not say what it is.
    """
    version = version or store.version(PROPOSED)
    place = f"s3://{store.bucket}/{PROPOSED}"
    packed = store.read_bytes(PROPOSED, version) if version else None
    fix = "Propose the checkout with 'make platform'."
    if packed is None:
        which = f" of version '{version}'" if version else ""
        raise OperationError(f"There is no proposal{which} at {place}.", fix)
    try:
        content = Proposal.model_validate_json(_unpacked(packed))
    except UNREADABLE as error:
        raise OperationError(
            f"{place} of version '{version}' does not say what it is: {error}", fix
        ) from error
    return Proposed(version=version, content=content)


def _unpacked(packed: bytes) -> bytes:
    """The file of a proposed app that says what it is, whatever else somebody has packed."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        entry = archive.getinfo(PROPOSAL)
        # Of other methods the library unpacks more than it is asked for.
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{PROPOSAL} is compressed by the method {entry.compress_type}")
        if entry.file_size > LARGEST:
            raise ValueError(f"{PROPOSAL} has {entry.file_size} bytes, of at most {LARGEST}")
        with archive.open(entry) as file:
            return file.read(LARGEST)


def name_proposed(store: Store, version: str = "") -> Proposed:
    """What is proposed, for others to be told: whatever it is, and whether or not it can be read.

    Parameters
    ----------
    store
        The bucket of releases.
    version
        The proposal; the latest where empty.
    """
    version = version or store.version(PROPOSED)
    try:
        return read_proposed(store, version)
    except OperationError as error:
        content = Proposal(
            commit=UNKNOWN, changed=False, by=UNKNOWN, reason=error.what[:LONGEST_REASON]
        )
        return Proposed(version=version, content=content)


def proposed_since(store: Store, version: str) -> str:
    """What was proposed after a proposal, in words; empty where nothing was.

    Parameters
    ----------
    store
        The bucket of releases.
    version
        The proposal.
    """
    latest = store.version(PROPOSED)
    if latest == version:
        return ""  # what it holds is not asked for: it is the whole app
    return f"{name_proposed(store, latest).content.summary} was proposed since"
