"""Models that are served by real processes: `python served.py <name>`."""

import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from model_server import InputError, Model, current, serve


class Sums(Model):
    """The sum of each row."""

    batches = True

    def predict(self, data: Any) -> Any:
        return np.asarray(data).sum(axis=1)


class Slow(Sums):
    """It begins when the file `load` is there, and ends a request when `go` is."""

    def load(self, folder: Path) -> None:
        self.folder = folder
        _wait_for(folder / "load")

    def predict(self, data: Any) -> Any:
        if np.asarray(data).any():
            (self.folder / "begun").touch()
            _wait_for(self.folder / "go")
        return super().predict(data)


class Stuck(Sums):
    """It never ends what begins with 666, and holds its thread."""

    def predict(self, data: Any) -> Any:
        while np.asarray(data).flat[0] == 666:
            time.sleep(0.01)
        return super().predict(data)


class Fragile(Sums):
    """It fails with what begins with 13, and from 99 on with everything."""

    probe = b'{"inputs": [[0]]}'
    dead = False

    def predict(self, data: Any) -> Any:
        first = np.asarray(data).flat[0]
        self.dead = self.dead or first == 99
        if first == 1:
            os._exit(7)
        if self.dead or first == 13:
            raise RuntimeError("a secret of the model")
        return super().predict(data)


class Useless(Sums):
    """It cannot answer its probe."""

    probe = b'{"inputs": [[0]]}'

    def predict(self, data: Any) -> Any:
        raise RuntimeError("never")


class Separate(Sums):
    """Each process loads its own."""

    shared = False

    def load(self, folder: Path) -> None:
        (folder / f"loaded by {os.geteuid()}").touch()


class Unloadable(Sums):
    """Each process is to load its own, and none can."""

    shared = False

    def load(self, folder: Path) -> None:
        raise FileNotFoundError("there are no weights")


class Talker(Model):
    """It streams, by what it is asked for."""

    raw = ("text/plain", "application/octet-stream")

    def predict(self, data: bytes) -> Any:
        word = data.decode()
        if word == "attributes":
            given = current().attributes
            current().attributes = f"{given}; seen"
            return given
        if word == "bad":
            raise InputError("say something else")
        return self.later(word) if word.startswith("async") else self.now(word)

    def now(self, word: str) -> Iterator[str]:
        if word == "fail first":
            raise RuntimeError("a secret of the model")
        for number in range(3):
            yield f"{word} {number}\n"
        if word == "fail last":
            raise RuntimeError("a secret of the model")

    async def later(self, word: str) -> AsyncIterator[bytes]:
        for number in range(3):
            yield f"{word} {number}\n".encode()


def _wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)


KINDS = (Sums, Slow, Stuck, Fragile, Useless, Separate, Unloadable, Talker)

if __name__ == "__main__":
    sys.exit(serve({kind.__name__: kind for kind in KINDS}[sys.argv[1]]))
