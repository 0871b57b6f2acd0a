"""What serves where aliases are followed: the bucket of releases knows better than a checkout."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from operations.errors import OperationError
from operations.records import record_text, write_release
from stacks.checks import IMAGES_RECORD
from stacks.config import Environment
from stacks.releases import ImageDigests, load_images, load_release, parse_release

RECORDS, ATTEMPTS = "records/", "attempts/"
"""Where the bucket has what serves, and how far releases came: `mlops_constructs.release_store`."""

UNTOUCHED = ("begun", "resolved", "prepared")
"""Steps of a release that changed nothing yet: `releasing.journal` says so too."""


def take_records(
    environment: Environment, folder: Path, s3: Any, say: Callable[[str], None]
) -> list[str]:
    """Have the records in a folder say what the followed endpoints serve.

    Parameters
    ----------
    environment
        The environment, whose Data stack is deployed.
    folder
        Folder of the releases.
    s3
        A client of S3.
    say
        Told which records were others.

    Returns
    -------
    list of str
        The endpoints that a release is changing now: their records say what served before.

    Raises
    ------
    OperationError
        Where the bucket cannot be read.
    FaultsError
        With every fault of a record.
    """
    bucket = environment.naming.release_bucket(environment.account)
    changing = []
    for endpoint in environment.release.follow if environment.release else []:
        # The journal first: what ends in between is left alone, and nothing older is deployed.
        if _is_changing(_read(s3, bucket, f"{ATTEMPTS}{endpoint}.json")):
            changing.append(endpoint)
        text = _read(s3, bucket, f"{RECORDS}{endpoint}.yaml")
        if text:
            served = parse_release(text, Path(f"{RECORDS}{endpoint}.yaml"))
            known = load_release(folder, environment.name, endpoint)
            if served != known:
                path = write_release(folder, environment.name, endpoint, served)
                instead = f" instead of {known.summary}" if known else ""
                say(f"{endpoint}: {served.summary} serves, and is recorded in {path}{instead}")
    return changing


def put_images(environment: Environment, folder: Path, s3: Any) -> None:
    """Have releases from now on take the images that are recorded in a folder.

    Parameters
    ----------
    environment
        The environment, whose Data stack is deployed.
    folder
        Folder of the releases.
    s3
        A client of S3.
    """
    images = load_images(folder, environment.name)
    if images:
        s3.put_object(
            Bucket=environment.naming.release_bucket(environment.account),
            Key=f"{RECORDS}{IMAGES_RECORD}.yaml",
            Body=record_text(ImageDigests(images=images)).encode(),
        )


def _read(s3: Any, bucket: str, key: str) -> str:
    """An object's text; empty where there is none."""
    try:
        return str(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())
    except (BotoCoreError, ClientError) as error:
        if isinstance(error, ClientError) and error.response["Error"]["Code"] == "NoSuchKey":
            return ""
        raise OperationError(
            f"What serves cannot be read from s3://{bucket}/{key}: {error}",
            "Without it, an older version might be deployed over it. Check that these credentials"
            " may list and read that bucket, and that they are named in perimeter.roles.",
        ) from error


def _is_changing(journal: str) -> bool:
    """Whether a release is at work on its endpoint, by the endpoint's journal."""
    if not journal:
        return False
    latest = json.loads(journal)
    return any(
        attempt["outcome"] == "running" and attempt["step"] not in UNTOUCHED
        for attempt in (latest, *latest.get("earlier", []))
    )
