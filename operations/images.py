"""`make images`: build each image with a container engine, push it, and record its digest."""

import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from operations.contexts import context_digest, gather
from operations.errors import OperationError
from stacks.config import Environment

ENGINES = ("docker", "podman", "nerdctl")
PLATFORM = "linux/amd64"


@dataclass(frozen=True)
class BuildSettings:
    """How images are built.

    Parameters
    ----------
    engine
        The container engine's program.
    arguments
        Build arguments, as ``NAME=value``: ``BASE_IMAGE=...``, ``RDS_CA_BUNDLE=...``.
    """

    engine: str
    arguments: tuple[str, ...] = ()


def find_engine(wanted: str = "") -> str:
    """A container engine that runs.

    Parameters
    ----------
    wanted
        The one to use; the first that answers where empty.

    Raises
    ------
    OperationError
        Where none does.
    """
    tried = (wanted,) if wanted else ENGINES
    for engine in tried:
        found = shutil.which(engine)
        if found and subprocess.run([found, "info"], capture_output=True).returncode == 0:
            return engine
    raise OperationError(
        f"No container engine answers: tried {', '.join(tried)}.",
        "Install one and start it, or name it with ENGINE=<program>.",
    )


def push_images(
    environment: Environment,
    containers: Path,
    settings: BuildSettings,
    ecr: Any,
    say: Callable[[str], None],
) -> dict[str, str]:
    """Build and push the images of an environment that were never built from this content.

    Parameters
    ----------
    environment
        The environment.
    containers
        Folder with one folder for each image.
    settings
        How images are built.
    ecr
        A client of ECR.
    say
        Told what is being done.

    Returns
    -------
    dict of str to str
        The digest of each image.

    Raises
    ------
    OperationError
        Where a folder or a repository is missing, or the engine fails.
    """
    missing = [
        image for image in environment.images if not (containers / image / "Dockerfile").is_file()
    ]
    if missing:
        raise OperationError(
            f"There is no Dockerfile in containers/ for: {', '.join(missing)}.",
            f"Write it, or take the image out of environments/{environment.name}.yaml.",
        )
    logged_in = False
    digests = {}
    for image in environment.images:
        folder = containers / image
        tag = context_digest(folder, PLATFORM, *settings.arguments).removeprefix("sha256:")[:16]
        repository = environment.naming.repository(image)
        known = _pushed_digest(ecr, repository, environment, tag)
        if known:
            say(f"{image}: {tag} was pushed before")
            digests[image] = known
            continue
        address = f"{_address(ecr, repository)}:{tag}"
        if not logged_in:
            _log_in(settings.engine, ecr)
            logged_in = True
        say(f"{image}: building {tag}")
        options = [f"--build-arg={argument}" for argument in settings.arguments]
        with tempfile.TemporaryDirectory() as name:
            context = Path(name) / image
            gather(folder, context)
            build = ("build", "--platform", PLATFORM, *options, "-t", address, str(context))
            _engine(settings.engine, *build)
        say(f"{image}: pushing")
        _engine(settings.engine, "push", address)
        pushed = _pushed_digest(ecr, repository, environment, tag)
        if pushed is None:
            raise OperationError(
                f"'{settings.engine} push {address}' succeeded, but ECR has no image of that tag.",
                "Check that the engine pushes to the registry of this account and region.",
            )
        digests[image] = pushed
    return digests


def missing_images(environment: Environment, digests: dict[str, str], ecr: Any) -> list[str]:
    """The images of an environment whose recorded digest is not in its repository.

    Parameters
    ----------
    environment
        The environment.
    digests
        The digest of each image, as recorded.
    ecr
        A client of ECR.
    """
    missing = []
    for image in environment.images:
        digest = digests.get(image)
        repository = environment.naming.repository(image)
        if not digest or not _described(ecr, repository, environment, {"imageDigest": digest}):
            missing.append(image)
    return missing


def _pushed_digest(ecr: Any, repository: str, environment: Environment, tag: str) -> str | None:
    details = _described(ecr, repository, environment, {"imageTag": tag})
    return str(details[0]["imageDigest"]) if details else None


def _described(
    ecr: Any, repository: str, environment: Environment, image: dict[str, str]
) -> list[dict[str, Any]]:
    try:
        answer = ecr.describe_images(repositoryName=repository, imageIds=[image])
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ImageNotFoundException":
            return []
        if code == "RepositoryNotFoundException":
            raise OperationError(
                f"There is no repository '{repository}' in this account and region.",
                f"Deploy it first: cdk deploy Network Data -c env={environment.name}.",
            ) from error
        raise
    details: list[dict[str, Any]] = answer["imageDetails"]
    return details


def _address(ecr: Any, repository: str) -> str:
    described = ecr.describe_repositories(repositoryNames=[repository])
    return str(described["repositories"][0]["repositoryUri"])


def _log_in(engine: str, ecr: Any) -> None:
    granted = ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(granted["authorizationToken"]).decode().partition(":")
    registry = granted["proxyEndpoint"].removeprefix("https://")
    _engine(engine, "login", "--username", user, "--password-stdin", registry, given=password)


def _engine(engine: str, *words: str, given: str | None = None) -> None:
    """Run the engine with its output on the terminal; `given` is what it reads."""
    result = subprocess.run(
        [engine, *words], input=given, text=True, env={**os.environ, "DOCKER_BUILDKIT": "1"}
    )
    if result.returncode:
        raise OperationError(
            f"'{engine} {words[0]}' ended with status {result.returncode}.",
            "Its output is above. Mend what it says, then run the command again: images that were"
            " pushed are not built again.",
        )
