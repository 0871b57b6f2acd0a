"""The configuration of the endpoints: what each serves, on what, and how it is updated."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from stacks.fields import Name, Section
from stacks.forms import text, whole_number

AWS = "aws:"
"""What images of AWS start with."""

ONLY = "model"
"""What the one container of the short form is called in a release."""

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

    @property
    def parts(self) -> Mapping[str, Container]:
        """Every container by its name in a release."""
        if self.containers:
            return {container.name: container for container in self.containers}
        only = Container(
            name=ONLY,
            image=str(self.image),  # a check asks for it
            model=self.model,
            environment=self.environment,
            spark_schema=self.spark_schema,
        )
        return {ONLY: only}


class Endpoint(Served):
    """One SageMaker endpoint."""

    instance: InstanceType = "ml.m5.large"
    instances: Annotated[int, whole_number(1, 100)] = 2


def model_name(reference: str) -> str:
    """The name of the registered model of a ``models:/`` reference.

    Examples
    --------
    >>> model_name("models:/iris@champion"), model_name("models:/iris/3")
    ('iris', 'iris')
    """
    return reference.removeprefix("models:/").partition("@")[0].partition("/")[0]
