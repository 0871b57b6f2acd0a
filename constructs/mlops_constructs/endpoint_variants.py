"""What serves the requests of an endpoint: one model, or several that share or copy its traffic."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_sagemaker as sagemaker

from mlops_constructs.container_settings import Invocation, container_faults
from mlops_constructs.faults import Fault
from mlops_constructs.model_container import ModelContainer
from mlops_constructs.serverless_capacity import Serverless
from mlops_constructs.serving_exclusions import MAIN, MOST_VARIANTS


@dataclass(frozen=True)
class Variant:
    """One model behind an endpoint, and what it runs on.

    Parameters
    ----------
    containers
        The containers of the model.
    name
        Its name. It must not change while the endpoint lives: an update moves traffic from the
        variant of a name to the new one of that name.
    invocation
        How several containers are invoked.
    instance_type
        SageMaker instance type, such as ``ml.m5.large``.
    instance_count
        Number of instances, at first where they are scaled.
    weight
        Its part of the requests: that of its weight in the weights of all. A shadow gets a copy of
        as many.
    shadow
        Whether it gets copies of requests, and its answers are thrown away.
    serverless
        Capacity that AWS provides, instead of instances.
    """

    containers: Sequence[ModelContainer]
    name: str = MAIN
    invocation: Invocation = "serial"
    instance_type: str = "ml.m5.large"
    instance_count: int = 2
    weight: float = 1
    shadow: bool = False
    serverless: Serverless | None = None

    def definition(self, model_name: str) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
        """The variant as SageMaker takes it."""
        capacity: dict[str, Any] = {
            "instance_type": self.instance_type,
            "initial_instance_count": self.instance_count,
        }
        if self.serverless:
            capacity = {
                "serverless_config": sagemaker.CfnEndpointConfig.ServerlessConfigProperty(
                    memory_size_in_mb=self.serverless.memory_mib,
                    max_concurrency=self.serverless.concurrency,
                    provisioned_concurrency=self.serverless.provisioned or None,
                )
            }
        return sagemaker.CfnEndpointConfig.ProductionVariantProperty(
            variant_name=self.name,
            model_name=model_name,
            initial_variant_weight=self.weight,
            **capacity,
        )

    def faults(self, path: str) -> Iterator[Fault]:
        """What is wrong with the variant by itself.

        Parameters
        ----------
        path
            What a fault calls it.
        """
        paths = [f"{path}.containers.{number}" for number in range(len(self.containers))]
        named = dict(zip(paths, self.containers, strict=True))
        yield from container_faults(f"{path}.containers", named, self.invocation)
        if self.serverless:
            yield from self.serverless.faults(f"{path}.serverless")
            return
        if not self.instance_type.startswith("ml."):
            yield Fault(
                f"{path}.instance_type",
                f"'{self.instance_type}'",
                "a type that starts with 'ml.'",
                "Add it.",
            )
        if self.instance_count < 1:
            yield Fault(f"{path}.instance_count", str(self.instance_count), "1 or more", "Run one.")


def variant_faults(path: str, variants: Sequence[Variant]) -> Iterator[Fault]:
    """What is wrong with the variants of an endpoint, each by itself and together.

    Parameters
    ----------
    path
        What a fault calls them.
    variants
        The variants.
    """
    for variant in variants:
        yield from variant.faults(f"{path}.{variant.name}")
    production = [variant for variant in variants if not variant.shadow]
    if not 1 <= len(production) <= MOST_VARIANTS:
        yield Fault(
            path,
            f"{len(production)} variants that answer",
            f"1 to {MOST_VARIANTS}",
            "Serve from several endpoints, or have one variant answer.",
        )
    names = [variant.name for variant in variants]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Fault(path, f"'{name}' twice", "each name once", "Rename one.")
    if production and not sum(variant.weight for variant in production):
        yield Fault(
            path,
            "weights of 0 alone",
            "one variant at least that gets requests",
            "Give one a weight.",
        )
