"""A VPC with no way out: isolated subnets, nothing open by default, every flow logged."""

from collections.abc import Sequence

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.closed_default_group import ClosedDefaultGroup
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.platform_role import PlatformRole


class IsolatedVpc(Construct):
    """A VPC of isolated subnets with flow logs, whose default security group is closed.

    There is no internet gateway, no NAT and no default route.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    cidr
        Network of the VPC, such as ``10.20.0.0/16``.
    zones
        Availability zones, at least two: one subnet is made in each.
    log_settings
        How flow logs are kept.
    subnet_prefix
        Prefix length of each subnet, in bits.
    block_public_access
        Whether the whole account refuses internet gateways in this region from now on: no, as
        it concerns every other VPC of the account.

    Attributes
    ----------
    vpc : aws_cdk.aws_ec2.Vpc
        The VPC.

    Raises
    ------
    FaultsError
        With every fault of the arguments.

    Examples
    --------
    >>> isolated = IsolatedVpc(  # doctest: +SKIP
    ...     stack, "Vpc", cidr="10.20.0.0/16", zones=["eu-west-1a", "eu-west-1b"],
    ...     log_settings=settings)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cidr: str,
        zones: Sequence[str],
        log_settings: LogSettings,
        subnet_prefix: int = 24,
        block_public_access: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_faults(self.node.path, _faults(zones))
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            availability_zones=list(zones),
            nat_gateways=0,
            create_internet_gateway=False,
            # The CDK's own way is a function outside of the VPC: ClosedDefaultGroup needs none.
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Isolated",
                    subnet_type=ec2.SubnetType.PRIVATE_ISOLATED,
                    cidr_mask=subnet_prefix,
                )
            ],
        )
        acknowledge(
            self.vpc,
            "Zones are chosen by who runs the network, and synth asks nobody.",
            "CloudFormation-Validate::W3010",
        )
        acknowledge(
            self.vpc,
            "CloudFormation cannot change the default group; Systems Manager empties it instead.",
            "VPCDefaultSecurityGroupClosed",
        )
        self._log_flows(log_settings)
        ClosedDefaultGroup(self, "DefaultGroup", vpc=self.vpc)
        if block_public_access:
            # https://docs.aws.amazon.com/vpc/latest/userguide/security-vpc-bpa.html
            ec2.CfnVPCBlockPublicAccessOptions(
                self, "BlockPublicAccess", internet_gateway_block_mode="block-bidirectional"
            )

    def _log_flows(self, log_settings: LogSettings) -> None:
        log_group = log_settings.group(self, "FlowLogs")
        role = PlatformRole(
            self,
            "FlowLogsRole",
            assumed_by=iam.ServicePrincipal("vpc-flow-logs.amazonaws.com"),
            description="Writes the flow logs of the VPC",
        )
        self.vpc.add_flow_log(
            "FlowLog",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(log_group, role),
            traffic_type=ec2.FlowLogTrafficType.ALL,
        )


def _faults(zones: Sequence[str]) -> list[Fault]:
    if len(set(zones)) >= 2:
        return []
    given = ", ".join(zones) or "none"
    return [Fault("zones", given, "two different zones or more", "Add one.")]
