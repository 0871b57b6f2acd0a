"""What an image is built from, as one digest."""

import hashlib
import shutil
from pathlib import Path

IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
"""What building leaves behind in a folder, and is no part of the image."""


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
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not set(relative.parts) & IGNORED(str(folder), list(relative.parts)):
            total.update(f"\n{relative.as_posix()}\n".encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return f"sha256:{total.hexdigest()}"
