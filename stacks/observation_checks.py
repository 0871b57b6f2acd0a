"""Rules of batches, and of what is monitored of an endpoint."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeVar, cast

from mlops_constructs.container_settings import ARCHIVE
from mlops_constructs.faults import Fault
from mlops_constructs.monitor_images import region_faults
from stacks.batch_config import BatchSettings
from stacks.endpoint_views import Settings, endpoints, served
from stacks.fields import Section
from stacks.observation_config import (
    CaptureSettings,
    DataQualitySettings,
    ModelQualitySettings,
    QualitySettings,
)
from stacks.serving_checks import BATCH
from stacks.validation import Check, Parts

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

SomeSection = TypeVar("SomeSection", bound=Section)
QUALITIES: Mapping[str, type[DataQualitySettings | ModelQualitySettings]] = {
    "data_quality": DataQualitySettings,
    "model_quality": ModelQualitySettings,
}
"""The kinds of monitoring."""


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
        if "region" in parts:
            yield from region_faults(f"{path}.monitoring", parts["region"])
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


OBSERVATION_CHECKS: tuple[Check, ...] = (_batch_faults, _monitoring_faults)
