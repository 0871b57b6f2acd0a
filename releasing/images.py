"""The images that a release needs: each in this environment's ECR, by its digest.

This is the one place where an image that was never built would be built on demand. Nothing builds
one yet: whoever needs it is told the command.
"""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from operations.errors import OperationError
from stacks.config import Environment
from stacks.container_config import AWS, Container
from stacks.releases import Release


def ensure_images(
    environment: Environment, endpoint: str, release: Release, ecr: Any
) -> dict[str, str]:
    """Make sure that the images of a release are there.

    Parameters
    ----------
    environment
        The environment.
    endpoint
        Name of the endpoint.
    release
        What it is to serve.
    ecr
        A client of ECR.

    Returns
    -------
    dict of str to str
        The image of each container of ours, with its repository and digest.

    Raises
    ------
    OperationError
        Where one is not, with the command that mends it.
    """
    parts = environment.endpoints[endpoint].parts
    wanted = images_of(environment, parts, release)
    missing = [it for it in dict.fromkeys(wanted.values()) if not in_ecr(ecr, it)]
    if missing:
        raise OperationError(
            f"Not in this environment's ECR: {', '.join(missing)}.",
            f"Build and push it: make images ENV={environment.name}.",
        )
    return wanted


def images_of(
    environment: Environment, parts: Mapping[str, Container], release: Release
) -> dict[str, str]:
    """The image of each container of ours, as ``<repository>@<digest>``.

    Parameters
    ----------
    environment
        The environment.
    parts
        The containers of the configuration, by their names in a release.
    release
        What was released for them.
    """
    return {
        name: f"{environment.naming.repository(part.image)}@{release.containers[name].image}"
        for name, part in parts.items()
        if not part.image.startswith(AWS)
    }


def in_ecr(ecr: Any, image: str) -> bool:
    """Whether an image is in ECR.

    Parameters
    ----------
    ecr
        A client of ECR.
    image
        ``<repository>@<digest>``.
    """
    repository, _, digest = image.partition("@")
    try:
        found = ecr.describe_images(repositoryName=repository, imageIds=[{"imageDigest": digest}])
    except ClientError as error:
        if error.response["Error"]["Code"] in (
            "ImageNotFoundException",
            "RepositoryNotFoundException",
        ):
            return False
        raise
    return bool(found["imageDetails"])
