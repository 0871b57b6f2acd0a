"""The source of builds: the files of the checkout that git knows, as they are now."""

import io
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from operations.errors import OperationError
from stacks.config import Environment

APP = "source/app.zip"
"""Where releases take it from: `mlops_constructs.release_store` says so too."""

PROPOSED = "source/proposed.zip"
"""Where what is proposed stands: each version of it is a proposal."""

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can note: every file has it, so that equal files make equal zips."""

EXECUTABLE, PLAIN = 0o755 << 16, 0o644 << 16


def source_zip(root: Path, added: Mapping[str, bytes] | None = None) -> bytes:
    """A zip of a checkout's files: those of version control, and new ones that it would take.

    Parameters
    ----------
    root
        The checkout.
    added
        Files that it has besides, by their names; they take the place of the checkout's.

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
    added = added or {}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in sorted({*listed.stdout.split("\0"), *added} - {""}):
            path = root / name
            # A file that is deleted, and that not yet committed, is not there. Of a link, the zip
            # has what it leads to.
            if name in added or path.is_file():
                program = name not in added and path.stat().st_mode & 0o100
                entry = zipfile.ZipInfo(name, EARLIEST)
                entry.external_attr = EXECUTABLE if program else PLAIN
                entry.compress_type = zipfile.ZIP_DEFLATED
                content = added[name] if name in added else path.read_bytes()
                archive.writestr(entry, content, compresslevel=1)
    return packed.getvalue()


def put_source(environment: Environment, root: Path, s3: Any) -> str:
    """Make a checkout what releases of an environment are made with from now on.

    Parameters
    ----------
    environment
        The environment, whose Data stack is deployed.
    root
        The checkout.
    s3
        A client of S3.

    Returns
    -------
    str
        Its place.

    Raises
    ------
    OperationError
        Where it is no checkout of git.
    """
    bucket = environment.naming.release_bucket(environment.account)
    s3.put_object(Bucket=bucket, Key=APP, Body=source_zip(root))
    return f"s3://{bucket}/{APP}"
