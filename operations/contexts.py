"""What an image is built from, as one digest."""

import hashlib
import shutil
import tomllib
from pathlib import Path

from operations.errors import OperationError

IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
"""What building leaves behind in a folder, and is no part of the image."""


LIBRARIES = "libraries"
"""The folder of a build context that holds what an image is built from beside its own files."""


def context_digest(folder: Path, *settings: str) -> str:
    """The SHA-256 digest of a build context: names and contents of its files, and the settings.

    Parameters
    ----------
    folder
        Folder of the image.
    settings
        What else decides about the image, such as the base image's name.

    Examples
    --------
    >>> context_digest(Path("containers/iris"), "python:3.12")[:7]  # doctest: +SKIP
    'sha256:'
    """
    total = hashlib.sha256("\n".join(settings).encode())
    for place, path in _files(folder):
        total.update(f"\n{place}\n".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return f"sha256:{total.hexdigest()}"


def gather(folder: Path, target: Path) -> None:
    """Copy a build context: an image's folder, and the libraries it is built from in one of it.

    Parameters
    ----------
    folder
        Folder of the image.
    target
        Where to, which must not exist.
    """
    shutil.copytree(folder, target, ignore=IGNORED)
    for library in libraries(folder):
        shutil.copytree(library, target / LIBRARIES / library.name, ignore=IGNORED)


def libraries(folder: Path) -> list[Path]:
    """The folders that an image is built from beside its own.

    They are named by `tool.images.libraries` of its `pyproject.toml`, and stand beside it.

    Parameters
    ----------
    folder
        Folder of the image.

    Raises
    ------
    OperationError
        Where one is missing.
    """
    project = folder / "pyproject.toml"
    if not project.is_file():
        return []
    content = tomllib.loads(project.read_text(encoding="utf-8"))
    names = content.get("tool", {}).get("images", {}).get("libraries", [])
    found = [folder.parent / name for name in names]
    missing = [path.name for path in found if not (path / "pyproject.toml").is_file()]
    if missing:
        raise OperationError(
            f"{project} names libraries that are no package beside it: {', '.join(missing)}.",
            "Correct tool.images.libraries, or add the folder with its pyproject.toml.",
        )
    return found


def _files(folder: Path) -> list[tuple[str, Path]]:
    """Every file of a context, by its place in it."""
    parts = [("", folder), *((f"{LIBRARIES}/{path.name}/", path) for path in libraries(folder))]
    return [
        (prefix + path.relative_to(part).as_posix(), path)
        for prefix, part in parts
        for path in sorted(part.rglob("*"))
        if path.is_file() and not _ignored(path.relative_to(part))
    ]


def _ignored(relative: Path) -> bool:
    return bool(set(relative.parts) & IGNORED("", list(relative.parts)))
