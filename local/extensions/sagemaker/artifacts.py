"""The files of a model: copied from S3 to where a container looks for them.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3ModelDataSource.html
"""

import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.extensions.sagemaker.errors import StartError


def fetch_model(s3: Any, container: Mapping[str, Any], folder: Path) -> None:
    """Copy a model's files; a container that names none gets an empty folder.

    Parameters
    ----------
    s3
        A client.
    container
        The container, as ``CreateModel`` takes it.
    folder
        Where to; it is created.

    Raises
    ------
    StartError
        Where there is nothing, or it is not what the container says.
    """
    folder.mkdir(parents=True)
    source = _source(container)
    if source is None:
        return
    kind, uri = (source["S3DataType"], source["CompressionType"]), source["S3Uri"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if kind == ("S3Prefix", "None"):
        _copy_prefix(s3, bucket, key, folder)
    elif kind == ("S3Object", "None"):
        _copy(s3, bucket, key, folder / Path(key).name)
    elif kind == ("S3Object", "Gzip"):
        _unpack(s3, bucket, key, folder)
    else:
        raise StartError(f"A model of {kind[0]} with compression {kind[1]} is not fetched here.")


def _source(container: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Where the files are, in the newer of the two ways to say it."""
    if container.get("ModelDataUrl"):
        return {
            "S3DataType": "S3Object",
            "CompressionType": "Gzip",
            "S3Uri": container["ModelDataUrl"],
        }
    found: Mapping[str, Any] | None = container.get("ModelDataSource", {}).get("S3DataSource")
    return found


def _copy_prefix(s3: Any, bucket: str, prefix: str, folder: Path) -> None:
    count = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            name = entry["Key"].removeprefix(prefix)
            if name and not name.endswith("/"):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy(s3, bucket, entry["Key"], target)
                count += 1
    if not count:
        raise StartError(f"There is no object below s3://{bucket}/{prefix}.")


def _copy(s3: Any, bucket: str, key: str, target: Path) -> None:
    try:
        s3.download_file(bucket, key, str(target))
    except ClientError as error:
        raise StartError(f"s3://{bucket}/{key} cannot be read: {error}") from error


def _unpack(s3: Any, bucket: str, key: str, folder: Path) -> None:
    packed = folder.with_suffix(".tar.gz")
    _copy(s3, bucket, key, packed)
    try:
        with tarfile.open(packed, "r:gz") as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise StartError(f"s3://{bucket}/{key} is no gzip-compressed tar file: {error}") from error
    finally:
        packed.unlink(missing_ok=True)
