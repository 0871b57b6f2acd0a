"""The configuration of the endpoints: what each serves, on what, and how it is updated."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from mlops_constructs.async_plan import AsyncPlan
from mlops_constructs.capture_plan import CapturePlan, Mode
from mlops_constructs.component_plan import Share
from mlops_constructs.deployment import Deployment
from mlops_constructs.monitoring_job import DataQuality, ModelQuality, Problem
from mlops_constructs.scaling_plan import Scaling, Scheduled
from mlops_constructs.serverless_capacity import Serverless
from mlops_constructs.serving_exclusions import MAIN
from mlops_constructs.transform_job import Assemble, Compression, Join, Split, TransformJob
from stacks.fields import Name, Section
from stacks.forms import quantity, text, whole_number

AWS = "aws:"
"""What images of AWS start with."""

ONLY = "model"
"""What the one container of the short form is called in a release."""

TIME = {"min": 60.0, "s": 1.0}
LATENCY = {"ms": 1.0, "s": 1000.0}
MEMORY = {"GiB": 1024.0, "MiB": 1.0}
RATE = {"/min": 1.0}

Image = Annotated[
    str,
    text(
        r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*|aws:[a-z][a-z-]*:[\w.-]+",
        allowed="one of images, or 'aws:<framework>:<version>'",
        fix="Write it such as 'iris', or 'aws:xgboost:1.7-1'.",
    ),
]
Model = Annotated[
    str,
    text(
        r"models:/[A-Za-z0-9][\w.-]*(?:@[A-Za-z][\w-]*|/\d+)"
        r"|s3://[a-z0-9.-]+/(?:[^/\s]+/)+|s3://[a-z0-9.-]+/(?:[^/\s]+/)*[^/\s]+\.tar\.gz",
        allowed="a registered model with an alias or a version, an S3 prefix, or a .tar.gz there",
        fix="Write 'models:/<name>@<alias>', 'models:/<name>/<version>', 's3://<bucket>/<prefix>/'"
        " or 's3://<bucket>/<key>.tar.gz'.",
    ),
]
InstanceType = Annotated[
    str,
    text(
        r"ml\.[a-z0-9-]+\.[a-z0-9]+",
        allowed="a SageMaker instance type",
        fix="Write it with its 'ml.', such as 'ml.m5.large'.",
    ),
]
Variable = Annotated[
    str,
    text(
        r"[a-zA-Z_][a-zA-Z0-9_]*",
        allowed="letters, digits and underscores, and no digit first",
        fix="Rename it.",
    ),
]
Value = Annotated[
    str,
    text(
        r"[\s\S]{0,1024}",
        allowed="text of at most 1024 characters",
        fix="Write numbers and booleans in quotes; put what is longer into the model's files.",
    ),
]


AlarmArn = Annotated[
    str,
    text(
        r"arn:aws[a-z-]*:cloudwatch:[a-z0-9-]+:\d{12}:alarm:.{1,255}",
        allowed="the ARN of an alarm",
        fix="Copy it whole, such as 'arn:aws:cloudwatch:eu-west-1:111111111111:alarm:orders'.",
    ),
]

ContentType = Annotated[
    str,
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CaptureContentTypeHeader.html
    text(
        r"[a-zA-Z0-9](?:-*[a-zA-Z0-9])*/[a-zA-Z0-9](?:-*[a-zA-Z0-9.])*",
        allowed="a content type",
        fix="Write it such as 'text/csv'.",
    ),
]
ContentTypes = Annotated[
    list[ContentType],
    Field(max_length=10, description="What is kept as text; all else is in base64."),
]
Offset = Annotated[
    str,
    text(
        r"-P(?:T\d+H|\d+D)",
        allowed="hours or days before, such as -PT6H or -P1D",
        fix="Write it so.",
    ),
]
FOLDERS = r"(?:[\w!.'()-]+/)+"
Filter = Annotated[
    str,
    text(
        r"\$[^\n]{0,62}",
        allowed="a JSONPath of at most 63 letters that starts with $",
        fix="Write it such as '$[1:]' for rows, and '$.features' for objects.",
    ),
]
MODES: Mapping[str, Sequence[Mode]] = {
    "both": ("Input", "Output"),
    "requests": ("Input",),
    "answers": ("Output",),
}
"""What SageMaker calls what is kept."""


class SparkColumn(Section):
    """A column that a Spark pipeline reads or writes."""

    name: Annotated[
        str, text(r"\S(?:.*\S)?", allowed="the name of a column", fix="Copy it from the pipeline.")
    ]
    type: Literal["boolean", "byte", "short", "int", "long", "float", "double", "string"]
    struct: Literal["basic", "vector", "array"] = "basic"


class SparkSchema(Section):
    """What a Spark pipeline reads and writes: it becomes SAGEMAKER_SPARKML_SCHEMA."""

    input: Annotated[list[SparkColumn], Field(min_length=1)]
    output: SparkColumn


class Container(Section):
    """One container: its image, the files that it finds, and its environment."""

    name: Name
    image: Image
    model: Model | None = None
    environment: dict[Variable, Value] = {}
    spark_schema: SparkSchema | None = None


class Served(Section):
    """What is served: one container in the short form, or several."""

    image: Image | None = None
    model: Model | None = None
    environment: dict[Variable, Value] = {}
    spark_schema: SparkSchema | None = None
    containers: Annotated[
        list[Container], Field(description="1 to 15 in order, instead of 'image' and 'model'.")
    ] = []
    invocation: Literal["serial", "direct"] = Field(
        "serial", description="'direct' has callers name the container, as TargetContainerHostname."
    )

    instance: InstanceType = "ml.m5.large"
    instances: Annotated[int, whole_number(1, 100)] = 2

    @property
    def parts(self) -> Mapping[str, Container]:
        """Every container by its name in a release."""
        return self.named_parts()

    def named_parts(self, variant: str = "") -> Mapping[str, Container]:
        """Every container by its name in a release, of a variant of several."""
        if self.containers:
            start = f"{variant}." if variant else ""
            return {f"{start}{container.name}": container for container in self.containers}
        only = Container(
            name=ONLY,
            image=str(self.image),  # a check asks for it
            model=self.model,
            environment=self.environment,
            spark_schema=self.spark_schema,
        )
        return {variant or ONLY: only}


class VariantSettings(Served):
    """One of several models behind an endpoint."""

    weight: Annotated[int, whole_number(0, 1000)] = 1
    shadow: Annotated[
        bool, Field(description="It gets copies of requests; its answers are thrown away.")
    ] = False


class DeploymentSettings(Section):
    """How the endpoint is updated. Alarms roll an update back, always."""

    strategy: Annotated[
        Literal["all_at_once", "canary", "linear", "rolling"] | None,
        Field(description="A canary of two instances or more, all at once of one."),
    ] = None
    step: Annotated[int, quantity({"%": 1.0}, minimum="1 %", maximum="50 %")] = 25
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
    refused: Annotated[int, quantity({"%": 1.0}, minimum="1 %", maximum="100 %")] = 50
    latency: Annotated[int, quantity(LATENCY, minimum="1 ms", maximum="60 s")] = 5000
    overhead: Annotated[int, quantity(LATENCY, minimum="1 ms", maximum="60 s")] = 1000
    memory: Annotated[int, quantity({"%": 1.0}, minimum="1 %", maximum="100 %")] = 90
    disk: Annotated[int, quantity({"%": 1.0}, minimum="1 %", maximum="100 %")] = 90


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


class CaptureSettings(Section):
    """What of requests and answers is kept in the artifact bucket."""

    percent: Annotated[int, quantity({"%": 1.0}, minimum="1 %", maximum="100 %")] = 20
    what: Literal["both", "requests", "answers"] = "both"
    csv_types: ContentTypes = ["text/csv"]
    json_types: ContentTypes = ["application/json"]

    @property
    def plan(self) -> CapturePlan:
        """The same for the construct."""
        return CapturePlan(
            percent=self.percent,
            modes=MODES[self.what],
            csv_types=self.csv_types,
            json_types=self.json_types,
        )


class QualitySettings(Section):
    """What every kind of monitoring is told."""

    baseline: Annotated[
        Name | None,
        Field(description="The container whose model has the folder 'baseline': the first."),
    ] = None
    schedule: Annotated[
        str,
        text(
            r"cron\(.+\)",
            allowed="cron(0 * ? * * *), cron(0 <hour> ? * * *), cron(0 <hour>/<hours> ? * * *)",
            fix="Write it so, in UTC: SageMaker knows no other forms.",
        ),
    ] = "cron(0 0 ? * * *)"
    instance: InstanceType = "ml.m5.xlarge"


class DataQualitySettings(QualitySettings):
    """Whether questions are like those of the training."""

    features: Annotated[
        list[str], Field(description="Features whose drift has an alarm of its own.")
    ] = []
    drift: float = 0.1

    def plan(self, baseline: str) -> DataQuality:
        """The same for the construct.

        Parameters
        ----------
        baseline
            Prefix of the baseline's files.
        """
        return DataQuality(
            baseline,
            schedule=self.schedule,
            instance=self.instance,
            features=self.features,
            drift=self.drift,
        )


class ModelQualitySettings(QualitySettings):
    """Whether answers are as good as they were, once labels are known."""

    problem: Problem = "Regression"
    truth: Annotated[
        str,
        text(
            FOLDERS,
            allowed="folders of the artifact bucket",
            fix="Write it such as 'truth/abalone/'.",
        ),
    ]
    inference: Annotated[
        str | None, Field(description="What of an answer is the prediction, such as '0'.")
    ] = None
    probability: str | None = None
    threshold: float | None = None
    start: Offset = "-P1D"
    end: Offset = "-PT0H"
    limits: Annotated[
        dict[str, float],
        Field(description="Metrics that have an alarm, and the last value that is good enough."),
    ] = {}

    def plan(self, baseline: str) -> ModelQuality:
        """The same for the construct.

        Parameters
        ----------
        baseline
            Prefix of the baseline's files.
        """
        return ModelQuality(
            baseline,
            schedule=self.schedule,
            instance=self.instance,
            problem=self.problem,
            truth=self.truth,
            inference=self.inference or "",
            probability=self.probability or "",
            threshold=self.threshold,
            start=self.start,
            end=self.end,
            limits=self.limits,
        )


class MonitoringSettings(Section):
    """What is compared with the training, by the clock."""

    data_quality: DataQualitySettings | None = None
    model_quality: ModelQualitySettings | None = None


class BatchSettings(Section):
    """What a state machine has the model asked about, where nobody asks it at once."""

    input: Annotated[
        str,
        text(
            FOLDERS,
            allowed="folders of the artifact bucket",
            fix="Write it such as 'batch/abalone/in/'.",
        ),
    ]
    output: Annotated[
        str,
        text(
            f"batch/{FOLDERS}",
            allowed="folders below 'batch/' of the artifact bucket",
            fix="Write it such as 'batch/abalone/out/'.",
        ),
    ]
    content_type: ContentType | None = None
    accept: ContentType | None = None
    split: Split = "none"
    assemble: Assemble = "none"
    compression: Compression = "none"
    strategy: Literal["single", "multi"] | None = None
    payload: Annotated[int, quantity({"MB": 1.0}, minimum="0 MB", maximum="100 MB")] = 6
    parallel: Annotated[int, whole_number(0, 100)] = 0
    join: Join = "none"
    input_filter: Filter = "$"
    output_filter: Filter = "$"
    instances: Annotated[int, whole_number(1, 100)] = 1
    timeout: Annotated[int, quantity({"h": 1.0}, minimum="1 h", maximum="120 h")] = 24

    def job(self, instance: str) -> TransformJob:
        """The same for the construct.

        Parameters
        ----------
        instance
            SageMaker instance type.
        """
        return TransformJob(
            self.input,
            self.output,
            content_type=self.content_type or "",
            accept=self.accept or "",
            split=self.split,
            compression=self.compression,
            assemble=self.assemble,
            strategy=self.strategy or "",
            payload_mb=self.payload,
            parallel=self.parallel,
            input_filter=self.input_filter,
            output_filter=self.output_filter,
            join=self.join,
            instance=instance,
            instances=self.instances,
            hours=self.timeout,
        )


class Endpoint(Served):
    """One SageMaker endpoint."""

    kind: Annotated[
        Literal["realtime", "serverless", "async", "components", "batch"],
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


def model_name(reference: str) -> str:
    """The name of the registered model of a ``models:/`` reference.

    Examples
    --------
    >>> model_name("models:/iris@champion"), model_name("models:/iris/3")
    ('iris', 'iris')
    """
    return reference.removeprefix("models:/").partition("@")[0].partition("/")[0]
