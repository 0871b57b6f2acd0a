"""The journal of an endpoint's attempts, `attempts/<endpoint>.json`: see `releasing.ledger`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from releasing.ledger import Entry, Ledger, now
from releasing.promotion import Asked, Promotion
from releasing.store import Store
from stacks.releases import Part, Release, Released

Step = Literal["begun", "resolved", "prepared", "deploying", "deployed", "verified", "restoring"]
Outcome = Literal["running", "served", "failed", "superseded", "rolled back"]

BEFORE_DEPLOYMENT: tuple[Step, ...] = ("begun", "resolved", "prepared")
"""The steps of an attempt that changed nothing yet: a newer promotion takes its place at once."""


class Named(BaseModel):
    """A promotion by the version of its object, and what it says."""

    model_config = ConfigDict(frozen=True)

    version: str
    content: Promotion


class Attempt(Entry):
    """One promotion's way.

    `step` is the last one that was finished, but `deploying` and `restoring`, which say that the
    endpoint may be in the middle of it. `former` is what served before; `updated` is when the
    endpoint's stack was last updated before this attempt. One that is `unclean` began where another
    left off half way: until it ends, that may serve, and nobody verified it.
    """

    endpoint: str
    promotion: Named
    step: Step = "begun"
    outcome: Outcome = "running"
    smoke_test: str = ""
    updated: str = ""
    template: str = ""
    record: dict[Part, Released] = {}
    former: dict[Part, Released] = {}
    unclean: dict[Part, Released] = {}
    tagged: bool = False

    @property
    def version(self) -> str:
        """The version of its promotion."""
        return self.promotion.version

    @property
    def settled(self) -> bool:
        """Whether it ended, and whoever has to know does."""
        return super().settled and self.tagged

    @property
    def untouched(self) -> bool:
        """Whether it changed nothing of what serves yet."""
        return self.step in BEFORE_DEPLOYMENT

    @property
    def half_way(self) -> bool:
        """Whether it goes on, and may have changed what serves."""
        return self.outcome == "running" and not self.untouched

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


class Journal(Ledger[Attempt]):
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
        super().__init__(store, f"attempts/{endpoint}.json", Attempt)

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
        attempt = Attempt(
            endpoint=asked.promotion.endpoint,
            promotion=Named(version=asked.version, content=asked.promotion),
            execution=execution,
            began=now(),
        )
        return self.add(attempt, newest=newest)
