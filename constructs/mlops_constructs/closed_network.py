"""The closed network, as the models and jobs that run inside of it have it."""

from collections.abc import Collection, Sequence

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge_grant
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.platform_role import grant
from mlops_constructs.service_call import ServiceCall
from mlops_constructs.sites import site_of

LENDING = ("ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterfacePermission")
"""What lending a network interface to another account takes."""


class ClosedNetwork:
    """The network, of this stack or of one that is deployed.

    Parameters
    ----------
    vpc
        The VPC.
    subnet_ids
        Ids of its isolated subnets.
    services
        The services that have an endpoint in it.
    s3_prefix_list
        Id of the region's managed prefix list for S3.

    Attributes
    ----------
    vpc : aws_cdk.aws_ec2.IVpc
        The VPC.
    subnet_ids : list of str
        Ids of its isolated subnets.
    """

    def __init__(
        self,
        vpc: ec2.IVpc,
        subnet_ids: Sequence[str],
        services: Collection[str],
        s3_prefix_list: str,
    ) -> None:
        self.vpc = vpc
        self.subnet_ids = list(subnet_ids)
        self._services = services
        self._s3_prefix_list = ec2.Peer.prefix_list(s3_prefix_list)

    def require(self, caller: Construct, calls: Sequence[ServiceCall]) -> None:
        """Make sure that everything `caller` calls has an endpoint.

        Parameters
        ----------
        caller
            What calls.
        calls
            Its calls.

        Raises
        ------
        FaultsError
            With every service that has no endpoint: `caller` would start and never answer.
        """
        raise_faults(
            caller.node.path,
            [
                Fault(
                    call.service,
                    f"no endpoint, though the {call.caller} {call.reason}",
                    ", ".join(self._services) or "no service",
                    "Pass this construct's CALLS to the network.",
                )
                for call in calls
                if call.service not in self._services
            ],
        )

    def security_group(
        self, scope: Construct, construct_id: str, description: str
    ) -> ec2.SecurityGroup:
        """A security group of the VPC that lets nothing in or out until a rule says so.

        Parameters
        ----------
        scope, construct_id
            Where the group stands: in the construct that it is for.
        description
            What belongs to it.
        """
        return ec2.SecurityGroup(
            scope,
            construct_id,
            vpc=self.vpc,
            description=description,
            allow_all_outbound=False,
        )

    def connect_to_s3(self, peer: ec2.IConnectable) -> None:
        """Let `peer` call S3 through the gateway endpoint, and nothing else."""
        peer.connections.allow_to(
            self._s3_prefix_list, ec2.Port.HTTPS, "Calls S3 through the gateway endpoint"
        )

    def grant_attach(self, grantee: iam.IGrantable, *, lend: bool = False) -> iam.Grant:
        """Let a service that acts as `grantee` place network interfaces into the VPC.

        EC2 takes no narrower resource for describing, and checks creation against subnet, group
        and interface at once:
        https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
        https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html

        Parameters
        ----------
        grantee
            What the service acts as.
        lend
            Whether the service lends the interfaces to an account of its own, as SageMaker does.
        """
        anything_here = site_of(self.vpc).arn("ec2", "*/*")
        create = grant(
            grantee=grantee,
            actions=[
                "ec2:CreateNetworkInterface",
                "ec2:DeleteNetworkInterface",
                "ec2:AssignPrivateIpAddresses",
                "ec2:UnassignPrivateIpAddresses",
                *(LENDING if lend else ()),
            ],
            resource_arns=[anything_here],
        )
        describe = grant(
            grantee=grantee,
            actions=[
                "ec2:DescribeDhcpOptions",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
            ],
            resource_arns=["*"],
        )
        acknowledge_grant(
            grantee,
            "EC2 describes nothing narrower, and interfaces have no name before they are created.",
            "AwsSolutions-IAM5[Resource::*]",
            f"AwsSolutions-IAM5[Resource::{anything_here}]",
        )
        return create.combine(describe)
