"""What the first step of a change of the platform hands on to its last: an object by its digest."""

import hashlib
import io
import shutil
import zipfile
from pathlib import Path

from operations.errors import OperationError
from releasing.prepare import ASSEMBLY, RELEASES
from releasing.store import Store

HANDED_ON = "platform/handed-on/"
"""Where it stands: `mlops_constructs.release_store` says so too."""


def hand_on(store: Store, workspace: Path) -> str:
    """Put what was prepared where the deployment takes it from: the assembly, and its releases.

    Parameters
    ----------
    store
        The bucket of releases.
    workspace
        Where it was prepared.

    Returns
    -------
    str
        Its SHA-256 digest. Another proposal may write over the object, and not over what the
        pipeline tells the deployment of this one.
    """
    files = sorted(it for each in (ASSEMBLY, RELEASES) for it in (workspace / each).rglob("*"))
    packed = io.BytesIO()
    # A zip knows no time before 1980, which the files of a source may have.
    with zipfile.ZipFile(
        packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False
    ) as archive:
        for path in files:
            if path.is_file():
                archive.write(path, path.relative_to(workspace))
    digest = _digest(packed.getvalue())
    store.put(_key(digest), packed.getvalue())
    return digest


def take_over(store: Store, digest: str, folder: Path) -> None:
    """Unpack what was handed on, if it is what was prepared. Before that, nothing of it is read.

    Parameters
    ----------
    store
        The bucket of releases.
    digest
        What the first step said of it.
    folder
        Where it is unpacked; what was there is gone then.

    Raises
    ------
    OperationError
        Where it is another, or is not there; and where nobody says what it has to be.
    """
    if not digest:
        raise OperationError(
            "Nobody says what was prepared: there is no digest.",
            "By hand, give the one that platform-prepare ended with: --digest. A pipeline that"
            " tells none is older than this step: deploy it by hand once, make deploy.",
        )
    packed = store.read_bytes(_key(digest), "")
    found = _digest(packed) if packed is not None else ""
    if packed is None or found != digest:
        what = f"has the digest {found}" if found else "is not there"
        raise OperationError(
            "What was handed on is not what was prepared:"
            f" s3://{store.bucket}/{_key(digest)} {what}.",
            "Somebody else wrote it, or it has expired. Propose it again: make platform.",
        )
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(folder)


def _digest(packed: bytes) -> str:
    return hashlib.sha256(packed).hexdigest()


def _key(digest: str) -> str:
    return f"{HANDED_ON}{digest}.zip"
