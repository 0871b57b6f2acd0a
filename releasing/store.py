"""The bucket of releases: every object has versions, and no two writers overwrite each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

MISSING = ("NoSuchKey", "NoSuchVersion", "404")
CONFLICTS = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409", *MISSING)
"""What S3 says where a condition of a write does not hold.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""


class ConflictError(Exception):
    """An object is not what its writer has read: somebody else was faster."""


@dataclass(frozen=True)
class Stored:
    """A version of an object.

    Parameters
    ----------
    body
        What it holds.
    etag
        Digest of it, as S3 computes it: what a later write names as its condition.
    version
        Its version.
    at
        When it was written.
    """

    body: bytes
    etag: str
    version: str
    at: datetime

    @property
    def text(self) -> str:
        """What it holds, as text."""
        return self.body.decode()


class Store:
    """The objects of one bucket.

    Parameters
    ----------
    s3
        A client of S3.
    bucket
        Name of the bucket, which has versions.

    Examples
    --------
    >>> store = Store(boto3.client("s3"), "mlops-blue-releases-111111111111")  # doctest: +SKIP
    >>> store.write("promotions/iris.json", "{}", after="")  # doctest: +SKIP
    """

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self.bucket = bucket

    def read(self, key: str, version: str = "") -> Stored | None:
        """An object; nothing where it is not there.

        Parameters
        ----------
        key
            Its key.
        version
            One of its versions; the latest where empty.
        """
        found = self._get(key, version)
        if found is None:
            return None
        return Stored(
            found["Body"].read(), found["ETag"], found["VersionId"], found["LastModified"]
        )

    def read_bytes(self, key: str, version: str) -> bytes | None:
        """What a version of an object holds, whatever that is; nothing where it is not there."""
        found = self._get(key, version)
        return found["Body"].read() if found else None

    def version(self, key: str) -> str:
        """The latest version of an object; empty where it is not there."""
        try:
            return str(self._s3.head_object(Bucket=self.bucket, Key=key)["VersionId"])
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                return ""
            raise

    def copy(self, key: str, version: str, target: str) -> None:
        """Have another object hold what a version of this one does.

        Parameters
        ----------
        key, version
            What is copied.
        target
            The key of the other object.
        """
        self._s3.copy_object(
            Bucket=self.bucket,
            Key=target,
            CopySource={"Bucket": self.bucket, "Key": key, "VersionId": version},
        )

    def write(self, key: str, text: str, *, after: str) -> str:
        """Write an object, if it is still as it was read.

        Parameters
        ----------
        key
            Its key.
        text
            What it holds from now on.
        after
            The digest that it was read with; empty where it must not be there yet.

        Returns
        -------
        str
            Its new version.

        Raises
        ------
        ConflictError
            Where it is another.
        """
        condition = {"IfMatch": after} if after else {"IfNoneMatch": "*"}
        try:
            written = self._s3.put_object(
                Bucket=self.bucket, Key=key, Body=text.encode(), **condition
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in CONFLICTS:
                raise ConflictError(f"s3://{self.bucket}/{key} was written meanwhile") from error
            raise
        return str(written["VersionId"])

    def put(self, key: str, body: bytes) -> None:
        """Write an object, whatever stands there.

        Parameters
        ----------
        key
            Its key.
        body
            What it holds from now on.
        """
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def keys(self, prefix: str) -> list[str]:
        """The keys that start with a prefix."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", []))

    def history(self, key: str) -> Iterator[Stored]:
        """Every version of an object, the latest first: the order in which S3 lists them."""
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self.bucket, Prefix=key
        )
        for page in pages:
            for entry in page.get("Versions", []):
                found = self.read(key, entry["VersionId"]) if entry["Key"] == key else None
                if found:
                    yield found

    def _get(self, key: str, version: str) -> dict[str, Any] | None:
        wanted = {"VersionId": version} if version else {}
        try:
            found: dict[str, Any] = self._s3.get_object(Bucket=self.bucket, Key=key, **wanted)
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                return None
            raise
        return found
