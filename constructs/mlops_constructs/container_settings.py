"""What one container is told, and what SageMaker takes of it and of several together."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mlops_constructs.faults import Fault

Invocation = Literal["serial", "direct"]
"""How several containers are invoked: one after the other, or each by its name."""

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html
# https://docs.aws.amazon.com/sagemaker/latest/dg/multi-container-create.html
MOST_CONTAINERS = 15
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ContainerDefinition.html
MOST_VARIABLES = 100
LONGEST_VALUE = 1024
LONGEST_ENVIRONMENT = 32 * 1024
LONGEST_NAME = 63

ARCHIVE = ".tar.gz"
"""What the key of an archive of a model's files ends with."""

DIGEST_VARIABLE = "MODEL_DIGEST"
SCHEMA_VARIABLE = "SAGEMAKER_SPARKML_SCHEMA"
"""https://github.com/aws/sagemaker-sparkml-serving-container"""

RESERVED = (DIGEST_VARIABLE, SCHEMA_VARIABLE)
"""Variables that are made of other settings."""


@dataclass(frozen=True)
class Column:
    """A column that a Spark pipeline reads or writes.

    Parameters
    ----------
    name
        Its name.
    type
        The type of a value, such as ``double``.
    struct
        What of them there is in a row: ``basic`` is one.
    """

    name: str
    type: str
    struct: str = "basic"

    @property
    def written(self) -> dict[str, str]:
        """The column in the form of the schema."""
        known = {"name": self.name, "type": self.type}
        return known if self.struct == "basic" else {**known, "struct": self.struct}


@dataclass(frozen=True)
class SparkSchema:
    """What a Spark pipeline reads and writes.

    Parameters
    ----------
    inputs
        The columns of a row, in their order.
    output
        The column that is answered.

    Examples
    --------
    >>> SparkSchema([Column("sex", "string")], Column("features", "double", "vector")).text
    '{"input":[{"name":"sex","type":"string"}],"output":{"name":"features","type":"double",...
    """

    inputs: Sequence[Column]
    output: Column

    @property
    def text(self) -> str:
        """The schema as the container reads it."""
        schema = {
            "input": [column.written for column in self.inputs],
            "output": self.output.written,
        }
        return json.dumps(schema, separators=(",", ":"))


@dataclass(frozen=True, kw_only=True)
class ContainerSettings:
    """What a container is told: its name, and its environment.

    Parameters
    ----------
    name
        Its name among several: what it is invoked by, and what its log and metrics are called.
    environment
        Its variables. Nothing secret: they stand in the template.
    spark_schema
        What it reads and writes, where it runs a pipeline of Spark.
    """

    name: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    spark_schema: SparkSchema | None = None

    @property
    def variables(self) -> dict[str, str]:
        """The environment as a whole."""
        schema = {SCHEMA_VARIABLE: self.spark_schema.text} if self.spark_schema else {}
        return {**self.environment, **schema}

    @property
    def size(self) -> int:
        """The bytes of the environment, names and values, with the digest of its files."""
        digest = {DIGEST_VARIABLE: f"sha256:{64 * '0'}"}
        variables = {**self.variables, **digest}
        return sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())

    def faults(self, path: str) -> Iterator[Fault]:
        """What SageMaker would refuse of the container.

        Parameters
        ----------
        path
            What a fault calls the container.
        """
        if self.name and not re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", self.name):
            yield Fault(
                f"{path}.name",
                f"'{self.name}'",
                f"at most {LONGEST_NAME} letters, digits and hyphens between them",
                "Rename it.",
            )
        yield from _environment_faults(f"{path}.environment", self.environment)
        if self.spark_schema and len(self.spark_schema.text.encode()) > LONGEST_VALUE:
            yield Fault(
                f"{path}.spark_schema",
                f"{len(self.spark_schema.text.encode())} bytes as text",
                f"at most {LONGEST_VALUE}, as every variable",
                "Shorten the names of columns, or have callers send the schema with each request.",
            )


def container_faults(
    path: str, containers: Mapping[str, ContainerSettings], invocation: Invocation
) -> Iterator[Fault]:
    """What is wrong with the containers of a model, each by itself and together.

    https://docs.aws.amazon.com/sagemaker/latest/dg/multi-container-create.html

    Parameters
    ----------
    path
        What a fault calls all of them.
    containers
        The containers, by what a fault calls each.
    invocation
        How they are invoked.
    """
    if not 1 <= len(containers) <= MOST_CONTAINERS:
        yield Fault(
            path,
            f"{len(containers)} containers",
            f"1 to {MOST_CONTAINERS}",
            "Do more in each of them, or serve from several endpoints.",
        )
    for each, container in containers.items():
        yield from container.faults(each)
    names = [container.name for container in containers.values()]
    if len(containers) > 1 and (not all(names) or len(set(names)) < len(names)):
        yield Fault(
            path,
            f"the names {', '.join(name or '(none)' for name in names)}",
            "a name of its own for each of several containers",
            "Name each: requests, logs and metrics tell them apart by it.",
        )
    if invocation == "direct" and len(containers) == 1:
        yield Fault(
            path,
            "one container, invoked by its name",
            "several containers, or 'serial'",
            "Remove 'direct': there is nothing to choose.",
        )
    size = sum(container.size for container in containers.values())
    if size > LONGEST_ENVIRONMENT:
        yield Fault(
            path,
            f"{size} bytes of environment in all containers",
            f"at most {LONGEST_ENVIRONMENT}",
            "Put some of it into files of the models.",
        )


def _environment_faults(path: str, environment: Mapping[str, str]) -> Iterator[Fault]:
    if len(environment) > MOST_VARIABLES - len(RESERVED):
        yield Fault(
            path,
            f"{len(environment)} variables",
            f"at most {MOST_VARIABLES - len(RESERVED)}: SageMaker takes {MOST_VARIABLES},"
            f" and {' and '.join(RESERVED)} are made here",
            "Put some into the model's files.",
        )
    for name, value in environment.items():
        if name in RESERVED:
            yield Fault(
                f"{path}.{name}",
                "a variable that is made of other settings",
                "any other name",
                "Remove it: see 'model' and 'spark_schema'.",
            )
        elif not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) or len(name) > LONGEST_VALUE:
            yield Fault(
                f"{path}.{name}",
                f"'{name}'",
                f"at most {LONGEST_VALUE} letters, digits and underscores, and no digit first",
                "Rename it.",
            )
        if len(value.encode()) > LONGEST_VALUE:
            yield Fault(
                f"{path}.{name}",
                f"{len(value.encode())} bytes",
                f"at most {LONGEST_VALUE}",
                "Put it into a file of the model.",
            )
