"""The bucket of releases, as far as promotions need it.

Nothing is written over what somebody else wrote meanwhile.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from promoter.errors import LookError

ABSENT = ("404", "NoSuchKey", "NotFound")
TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
"""Somebody else wrote since, or does so right now."""


@dataclass(frozen=True)
class Written:
    """A promotion as it stands in the bucket.

    Parameters
    ----------
    content
        What it says; empty where there is none yet.
    version
        The version of its object, which is the name of the promotion.
    etag
        What a later promotion is written after.
    at
        When it was written, in seconds since 1970.
    """

    content: dict[str, Any]
    version: str = ""
    etag: str = ""
    at: float = 0


class Store:
    """Promotions, attempts and deliveries.

    Parameters
    ----------
    client
        A client of S3.
    bucket
        The bucket's name.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def promotion(self, endpoint: str) -> Written:
        """The promotion of an endpoint that was written last.

        Parameters
        ----------
        endpoint
            Name of the endpoint.

        Raises
        ------
        LookError
            Where it cannot be read.
        """
        key = promotion_key(endpoint)
        found = self._get(key)
        if found is None:
            return Written({})
        return Written(
            self._parse(key, found),
            str(found.get("VersionId", "")),
            str(found["ETag"]),
            found["LastModified"].timestamp(),
        )

    def promote(self, endpoint: str, content: dict[str, Any], after: Written) -> bool:
        """Write a promotion, unless another one was written meanwhile; whether it was written.

        Parameters
        ----------
        endpoint
            Name of the endpoint.
        content
            What it says.
        after
            The promotion before it.

        Raises
        ------
        LookError
            Where it cannot be written.
        """
        # Two promotions in a row may ask for the same; their digests must not be the same.
        text = json.dumps({**content, "follows": after.version or None}, indent=2, sort_keys=True)
        condition = {"IfMatch": after.etag} if after.etag else {"IfNoneMatch": "*"}
        return self._put(promotion_key(endpoint), f"{text}\n".encode(), condition)

    def attempted(self, endpoint: str) -> frozenset[str]:
        """The promotions of an endpoint whose release was begun, by their versions.

        Parameters
        ----------
        endpoint
            Name of the endpoint.

        Raises
        ------
        LookError
            Where they cannot be read.
        """
        key = f"attempts/{endpoint}.json"
        found = self._get(key)
        if found is None:
            return frozenset()
        journal = self._parse(key, found)
        try:
            begun = [journal, *journal.get("earlier", ())]
            versions = [attempt["promotion"]["version"] for attempt in begun]
            return frozenset([*versions, *journal.get("closed", ())])
        except (AttributeError, KeyError, TypeError) as error:
            raise LookError(
                f"s3://{self._bucket}/{key} is no journal of attempts: {error!r}. Put a former"
                " version of it back."
            ) from error

    def heard(self, delivery: str) -> bool:
        """Whether a webhook was listened to before.

        Parameters
        ----------
        delivery
            Its id.

        Raises
        ------
        LookError
            Where that cannot be read.
        """
        with self._told("read", _delivery_key(delivery)):
            try:
                self._client.head_object(Bucket=self._bucket, Key=_delivery_key(delivery))
            except ClientError as error:
                if _code(error) not in ABSENT:
                    raise
                return False
        return True

    def claim(self, delivery: str) -> None:
        """Note that a webhook was listened to.

        Parameters
        ----------
        delivery
            Its id.

        Raises
        ------
        LookError
            Where that cannot be written.
        """
        self._put(_delivery_key(delivery), b"", {"IfNoneMatch": "*"})

    def _get(self, key: str) -> dict[str, Any] | None:
        with self._told("read", key):
            try:
                found: dict[str, Any] = self._client.get_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if _code(error) not in ABSENT:
                    raise
                return None
            return {**found, "Body": found["Body"].read()}

    def _put(self, key: str, body: bytes, condition: dict[str, str]) -> bool:
        with self._told("written", key):
            try:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=body,
                    ContentType="application/json",
                    **condition,
                )
            except ClientError as error:
                # What was to be followed may be gone, too.
                if _code(error) not in (*TAKEN, *ABSENT):
                    raise
                return False
        return True

    def _parse(self, key: str, found: dict[str, Any]) -> dict[str, Any]:
        try:
            content = json.loads(found["Body"])
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise LookError(
                f"s3://{self._bucket}/{key} holds no JSON object. Put a former version of it back."
            )
        return content

    @contextmanager
    def _told(self, done: str, key: str) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise LookError(
                f"s3://{self._bucket}/{key} cannot be {done}: {error}. Look at the function's"
                " role, the bucket's policy, and the endpoint of S3."
            ) from error


def promotion_key(endpoint: str) -> str:
    """Where the promotions of an endpoint stand."""
    return f"promotions/{endpoint}.json"


def _delivery_key(delivery: str) -> str:
    return f"deliveries/{delivery}"


def _code(error: ClientError) -> str:
    return str(error.response["Error"].get("Code", ""))
