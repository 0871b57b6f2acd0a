"""The parts of the endpoints' configuration that are valid by themselves, as rules look at them."""

from collections.abc import Iterator, Mapping
from typing import Any

from stacks.container_config import Container, SparkSchema
from stacks.validation import Parts

Settings = Mapping[str, Any]
"""What of an endpoint is valid by itself, by dotted path."""


def endpoints(parts: Parts) -> Iterator[tuple[str, Settings]]:
    """Each endpoint's path, and what of it is valid by itself."""
    for name, settings in parts.get("endpoints", {}).items():
        yield f"endpoints.{name}", settings


def serving(parts: Parts, path: str, settings: Settings) -> Iterator[tuple[str, Settings]]:
    """What serves of an endpoint, and its path: the endpoint itself, or each of its variants."""
    if f"{path}.variants" in parts.written:
        for name, variant in settings.get("variants", {}).items():
            yield f"{path}.variants.{name}", variant
    elif f"{path}.components" in parts.written:
        for name, model in (settings.get("components.models") or {}).items():
            yield f"{path}.components.models.{name}", model
    else:
        yield path, settings


def all_serving(parts: Parts) -> Iterator[tuple[str, Settings]]:
    """What serves of every endpoint, and its path."""
    for path, settings in endpoints(parts):
        yield from serving(parts, path, settings)


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
    for path, settings in all_serving(parts):
        for each, container in served(path, settings, parts):
            yield each, settings.get("instance", ""), container


def answering(parts: Parts, path: str, settings: Settings) -> list[tuple[str, Settings]]:
    """What of an endpoint answers: all that serves but shadows."""
    return [
        (each, it) for each, it in serving(parts, path, settings) if not it.get("shadow", False)
    ]


def _schema(settings: Settings) -> SparkSchema | None:
    """The schema of the short form, of which parts may be missing."""
    columns, name = settings.get("spark_schema.input"), settings.get("spark_schema.output.name")
    kind, struct = (settings.get(f"spark_schema.output.{key}") for key in ("type", "struct"))
    if not columns or None in columns or not name or not kind or not struct:
        return None
    output = {"name": name, "type": kind, "struct": struct}
    return SparkSchema.model_validate({"input": columns, "output": output})
