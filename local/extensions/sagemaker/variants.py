"""What an endpoint is made of while it runs: configurations brought up, and their variants."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from local.extensions.sagemaker.fleet import Fleet
from local.extensions.sagemaker.serverless import Gate

Record = dict[str, Any]
T = TypeVar("T")


class Variant:
    """A variant that is brought up.

    Parameters
    ----------
    settings
        As the endpoint configuration has it.
    model
        Its model, as ``CreateModel`` took it.
    fleet
        Its instances.

    Attributes
    ----------
    weight : float
        Its part of the traffic, beside the others' weights.
    desired : int
        How many instances it is to have.
    """

    def __init__(self, settings: Mapping[str, Any], model: Mapping[str, Any], fleet: Fleet) -> None:
        self.settings = settings
        self.name = str(settings["VariantName"])
        self.model = model
        self.containers = containers_of(model)
        self.hostnames = hostnames(self.containers)
        self.direct = model.get("InferenceExecutionConfig", {}).get("Mode") == "Direct"
        self.fleet = fleet
        serverless = settings.get("ServerlessConfig")
        self.gate = Gate(serverless, fleet) if serverless else None
        self.weight = float(settings.get("InitialVariantWeight", 1.0))
        self.desired = initial_instances(settings)
        self.least_busy = (
            settings.get("RoutingConfig", {}).get("RoutingStrategy") == "LEAST_OUTSTANDING_REQUESTS"
        )

    def summary(self) -> Record:
        """The variant, as ``DescribeEndpoint`` describes it."""
        found: Record = {
            "VariantName": self.name,
            "DeployedImages": [{"SpecifiedImage": each["Image"]} for each in self.containers],
            "CurrentWeight": self.weight,
            "DesiredWeight": self.weight,
        }
        if "ServerlessConfig" in self.settings:
            found["CurrentServerlessConfig"] = self.settings["ServerlessConfig"]
        else:
            found["CurrentInstanceCount"] = self.fleet.count
            found["DesiredInstanceCount"] = self.desired
        return found


class Side:
    """An endpoint configuration that is brought up.

    Parameters
    ----------
    config
        Its record.
    variants
        Those that answer.
    shadows
        Those that are given copies of the requests, and whose answers nobody sees.
    """

    def __init__(
        self, config: Record, variants: Sequence[Variant], shadows: Sequence[Variant] = ()
    ) -> None:
        self.config = config
        self.name = str(config["EndpointConfigName"])
        self.variants = tuple(variants)
        self.shadows = tuple(shadows)

    @property
    def all(self) -> Sequence[Variant]:
        """Every variant, shadows too."""
        return (*self.variants, *self.shadows)

    @property
    def desired(self) -> int:
        """How many instances it is to have."""
        return sum(variant.desired for variant in self.all)

    def variant(self, name: str) -> Variant | None:
        """The variant of that name, if it has one."""
        return next((variant for variant in self.variants if variant.name == name), None)

    def resize(self, share: float) -> None:
        """Have that part of the instances.

        Raises
        ------
        StartError
            Where one does not start.
        """
        for variant in self.all:
            variant.fleet.resize(part(variant.desired, share))

    def stop(self) -> None:
        """Stop all instances, for good."""
        for variant in self.all:
            variant.fleet.stop()


class Endpoint:
    """An endpoint while it exists.

    Parameters
    ----------
    record
        What ``CreateEndpoint`` took, and what has become of it.
    scope
        Its account and region.

    Attributes
    ----------
    routes : tuple of (float, Side)
        The sides that have traffic, each with its share; one but while a deployment runs.
    pending : dict or None
        What a deployment does now.
    """

    def __init__(self, record: Record, scope: tuple[str, str]) -> None:
        self.record = record
        self.name = str(record["EndpointName"])
        self.scope = scope
        self.routes: tuple[tuple[float, Side], ...] = ()
        self.pending: Record | None = None

    @property
    def side(self) -> Side | None:
        """What it is deployed as; nothing where it never was."""
        return self.routes[0][1] if self.routes else None

    def describe(self) -> Record:
        """The endpoint, as ``DescribeEndpoint`` describes it."""
        found = dict(self.record)
        side = self.side
        if side:
            found["ProductionVariants"] = [variant.summary() for variant in side.variants]
            if side.shadows:
                found["ShadowProductionVariants"] = [each.summary() for each in side.shadows]
            for name in ("DataCaptureConfig", "AsyncInferenceConfig"):
                if name in side.config:
                    found[name] = dict(side.config[name])
        if side and "DataCaptureConfig" in side.config:
            capture = found["DataCaptureConfig"]
            enabled = capture.get("EnableCapture", True)
            found["DataCaptureConfig"] = {
                "EnableCapture": enabled,
                "CaptureStatus": "Started" if enabled else "Stopped",
                "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
                "DestinationS3Uri": capture["DestinationS3Uri"],
                "KmsKeyId": capture.get("KmsKeyId", ""),
            }
        if self.pending:
            found["PendingDeploymentSummary"] = self.pending
        return found


def pending(side: Side, share: float, stage: str, message: str) -> Record:
    """A deployment, as ``DescribeEndpoint`` sums it up.

    Parameters
    ----------
    side
        What is being deployed.
    share
        Its part of the traffic.
    stage
        Where its variants are, such as ``Baking``.
    message
        The same, in a sentence.
    """
    status = {"Status": stage, "StatusMessage": message, "StartTime": time.time()}

    def described(variant: Variant) -> Record:
        weight = {"CurrentWeight": variant.weight * share}
        return {**variant.summary(), **weight, "VariantStatus": [status]}

    found: Record = {
        "EndpointConfigName": side.name,
        "ProductionVariants": [described(variant) for variant in side.variants],
        "StartTime": time.time(),
    }
    if side.shadows:
        found["ShadowProductionVariants"] = [described(variant) for variant in side.shadows]
    return found


def choose(weighted: Sequence[tuple[float, T]], point: float) -> T | None:
    """What a point of the line of all weights falls on.

    Parameters
    ----------
    weighted
        Each choice with its weight.
    point
        From 0 up to 1, and not 1.

    Returns
    -------
    object or None
        Nothing where all weights are 0.
    """
    rest = point * sum(weight for weight, _ in weighted)
    last: T | None = None
    for weight, choice in weighted:
        if weight > 0:
            last = choice
            if rest < weight:
                return choice
            rest -= weight
    return last


def part(count: int, share: float) -> int:
    """How many instances a share of them is: never none of some, never some of none."""
    if share <= 0 or not count:
        return 0
    return min(count, max(1, round(count * share)))


def containers_of(model: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The containers of a model, in order."""
    found: Sequence[Mapping[str, Any]] = model.get("Containers") or (
        [model["PrimaryContainer"]] if "PrimaryContainer" in model else []
    )
    return found


def hostnames(containers: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """What each container is called."""
    if len(containers) == 1:
        return [str(containers[0].get("ContainerHostname", "primary"))]
    return [
        str(container.get("ContainerHostname", f"container-{number}"))
        for number, container in enumerate(containers, 1)
    ]


def initial_instances(settings: Mapping[str, Any]) -> int:
    """How many instances a variant begins with."""
    serverless = settings.get("ServerlessConfig")
    if serverless:
        # One at least, so that a model that does not start is not deployed.
        return max(1, int(serverless.get("ProvisionedConcurrency", 0)))
    return int(settings.get("InitialInstanceCount", 1))
