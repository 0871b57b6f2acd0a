"""Rules that span fields of the endpoints' configuration."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

from mlops_constructs.async_plan import AsyncPlan
from mlops_constructs.component_plan import Fleet, Share
from mlops_constructs.container_settings import ARCHIVE, ContainerSettings, container_faults
from mlops_constructs.deployment import Deployment, alarm_faults
from mlops_constructs.faults import Fault
from mlops_constructs.naming import Naming
from mlops_constructs.scaling_plan import Scaling, Scheduled
from mlops_constructs.serverless_capacity import Serverless
from mlops_constructs.serving_exclusions import MOST_VARIANTS, Shape, exclusion_faults
from stacks.endpoint_config import (
    AWS,
    BatchSettings,
    CaptureSettings,
    Container,
    DataQualitySettings,
    ModelQualitySettings,
    QualitySettings,
    Served,
    SparkSchema,
)
from stacks.endpoint_containers import aws_image, container_settings
from stacks.fields import Section
from stacks.validation import Check, Parts

SHORT = ("image", "model", "environment", "spark_schema")
"""The keys of the short form, which the long form has in each of its containers."""

REALTIME = "realtime"
COMPONENTS = "components"
ALARMS_OF_A_COMPONENT = 3
BATCH = "batch"
SECTIONS = ("serverless", "async", COMPONENTS, BATCH)
"""The sections that are for a kind of their name."""

ANSWERING = (
    "instances",
    "invocation",
    "variants",
    "deployment",
    "limits",
    "scaling",
    "capture",
    "monitoring",
)
"""What an endpoint has, and a batch has not."""

LEAST_INSTANCES = 2
"""Instances over two zones: with one, the endpoint is down while it is replaced."""

INSTANCES = "endpoints.instances"
SERVERLESS = "endpoints.serverless"
UNSAFE_ENDPOINTS = (INSTANCES, SERVERLESS)
"""What endpoints may do only with a reason, one for all of an environment."""

SomeSection = TypeVar("SomeSection", bound=Section)
QUALITIES: Mapping[str, type[DataQualitySettings | ModelQualitySettings]] = {
    "data_quality": DataQualitySettings,
    "model_quality": ModelQualitySettings,
}
"""The kinds of monitoring."""

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


def unsafe_endpoints(parts: Parts) -> dict[str, str]:
    """What some endpoint does that needs a reason, and which."""
    few = [
        f"{each}.{key}: {found[key]}"
        for path, settings in endpoints(parts)
        if settings.get("kind", REALTIME) in (REALTIME, COMPONENTS)
        for each, found in {path: settings, **dict(_answering(parts, path, settings))}.items()
        for key in ("instances", "scaling.min", "components.min_instances")
        if found.get(key, LEAST_INSTANCES) < LEAST_INSTANCES
    ]
    outside = [
        f"{path}.kind: serverless: containers outside of the VPC"
        for path, settings in endpoints(parts)
        if settings.get("kind") == "serverless"
    ]
    found = {INSTANCES: few, SERVERLESS: outside}
    return {key: ", ".join(several) for key, several in found.items() if several}


def _schema(settings: Settings) -> SparkSchema | None:
    """The schema of the short form, of which parts may be missing."""
    columns, name = settings.get("spark_schema.input"), settings.get("spark_schema.output.name")
    kind, struct = (settings.get(f"spark_schema.output.{key}") for key in ("type", "struct"))
    if not columns or None in columns or not name or not kind or not struct:
        return None
    output = {"name": name, "type": kind, "struct": struct}
    return SparkSchema.model_validate({"input": columns, "output": output})


def _variant_faults(parts: Parts) -> Iterator[Fault]:
    for path, settings in endpoints(parts):
        variants = settings.get("variants", {})
        if any("weight" not in it or "shadow" not in it for it in variants.values()):
            continue
        answering = [it for it in variants.values() if not it["shadow"]]
        if variants and not 1 <= len(answering) <= MOST_VARIANTS:
            yield Fault(
                f"{path}.variants",
                f"{len(answering)} that answer",
                f"1 to {MOST_VARIANTS}",
                "Serve from several endpoints, or have one variant answer.",
            )
        elif variants and not any(it["weight"] for it in answering):
            yield Fault(
                f"{path}.variants", "weights of 0 alone", "one above 0", "Give one a weight."
            )


def _answering(parts: Parts, path: str, settings: Settings) -> list[tuple[str, Settings]]:
    """What of an endpoint answers: all that serves but shadows."""
    return [
        (each, it) for each, it in serving(parts, path, settings) if not it.get("shadow", False)
    ]


def _deployment_faults(parts: Parts) -> Iterator[Fault]:
    for path, settings in endpoints(parts):
        known, instances = _instances(parts, path, settings)
        match settings:
            case {
                "deployment.strategy": strategy,
                "deployment.step": step,
                "deployment.bake": bake,
                "deployment.keep": keep,
            } if known:
                if settings["kind"] == COMPONENTS:
                    strategy = "rolling"
                plan = Deployment(strategy, step, bake, keep)
                yield from plan.faults(f"{path}.deployment", instances)
        alarms = settings.get("deployment.alarms", [])
        own = len(_answering(parts, path, settings))
        if settings.get("kind") == COMPONENTS:
            own = ALARMS_OF_A_COMPONENT
        yield from alarm_faults(f"{path}.deployment.alarms", own, len(alarms))
        where = parts.get("region"), parts.get("account")
        for number, arn in enumerate(alarms):
            if arn and None not in where and tuple(arn.split(":")[3:5]) != where:
                yield Fault(
                    f"{path}.deployment.alarms.{number}",
                    f"'{arn}'",
                    f"an alarm of the account {where[1]} in {where[0]}",
                    "Make it there: SageMaker looks at its own account and region alone.",
                )


def _instances(parts: Parts, path: str, settings: Settings) -> tuple[bool, int | None]:
    """Whether it is known how many instances the smallest variant has, and how many."""
    counts = [it.get("instances") for _, it in serving(parts, path, settings)]
    if settings.get("kind") in ("serverless", COMPONENTS, BATCH):
        return True, None
    known = bool(counts) and None not in counts and "kind" in settings
    return known, min(filter(None, counts), default=None)


def _kind_faults(parts: Parts) -> Iterator[Fault]:
    """The section of the kind, and of no other; and what instances a kind has."""
    for path, settings in endpoints(parts):
        kind = settings.get("kind")
        for section in SECTIONS:
            if kind and kind != section and f"{path}.{section}" in parts.written:
                yield Fault(
                    f"{path}.{section}",
                    f"a section of kind '{section}', with kind '{kind}'",
                    f"kind: {section}, or none of it",
                    "Remove it, or choose that kind.",
                )
        if kind == COMPONENTS and f"{path}.components" not in parts.written:
            yield Fault(
                f"{path}.components",
                "nothing, with kind 'components'",
                "the models that share the fleet",
                "Add 'components:' with its 'models:'.",
            )
        if kind == "serverless":
            for key in ("instance", "instances"):
                if f"{path}.{key}" in parts.written:
                    yield Fault(
                        f"{path}.{key}",
                        f"'{key}' of a serverless endpoint",
                        "'serverless', which has 'memory' and 'concurrency'",
                        "Remove it: AWS provides the capacity.",
                    )
        match settings:
            case {
                "kind": "serverless",
                "serverless.memory": memory,
                "serverless.concurrency": concurrency,
                "serverless.provisioned": provisioned,
            }:
                capacity = Serverless(memory, concurrency, provisioned)
                yield from capacity.faults(f"{path}.serverless")
            case {"kind": "async", "async.min_instances": least, "async.max_instances": most}:
                plan = AsyncPlan(least=least, most=most)
                yield from plan.faults(f"{path}.async", settings.get("instances"))
            case {
                "kind": "components",
                "components.min_instances": least,
                "components.max_instances": most,
            }:
                yield from Fleet(least=least, most=most).faults(f"{path}.components")
        for name, model in (settings.get("components.models") or {}).items():
            match model:
                case {
                    "memory": memory,
                    "cpus": cpus,
                    "accelerators": accelerators,
                    "min_copies": least,
                    "max_copies": most,
                    "invocations": invocations,
                }:
                    share = Share(memory, cpus, accelerators, least, most, invocations or 0)
                    yield from share.faults(f"{path}.components.models.{name}")


def _scaling_faults(parts: Parts) -> Iterator[Fault]:
    for path, settings in endpoints(parts):
        plan = _plan(settings)
        if plan and settings.get("kind", REALTIME) == REALTIME:
            for _, it in _answering(parts, path, settings):
                yield from plan.faults(f"{path}.scaling", it.get("instances"))


def _plan(settings: Settings) -> Scaling | None:
    """The bounds of an endpoint and what it is scaled by, where all of that is valid."""
    match settings:
        case {
            "scaling.min": least,
            "scaling.max": most,
            "scaling.invocations": invocations,
            "scaling.concurrency": concurrency,
            "scaling.schedule": [*schedule],
        } if None not in schedule:
            entries = [Scheduled(it.at, it.min, it.max, it.timezone) for it in schedule]
            return Scaling(least, most, invocations or 0, concurrency, schedule=entries)
    return None


def _excluded(parts: Parts) -> Iterator[Fault]:
    for path, settings in endpoints(parts):
        if shape := _shape(path, settings, parts):
            yield from exclusion_faults(path, shape)


def _shape(path: str, settings: Settings, parts: Parts) -> Shape | None:
    """What an endpoint is to be, where enough of it is valid to tell."""
    all_of_it = list(serving(parts, path, settings))
    known, instances = _instances(parts, path, settings)
    if not known or not all_of_it or "deployment.strategy" not in settings:
        return None
    plan = Deployment(settings["deployment.strategy"])
    containers = [[it for _, it in served(each, found, parts)] for each, found in all_of_it]
    models = [it.model for several in containers for it in several if it.model]
    answering = len(_answering(parts, path, settings))
    return Shape(
        kind=settings["kind"],
        strategy=plan.strategy
        or ("rolling" if settings["kind"] == COMPONENTS else plan.chosen(instances)),
        variants=1 if settings["kind"] == COMPONENTS else answering,
        shadows=len(all_of_it) - answering,
        instance_types=[it["instance"] for _, it in all_of_it if "instance" in it],
        containers=max(map(len, containers)),
        unpacked=any(not model.endswith(ARCHIVE) for model in models),
        scaled=f"{path}.scaling" in parts.written,
        captured=f"{path}.capture" in parts.written,
    )


def _batch_faults(parts: Parts) -> Iterator[Fault]:
    for path, settings in endpoints(parts):
        if settings.get("kind") != BATCH:
            continue
        if f"{path}.batch" not in parts.written:
            yield Fault(
                f"{path}.batch",
                "nothing, with kind 'batch'",
                "what is read and where answers are written",
                "Add 'batch:' with its 'input:' and 'output:'.",
            )
        for key in ANSWERING:
            if f"{path}.{key}" in parts.written:
                yield Fault(
                    f"{path}.{key}",
                    f"'{key}' of a batch",
                    "'batch', which has what a job is told",
                    "Remove it: a batch has no endpoint.",
                )
        batch = _section(BatchSettings, settings, BATCH)
        if batch and "instance" in settings:
            faults = batch.job(settings["instance"]).faults()
            yield from (replace(fault, path=f"{path}.{fault.path}") for fault in faults)


def _monitoring_faults(parts: Parts) -> Iterator[Fault]:
    for path, settings in endpoints(parts):
        if f"{path}.monitoring" not in parts.written:
            continue
        for key, of_one in (("variants", ""), ("invocation", "serial")):
            if f"{path}.{key}" in parts.written and settings.get(key) != of_one:
                yield Fault(
                    f"{path}.monitoring",
                    f"with '{key}'",
                    "an endpoint of one model, or of a pipeline as a whole",
                    "Remove it: SageMaker monitors no others."
                    " https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor.html",
                )
        if f"{path}.capture" not in parts.written:
            yield Fault(
                f"{path}.monitoring",
                "without 'capture'",
                "an endpoint whose traffic is kept",
                "Add 'capture:', or remove it.",
            )
        capture = _section(CaptureSettings, settings, "capture") or CaptureSettings()
        for name, kind in QUALITIES.items():
            quality = _section(kind, settings, f"monitoring.{name}")
            if not quality or "kind" not in settings:
                continue
            below = f"{path}.monitoring.{name}"
            yield from _baseline_faults(f"{below}.baseline", path, settings, parts, quality)
            for fault in quality.plan("baseline/").faults(capture.plan, settings["kind"]):
                key = fault.path.removeprefix("monitoring").removeprefix(f".{name}")
                yield replace(fault, path=f"{below}{key}")


def _baseline_faults(
    below: str, path: str, settings: Settings, parts: Parts, quality: QualitySettings
) -> Iterator[Fault]:
    """The baseline stands in the folder of a model of the endpoint."""
    known = [it for _, it in served(path, settings, parts)]
    if quality.baseline:
        known = [it for it in known if it.name == quality.baseline]
    model = (known[0].model or "") if known else ""
    if not model or model.endswith(ARCHIVE):
        yield Fault(
            below,
            f"'{quality.baseline or 'the first container'}', with {model or 'no model'}",
            "a container whose model is a folder",
            "Name one that has a folder 'baseline'.",
        )


def _section(kind: type[SomeSection], settings: Settings, path: str) -> SomeSection | None:
    """A section of an endpoint that is valid as a whole."""
    values = {key: settings.get(f"{path}.{key}") for key in kind.model_fields}
    if any(f"{path}.{key}" not in settings for key in values):
        return None
    return cast("SomeSection", kind.model_construct(**values))


ENDPOINT_CHECKS: tuple[Check, ...] = (
    _form_faults,
    _container_faults,
    _image_faults,
    _place_faults,
    _kind_faults,
    _batch_faults,
    _variant_faults,
    _deployment_faults,
    _scaling_faults,
    _monitoring_faults,
    _excluded,
)
