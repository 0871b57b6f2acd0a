"""Images without a container engine: each a virtual environment made from the image's own files.

The versions are those of the image's lock file, and the commands those it has on its PATH. What
an image has beyond that, its user, its read-only root and its network, a process does not have.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from local.state import ROOT
from operations.bootstrap import uv_environment
from operations.contexts import LIBRARIES, context_digest, gather, libraries
from operations.errors import OperationError

CONTAINERS = ROOT / "containers"
STORE = ROOT / ".local" / "images"
FINISH = "finish-image"
"""The program that an image's Dockerfile runs when all is installed, where the image has one."""


@dataclass(frozen=True)
class ProcessImage:
    """An image that is run as a process.

    Parameters
    ----------
    name
        Name of the image: a folder of `containers/`.
    digest
        Digest of what it is made from.
    """

    name: str
    digest: str

    @property
    def folder(self) -> Path:
        """Where it is installed."""
        return STORE / f"{self.name}-{self.digest.removeprefix('sha256:')[:12]}"

    @property
    def installed(self) -> bool:
        """Whether it is."""
        return (self.folder / "installed").is_file()

    def command(self, words: list[str]) -> list[str]:
        """A command of the image, with the program's whole path.

        Raises
        ------
        OperationError
            Where the image has no such program.
        """
        program = self.folder / "bin" / words[0]
        if not program.is_file():
            raise OperationError(
                f"The image '{self.name}' has no program '{words[0]}'.",
                f"Name one that the pyproject.toml of '{self.name}' lists.",
            )
        return [str(program), *words[1:]]

    def environment(self, base: dict[str, str]) -> dict[str, str]:
        """`base`, with the image's programs first on the PATH."""
        return {**base, "PATH": f"{self.folder / 'bin'}{os.pathsep}{base['PATH']}"}


def current_image(name: str) -> ProcessImage:
    """The image as its files are now.

    Parameters
    ----------
    name
        Name of the image.

    Raises
    ------
    OperationError
        Where there is no such folder.
    """
    folder = CONTAINERS / name
    if not (folder / "Dockerfile").is_file():
        raise OperationError(
            f"There is no containers/{name}/Dockerfile.",
            f"Make one, or remove '{name}' from the images of the environment.",
        )
    return image_of(folder)


def image_of(folder: Path) -> ProcessImage:
    """The image that a folder makes, as its files are now.

    Parameters
    ----------
    folder
        Where its `pyproject.toml` and `requirements.lock` are.
    """
    return ProcessImage(folder.name, context_digest(folder, f"python {sys.version_info[:2]}"))


def find_image(reference: str) -> ProcessImage:
    """The installed image that a stack names, by repository and digest.

    Parameters
    ----------
    reference
        ``<registry>/<platform>/<env>/<image>@sha256:<digest>``.

    Raises
    ------
    OperationError
        Where the reference has no digest, or that image was never installed.
    """
    repository, _, digest = reference.partition("@")
    image = ProcessImage(repository.rpartition("/")[2], digest)
    if not digest or not image.installed:
        raise OperationError(
            f"CannotPullContainerError: {reference} is not installed here.",
            "Deploy again with 'make demo', which installs the images that the release names.",
        )
    return image


def install_image(name: str, say: Callable[[str], None] = lambda _: None) -> ProcessImage:
    """Install an image as its files are now; do nothing where it is.

    Parameters
    ----------
    name
        Name of the image.
    say
        Told what is being installed.

    Raises
    ------
    OperationError
        Where it cannot be installed.
    """
    return install(current_image(name), CONTAINERS / name, say)


def install(
    image: ProcessImage, source: Path, say: Callable[[str], None] = lambda _: None
) -> ProcessImage:
    """Install what a folder makes; do nothing where it is.

    Parameters
    ----------
    image
        What it makes.
    source
        The folder.
    say
        Told what is being installed.

    Raises
    ------
    OperationError
        Where it cannot be installed.
    """
    STORE.mkdir(parents=True, exist_ok=True)
    with (STORE / "lock").open("w") as lock:
        # Of two platforms that start at once, the second waits and finds the work done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.installed:
            say(f"installing {image.name}")
            _install(image, source)
    return image


def _install(image: ProcessImage, source: Path) -> None:
    shutil.rmtree(image.folder, ignore_errors=True)
    to_venv = ("--python", str(image.folder), "--compile-bytecode")
    _uv("venv", "--python", sys.executable, str(image.folder))
    _uv("pip", "install", *to_venv, "--require-hashes", "-r", str(source / "requirements.lock"))
    # Built from a copy: building leaves files behind.
    copy = image.folder / "source"
    gather(source, copy)
    # Libraries first: the image's own programs take the place of theirs.
    for part in [*(copy / LIBRARIES / library.name for library in libraries(source)), copy]:
        _uv("pip", "install", *to_venv, "--no-deps", str(part))
    finish = image.folder / "bin" / FINISH
    if finish.is_file():
        _run(FINISH, [str(finish)])
    (image.folder / "installed").touch()


def _uv(*words: str) -> None:
    _run(f"uv {' '.join(words[:2])}", ["uv", "--quiet", *words])


def _run(name: str, words: list[str]) -> None:
    result = subprocess.run(words, capture_output=True, text=True, env=uv_environment())
    if result.returncode:
        raise OperationError(
            f"'{name}' failed: {result.stderr.strip()}",
            "Mend what it says, then try again: the installation starts anew.",
        )
