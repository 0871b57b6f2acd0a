"""VPC endpoints that are there already: in the VPC itself, or in a hub's that it reaches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_route53profiles as profiles
from constructs import Construct


@dataclass(frozen=True)
class SharedEndpoints:
    """Which services are reached through endpoints of somebody else, and by which way.

    Parameters
    ----------
    services
        Id of the endpoint of each service: ``{"logs": "vpce-0a1b2c3d4e5f60718"}``.
    security_groups
        Ids of the groups that the endpoints belong to, where they can be named.
    cidrs
        Networks that the endpoints stand in, where their groups cannot be named.
    transit_gateway
        Id of the gateway that leads to a hub; none where the endpoints stand in the VPC itself.
    dns_profile
        Id of the Route 53 profile that shares the hub's private names; none where the VPC has
        them already.

    Examples
    --------
    >>> SharedEndpoints({"logs": "vpce-1"}, cidrs=["10.250.0.0/24"]).services["logs"]
    'vpce-1'
    """

    services: Mapping[str, str] = field(default_factory=dict)
    security_groups: Sequence[str] = ()
    cidrs: Sequence[str] = ()
    transit_gateway: str = ""
    dns_profile: str = ""


class HubConnection(Construct):
    """What leads a VPC to a hub's endpoints: an attachment, routes to them alone, their names.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    vpc
        The VPC.
    shared
        The hub's endpoints.
    name
        Name of the association of the profile.

    Examples
    --------
    >>> HubConnection(stack, "Hub", vpc=vpc, shared=shared, name="mlops-dev")  # doctest: +SKIP
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        shared: SharedEndpoints,
        name: str,
    ) -> None:
        super().__init__(scope, construct_id)
        if shared.dns_profile:
            profiles.CfnProfileAssociation(
                self,
                "Names",
                name=name,
                profile_id=shared.dns_profile,
                resource_id=vpc.vpc_id,
            )
        if not shared.transit_gateway:
            return
        attachment = ec2.CfnTransitGatewayAttachment(
            self,
            "Attachment",
            vpc_id=vpc.vpc_id,
            subnet_ids=[subnet.subnet_id for subnet in vpc.isolated_subnets],
            transit_gateway_id=shared.transit_gateway,
        )
        for number, subnet in enumerate(vpc.isolated_subnets, start=1):
            for place, cidr in enumerate(shared.cidrs, start=1):
                route = ec2.CfnRoute(
                    self,
                    f"Route{number}x{place}",
                    route_table_id=subnet.route_table.route_table_id,
                    destination_cidr_block=cidr,
                    transit_gateway_id=shared.transit_gateway,
                )
                route.node.add_dependency(attachment)
