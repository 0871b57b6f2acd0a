"""What is released: the digest of each image, and the model version of each endpoint.

Both are written by commands (`make images`, `make release`) and read at synth, which therefore
asks nobody.
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict

from stacks.checks import IMAGES_RECORD
from stacks.document import read_document
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


class ImageDigests(BaseModel):
    """The digest of each image that was pushed, as `releases/<env>/images.yaml` records it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: dict[Name, Digest]


class Release(BaseModel):
    """What an endpoint serves, as `releases/<env>/<endpoint>.yaml` records it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[
        str, text(r"[A-Za-z0-9][\w.-]*", allowed="a registered model's name", fix="Release again.")
    ]
    version: Annotated[int, whole_number(1, 2**31)]
    source: Annotated[
        str,
        text(
            r"s3://[a-z0-9.-]+/(?:[^/]+/)+",
            allowed="an S3 prefix that ends with a slash",
            fix="Do not edit it by hand: release again.",
        ),
    ]
    digest: Digest
    image: Digest

    @property
    def prefix(self) -> str:
        """Where the model's files stand in their bucket."""
        return self.source.removeprefix("s3://").partition("/")[2]


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
    if not path.is_file():
        return {}
    return validated(ImageDigests, read_document(path), path).images


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
    if not path.is_file():
        return None
    return validated(Release, read_document(path), path)


def record_path(folder: Path, environment: str, record: str) -> Path:
    """Where the record of an endpoint stands, or that of the images."""
    return folder / environment / f"{record}.yaml"
