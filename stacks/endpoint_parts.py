"""From the configuration of an endpoint and its release to what its construct takes."""

from collections.abc import Iterator, Mapping

from aws_cdk import aws_ecr as ecr

from mlops_constructs.aws_images import AwsImage
from mlops_constructs.endpoint_variants import Variant
from mlops_constructs.model_container import ModelContainer, ModelFiles, OwnImage
from stacks import endpoint_config as config
from stacks.endpoint_containers import aws_image, spark_schema
from stacks.releases import Release, Released


def unreleased(settings: config.Endpoint, release: Release) -> list[str]:
    """The containers that a release does not know as they are now: it is older than they are.

    Parameters
    ----------
    settings
        The endpoint.
    release
        What was released for it.
    """
    return [
        name
        for name, part in settings.parts.items()
        if not _fits(part, release.containers.get(name, Released()))
    ]


def _fits(part: config.Container, released: Released) -> bool:
    own = not part.image.startswith(config.AWS)
    if own != bool(released.image) or bool(part.model) != bool(released.source):
        return False
    if part.model and part.model.startswith("s3://"):
        return part.model == released.source
    if part.model:
        return config.model_name(part.model) == released.model
    return True


def variants(
    settings: config.Endpoint, release: Release, repositories: Mapping[str, ecr.IRepository]
) -> Iterator[Variant]:
    """The variants of an endpoint.

    Parameters
    ----------
    settings
        The endpoint.
    release
        What was released for it.
    repositories
        The repository of each image of ours.
    """
    for name, served in settings.serving.items():
        parts = served.named_parts(name if settings.variants else "")
        one = served if isinstance(served, config.VariantSettings) else config.VariantSettings()
        yield Variant(
            [
                ModelContainer(
                    image=image(part.image, release.containers[key], repositories),
                    files=_files(release.containers[key]),
                    name=part.name if len(parts) > 1 else "",
                    environment=part.environment,
                    spark_schema=spark_schema(part.spark_schema),
                )
                for key, part in parts.items()
            ],
            name=name,
            invocation=served.invocation,
            instance_type=served.instance,
            instance_count=served.instances,
            weight=one.weight,
            shadow=one.shadow,
        )


def image(
    name: str, released: Released, repositories: Mapping[str, ecr.IRepository]
) -> OwnImage | AwsImage:
    """An image of ours by its digest, or one of AWS."""
    return aws_image(name) or OwnImage(repositories[name], released.image or "")


def _files(released: Released) -> ModelFiles | None:
    return ModelFiles(released.key, released.digest or "") if released.source else None
