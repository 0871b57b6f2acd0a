"""An Endpoint stack: one SageMaker endpoint, redeployed by itself."""

from aws_cdk import CfnOutput
from constructs import Construct

from mlops_constructs.endpoint_alarms import Limits
from mlops_constructs.model_endpoint import ModelEndpoint
from stacks.config import Environment
from stacks.data import DataStack
from stacks.endpoint_checks import INSTANCES, LEAST_INSTANCES
from stacks.endpoint_parts import variants
from stacks.network import NetworkStack
from stacks.platform_stack import PlatformStack
from stacks.releases import Release


class EndpointStack(PlatformStack):
    """One endpoint, serving the model versions that its release names.

    Parameters
    ----------
    scope, construct_id
        Where the stack stands.
    environment
        The environment it belongs to.
    name
        Name of the endpoint in the configuration.
    release
        What it serves.
    network
        Where the model runs.
    data
        Where the model and its image are kept.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        name: str,
        release: Release,
        network: NetworkStack,
        data: DataStack,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            environment=environment,
            holds=f"Endpoint {name}: model {release.summary}",
        )
        settings = environment.endpoints[name]
        repositories = {image: it.repository for image, it in data.images.items()}
        endpoint = ModelEndpoint(
            self,
            "Endpoint",
            naming=environment.naming,
            name=name,
            network=network.network,
            artifacts=data.artifacts,
            variants=list(variants(settings, release, repositories)),
            key=data.key,
            log_settings=network.log_settings,
            alarms=data.alarms,
            limits=Limits(**settings.limits.model_dump()),
            deployment=settings.deployment.plan,
            rollback_alarms=[arn.split(":", 6)[6] for arn in settings.deployment.alarms],
            scaling=settings.scaling.plan if settings.scaling else None,
        )
        if settings.least_instances < LEAST_INSTANCES:
            self.opt_out(INSTANCES, self)
        CfnOutput(self, "EndpointName", value=endpoint.endpoint_name)
