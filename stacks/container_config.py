"""The configuration of what serves: containers, their images, their models."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from stacks.endpoint_forms import Image, InstanceType, Model, Value, Variable
from stacks.fields import Name, Section
from stacks.forms import text, whole_number

AWS = "aws:"
"""What images of AWS start with."""

ONLY = "model"
"""What the one container of the short form is called in a release."""


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


def model_name(reference: str) -> str:
    """The name of the registered model of a ``models:/`` reference.

    Examples
    --------
    >>> model_name("models:/iris@champion"), model_name("models:/iris/3")
    ('iris', 'iris')
    """
    return reference.removeprefix("models:/").partition("@")[0].partition("/")[0]
