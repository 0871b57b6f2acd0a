"""The source of builds: the files of the checkout that git knows, as they are now."""

import io
import subprocess
import zipfile
from pathlib import Path

from operations.errors import OperationError

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can note: every file has it, so that equal files make equal zips."""

EXECUTABLE, PLAIN = 0o755 << 16, 0o644 << 16


def source_zip(root: Path) -> bytes:
    """A zip of a checkout's files: those of version control, and new ones that it would take.

    Parameters
    ----------
    root
        The checkout.

    Raises
    ------
    OperationError
        Where it is no checkout of git.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if listed.returncode:
        raise OperationError(
            f"The files of {root} cannot be listed: {listed.stderr.strip()}",
            "Builds take the files that git knows as their source: use a clone of the repository.",
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in sorted(set(listed.stdout.split("\0")) - {""}):
            path = root / name
            # A file that is deleted, and that not yet committed, is not there. Of a link, the zip
            # has what it leads to.
            if path.is_file():
                entry = zipfile.ZipInfo(name, EARLIEST)
                entry.external_attr = EXECUTABLE if path.stat().st_mode & 0o100 else PLAIN
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes(), compresslevel=1)
    return packed.getvalue()
