"""What is released: the digest of each image, and the model versions of each endpoint.

Both are written by commands (`make images`, `make release`) and read at synth, which therefore
asks nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from stacks.checks import IMAGES_RECORD
from stacks.container_config import ONLY
from stacks.document import parse_document
from stacks.fields import Name
from stacks.forms import text, whole_number
from stacks.validation import validated

Digest = Annotated[
    str,
    text(
        r"sha256:[0-9a-f]{64}",
        allowed="a SHA-256 digest",
        fix="Do not edit it by hand: make it again.",
    ),
]

RegisteredModel = Annotated[
    str, text(r"[A-Za-z0-9][\w.-]*", allowed="a registered model's name", fix="Release again.")
]
Version = Annotated[int, whole_number(1, 2**31)]
Source = Annotated[
    str,
    text(
        r"s3://[a-z0-9.-]+/(?:(?:[^/]+/)+|(?:[^/]+/)*[^/]+\.tar\.gz)",
        allowed="an S3 prefix that ends with a slash, or a .tar.gz",
        fix="Do not edit it by hand: release again.",
    ),
]
Part = Annotated[
    str,
    text(
        r"[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)?",
        allowed="the name of a container",
        fix="Release again.",
    ),
]


class ImageDigests(BaseModel):
    """The digest of each image that was pushed, as `releases/<env>/images.yaml` records it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: dict[Name, Digest]


class PromotionNotes(BaseModel):
    """What is known of how a container's model came to serve. No template depends on it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    promoted_by: str | None = None
    reason: str | None = None
    signature: dict[str, Any] | None = None
    environment_image: str | None = None
    smoke_test: str | None = None


class Released(BaseModel):
    """What one container serves: the digest of its image where it is ours, and its model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: RegisteredModel | None = None
    version: Version | None = None
    source: Source | None = None
    digest: Digest | None = None
    image: Digest | None = None
    promotion: PromotionNotes | None = None

    @property
    def key(self) -> str:
        """Where the model's files stand in their bucket: a prefix, or the key of an archive."""
        return (self.source or "").removeprefix("s3://").partition("/")[2]


class OnlyReleased(Released):
    """What an endpoint of one container serves: a model of the registry, in an image of ours."""

    model: RegisteredModel
    version: Version
    source: Source
    digest: Digest
    image: Digest


class ReleasedContainers(BaseModel):
    """What an endpoint serves, by the names of its containers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    containers: Annotated[dict[Part, Released], Field(min_length=1)]


@dataclass(frozen=True)
class Release:
    """What an endpoint serves, as `releases/<env>/<endpoint>.yaml` records it.

    Parameters
    ----------
    containers
        What each container serves, by its name.

    Examples
    --------
    >>> load_release(Path("releases"), "dev", "iris").summary  # doctest: +SKIP
    'iris version 3'
    """

    containers: Mapping[str, Released]

    @property
    def only(self) -> OnlyReleased:
        """What the one container of the short form serves: a model of the registry."""
        return OnlyReleased.model_validate(self.containers[ONLY].model_dump())

    @property
    def record(self) -> BaseModel:
        """The form that is written: of a single model in an image of ours, the shorter one."""
        only = self.containers.get(ONLY)
        if only and len(self.containers) == 1 and only.model and only.image:
            return self.only
        return ReleasedContainers(containers=dict(self.containers))

    @property
    def summary(self) -> str:
        """The models that are served, in words."""
        models = [
            f"{it.model} version {it.version}" if it.model else str(it.source)
            for it in self.containers.values()
            if it.source
        ]
        return ", ".join(models) or "no model"


def load_images(folder: Path, environment: str) -> dict[str, str]:
    """The digest of each image of an environment; empty where none was pushed yet.

    Parameters
    ----------
    folder
        Folder of the releases.
    environment
        Name of the environment.

    Raises
    ------
    FaultsError
        With every fault of the record.
    """
    path = record_path(folder, environment, IMAGES_RECORD)
    return parse_images(path.read_text(encoding="utf-8"), path) if path.is_file() else {}


def load_release(folder: Path, environment: str, endpoint: str) -> Release | None:
    """What an endpoint serves; nothing where it was never released.

    Parameters
    ----------
    folder
        Folder of the releases.
    environment, endpoint
        Names of the environment and of the endpoint.

    Raises
    ------
    FaultsError
        With every fault of the record.
    """
    path = record_path(folder, environment, endpoint)
    return parse_release(path.read_text(encoding="utf-8"), path) if path.is_file() else None


def parse_images(text: str, path: Path) -> dict[str, str]:
    """The digest of each image, from the text of their record.

    Parameters
    ----------
    text
        The text.
    path
        Where it stands, for faults.

    Raises
    ------
    FaultsError
        With every fault of the record.
    """
    return validated(ImageDigests, parse_document(text, path), path).images


def parse_release(text: str, path: Path) -> Release:
    """What an endpoint serves, from the text of its record.

    Parameters
    ----------
    text
        The text.
    path
        Where it stands, for faults.

    Raises
    ------
    FaultsError
        With every fault of the record.
    """
    document = parse_document(text, path)
    if "containers" in document.data:
        return Release(validated(ReleasedContainers, document, path).containers)
    only = validated(OnlyReleased, document, path)
    return Release({ONLY: Released.model_validate(only.model_dump())})


def record_path(folder: Path, environment: str, record: str) -> Path:
    """Where the record of an endpoint stands, or that of the images."""
    return folder / environment / f"{record}.yaml"
