"""A Client stack: what a VPC of somebody else needs to use the platform."""

from aws_cdk import CfnOutput
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from mlops_constructs.client_access import ClientAccess
from mlops_constructs.client_network import ClientNetwork
from mlops_constructs.naming import MODELS_PREFIX
from mlops_constructs.platform_role import PlatformRole
from mlops_constructs.tracking_task import PORT
from stacks.config import Environment
from stacks.data import DataStack
from stacks.managed_tracking import ManagedTrackingStack
from stacks.network import NetworkStack
from stacks.platform_stack import PlatformStack
from stacks.tracking import TrackingStack

Mlflow = TrackingStack | ManagedTrackingStack


class ClientStack(PlatformStack):
    """Endpoints to the platform in a client's VPC, and the instance profile of what runs there.

    It belongs to the account of the VPC. Where that is the platform's own, the instance profile's
    role is the client's role; from another account it does no more than take that role, which
    stands in a `ClientAccessStack`.

    Parameters
    ----------
    scope, construct_id
        Where the stack stands.
    environment
        The environment it belongs to.
    name
        Name of the client in the configuration.
    network
        Where the client's models run.
    data
        Where models, files and images are kept.
    tracking
        The tracking server, or AWS's managed App.
    access
        What a client of another account may do; made here where there is none.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        name: str,
        network: NetworkStack,
        data: DataStack,
        tracking: Mlflow,
        access: ClientAccess | None = None,
    ) -> None:
        client = environment.clients[name]
        super().__init__(
            scope,
            construct_id,
            environment=environment,
            holds=f"What {name} needs to use the platform",
            account=client.account,
        )
        offered = environment.tracking.endpoint_service
        service = tracking.server.endpoint_service if isinstance(tracking, TrackingStack) else None
        service_name = client.endpoint_service or (
            service.vpc_endpoint_service_name if service else ""
        )
        vpc = ec2.Vpc.from_vpc_attributes(
            self, "Vpc", vpc_id=client.vpc, availability_zones=self.availability_zones
        )
        groups = [
            ec2.SecurityGroup.from_security_group_id(self, f"Clients{n}", group, mutable=False)
            for n, group in enumerate(client.security_groups, start=1)
        ]
        endpoints = ClientNetwork(
            self,
            "Network",
            vpc=vpc,
            subnets=client.subnets,
            clients=groups,
            services=client.services,
            naming=environment.naming,
            platform=network,
            endpoint_service=service_name,
            private_dns=offered.private_dns,
        )
        ec2_service = iam.ServicePrincipal("ec2.amazonaws.com")
        if access:
            role = PlatformRole(
                self,
                "Role",
                assumed_by=ec2_service,
                description=f"Takes the role of {name} in the platform's account",
            )
            access.role.grant_assume_role(role)
        else:
            own = _access(self, environment, name, ec2_service, network, data, tracking)
            role = own.role
            _settings_output(self, environment, network, data, tracking, own)
        profile = iam.InstanceProfile(
            self, "InstanceProfile", role=role, path=environment.naming.iam_path
        )
        outputs = {
            "TrackingEndpointId": endpoints.tracking_endpoint.ref,
            "InstanceProfileArn": profile.instance_profile_arn,
            # For the role that the client starts its machines with, which is not ours.
            "PassRoleStatement": self.to_json_string(
                {
                    "Effect": "Allow",
                    "Action": "iam:PassRole",
                    "Resource": role.role_arn,
                    "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
                }
            ),
        }
        # The App's ARN is known to no stack of another account: NotebookSettings tells it.
        if service_name or not access:
            outputs["TrackingUri"] = _tracking_uri(environment, tracking)
        if service_name:
            outputs |= {
                "EndpointServiceName": service_name,
                "AllowedPrincipals": ",".join(offered.allowed_principals),
                # https://docs.databricks.com/aws/en/security/network/serverless-network-security/pl-to-internal-network
                "NccRule": self.to_json_string(
                    {"endpoint_service": service_name, "domain_names": [offered.private_dns]}
                ),
            }
        if "s3" in endpoints.interface_endpoints:
            outputs["S3EndpointId"] = endpoints.interface_endpoints["s3"].ref
        for output, value in outputs.items():
            CfnOutput(self, output, value=value)


class ClientAccessStack(PlatformStack):
    """The role of a client whose VPC belongs to another account, in the platform's own.

    Parameters
    ----------
    scope, construct_id
        Where the stack stands.
    environment
        The environment it belongs to.
    name
        Name of the client in the configuration.
    network
        Where the client's models run.
    data
        Where models, files and images are kept.
    tracking
        The tracking server, or AWS's managed App.

    Attributes
    ----------
    access : mlops_constructs.client_access.ClientAccess
        The role, and what its models run as.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        name: str,
        network: NetworkStack,
        data: DataStack,
        tracking: Mlflow,
    ) -> None:
        super().__init__(scope, construct_id, environment=environment, holds=f"What {name} may do")
        account = environment.clients[name].account
        roles = f"arn:{self.partition}:iam::{account}:role{environment.naming.iam_path}*"
        principal = iam.AccountPrincipal(account).with_conditions(
            {"ArnLike": {"aws:PrincipalArn": roles}}
        )
        self.access = _access(self, environment, name, principal, network, data, tracking)
        role = self.access.role.role_arn
        _settings_output(self, environment, network, data, tracking, self.access, role)


def _access(
    stack: PlatformStack,
    environment: Environment,
    name: str,
    principal: iam.IPrincipal,
    network: NetworkStack,
    data: DataStack,
    tracking: Mlflow,
) -> ClientAccess:
    access = ClientAccess(
        stack,
        "Access",
        naming=environment.naming,
        name=name,
        principal=principal,
        network=network.network,
        artifacts=data.artifacts,
        images=[data.images[image] for image in environment.clients[name].images],
    )
    if isinstance(tracking, ManagedTrackingStack):
        tracking.app.grant_use(access.role, vpc=environment.clients[name].vpc)
    return access


def _settings_output(
    stack: PlatformStack,
    environment: Environment,
    network: NetworkStack,
    data: DataStack,
    tracking: Mlflow,
    access: ClientAccess,
    assumed_role: str = "",
) -> None:
    """What a notebook needs to know of the platform, as the one text that it asks for."""
    settings = {
        "region": environment.region,
        "tracking_uri": _tracking_uri(environment, tracking),
        "assume_role": assumed_role,
        "prefix": environment.naming.endpoint(""),
        "artifacts": data.artifacts.uri(MODELS_PREFIX),
        "execution_role": access.model_role.role_arn,
        "subnets": network.network.subnet_ids,
        "security_groups": [access.model_group.security_group_id],
    }
    CfnOutput(stack, "NotebookSettings", value=stack.to_json_string(settings))


def _tracking_uri(environment: Environment, tracking: Mlflow) -> str:
    """The address of MLflow for clients: its name in their VPC, or the ARN of AWS's App."""
    if isinstance(tracking, ManagedTrackingStack):
        return tracking.app.arn
    settings = environment.tracking
    scheme = "https" if settings.tls else "http"
    return f"{scheme}://{settings.endpoint_service.private_dns}:{PORT}"
