"""The Tracking stack where AWS runs MLflow."""

from aws_cdk import CfnOutput
from constructs import Construct

from mlops_constructs.managed_tracking import ManagedTracking
from stacks.config import Environment
from stacks.data import DataStack
from stacks.network import NetworkStack
from stacks.platform_stack import PlatformStack


class ManagedTrackingStack(PlatformStack):
    """AWS's managed MLflow App. It holds state: the metadata of every run.

    Parameters
    ----------
    scope, construct_id
        Where the stack stands.
    environment
        The environment it belongs to.
    network
        Whose clients call it.
    data
        Where it keeps files.

    Attributes
    ----------
    app : mlops_constructs.managed_tracking.ManagedTracking
        The App.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        network: NetworkStack,
        data: DataStack,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            environment=environment,
            holds="Managed MLflow App",
            termination_protection=environment.data.deletion_protection,
        )
        self.app = ManagedTracking(
            self,
            "Mlflow",
            naming=environment.naming,
            network=network.network,
            artifacts=data.artifacts,
            maintenance=environment.tracking.maintenance,
            removal_policy=self.removal_policy,
        )
        self.opt_out("data.removal", self)
        self.opt_out("data.deletion_protection", self)
        self.share(self.app.arn)
        CfnOutput(self, "TrackingUri", value=self.app.arn)
        CfnOutput(self, "TrackingPolicyArn", value=self.app.users.managed_policy_arn)
