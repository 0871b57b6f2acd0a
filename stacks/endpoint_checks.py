"""Rules of what the endpoints serve: containers, images, places of models."""

from collections.abc import Iterator

from mlops_constructs.container_settings import ContainerSettings, container_faults
from mlops_constructs.faults import Fault
from mlops_constructs.naming import Naming
from stacks.container_config import AWS, Served
from stacks.endpoint_containers import aws_image, container_settings
from stacks.endpoint_views import all_served, all_serving, endpoints, served
from stacks.observation_checks import OBSERVATION_CHECKS
from stacks.serving_checks import SERVING_CHECKS
from stacks.validation import Check, Parts

SHORT = ("image", "model", "environment", "spark_schema")
"""The keys of the short form, which the long form has in each of its containers."""


def _form_faults(parts: Parts) -> Iterator[Fault]:
    """One form or the other: a container of its own keys, or a list of containers."""
    for path, settings in endpoints(parts):
        for section, own in (("variants", ()), ("components", ("instance",))):
            for key in Served.model_fields if f"{path}.{section}" in parts.written else ():
                if f"{path}.{key}" in parts.written and key not in own:
                    yield Fault(
                        f"{path}.{key}",
                        f"'{key}' beside '{section}'",
                        f"the key in each of the {section}",
                        "Move it to those that it is for, or remove it.",
                    )
        if f"{path}.variants" in parts.written and not settings.get("variants", True):
            yield Fault(f"{path}.variants", "none", "1 to 10 variants", "List them, or remove it.")
    for path, settings in all_serving(parts):
        if "min_copies" in settings:
            continue
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
    for path, settings in all_serving(parts):
        containers: dict[str, ContainerSettings] = {
            each: container_settings(container) for each, container in served(path, settings, parts)
        }
        listed = settings.get("containers", [])
        complete = len(containers) == max(1, len(listed)) and None not in listed
        if f"{path}.containers" in parts.written and not listed:
            yield Fault(f"{path}.containers", "none", "1 to 15 containers", "List at least one.")
        elif complete:
            whole = f"{path}.containers" if listed else path
            yield from container_faults(whole, containers, settings.get("invocation", "serial"))


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


ENDPOINT_CHECKS: tuple[Check, ...] = (
    _form_faults,
    _container_faults,
    _image_faults,
    _place_faults,
    *SERVING_CHECKS,
    *OBSERVATION_CHECKS,
)
