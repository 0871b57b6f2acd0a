"""Copies of images from registry to registry: the same bytes, and so the same digests.

By ECR's API, as its own proxy does, and not by a container engine, which would pack layers anew.
"""

import hashlib
import json
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from botocore.exceptions import ClientError

from operations.errors import OperationError

INDEXES = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
IMAGES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
LARGEST_PART = 20_971_520
"""Bytes of a part. https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_UploadLayerPart.html"""
MOST_LAYERS = 100
"""Layers that are asked for at once.
https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchCheckLayerAvailability.html
"""
SECONDS = 60
"""How long a layer's next bytes are waited for."""
AGAIN = "Run this again: layers that arrived are not sent again."


@dataclass(frozen=True)
class Repository:
    """A repository of images.

    Parameters
    ----------
    ecr
        A client of the ECR that has it.
    name
        Its name.
    """

    ecr: Any
    name: str


def copy_image(
    origin: Repository, target: Repository, digest: str, say: Callable[[str], None]
) -> None:
    """Copy an image, and those that it lists.

    Whatever arrived stays, and is found by whoever begins anew: of an image that is not complete
    there are layers, and no manifest. It gets the first of its tags that is free there, so that
    `make images` there knows it; tags of our repositories never move.

    Parameters
    ----------
    origin, target
        Where from, and where to.
    digest
        The image.
    say
        Told what is being copied.

    Raises
    ------
    OperationError
        Where it is not there, or does not arrive as it is.

    Examples
    --------
    >>> copy_image(  # doctest: +SKIP
    ...     Repository(theirs, "mlops/dev/iris"), Repository(ours, "mlops/prod/iris"),
    ...     "sha256:4f5a...", print)
    """
    image = _bring(origin, target, digest, say)
    described = origin.ecr.describe_images(
        repositoryName=origin.name, imageIds=[{"imageDigest": digest}]
    )
    tags = described["imageDetails"][0].get("imageTags", [])
    names = [*sorted(tags), digest.removeprefix("sha256:")[:16]]
    for tag in names:
        if _put(target, image, digest, tag):
            say(f"{target.name}: {digest} is there, as {tag}")
            return
    raise OperationError(
        f"The image {digest} cannot be put into {target.name}: others have the tags"
        f" {', '.join(names)}.",
        "Delete the one whose tag is not of its own content, and run this again.",
    )


def _bring(
    origin: Repository, target: Repository, digest: str, say: Callable[[str], None]
) -> dict[str, Any]:
    """Bring whatever a manifest names, and give back the manifest, which is not put yet."""
    image = _manifest(origin, digest)
    content, kind = json.loads(image["imageManifest"]), image["imageManifestMediaType"]
    if kind in INDEXES:
        for child in content["manifests"]:
            listed = _bring(origin, target, child["digest"], say)
            _put(target, listed, child["digest"])
    elif kind in IMAGES:
        sizes = {it["digest"]: it["size"] for it in (content["config"], *content["layers"])}
        missing = _missing(target, sizes)
        for number, layer in enumerate(missing, start=1):
            megabytes = sizes[layer] / 1_000_000
            say(f"{target.name}: layer {number} of {len(missing)}, {megabytes:.1f} MB")
            _copy_layer(origin, target, layer)
    else:
        raise OperationError(
            f"The image {origin.name}@{digest} has a manifest of the kind {kind}, which has no"
            " digests of its parts.",
            "Build and push it anew, with an engine of today.",
        )
    return image


def _manifest(origin: Repository, digest: str) -> dict[str, Any]:
    """The manifest as it was pushed: ECR would turn it into another kind, had it to."""
    found = origin.ecr.batch_get_image(
        repositoryName=origin.name,
        imageIds=[{"imageDigest": digest}],
        acceptedMediaTypes=[*IMAGES, *INDEXES],
    )
    if not found["images"]:
        reasons = "; ".join(it.get("failureReason", "") for it in found["failures"])
        raise OperationError(
            f"The image {origin.name}@{digest} cannot be read: {reasons}.",
            "Its record says that it serves there. See whether it was deleted since.",
        )
    image: dict[str, Any] = found["images"][0]
    _check(f"manifest of {origin.name}", digest, _digest(image["imageManifest"].encode()))
    return image


def _missing(target: Repository, layers: Iterable[str]) -> list[str]:
    """The layers that are not there."""
    wanted = list(layers)
    found: set[str] = set()
    for start in range(0, len(wanted), MOST_LAYERS):
        answer = target.ecr.batch_check_layer_availability(
            repositoryName=target.name, layerDigests=wanted[start : start + MOST_LAYERS]
        )
        found |= {
            it["layerDigest"] for it in answer["layers"] if it["layerAvailability"] == "AVAILABLE"
        }
    return [layer for layer in wanted if layer not in found]


def _copy_layer(origin: Repository, target: Repository, layer: str) -> None:
    """Copy a layer, with one part of it at a time in memory."""
    link = origin.ecr.get_download_url_for_layer(repositoryName=origin.name, layerDigest=layer)
    begun = target.ecr.initiate_layer_upload(repositoryName=target.name)
    upload, size = begun["uploadId"], min(begun["partSize"], LARGEST_PART)
    total, first = hashlib.sha256(), 0
    try:
        # ECR gives the link, to its own bucket.
        with urllib.request.urlopen(link["downloadUrl"], timeout=SECONDS) as body:  # noqa: S310
            while part := body.read(size):
                target.ecr.upload_layer_part(
                    repositoryName=target.name,
                    uploadId=upload,
                    partFirstByte=first,
                    partLastByte=first + len(part) - 1,
                    layerPartBlob=part,
                )
                total.update(part)
                first += len(part)
    except (OSError, HTTPException) as error:
        raise OperationError(
            f"The layer {layer} of {origin.name} cannot be fetched: {error}.",
            f"See that this machine reaches the S3 of that region. {AGAIN}",
        ) from error
    _check(f"layer of {origin.name}", layer, f"sha256:{total.hexdigest()}")
    try:
        target.ecr.complete_layer_upload(
            repositoryName=target.name, uploadId=upload, layerDigests=[layer]
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "LayerAlreadyExistsException":
            raise


def _put(target: Repository, image: dict[str, Any], digest: str, tag: str = "") -> bool:
    """Put a manifest, byte for byte; whether its tag was free."""
    try:
        target.ecr.put_image(
            repositoryName=target.name,
            imageManifest=image["imageManifest"],
            imageManifestMediaType=image["imageManifestMediaType"],
            imageDigest=digest,
            **({"imageTag": tag} if tag else {}),
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in ("ImageAlreadyExistsException", "ImageTagAlreadyExistsException"):
            raise
        return bool(code == "ImageAlreadyExistsException")
    return True


def _check(what: str, wanted: str, found: str) -> None:
    if found != wanted:
        raise OperationError(f"The {what} is {wanted}, and arrived as {found}.", AGAIN)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
