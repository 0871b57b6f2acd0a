"""A journal as an object of the bucket: what was tried, how far it came, how it ended.

It holds the latest entry; below `earlier` those before it that did not end yet; below `closed` the
names of those that did. Whatever a step does outside is done between two writes of it, each on the
condition that nobody wrote meanwhile. So a step that is killed is found where it was, and of two
that do the same one is told that it is not needed.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from operations.errors import OperationError
from releasing.store import ConflictError, Store, Stored

TRIES = 20
"""How often a write is tried where others write to the same journal."""

UNREADABLE = (ValueError, TypeError, AttributeError, RecursionError)
"""What reading a journal ends with that somebody else has written: any text, or none."""

REMEMBERED = 200
"""How many entries are remembered after they ended: events come twice, and late."""


class Entry(BaseModel, ABC):
    """One thing that is tried.

    `step` is how far it came. `writer` is the process that wrote of it last, at `written`.
    """

    model_config = ConfigDict(frozen=True)

    execution: str
    step: str = ""
    outcome: str = "running"
    reason: str = ""
    headline: str = ""
    summary: str = ""
    began: str = ""
    ended: str = ""
    notified: bool = False
    writer: str = ""
    written: str = ""

    @property
    @abstractmethod
    def version(self) -> str:
        """The version of the object that asks for it: its name."""

    @property
    def settled(self) -> bool:
        """Whether it ended, and whoever has to know does."""
        return self.outcome != "running" and self.notified


E = TypeVar("E", bound=Entry)


class OvertakenError(Exception):
    """An entry is not this process's any more.

    Parameters
    ----------
    now
        What the journal says of it now.
    """

    def __init__(self, now: Entry | None) -> None:
        self.now = now
        state = f"{now.outcome}, {now.step}, in execution {now.execution}" if now else "gone"
        super().__init__(f"Another process took this over: it is {state}.")


@dataclass(frozen=True)
class Book(Generic[E]):
    """What a journal holds.

    Parameters
    ----------
    entries
        The latest entry, and those before it that are not settled.
    closed
        The names of those that are settled, the latest last.
    """

    entries: tuple[E, ...] = ()
    closed: tuple[str, ...] = ()

    def of(self, version: str) -> E | None:
        """An entry by its name."""
        return next((it for it in self.entries if it.version == version), None)

    def with_entry(self, entry: E, *, newest: bool) -> "Book[E]":
        """The same with one more entry, which is the latest if it is the newest."""
        latest, rest = self.entries[:1], self.entries[1:]
        entries = (entry, *self.entries) if newest else (*latest, entry, *rest)
        return replace(self, entries=entries)

    def with_change(self, before: E, after: E) -> "Book[E]":
        """The same with an entry as it is now."""
        return replace(self, entries=tuple(after if it == before else it for it in self.entries))

    @property
    def text(self) -> str:
        """The book as JSON, without what is settled and not the latest."""
        latest, *earlier = self.entries
        document: dict[str, Any] = latest.model_dump(mode="json")
        document["earlier"] = [it.model_dump(mode="json") for it in earlier if not it.settled]
        settled = [it.version for it in reversed(self.entries) if it.settled]
        new = [version for version in settled if version not in self.closed]
        document["closed"] = [*self.closed, *new][-REMEMBERED:]
        return json.dumps(document, indent=2) + "\n"


def read_book(stored: Stored, kind: type[E], place: str) -> Book[E]:
    """The book that an object holds.

    Parameters
    ----------
    stored
        The object.
    kind
        Of what kind its entries are.
    place
        Where it stands, for whoever has to mend it.

    Raises
    ------
    OperationError
        Where it is no journal.
    """
    try:
        document = json.loads(stored.text)
        earlier, closed = document.pop("earlier", []), document.pop("closed", [])
        entries = [kind.model_validate(each) for each in (document, *earlier)]
        return Book(tuple(entries), tuple(map(str, closed)))
    except UNREADABLE as error:
        raise OperationError(
            f"The journal {place} of version '{stored.version}' cannot be read: {error}",
            "Put the version before it back, as docs/release.md says; then try again.",
        ) from error


class Ledger(Generic[E]):
    """A journal in the bucket.

    Parameters
    ----------
    store
        The bucket of releases.
    key
        Where it stands.
    kind
        Of what kind its entries are.
    """

    def __init__(self, store: Store, key: str, kind: type[E]) -> None:
        self._store = store
        self._key = key
        self._kind = kind
        self._writer = uuid4().hex

    @property
    def place(self) -> str:
        """Where it stands, as an address."""
        return f"s3://{self._store.bucket}/{self._key}"

    def entries(self) -> tuple[E, ...]:
        """The latest entry, and those before it that are not settled."""
        return self._read()[0].entries

    def latest(self) -> E | None:
        """The latest entry."""
        return next(iter(self.entries()), None)

    def of(self, version: str) -> E | None:
        """An entry by its name."""
        return self._read()[0].of(version)

    def knows(self, version: str) -> bool:
        """Whether there is an entry of this name, or was one."""
        book, _ = self._read()
        return version in book.closed or book.of(version) is not None

    def add(self, entry: E, *, newest: bool) -> E | None:
        """Write an entry, or find the one of its name; nothing where that ended long ago.

        Parameters
        ----------
        entry
            The entry.
        newest
            Whether nothing was asked for since: then it is the latest.
        """

        def change(book: Book[E]) -> Book[E]:
            known = entry.version in book.closed or book.of(entry.version)
            return book if known else book.with_entry(entry, newest=newest)

        return self._change(change).of(entry.version)

    def advance(self, entry: E, **changes: Any) -> E:
        """Write what was done of an entry.

        Parameters
        ----------
        entry
            The entry, as this process knows it.
        changes
            What is new of it.

        Raises
        ------
        OvertakenError
            Where another process wrote of it meanwhile.
        """
        written = {**entry.model_dump(), **changes, "writer": self._writer, "written": now()}
        changed = self._kind.model_validate(written)

        def change(book: Book[E]) -> Book[E]:
            known = book.of(entry.version)
            if known == changed:
                return book  # the answer to this very write was lost, and it was sent again
            if known != entry:
                raise OvertakenError(known)
            return book.with_change(entry, changed)

        self._change(change)
        return changed

    def end(self, entry: E, outcome: str, reason: str, **more: Any) -> E:
        """Write that an entry ended, and why.

        Parameters
        ----------
        entry
            The entry, as this process knows it.
        outcome
            How it ended.
        reason
            Why, in words.
        more
            What else is new of it.

        Raises
        ------
        OvertakenError
            Where another process wrote of it meanwhile.
        """
        return self.advance(entry, outcome=outcome, reason=reason, ended=now(), **more)

    def _read(self) -> tuple[Book[E], str]:
        found = self._store.read(self._key)
        if found is None:
            return Book(), ""
        return read_book(found, self._kind, self.place), found.etag

    def _change(self, change: Callable[[Book[E]], Book[E]]) -> Book[E]:
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
