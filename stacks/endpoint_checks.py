"""Rules that span fields of the endpoints' configuration."""

from collections.abc import Iterator, Mapping
from typing import Any

from mlops_constructs.container_settings import ContainerSettings, container_faults
from mlops_constructs.faults import Fault
from mlops_constructs.naming import Naming
from stacks.endpoint_config import AWS, Container, SparkSchema
from stacks.endpoint_containers import aws_image, container_settings
from stacks.validation import Check, Parts

SHORT = ("image", "model", "environment", "spark_schema")
"""The keys of the short form, which the long form has in each of its containers."""

Settings = Mapping[str, Any]
"""What of an endpoint is valid by itself, by dotted path."""


def endpoints(parts: Parts) -> Iterator[tuple[str, Settings]]:
    """Each endpoint's path, and what of it is valid by itself."""
    for name, settings in parts.get("endpoints", {}).items():
        yield f"endpoints.{name}", settings


def served(path: str, settings: Settings, parts: Parts) -> Iterator[tuple[str, Container]]:
    """Each container of something that serves that is valid by itself, by its path.

    Parameters
    ----------
    path
        Path of what serves.
    settings
        What of it is valid.
    parts
        What of the document is valid: what was written of it says which form is meant.
    """
    if f"{path}.containers" in parts.written:
        for number, container in enumerate(settings.get("containers", [])):
            if container is not None:
                yield f"{path}.containers.{number}", container
    elif image := settings.get("image"):
        yield (
            path,
            Container.model_construct(
                name="",
                image=image,
                model=settings.get("model"),
                environment=settings.get("environment", {}),
                spark_schema=_schema(settings),
            ),
        )


def all_served(parts: Parts) -> Iterator[tuple[str, str, Container]]:
    """Each container of every endpoint: its path, the instance type it runs on, and itself."""
    for path, settings in endpoints(parts):
        for each, container in served(path, settings, parts):
            yield each, settings.get("instance", ""), container


def _form_faults(parts: Parts) -> Iterator[Fault]:
    """One form or the other: a container of its own keys, or a list of containers."""
    for path, _ in endpoints(parts):
        written = [key for key in SHORT if f"{path}.{key}" in parts.written]
        if f"{path}.containers" in parts.written:
            for key in written:
                yield Fault(
                    f"{path}.{key}",
                    f"'{key}' beside 'containers'",
                    "one of the two forms",
                    "Move it to the container that it is for.",
                )
        else:
            for key in ("image", "model"):
                if key not in written:
                    yield Fault(
                        f"{path}.{key}",
                        "nothing",
                        "a value: the key is required",
                        f"Add '{key}:', or a list of 'containers:'.",
                    )


def _container_faults(parts: Parts) -> Iterator[Fault]:
    for path, settings in endpoints(parts):
        containers: dict[str, ContainerSettings] = {
            each: container_settings(container) for each, container in served(path, settings, parts)
        }
        listed = settings.get("containers", [])
        complete = len(containers) == max(1, len(listed)) and None not in listed
        if f"{path}.containers" in parts.written and not listed:
            yield Fault(f"{path}.containers", "none", "1 to 15 containers", "List at least one.")
        elif complete and "invocation" in settings:
            whole = f"{path}.containers" if listed else path
            yield from container_faults(whole, containers, settings["invocation"])


def _image_faults(parts: Parts) -> Iterator[Fault]:
    """Images of AWS that there are in the region. Those of ours are checked with all others."""
    for path, instance, container in all_served(parts):
        found = aws_image(container.image)
        if found and "region" in parts:
            yield from found.faults(f"{path}.image", parts["region"], instance)


def _place_faults(parts: Parts) -> Iterator[Fault]:
    """Files of models are in the environment's own bucket: nothing else may be read."""
    match parts:
        case {"platform": platform, "name": name, "account": account}:
            bucket = Naming(platform, name).artifact_bucket(account)
            for path, _, container in all_served(parts):
                model = container.model or ""
                if model.startswith("s3://") and not model.startswith(f"s3://{bucket}/"):
                    yield Fault(
                        f"{path}.model",
                        f"'{model}'",
                        f"a place in s3://{bucket}/",
                        "Copy the files there: models are read from that bucket alone.",
                    )


def own_images(parts: Parts) -> Iterator[tuple[str, str]]:
    """Each use of an image of ours: its path, and the image."""
    for path, _, container in all_served(parts):
        if not container.image.startswith(AWS):
            yield f"{path}.image", container.image


def _schema(settings: Settings) -> SparkSchema | None:
    """The schema of the short form, of which parts may be missing."""
    columns, name = settings.get("spark_schema.input"), settings.get("spark_schema.output.name")
    kind, struct = (settings.get(f"spark_schema.output.{key}") for key in ("type", "struct"))
    if not columns or None in columns or not name or not kind or not struct:
        return None
    output = {"name": name, "type": kind, "struct": struct}
    return SparkSchema.model_validate({"input": columns, "output": output})


ENDPOINT_CHECKS: tuple[Check, ...] = (
    _form_faults,
    _container_faults,
    _image_faults,
    _place_faults,
)
