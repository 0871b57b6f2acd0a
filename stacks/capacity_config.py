"""The configuration of an endpoint's capacity, of each kind of endpoint, and by the clock."""

from typing import Annotated

from pydantic import Field

from mlops_constructs.async_plan import AsyncPlan
from mlops_constructs.component_plan import Share
from mlops_constructs.scaling_plan import Scaling, Scheduled
from mlops_constructs.serverless_capacity import Serverless
from stacks.container_config import Container, SparkSchema
from stacks.endpoint_forms import MEMORY, RATE, TIME, Image, Model, Value, Variable
from stacks.fields import Name, Section
from stacks.forms import quantity, text, whole_number


class ScheduleEntry(Section):
    """Other bounds from a time on."""

    at: Annotated[
        str,
        text(
            r"(?:cron|at|rate)\(.+\)",
            allowed="a schedule of Application Auto Scaling",
            fix="Write it such as 'cron(0 8 ? * MON-FRI *)'.",
        ),
    ]
    min: Annotated[int, whole_number(1, 1000)]
    max: Annotated[int, whole_number(1, 1000)]
    timezone: Annotated[
        str,
        text(
            r"UTC|[A-Z]\w+(?:/[\w+-]+)+",
            allowed="a time zone",
            fix="Write it such as 'Asia/Tokyo'.",
        ),
    ] = "UTC"


class ScalingSettings(Section):
    """How many instances each variant that answers has."""

    min: Annotated[int, whole_number(1, 1000)]
    max: Annotated[int, whole_number(1, 1000)]
    invocations: Annotated[int | None, quantity(RATE, minimum="1 /min", maximum="1000000 /min")] = (
        None
    )
    concurrency: Annotated[int, whole_number(0, 10000)] = 0
    scale_out: Annotated[int, quantity(TIME, minimum="0 s", maximum="60 min")] = 60
    scale_in: Annotated[int, quantity(TIME, minimum="0 s", maximum="60 min")] = 300
    schedule: list[ScheduleEntry] = []

    @property
    def plan(self) -> Scaling:
        """The same for the construct."""
        return Scaling(
            self.min,
            self.max,
            self.invocations or 0,
            self.concurrency,
            self.scale_out,
            self.scale_in,
            [Scheduled(it.at, it.min, it.max, it.timezone) for it in self.schedule],
        )


class ServerlessSettings(Section):
    """Capacity that AWS provides, in a network of its own."""

    memory: Annotated[int, quantity({"GiB": 1024.0}, minimum="1 GiB", maximum="6 GiB")] = 2048
    concurrency: Annotated[int, whole_number(1, 200)] = 5
    provisioned: Annotated[
        int, whole_number(0, 200), Field(description="How much of it is kept ready.")
    ] = 0

    @property
    def plan(self) -> Serverless:
        """The same for the construct."""
        return Serverless(self.memory, self.concurrency, self.provisioned)


class AsyncSettings(Section):
    """Requests and answers through S3, by a queue."""

    concurrency: Annotated[int, whole_number(1, 1000)] = 4
    min_instances: Annotated[int, whole_number(0, 1000)] = 0
    max_instances: Annotated[int, whole_number(1, 1000)] = 4
    backlog: Annotated[
        int,
        whole_number(1, 100000),
        Field(description="Requests that may wait for each instance before one is added."),
    ] = 5
    notify: Annotated[bool, Field(description="Topics say that a request succeeded or failed.")] = (
        True
    )

    @property
    def plan(self) -> AsyncPlan:
        """The same for the construct."""
        return AsyncPlan(
            self.concurrency, self.min_instances, self.max_instances, self.backlog, self.notify
        )


class ComponentSettings(Section):
    """A model on the fleet, and what of it one copy gets."""

    image: Image
    model: Model | None = None
    environment: dict[Variable, Value] = {}
    spark_schema: SparkSchema | None = None
    memory: Annotated[int, quantity(MEMORY, minimum="128 MiB", maximum="2048 GiB")] = 1024
    cpus: Annotated[int, whole_number(0, 192)] = 1
    accelerators: Annotated[int, whole_number(0, 16)] = 0
    min_copies: Annotated[int, whole_number(0, 1000)] = 1
    max_copies: Annotated[int, whole_number(1, 1000)] = 1
    invocations: Annotated[int | None, quantity(RATE, minimum="1 /min", maximum="1000000 /min")] = (
        None
    )

    @property
    def share(self) -> Share:
        """The same for the construct."""
        return Share(
            self.memory,
            self.cpus,
            self.accelerators,
            self.min_copies,
            self.max_copies,
            self.invocations or 0,
        )

    def part(self, name: str) -> Container:
        """The container of the model."""
        return Container(
            name=name,
            image=self.image,
            model=self.model,
            environment=self.environment,
            spark_schema=self.spark_schema,
        )


class FleetSettings(Section):
    """Several models on one fleet; callers name the one they ask."""

    min_instances: Annotated[int, whole_number(0, 1000)] = 2
    max_instances: Annotated[int, whole_number(1, 1000)] = 4
    models: Annotated[dict[Name, ComponentSettings], Field(min_length=1)]
