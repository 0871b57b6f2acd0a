"""The journal of an endpoint's attempts: what was tried, how far it came, how it ended.

It is one object, `attempts/<endpoint>.json`: the latest attempt; below `earlier` those before it
that did not end yet; below `closed` the promotions that did. Whatever a step does outside is done
between two writes of it, each on the condition that nobody wrote meanwhile. So a step that is
killed is found where it was, and of two that do the same one is told that it is not needed.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from releasing.promotion import Asked, Promotion
from releasing.store import ConflictError, Store
from stacks.releases import Part, Release, Released

Step = Literal["begun", "resolved", "prepared", "deploying", "deployed", "verified", "restoring"]
Outcome = Literal["running", "served", "failed", "superseded", "rolled back"]

BEFORE_DEPLOYMENT: tuple[Step, ...] = ("begun", "resolved", "prepared")
"""The steps of an attempt that changed nothing yet: a newer promotion takes its place at once."""

TRIES = 20
"""How often a write is tried where others write to the same journal."""

REMEMBERED = 200
"""How many promotions are remembered after they ended: events come twice, and late."""


class Named(BaseModel):
    """A promotion by the version of its object, and what it says."""

    model_config = ConfigDict(frozen=True)

    version: str
    content: Promotion


class Attempt(BaseModel):
    """One promotion's way.

    `step` is the last one that was finished, but `deploying` and `restoring`, which say that the
    endpoint may be in the middle of it. `former` is what served before; `updated` is when the
    endpoint's stack was last updated before this attempt. One that is `unclean` began where another
    left off half way: until it ends, that may serve, and nobody verified it.
    """

    model_config = ConfigDict(frozen=True)

    endpoint: str
    promotion: Named
    execution: str
    step: Step = "begun"
    outcome: Outcome = "running"
    reason: str = ""
    headline: str = ""
    summary: str = ""
    smoke_test: str = ""
    began: str = ""
    ended: str = ""
    updated: str = ""
    template: str = ""
    record: dict[Part, Released] = {}
    former: dict[Part, Released] = {}
    unclean: dict[Part, Released] = {}
    tagged: bool = False
    notified: bool = False
    writer: str = ""

    @property
    def settled(self) -> bool:
        """Whether it ended, and whoever has to know does."""
        return self.outcome != "running" and self.tagged and self.notified

    @property
    def untouched(self) -> bool:
        """Whether it changed nothing of what serves yet."""
        return self.step in BEFORE_DEPLOYMENT

    @property
    def release(self) -> Release:
        """What it is to have the endpoint serve."""
        return Release(self.record)

    @property
    def models(self) -> dict[str, int]:
        """The versions that it is about, by the names of their models."""
        resolved = {it.model: it.version for it in self.record.values() if it.model and it.version}
        asked = {it.name: it.version for it in self.promotion.content.models.values()}
        return resolved or asked


class OvertakenError(Exception):
    """An attempt is not this process's any more.

    Parameters
    ----------
    now
        What the journal says of it now.
    """

    def __init__(self, now: Attempt | None) -> None:
        self.now = now
        state = f"{now.outcome}, {now.step}, in execution {now.execution}" if now else "gone"
        super().__init__(f"Another process took this attempt over: it is {state}.")


@dataclass(frozen=True)
class Book:
    """What the journal holds.

    Parameters
    ----------
    attempts
        The latest attempt, and those before it that are not settled.
    closed
        The promotions that are settled, the latest last.
    """

    attempts: tuple[Attempt, ...] = ()
    closed: tuple[str, ...] = ()

    def of(self, promotion: str) -> Attempt | None:
        """The attempt of a promotion, by its version."""
        return next((it for it in self.attempts if it.promotion.version == promotion), None)

    def with_attempt(self, attempt: Attempt, *, newest: bool) -> "Book":
        """The same with one more attempt, which is the latest if it is the newest."""
        latest, rest = self.attempts[:1], self.attempts[1:]
        attempts = (attempt, *self.attempts) if newest else (*latest, attempt, *rest)
        return replace(self, attempts=attempts)

    def with_change(self, before: Attempt, after: Attempt) -> "Book":
        """The same with an attempt as it is now."""
        return replace(self, attempts=tuple(after if it == before else it for it in self.attempts))

    @property
    def text(self) -> str:
        """The book as JSON, without what is settled and not the latest."""
        latest, *earlier = self.attempts
        document: dict[str, Any] = latest.model_dump(mode="json")
        document["earlier"] = [it.model_dump(mode="json") for it in earlier if not it.settled]
        settled = [it.promotion.version for it in reversed(self.attempts) if it.settled]
        new = [version for version in settled if version not in self.closed]
        document["closed"] = [*self.closed, *new][-REMEMBERED:]
        return json.dumps(document, indent=2) + "\n"


def read_book(text: str) -> Book:
    """The book that a text holds."""
    document = json.loads(text)
    earlier, closed = document.pop("earlier", []), document.pop("closed", [])
    attempts = [Attempt.model_validate(each) for each in (document, *earlier)]
    return Book(tuple(attempts), tuple(closed))


class Journal:
    """The attempts of one endpoint.

    Parameters
    ----------
    store
        The bucket of releases.
    endpoint
        Name of the endpoint.

    Examples
    --------
    >>> Journal(store, "iris").latest().outcome  # doctest: +SKIP
    'served'
    """

    def __init__(self, store: Store, endpoint: str) -> None:
        self._store = store
        self._key = f"attempts/{endpoint}.json"
        self._writer = uuid4().hex

    def attempts(self) -> tuple[Attempt, ...]:
        """The latest attempt, and those before it that are not settled."""
        return self._read()[0].attempts

    def latest(self) -> Attempt | None:
        """The latest attempt."""
        return next(iter(self.attempts()), None)

    def of(self, promotion: str) -> Attempt | None:
        """The attempt of a promotion, by its version."""
        return self._read()[0].of(promotion)

    def begin(self, asked: Asked, execution: str, *, newest: bool) -> Attempt | None:
        """Begin an attempt, or find the one that was begun; nothing where it ended long ago.

        Parameters
        ----------
        asked
            The promotion.
        execution
            Execution of the pipeline.
        newest
            Whether nothing was asked since: then it is the latest attempt.
        """
        new = Attempt(
            endpoint=asked.promotion.endpoint,
            promotion=Named(version=asked.version, content=asked.promotion),
            execution=execution,
            began=now(),
        )

        def add(book: Book) -> Book:
            known = asked.version in book.closed or book.of(asked.version)
            return book if known else book.with_attempt(new, newest=newest)

        return self._change(add).of(asked.version)

    def advance(self, attempt: Attempt, **changes: Any) -> Attempt:
        """Write what was done of an attempt.

        Parameters
        ----------
        attempt
            The attempt, as this process knows it.
        changes
            What is new of it.

        Raises
        ------
        OvertakenError
            Where another process wrote of it meanwhile.
        """
        written = {**attempt.model_dump(), **changes, "writer": self._writer}
        changed = Attempt.model_validate(written)

        def change(book: Book) -> Book:
            known = book.of(attempt.promotion.version)
            if known == changed:
                return book  # the answer to this very write was lost, and it was sent again
            if known != attempt:
                raise OvertakenError(known)
            return book.with_change(attempt, changed)

        self._change(change)
        return changed

    def _read(self) -> tuple[Book, str]:
        found = self._store.read(self._key)
        return (read_book(found.text), found.etag) if found else (Book(), "")

    def _change(self, change: Callable[[Book], Book]) -> Book:
        for _ in range(TRIES):
            before, etag = self._read()
            after = change(before)
            if after != before:
                try:
                    self._store.write(self._key, after.text, after=etag)
                except ConflictError:
                    continue
            return after
        raise ConflictError(f"{self._key} was written by others {TRIES} times")


def now() -> str:
    """The time, to the second, as journals and tags say it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
