"""What a client outside of the platform may do: its role, and what its models run as."""

from collections.abc import Sequence

from aws_cdk import PhysicalName
from aws_cdk import aws_iam as iam
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.artifact_store import ArtifactStore
from mlops_constructs.endpoint_rights import execution_role, grant_manage
from mlops_constructs.image_repository import ImageRepository
from mlops_constructs.model_endpoint import ModelEndpoint
from mlops_constructs.naming import MODELS_PREFIX, Naming
from mlops_constructs.platform_role import PlatformRole, grant
from mlops_constructs.private_network import PrivateNetwork
from mlops_constructs.sites import site_of


class ClientAccess(Construct):
    """The role of a client, such as a Databricks workspace's clusters, with the least it needs.

    The role may deploy models under the environment's prefix into the platform's network, and
    nowhere else; invoke endpoints; read models, and keep files under a prefix of its own; push and
    pull the images it is given. MLflow itself asks for no role.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What the names of endpoints start with.
    name
        Name of the client in the configuration.
    principal
        Who takes the role: EC2 for an instance profile.
    network
        Where the client's models run.
    artifacts
        Holds the models, and the client's files.
    images
        The repositories that the client pushes to and whose images its models use.

    Attributes
    ----------
    role : aws_cdk.aws_iam.Role
        The role of the client.
    model_role : aws_cdk.aws_iam.Role
        The execution role of the models it deploys, the only one it may pass.
    model_group : aws_cdk.aws_ec2.SecurityGroup
        The security group of the models it deploys.

    Examples
    --------
    >>> access = ClientAccess(  # doctest: +SKIP
    ...     stack, "Access", naming=naming, name="databricks", network=network,
    ...     principal=iam.ServicePrincipal("ec2.amazonaws.com"), artifacts=artifacts,
    ...     images=[iris])
    >>> iam.InstanceProfile(stack, "Profile", role=access.role)  # doctest: +SKIP
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        name: str,
        principal: iam.IPrincipal,
        network: PrivateNetwork,
        artifacts: ArtifactStore,
        images: Sequence[ImageRepository],
    ) -> None:
        super().__init__(scope, construct_id)
        self.model_group = network.security_group(self, "ModelGroup", f"Models that {name} deploys")
        network.connect_to_s3(self.model_group)
        self.model_role = execution_role(
            self, "ModelRole", f"Runs the models that {name} deploys", naming
        )
        network.grant_attach(self.model_role, lend=True)
        self._let_write_logs(naming)

        self.role = PlatformRole(
            self,
            "Role",
            assumed_by=principal,
            description=f"What {name} may do on the platform",
            # A client of another account names the role, and so needs to know its name.
            role_name=PhysicalName.GENERATE_IF_NEEDED,
        )
        own_files = f"clients/{name}/"
        for prefix in (f"{MODELS_PREFIX}/", own_files):
            artifacts.grant_read(self.model_role, prefix)
        artifacts.grant_read(self.role, f"{MODELS_PREFIX}/")
        artifacts.grant_read_write(self.role, own_files)
        for image in images:
            image.grant_pull(self.model_role)
            image.grant_push(self.role)
        grant_manage(
            self.role, naming, network=network, group=self.model_group, role=self.model_role
        )
        ModelEndpoint.grant_invoke_any(self.role, naming)

    def _let_write_logs(self, naming: Naming) -> None:
        """Let the models write their logs: SageMaker names the group after the endpoint."""
        log_groups = site_of(self).arn(
            "logs", f"log-group:/aws/sagemaker/Endpoints/{naming.endpoint('*')}"
        )
        grant(
            grantee=self.model_role,
            actions=[
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ],
            resource_arns=[log_groups],
        )
        acknowledge(
            self.model_role,
            "The client names its endpoints; all start with the environment's prefix.",
            f"AwsSolutions-IAM5[Resource::{log_groups}]",
        )
