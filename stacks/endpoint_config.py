"""The configuration of the endpoints: what each serves, on what, and how it is updated."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from mlops_constructs.serving_exclusions import MAIN, Kind
from stacks.batch_config import BatchSettings
from stacks.capacity_config import (
    AsyncSettings,
    FleetSettings,
    ScalingSettings,
    ServerlessSettings,
)
from stacks.container_config import Container, Served
from stacks.fields import Name
from stacks.forms import whole_number
from stacks.observation_config import CaptureSettings, MonitoringSettings
from stacks.update_config import DeploymentSettings, LimitSettings


class VariantSettings(Served):
    """One of several models behind an endpoint."""

    weight: Annotated[int, whole_number(0, 1000)] = 1
    shadow: Annotated[
        bool, Field(description="It gets copies of requests; its answers are thrown away.")
    ] = False


class Endpoint(Served):
    """One SageMaker endpoint."""

    kind: Annotated[
        Kind,
        Field(description="How it is provided with capacity, and asked."),
    ] = "realtime"
    serverless: ServerlessSettings | None = None
    queue: Annotated[AsyncSettings | None, Field(alias="async")] = None
    components: FleetSettings | None = None
    batch: BatchSettings | None = None

    variants: Annotated[
        dict[Name, VariantSettings],
        Field(description="Several that share the traffic, instead of the keys above."),
    ] = {}
    deployment: DeploymentSettings = DeploymentSettings()
    limits: LimitSettings = LimitSettings()
    scaling: ScalingSettings | None = None
    capture: CaptureSettings | None = None
    monitoring: MonitoringSettings | None = None

    @property
    def serving(self) -> Mapping[str, Served]:
        """What serves, by the variant's name."""
        return self.variants or {MAIN: self}

    @property
    def parts(self) -> Mapping[str, Container]:
        """Every container of every variant or component by its name in a release."""
        if self.components:
            return {name: it.part(name) for name, it in self.components.models.items()}
        if not self.variants:
            return self.named_parts()
        return {
            part: container
            for name, variant in self.variants.items()
            for part, container in variant.named_parts(name).items()
        }

    @property
    def least_instances(self) -> int:
        """Instances that answer in any case, of the smallest variant."""
        if self.components:
            return self.components.min_instances
        shadows = {name for name, variant in self.variants.items() if variant.shadow}
        counts = [it.instances for name, it in self.serving.items() if name not in shadows]
        return min([*counts, self.scaling.min] if self.scaling else counts)
