"""Whether the model is the one that was released."""

import hashlib
from pathlib import Path


def folder_digest(folder: Path) -> str:
    """The SHA-256 digest of a folder's files: of their names and what they hold.

    It is what ``find -type f | LC_ALL=C sort | xargs sha256sum | sha256sum`` prints inside the
    folder, with each name without its ``./``.

    Parameters
    ----------
    folder
        The folder.
    """
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    total = hashlib.sha256()
    for name in names:
        with (folder / name).open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{content}  {name}\n".encode())
    return f"sha256:{total.hexdigest()}"
