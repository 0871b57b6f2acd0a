"""Files that a build is given, and files that it leaves: zips in S3."""

import io
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from local.extensions.codebuild.buildspec import Files

PERMISSIONS = 16
"""By how many bits a file's permissions stand to the left, in a zip's attributes."""


class ArtifactError(Exception):
    """Why files could not be fetched or left."""


class Place(NamedTuple):
    """An object.

    Parameters
    ----------
    bucket, key
        Where it is.
    version
        Which version of it; the last where empty.
    """

    bucket: str
    key: str
    version: str = ""


def place_of(location: str, version: str = "") -> Place:
    """The object of a location such as ``bucket/folder/app.zip``."""
    bucket, _, key = location.removeprefix("arn:aws:s3:::").partition("/")
    return Place(bucket, key, version)


def fetch(s3: Any, place: Place, folder: Path) -> None:
    """Unpack a zip of S3 into a folder, with the permissions that it notes.

    Raises
    ------
    ArtifactError
        Where the object is no zip, or holds what would leave the folder.
    """
    chosen = {"VersionId": place.version} if place.version else {}
    body = s3.get_object(Bucket=place.bucket, Key=place.key, **chosen)["Body"].read()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            for entry in archive.infolist():
                unpacked = Path(archive.extract(entry, folder))
                permissions = entry.external_attr >> PERMISSIONS & 0o777
                if permissions and not entry.is_dir():
                    unpacked.chmod(permissions)
    except zipfile.BadZipFile as error:
        raise ArtifactError(f"s3://{place.bucket}/{place.key} is no zip: {error}") from error


def leave(s3: Any, place: Place, source: Path, wanted: Files) -> int:
    """Pack files into a zip, and put it to S3.

    Parameters
    ----------
    s3
        A client of S3.
    place
        Where to.
    source
        The build's folder.
    wanted
        Which files.

    Returns
    -------
    int
        How many there are.

    Raises
    ------
    ArtifactError
        Where there are none.
    """
    base = source / wanted.base_directory
    excluded = {path for pattern in wanted.exclude_paths for path in base.glob(pattern)}
    found = {path for pattern in wanted.files for path in base.glob(pattern)} - excluded
    files = sorted(path for path in found if path.is_file())
    if not files:
        raise ArtifactError(f"no matching artifact paths found: {', '.join(wanted.files)}")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in files:
            name = path.name if wanted.discard_paths else str(path.relative_to(base))
            archive.write(path, name)
    s3.put_object(Bucket=place.bucket, Key=place.key, Body=packed.getvalue())
    return len(files)
