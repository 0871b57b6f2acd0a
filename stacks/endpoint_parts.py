"""From the configuration of an endpoint and its release to what its construct takes."""

from collections.abc import Iterator, Mapping

from aws_cdk import aws_ecr as ecr

from mlops_constructs.async_plan import AsyncPlan
from mlops_constructs.aws_images import AwsImage
from mlops_constructs.component_endpoint import Component
from mlops_constructs.endpoint_variants import Variant
from mlops_constructs.model_container import ModelContainer, ModelFiles, OwnImage
from mlops_constructs.monitoring_job import DataQuality, ModelQuality
from stacks.capacity_config import AsyncSettings, FleetSettings, ServerlessSettings
from stacks.container_config import AWS, Container, model_name
from stacks.endpoint_config import Endpoint, VariantSettings
from stacks.endpoint_containers import aws_image, spark_schema
from stacks.observation_config import MonitoringSettings
from stacks.releases import Release, Released

BASELINE = "baseline/"
"""The folder of a model with what its training was like: `operations.baseline` writes it."""


def unreleased(settings: Endpoint, release: Release) -> list[str]:
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


def _fits(part: Container, released: Released) -> bool:
    own = not part.image.startswith(AWS)
    if own != bool(released.image) or bool(part.model) != bool(released.source):
        return False
    if part.model and part.model.startswith("s3://"):
        return part.model == released.source
    if part.model:
        return model_name(part.model) == released.model
    return True


def variants(
    settings: Endpoint, release: Release, repositories: Mapping[str, ecr.IRepository]
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
    capacity = settings.serverless or ServerlessSettings()
    serverless = capacity.plan if settings.kind == "serverless" else None
    for name, served in settings.serving.items():
        parts = served.named_parts(name if settings.variants else "")
        one = served if isinstance(served, VariantSettings) else VariantSettings()
        yield Variant(
            containers(parts, release, repositories),
            name=name,
            invocation=served.invocation,
            instance_type=served.instance,
            instance_count=served.instances,
            weight=one.weight,
            shadow=one.shadow,
            serverless=serverless,
        )


def containers(
    parts: Mapping[str, Container],
    release: Release,
    repositories: Mapping[str, ecr.IRepository],
) -> list[ModelContainer]:
    """The containers of one model.

    Parameters
    ----------
    parts
        The containers, by their names in a release.
    release
        What was released for the endpoint.
    repositories
        The repository of each image of ours.
    """
    return [
        container(part, release.containers[key], repositories, named=len(parts) > 1)
        for key, part in parts.items()
    ]


def components(
    settings: FleetSettings, release: Release, repositories: Mapping[str, ecr.IRepository]
) -> dict[str, Component]:
    """The models of an endpoint that share a fleet.

    Parameters
    ----------
    settings
        The models.
    release
        What was released for the endpoint.
    repositories
        The repository of each image of ours.
    """
    return {
        name: Component(
            container(it.part(name), release.containers[name], repositories, named=False), it.share
        )
        for name, it in settings.models.items()
    }


def container(
    part: Container,
    released: Released,
    repositories: Mapping[str, ecr.IRepository],
    *,
    named: bool,
) -> ModelContainer:
    """A container of a model, as it was released.

    Parameters
    ----------
    part
        The container.
    released
        What was released for it.
    repositories
        The repository of each image of ours.
    named
        Whether it is one of several, which are told apart by name.
    """
    return ModelContainer(
        image=image(part.image, released, repositories),
        files=_files(released),
        name=part.name if named else "",
        environment=part.environment,
        spark_schema=spark_schema(part.spark_schema),
    )


def qualities(settings: Endpoint, release: Release) -> dict[str, DataQuality | ModelQuality]:
    """What is monitored of an endpoint, by the title of its graph.

    The baseline stands in the folder of a model that was released.

    Parameters
    ----------
    settings
        The endpoint.
    release
        What was released for it.
    """
    monitoring = settings.monitoring or MonitoringSettings()
    found = {"Data quality": monitoring.data_quality, "Model quality": monitoring.model_quality}
    first = next(iter(settings.parts))
    return {
        title: it.plan(f"{release.containers[it.baseline or first].key}{BASELINE}")
        for title, it in found.items()
        if it
    }


def queue(settings: Endpoint) -> AsyncPlan | None:
    """How much an asynchronous endpoint does at once; nothing of the others."""
    if settings.kind != "async":
        return None
    return (settings.queue or AsyncSettings()).plan


def image(
    name: str, released: Released, repositories: Mapping[str, ecr.IRepository]
) -> OwnImage | AwsImage:
    """An image of ours by its digest, or one of AWS."""
    return aws_image(name) or OwnImage(repositories[name], released.image or "")


def _files(released: Released) -> ModelFiles | None:
    return ModelFiles(released.key, released.digest or "") if released.source else None
