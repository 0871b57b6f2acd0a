"""What was asked for: the versions that the aliases of an endpoint's models mean."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from operations.errors import OperationError
from releasing.store import Store
from stacks.releases import Part, RegisteredModel, Released, Version


class PromotedModel(BaseModel):
    """A version of a model, and the alias that was moved to it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: RegisteredModel
    alias: str
    version: Version


class Promotion(BaseModel):
    """What `promotions/<endpoint>.json` holds.

    With a `record`, that is what is asked for, to the digest: a version that served here before,
    or one that serves in another environment.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    endpoint: str
    models: dict[Part, PromotedModel]
    promoted_by: str | None = None
    reason: str | None = None
    cause: str = "webhook"
    record: dict[Part, Released] | None = None

    @property
    def summary(self) -> str:
        """The models, in words."""
        return ", ".join(f"{it.name} version {it.version}" for it in self.models.values())

    @property
    def versions(self) -> Mapping[str, int]:
        """The version of each container's model."""
        return {part: it.version for part, it in self.models.items()}


@dataclass(frozen=True)
class Asked:
    """A promotion as it stands in the bucket.

    Parameters
    ----------
    version
        The version of its object: the name of the promotion.
    promotion
        What it says.
    etag
        What a later promotion is written after.
    """

    version: str
    promotion: Promotion
    etag: str


def promotion_key(endpoint: str) -> str:
    """Where the promotions of an endpoint stand."""
    return f"promotions/{endpoint}.json"


def read_promotion(store: Store, endpoint: str, version: str = "") -> Asked:
    """A promotion of an endpoint.

    Parameters
    ----------
    store
        The bucket of releases.
    endpoint
        Name of the endpoint.
    version
        The promotion; the latest where empty.

    Raises
    ------
    OperationError
        Where there is none.
    """
    found = store.read(promotion_key(endpoint), version)
    if found is None:
        which = f" of version '{version}'" if version else ""
        raise OperationError(
            f"There is no promotion{which} at s3://{store.bucket}/{promotion_key(endpoint)}.",
            "Move the alias of the endpoint's model in MLflow, or check release.follow.",
        )
    return Asked(found.version, Promotion.model_validate_json(found.text), found.etag)


def ask(store: Store, promotion: Promotion, *, after: str) -> str:
    """Write a promotion, which starts the endpoint's pipeline.

    Parameters
    ----------
    store
        The bucket of releases.
    promotion
        What is asked for.
    after
        The digest of the promotion before it; empty where there is none.

    Returns
    -------
    str
        Its version.

    Raises
    ------
    ConflictError
        Where somebody else asked meanwhile.
    """
    text = promotion.model_dump_json(indent=2, exclude_none=True) + "\n"
    return store.write(promotion_key(promotion.endpoint), text, after=after)
