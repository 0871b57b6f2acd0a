"""AWS's managed MLflow App: MLflow without a server or a database of ours."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from mlops_constructs.artifact_store import ArtifactStore
from mlops_constructs.endpoint_rights import execution_role
from mlops_constructs.naming import MODELS_PREFIX, Naming
from mlops_constructs.platform_role import grant
from mlops_constructs.private_network import PrivateNetwork
from mlops_constructs.service_call import MANAGED_MLFLOW, S3, ServiceCall

CALL = "sagemaker:CallMlflowAppApi"
"""The one right that an App knows: whoever has it may do everything that MLflow can.

https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-app-setup-prerequisites-iam.html
"""


class ManagedTracking(Construct):
    """A managed MLflow App, which keeps metadata with AWS and files in the artifact bucket.

    Clients call it through an endpoint of their VPC and sign each call with their role. Files they
    read and write in the bucket themselves. The App reads and writes files with a role of its own,
    over AWS's network: the bucket's policy has to let that role in.

    Nobody is given the right to make links to MLflow's pages: such a link works from anywhere.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        The App's name, and where its role lives.
    network
        Whose clients call it.
    artifacts
        Holds the files.
    maintenance
        When AWS may upgrade MLflow, such as ``Tue:03:30`` in UTC; AWS chooses otherwise.
    removal_policy
        What happens to the App, and its metadata, with its stack: kept.

    Attributes
    ----------
    arn : str
        The App's ARN, which is the address for ``mlflow.set_tracking_uri`` too.
    role : aws_cdk.aws_iam.Role
        What the App acts as.
    users : aws_cdk.aws_iam.ManagedPolicy
        What a role needs to use the App from inside the network: attach it.

    Raises
    ------
    FaultsError
        Where the network has no endpoint for what clients call.

    Examples
    --------
    >>> tracking = ManagedTracking(  # doctest: +SKIP
    ...     stack, "Mlflow", naming=naming, network=network, artifacts=artifacts)
    >>> tracking.grant_use(role, vpc="vpc-0a1b2c3d")  # doctest: +SKIP
    """

    CALLS = (
        ServiceCall(MANAGED_MLFLOW, "MLflow client", "logs and reads runs and models", (CALL,)),
        ServiceCall(S3, "MLflow client", "keeps runs' files", ArtifactStore.READ_WRITE),
    )

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        network: PrivateNetwork,
        artifacts: ArtifactStore,
        maintenance: str = "",
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        network.require(self, self.CALLS)
        self._artifacts = artifacts
        self.role = execution_role(
            self, "Role", "Keeps MLflow's files", naming, naming.managed_tracking_path
        )
        artifacts.grant_read_write(self.role, f"{MODELS_PREFIX}/")
        app = sagemaker.CfnMlflowApp(
            self,
            "App",
            name=naming.prefix,
            artifact_store_uri=artifacts.uri(MODELS_PREFIX),
            role_arn=self.role.role_arn,
            # The role has no right to copy models into SageMaker's own registry.
            model_registration_mode="AutoModelRegistrationDisabled",
            weekly_maintenance_window_start=maintenance or None,
        )
        app.apply_removal_policy(removal_policy)
        # AWS tries the role while it makes the App: its rights have to be there.
        app.node.add_dependency(self.role)
        self.arn = app.attr_arn
        self.users = iam.ManagedPolicy(
            self, "Users", description="Uses MLflow from inside the network"
        )
        endpoint = network.endpoints[MANAGED_MLFLOW].vpc_endpoint_id
        self._grant(self.users, {"aws:SourceVpce": endpoint})

    def grant_use(self, grantee: iam.IGrantable, *, vpc: str) -> iam.Grant:
        """Let `grantee` do everything that MLflow can, and read and write its files.

        Parameters
        ----------
        grantee
            Who uses MLflow.
        vpc
            Id of the VPC that it calls from, and from nowhere else.
        """
        return self._grant(grantee, {"aws:SourceVpc": vpc})

    def _grant(self, grantee: iam.IGrantable, place: dict[str, str]) -> iam.Grant:
        """An App has no policy of its own: where it is called from, only its callers can be asked.

        https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-private-link-restrict.html
        """
        call = grant(
            grantee=grantee,
            actions=[CALL],
            resource_arns=[self.arn],
            conditions={"StringEquals": place},
        )
        return call.combine(self._artifacts.grant_read_write(grantee, f"{MODELS_PREFIX}/"))
