"""The Tracking stack: the MLflow server."""

from aws_cdk import CfnOutput
from constructs import Construct

from mlops_constructs.tracking_server import TrackingServer
from stacks.config import Environment
from stacks.data import DataStack
from stacks.network import NetworkStack
from stacks.platform_stack import PlatformStack


class TrackingStack(PlatformStack):
    """MLflow on Fargate behind an internal load balancer.

    Parameters
    ----------
    scope, construct_id
        Where the stack stands.
    environment
        The environment it belongs to.
    network
        Where the server runs.
    data
        Where it keeps metadata and files, and finds its image.
    digest
        Digest of the server's image.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        network: NetworkStack,
        data: DataStack,
        digest: str,
    ) -> None:
        super().__init__(
            scope, construct_id, environment=environment, holds="MLflow tracking server"
        )
        tracking = environment.tracking
        self.server = TrackingServer(
            self,
            "Mlflow",
            network=network.network,
            repository=data.images[tracking.image].repository,
            digest=digest,
            database=data.database,
            artifacts=data.artifacts,
            log_settings=network.log_settings,
            cpu=tracking.cpu,
            memory_mib=tracking.memory,
            tasks=tracking.tasks,
            workers=tracking.workers,
        )
        CfnOutput(self, "TrackingUri", value=self.server.uri)
