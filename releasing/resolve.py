"""What a promotion means, to the digest: the record that synth would read."""

from typing import Any

from mlflow.entities.model_registry import ModelVersion

from operations.errors import OperationError
from operations.managed_registry import Registry
from operations.release import object_digest, prefix_digest, resolve_release
from releasing.images import images_of
from releasing.model_files import read_model
from releasing.promotion import Promotion
from stacks.config import Environment
from stacks.releases import PromotionNotes, Release, Released


class PromotedRegistry:
    """A registry whose aliases mean what a promotion says, whatever they mean by now.

    Parameters
    ----------
    mlflow
        The registry.
    promotion
        The promotion.
    """

    def __init__(self, mlflow: Registry, promotion: Promotion) -> None:
        self._mlflow = mlflow
        self._endpoint = promotion.endpoint
        self._versions = {(it.name, it.alias): it.version for it in promotion.models.values()}

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """The version that an alias was moved to."""
        if (name, alias) not in self._versions:
            raise OperationError(
                f"The promotion of '{self._endpoint}' says nothing of models:/{name}@{alias}.",
                "The environment's file is newer than the promotion: wait for the next look at the"
                " aliases (release.reconcile), which asks for all of them.",
            )
        return ModelVersion(name, str(self._versions[name, alias]), 0)

    def get_model_version_download_uri(self, name: str, version: str) -> str:
        """Where the files of a version are."""
        return self._mlflow.get_model_version_download_uri(name, version)


def resolve(
    environment: Environment,
    promotion: Promotion,
    images: dict[str, str],
    mlflow: Registry,
    s3: Any,
    former: Release | None,
) -> Release:
    """What an endpoint serves if a promotion is carried out.

    Parameters
    ----------
    environment
        The environment.
    promotion
        What was asked for.
    images
        The digest of each image that was pushed.
    mlflow
        The registry.
    s3
        A client of S3.
    former
        What serves now.

    Raises
    ------
    OperationError
        Where what was asked for is not there, or not what it was.
    """
    if promotion.record:
        bucket = environment.naming.artifact_bucket(environment.account)
        resolved = Release(
            {name: _checked(it, s3, bucket) for name, it in promotion.record.items()}
        )
    else:
        registry = PromotedRegistry(mlflow, promotion)
        resolved = resolve_release(environment, promotion.endpoint, images, registry, s3)
    parts = environment.endpoints[promotion.endpoint].parts
    if set(parts) != set(resolved.containers):
        raise OperationError(
            f"The record that is asked for has the containers {', '.join(resolved.containers)},"
            f" and the endpoint '{promotion.endpoint}' has {', '.join(parts)}.",
            "Ask for a version that was released since the endpoint has these containers.",
        )
    addresses = images_of(environment, parts, resolved)
    known = former.containers if former else {}
    return Release(
        {
            name: _noted(it, promotion, s3, known.get(name), addresses.get(name))
            for name, it in resolved.containers.items()
        }
    )


def _checked(released: Released, s3: Any, bucket: str) -> Released:
    """What is asked for, if its files are here, and still those of its digest."""
    if released.source:
        if not released.source.startswith(f"s3://{bucket}/"):
            raise OperationError(
                f"{released.source} is not in this environment's bucket, {bucket}.",
                "Bring it here first: make promote.",
            )
        read = prefix_digest if released.source.endswith("/") else object_digest
        digest = read(s3, bucket, released.key)
        if digest != released.digest:
            raise OperationError(
                f"The files at {released.source} have the digest {digest}, and had"
                f" {released.digest} when they served.",
                "They were changed since: promote a version of a new training.",
            )
    return released


def _noted(
    released: Released,
    promotion: Promotion,
    s3: Any,
    former: Released | None,
    image: str | None,
) -> Released:
    """A container with what is known of its model. Who promoted it stays known of the others."""
    if not released.source:
        return released.model_copy(update={"promotion": None})
    kept = (
        former
        and former.promotion
        and (former.source, former.image)
        == (
            released.source,
            released.image,
        )
    )
    who = former.promotion if kept and former else None
    return released.model_copy(
        update={
            "promotion": PromotionNotes(
                promoted_by=who.promoted_by if who else promotion.promoted_by,
                reason=who.reason if who else promotion.reason,
                signature=read_model(s3, released).signature,
                environment_image=image,
            )
        }
    )
