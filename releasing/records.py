"""What serves, as records in the bucket: every version of one is a state of production."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from operations.records import images_text, record_text
from releasing.store import Store, Stored
from stacks.checks import IMAGES_RECORD
from stacks.releases import (
    Release,
    load_images,
    load_release,
    parse_images,
    parse_release,
    record_path,
)

PREFIX = "records/"


@dataclass(frozen=True)
class Served:
    """A state of production.

    Parameters
    ----------
    release
        What served.
    version
        The version of its record's object; empty of one that is kept with the app alone.
    at
        From when on.
    """

    release: Release
    version: str = ""
    at: datetime | None = None

    @property
    def models(self) -> dict[str, int]:
        """The versions, by the names of their models."""
        containers = self.release.containers.values()
        return {it.model: it.version for it in containers if it.model and it.version}


class Records:
    """The records of one environment: those of the bucket, over those that the app came with.

    Parameters
    ----------
    store
        The bucket of releases.
    environment
        Name of the environment.
    committed
        Folder of the releases that the app came with.
    """

    def __init__(self, store: Store, environment: str, committed: Path) -> None:
        self._store = store
        self._environment = environment
        self._committed = committed

    def current(self, endpoint: str) -> Served | None:
        """What an endpoint serves; nothing where it never did."""
        found = self._store.read(_key(endpoint))
        if found:
            return _served(found, _key(endpoint))
        release = load_release(self._committed, self._environment, endpoint)
        return Served(release) if release else None

    def history(self, endpoint: str) -> Iterator[Served]:
        """What an endpoint served, the latest first."""
        key = _key(endpoint)
        return (_served(it, key) for it in self._store.history(key))

    def images(self) -> dict[str, str]:
        """The digest of each image."""
        found = self._store.read(_key(IMAGES_RECORD))
        if not found:
            return load_images(self._committed, self._environment)
        return parse_images(found.text, Path(_key(IMAGES_RECORD)))

    def proposed_images(self) -> dict[str, str]:
        """The digest of each image as the app says, over those of the bucket: it is newer."""
        return {**self.images(), **load_images(self._committed, self._environment)}

    def write(self, endpoint: str, release: Release) -> bool:
        """Record what an endpoint serves from now on.

        Parameters
        ----------
        endpoint
            Name of the endpoint.
        release
            What it serves.

        Returns
        -------
        bool
            Whether that was new.

        Raises
        ------
        ConflictError
            Where somebody else recorded something meanwhile.
        """
        return self._write(endpoint, record_text(release.record))

    def write_images(self, digests: dict[str, str]) -> bool:
        """Record the digest of each image from now on.

        Parameters
        ----------
        digests
            The digest of each image.

        Returns
        -------
        bool
            Whether that was new.

        Raises
        ------
        ConflictError
            Where somebody else recorded something meanwhile.
        """
        return self._write(IMAGES_RECORD, images_text(digests))

    def collect(self, target: Path, endpoint: str = "", release: Release | None = None) -> None:
        """Write a folder of releases that synth reads.

        Parameters
        ----------
        target
            The folder.
        endpoint, release
            An endpoint that is to serve something else than its record says.
        """
        committed = (self._committed / self._environment).glob("*.yaml")
        texts = {path.stem: path.read_text(encoding="utf-8") for path in committed}
        for key in self._store.keys(PREFIX):
            found = self._store.read(key)
            if found:
                texts[key.removeprefix(PREFIX).removesuffix(".yaml")] = found.text
        if release:
            texts[endpoint] = record_text(release.record)
        for record, text in texts.items():
            path = record_path(target, self._environment, record)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def seed(self) -> list[str]:
        """Put what the app came with into the bucket, where nothing is recorded yet.

        Returns
        -------
        list of str
            The records that were written.
        """
        known = self._store.keys(PREFIX)
        written = []
        for path in sorted((self._committed / self._environment).glob("*.yaml")):
            if _key(path.stem) not in known:
                self._store.write(_key(path.stem), path.read_text(encoding="utf-8"), after="")
                written.append(path.stem)
        return written

    def _write(self, record: str, text: str) -> bool:
        found = self._store.read(_key(record))
        if found and found.text == text:
            return False
        self._store.write(_key(record), text, after=found.etag if found else "")
        return True


def _served(found: Stored, key: str) -> Served:
    return Served(parse_release(found.text, Path(key)), found.version, found.at)


def _key(record: str) -> str:
    return f"{PREFIX}{record}.yaml"
