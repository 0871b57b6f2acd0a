"""Writing what was released, so that synth can read it and ask nobody."""

import io
from pathlib import Path

from pydantic import BaseModel
from ruamel.yaml import YAML

from stacks.checks import IMAGES_RECORD
from stacks.releases import ImageDigests, Release, record_path


def write_images(folder: Path, environment: str, digests: dict[str, str]) -> Path:
    """Record the digest of each image of an environment.

    Parameters
    ----------
    folder
        Folder of the releases.
    environment
        Name of the environment.
    digests
        The digest of each image.

    Returns
    -------
    pathlib.Path
        The record.
    """
    return _write(record_path(folder, environment, IMAGES_RECORD), images_text(digests))


def write_release(folder: Path, environment: str, endpoint: str, release: Release) -> Path:
    """Record what an endpoint serves.

    Parameters
    ----------
    folder
        Folder of the releases.
    environment, endpoint
        Names of the environment and of the endpoint.
    release
        What it serves.

    Returns
    -------
    pathlib.Path
        The record.
    """
    return _write(record_path(folder, environment, endpoint), record_text(release.record))


def record_text(record: BaseModel) -> str:
    """A record as it is written.

    Parameters
    ----------
    record
        The record.

    Examples
    --------
    >>> print(record_text(ImageDigests(images={})), end="")
    # Written by a command; synth reads it. Keep it in version control.
    images: {}
    """
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 4096
    text = io.StringIO("# Written by a command; synth reads it. Keep it in version control.\n")
    text.seek(0, io.SEEK_END)
    yaml.dump(record.model_dump(exclude_none=True), text)
    return text.getvalue()


def images_text(digests: dict[str, str]) -> str:
    """The record of the digest of each image, as it is written."""
    return record_text(ImageDigests(images=dict(sorted(digests.items()))))


def _write(path: Path, text: str) -> Path:
    """Write a record as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return path
