"""Rules of the endpoints' kinds, variants, updates and scaling."""

from collections.abc import Iterator

from mlops_constructs.async_plan import AsyncPlan
from mlops_constructs.component_plan import Fleet, Share
from mlops_constructs.container_settings import ARCHIVE
from mlops_constructs.deployment import Deployment, alarm_faults
from mlops_constructs.faults import Fault
from mlops_constructs.scaling_plan import Scaling, Scheduled
from mlops_constructs.serverless_capacity import Serverless
from mlops_constructs.serving_exclusions import MOST_VARIANTS, Shape, exclusion_faults
from stacks.endpoint_views import Settings, answering, endpoints, served, serving
from stacks.validation import Check, Parts

REALTIME = "realtime"
COMPONENTS = "components"
ALARMS_OF_A_COMPONENT = 3
BATCH = "batch"
SECTIONS = ("serverless", "async", COMPONENTS, BATCH)
"""The sections that are for a kind of their name."""

LEAST_INSTANCES = 2
"""Instances over two zones: with one, the endpoint is down while it is replaced."""

INSTANCES = "endpoints.instances"
SERVERLESS = "endpoints.serverless"
UNSAFE_ENDPOINTS = (INSTANCES, SERVERLESS)
"""What endpoints may do only with a reason, one for all of an environment."""


def unsafe_endpoints(parts: Parts) -> dict[str, str]:
    """What some endpoint does that needs a reason, and which."""
    few = [
        f"{each}.{key}: {found[key]}"
        for path, settings in endpoints(parts)
        if settings.get("kind", REALTIME) in (REALTIME, COMPONENTS)
        for each, found in {path: settings, **dict(answering(parts, path, settings))}.items()
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


def _variant_faults(parts: Parts) -> Iterator[Fault]:
    for path, settings in endpoints(parts):
        variants = settings.get("variants", {})
        if any("weight" not in it or "shadow" not in it for it in variants.values()):
            continue
        live = [it for it in variants.values() if not it["shadow"]]
        if variants and not 1 <= len(live) <= MOST_VARIANTS:
            yield Fault(
                f"{path}.variants",
                f"{len(live)} that answer",
                f"1 to {MOST_VARIANTS}",
                "Serve from several endpoints, or have one variant answer.",
            )
        elif variants and not any(it["weight"] for it in live):
            yield Fault(
                f"{path}.variants", "weights of 0 alone", "one above 0", "Give one a weight."
            )


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
        own = len(answering(parts, path, settings))
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


def _scaling_faults(parts: Parts) -> Iterator[Fault]:
    for path, settings in endpoints(parts):
        plan = _plan(settings)
        if plan and settings.get("kind", REALTIME) == REALTIME:
            for _, it in answering(parts, path, settings):
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
    live = len(answering(parts, path, settings))
    return Shape(
        kind=settings["kind"],
        strategy=plan.strategy
        or ("rolling" if settings["kind"] == COMPONENTS else plan.chosen(instances)),
        variants=1 if settings["kind"] == COMPONENTS else live,
        shadows=len(all_of_it) - live,
        instance_types=[it["instance"] for _, it in all_of_it if "instance" in it],
        containers=max(map(len, containers)),
        unpacked=any(not model.endswith(ARCHIVE) for model in models),
        scaled=f"{path}.scaling" in parts.written,
        captured=f"{path}.capture" in parts.written,
    )


def _component_faults(parts: Parts) -> Iterator[Fault]:
    """Models of two fleets whose components would have one name: 'a' of 'b-c', and 'a-b' of 'c'."""
    first: dict[str, str] = {}
    for path, settings in endpoints(parts):
        for model in settings.get("components.models") or {}:
            place = f"{path}.components.models.{model}"
            name = f"{path.removeprefix('endpoints.')}-{model}"
            if name in first:
                yield Fault(
                    place,
                    f"the inference component '{name}', as {first[name]} is",
                    "components of different names",
                    "Rename one of the two models.",
                )
            first.setdefault(name, place)


SERVING_CHECKS: tuple[Check, ...] = (
    _kind_faults,
    _component_faults,
    _variant_faults,
    _deployment_faults,
    _scaling_faults,
    _excluded,
)
