"""DescribeImages of ECR: a repository has the images that are installed on this machine.

Also those that were pushed to it, as from another account, and the one that builds run in, as its
files are now: this checkout takes its place here.
"""

import json
from collections.abc import Mapping
from typing import Any

from local.extensions.hooks import account_and_region, pushed_image
from local.extensions.json_service import Answer, Record, RefusedError, as_json, refused
from local.images import CONTAINERS, STORE, ProcessImage, current_image, find_image
from operations.errors import OperationError

BUILDS = "release"
"""The image that builds run in."""


class InstalledImages:
    """What ECR says of images, where they are asked for by their digests.

    https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html
    """

    async def answer(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, Any],
    ) -> Answer:
        """Answer a request of DescribeImages."""
        request = json.loads(body)
        digests = [image.get("imageDigest", "") for image in request.get("imageIds", [])]
        try:
            return as_json(200, {"imageDetails": _details(request["repositoryName"], digests)})
        except RefusedError as error:
            return refused(error)


def _details(repository: str, digests: list[str]) -> list[Record]:
    if not all(digests):
        raise RefusedError(
            "InvalidParameterException", "An image is asked for by its digest on this machine."
        )
    return [_detail(repository, digest) for digest in digests]


def _detail(repository: str, digest: str) -> Record:
    detail = {
        "registryId": account_and_region()[0],
        "repositoryName": repository,
        "imageDigest": digest,
    }
    pushed = pushed_image(repository, digest)
    if pushed:
        return {
            **detail,
            "imageTags": pushed["imageTags"],
            "imagePushedAt": pushed["imagePushedAt"],
        }
    try:
        image = _image(repository, digest)
    except OperationError as error:
        raise RefusedError(
            "ImageNotFoundException", f"{error.what} It is not in {STORE}."
        ) from error
    made = image.folder / "installed" if image.installed else CONTAINERS / image.name
    return {**detail, "imagePushedAt": made.stat().st_mtime}


def _image(repository: str, digest: str) -> ProcessImage:
    here = current_image(BUILDS)
    if (repository.rpartition("/")[2], digest) == (here.name, here.digest):
        return here
    return find_image(f"{repository}@{digest}")
