"""The configuration of an endpoint's updates, and of the alarms that roll them back."""

from typing import Annotated, Literal

from pydantic import Field

from mlops_constructs.alarm_limits import ASYNC_LATENCY, LIMITS, Limits
from mlops_constructs.deployment import Deployment
from mlops_constructs.serving_exclusions import Kind
from stacks.endpoint_forms import LATENCY, PERCENT, RATE, TIME, WAIT, AlarmArn
from stacks.fields import Section
from stacks.forms import quantity


class DeploymentSettings(Section):
    """How the endpoint is updated. Alarms roll an update back, always."""

    strategy: Annotated[
        Literal["all_at_once", "canary", "linear", "rolling"] | None,
        Field(description="A canary of two instances or more, all at once of one."),
    ] = None
    step: Annotated[int, quantity(PERCENT, minimum="1 %", maximum="50 %")] = 25
    bake: Annotated[int, quantity(TIME, minimum="0 s", maximum="60 min")] = 600
    keep: Annotated[int, quantity(TIME, minimum="0 s", maximum="60 min")] = 300
    alarms: Annotated[
        list[AlarmArn], Field(description="Other alarms that roll an update back.")
    ] = []

    @property
    def plan(self) -> Deployment:
        """The same for the construct."""
        return Deployment(self.strategy, self.step, self.bake, self.keep)


class LimitSettings(Section):
    """The first values that are too much: each is an alarm."""

    errors: Annotated[int, quantity(RATE, minimum="1 /min", maximum="100000 /min")] = 5
    refused: Annotated[int, quantity(PERCENT, minimum="1 %", maximum="100 %")] = 50
    latency: Annotated[
        int | None,
        quantity(WAIT, minimum="1 ms", maximum="60 min"),
        Field(description="5 s; 15 min where requests wait in a queue."),
    ] = None
    overhead: Annotated[int, quantity(LATENCY, minimum="1 ms", maximum="60 s")] = 1000
    memory: Annotated[int, quantity(PERCENT, minimum="1 %", maximum="100 %")] = 90
    disk: Annotated[int, quantity(PERCENT, minimum="1 %", maximum="100 %")] = 90

    def plan(self, kind: Kind) -> Limits:
        """The same for the construct.

        Parameters
        ----------
        kind
            The kind of the endpoint.
        """
        usual = ASYNC_LATENCY if kind == "async" else LIMITS.latency
        return Limits(**{**self.model_dump(), "latency": self.latency or usual})
