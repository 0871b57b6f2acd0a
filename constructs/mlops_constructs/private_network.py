"""A VPC with no way out: isolated subnets, and an endpoint for each service that is called."""

from collections.abc import Mapping, Sequence

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge, acknowledge_grant
from mlops_constructs.endpoint_policies import INTERFACE_POLICIES, s3_policy
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.naming import Naming


class PrivateNetwork(Construct):
    """A VPC of isolated subnets, its endpoints with their policies, and flow logs.

    There is no internet gateway, no NAT and no default route. What runs inside reaches AWS
    through the endpoints alone, and each endpoint lets through only this account's identities
    on this account's resources.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    cidr
        Network of the VPC, such as ``10.20.0.0/16``.
    zones
        Availability zones, at least two: one subnet is made in each.
    subnet_prefix
        Prefix length of each subnet, in bits.
    services
        The AWS services that are called from inside, each with who calls it:
        ``{"secretsmanager": "the tracking server reads its database secret"}``.
    naming
        What the names of the platform's buckets, repositories and endpoints start with: the
        endpoint policies let through nothing else.
    s3_prefix_list
        Id of the region's managed prefix list for S3. Security groups name it as the one
        destination outside of the VPC.
    log_settings
        How logs are kept.

    Attributes
    ----------
    vpc : aws_cdk.aws_ec2.IVpc
        The VPC.
    interface_endpoints : dict of str to aws_cdk.aws_ec2.InterfaceVpcEndpoint
        The interface endpoint of each service.
    s3_endpoint : aws_cdk.aws_ec2.GatewayVpcEndpoint
        The gateway endpoint for S3.
    clients : aws_cdk.aws_ec2.ISecurityGroup
        The group of whatever may call the platform from inside the VPC.

    Raises
    ------
    FaultsError
        With every fault of the arguments.

    Examples
    --------
    >>> network = PrivateNetwork(  # doctest: +SKIP
    ...     stack, "Network", cidr="10.20.0.0/16", zones=["eu-west-1a", "eu-west-1b"],
    ...     services={"logs": "tasks write their logs"}, naming=Naming("mlops", "blue"),
    ...     s3_prefix_list="pl-6da54004", log_settings=settings)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cidr: str,
        zones: Sequence[str],
        services: Mapping[str, str],
        naming: Naming,
        s3_prefix_list: str,
        log_settings: LogSettings,
        subnet_prefix: int = 24,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_faults(self.node.path, _faults(zones, services))
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            availability_zones=list(zones),
            nat_gateways=0,
            create_internet_gateway=False,
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
        self._s3_prefix_list = ec2.Peer.prefix_list(s3_prefix_list)
        self._log_flows(log_settings)
        self._endpoints_group = self.security_group(self, "EndpointsGroup", "Interface endpoints")
        self.clients = self.security_group(self, "ClientsGroup", "What may call the platform")
        self.connect_to_aws(self.clients)
        self.s3_endpoint = self._add_s3_endpoint(naming)
        self.interface_endpoints = {
            service: self._add_interface_endpoint(service, naming) for service in sorted(services)
        }

    @property
    def groups(self) -> list[ec2.ISecurityGroup]:
        """The groups that rules of later stacks name: of the endpoints, and of the clients."""
        return [self._endpoints_group, self.clients]

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

    def connect_to_aws(self, peer: ec2.IConnectable) -> None:
        """Let `peer` call the interface endpoints and S3.

        The rules become resources of the stack that `peer` belongs to.

        Parameters
        ----------
        peer
            What calls: a task, a function, a group.
        """
        peer.connections.allow_to(
            self._endpoints_group, ec2.Port.HTTPS, "Calls AWS through the interface endpoints"
        )
        self.connect_to_s3(peer)

    def connect_to_s3(self, peer: ec2.IConnectable) -> None:
        """Let `peer` call S3 through the gateway endpoint, and nothing else."""
        peer.connections.allow_to(
            self._s3_prefix_list, ec2.Port.HTTPS, "Calls S3 through the gateway endpoint"
        )

    def grant_attach(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a service that acts as `grantee` place network interfaces into the VPC.

        EC2 takes no narrower resource for describing, and checks creation against subnet, group
        and interface at once:
        https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
        https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
        """
        stack = Stack.of(self)
        anything_here = stack.format_arn(service="ec2", resource="*", resource_name="*")
        create = iam.Grant.add_to_principal(
            grantee=grantee,
            actions=[
                "ec2:CreateNetworkInterface",
                "ec2:CreateNetworkInterfacePermission",
                "ec2:DeleteNetworkInterface",
                "ec2:DeleteNetworkInterfacePermission",
                "ec2:AssignPrivateIpAddresses",
                "ec2:UnassignPrivateIpAddresses",
            ],
            resource_arns=[anything_here],
        )
        describe = iam.Grant.add_to_principal(
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

    def _log_flows(self, log_settings: LogSettings) -> None:
        log_group = log_settings.group(self, "FlowLogs")
        role = iam.Role(
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

    def _add_s3_endpoint(self, naming: Naming) -> ec2.GatewayVpcEndpoint:
        endpoint = self.vpc.add_gateway_endpoint(
            "S3Endpoint", service=ec2.GatewayVpcEndpointAwsService.S3
        )
        for statement in s3_policy(Stack.of(self), naming):
            endpoint.add_to_policy(statement)
        return endpoint

    def _add_interface_endpoint(self, service: str, naming: Naming) -> ec2.InterfaceVpcEndpoint:
        words = service.replace(".", "-").split("-")
        endpoint = self.vpc.add_interface_endpoint(
            "".join(word.capitalize() for word in words) + "Endpoint",
            service=ec2.InterfaceVpcEndpointAwsService(service),
            private_dns_enabled=True,
            open=False,
            security_groups=[self._endpoints_group],
        )
        for statement in INTERFACE_POLICIES[service](Stack.of(self), naming):
            endpoint.add_to_policy(statement)
        return endpoint


def _faults(zones: Sequence[str], services: Mapping[str, str]) -> list[Fault]:
    faults = []
    if len(set(zones)) < 2:
        faults.append(
            Fault("zones", ", ".join(zones) or "none", "two different zones or more", "Add one.")
        )
    for service in services:
        if service not in INTERFACE_POLICIES:
            faults.append(
                Fault(
                    "services",
                    f"'{service}'",
                    ", ".join(INTERFACE_POLICIES),
                    f"Write the endpoint policy of '{service}' in endpoint_policies.py first.",
                )
            )
    return faults
