"""From the configuration of a container to what constructs call the same."""

from mlops_constructs.aws_images import AwsImage
from mlops_constructs.container_settings import Column, ContainerSettings, SparkSchema
from stacks import container_config as config


def aws_image(name: str) -> AwsImage | None:
    """The image of AWS that ``aws:<framework>:<version>`` means; nothing where it is ours.

    Examples
    --------
    >>> aws_image("aws:xgboost:1.7-1"), aws_image("iris")
    (AwsImage(framework='xgboost', version='1.7-1'), None)
    """
    if not name.startswith(config.AWS):
        return None
    framework, _, version = name.removeprefix(config.AWS).partition(":")
    return AwsImage(framework, version)


def container_settings(part: config.Container) -> ContainerSettings:
    """What a container is told."""
    return ContainerSettings(
        name=part.name,
        environment=part.environment,
        spark_schema=spark_schema(part.spark_schema),
    )


def spark_schema(schema: config.SparkSchema | None) -> SparkSchema | None:
    """What a Spark pipeline reads and writes, where there is one."""
    if schema is None:
        return None
    return SparkSchema([_column(column) for column in schema.input], _column(schema.output))


def _column(column: config.SparkColumn) -> Column:
    return Column(column.name, column.type, column.struct)
