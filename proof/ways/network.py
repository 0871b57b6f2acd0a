"""Ways through the network itself: gateways, addresses, routes, attachments and names."""

from collections.abc import Iterator
from typing import Any

from proof.model import Question
from proof.system.addresses import is_public
from proof.system.system import System, View
from proof.system.values import Unknown, named, truth
from proof.ways.checks import Register, Sight, broken, lacking, unsure

RULES = Register(Question.WAYS)

Sights = Iterator[Sight]

EXISTENCE = (
    (
        "way.internet-gateway",
        ("AWS::EC2::InternetGateway",),
        "No internet gateway is made.",
        "An internet gateway is made.",
        "Remove the gateway and its attachment, and reach AWS through VPC endpoints.",
    ),
    (
        "way.egress-only-gateway",
        ("AWS::EC2::EgressOnlyInternetGateway",),
        "No egress-only gateway is made.",
        "An egress-only gateway lets IPv6 out.",
        "Remove the gateway and its routes.",
    ),
    (
        "way.vpn",
        (
            "AWS::EC2::VPNGateway",
            "AWS::EC2::VPNConnection",
            "AWS::EC2::VPNGatewayRoutePropagation",
            "AWS::EC2::CustomerGateway",
            "AWS::EC2::ClientVpnEndpoint",
        ),
        "No VPN leads in or out.",
        "A VPN leads in and out.",
        "Remove it, or let people in through a network that is named on purpose.",
    ),
    (
        "way.direct-connect",
        (
            "AWS::DirectConnect::Connection",
            "AWS::DirectConnect::DirectConnectGateway",
            "AWS::DirectConnect::DirectConnectGatewayAssociation",
            "AWS::DirectConnect::PrivateVirtualInterface",
            "AWS::DirectConnect::PublicVirtualInterface",
            "AWS::DirectConnect::TransitVirtualInterface",
        ),
        "No Direct Connect leads in or out.",
        "Direct Connect leads in and out.",
        "Keep the connection apart from these templates, and name its attachment on purpose.",
    ),
    (
        "way.edge-gateway",
        (
            "AWS::EC2::CarrierGateway",
            "AWS::EC2::LocalGatewayRoute",
            "AWS::EC2::LocalGatewayRouteTableVPCAssociation",
        ),
        "No carrier or local gateway is used.",
        "A gateway of an edge location leads out.",
        "Remove it.",
    ),
    (
        "way.elastic-ip",
        ("AWS::EC2::EIP", "AWS::EC2::EIPAssociation"),
        "No public address is reserved.",
        "A public address is reserved.",
        "Remove the address.",
    ),
    (
        "way.instance-connect",
        ("AWS::EC2::InstanceConnectEndpoint",),
        "No Instance Connect endpoint opens the network to consoles.",
        "Whoever has the permission connects from the internet to instances.",
        "Remove it, or use Session Manager through its VPC endpoints.",
    ),
    (
        "way.cloud-wan",
        (
            "AWS::NetworkManager::VpcAttachment",
            "AWS::NetworkManager::CoreNetwork",
            "AWS::VpcLattice::ServiceNetworkVpcAssociation",
            "AWS::EC2::VPCBlockPublicAccessExclusion",
        ),
        "The network is joined to no Cloud WAN and no Lattice, and blocks public access whole.",
        "The network is joined to another, or excepted from the block of public access.",
        "Remove it.",
    ),
)
"""Types whose existence is a way: id, types, what holds, what is found, what to do."""


def _existence(says: str) -> Any:
    return lambda _view, _system: [broken(says)]


for _id, _types, _holds, _found, _mend in EXISTENCE:
    RULES.rule(_id, *_types, says=_holds, mend=_mend)(_existence(_found))


@RULES.rule(
    "way.gateway-attachment",
    "AWS::EC2::VPCGatewayAttachment",
    says="No gateway is attached to a VPC.",
    mend="Remove the attachment.",
)
def gateway_attachment(view: View, system: System) -> Sights:
    """A VPC with an internet or VPN gateway."""
    gateway = view.get("InternetGatewayId") or view.get("VpnGatewayId")
    yield broken(f"{named(gateway)} is attached to {named(view.get('VpcId'))}.")


@RULES.rule(
    "way.nat-gateway",
    "AWS::EC2::NatGateway",
    says="No NAT gateway is made.",
    mend="Remove the NAT gateway, and reach AWS through VPC endpoints.",
)
def nat_gateway(view: View, system: System) -> Sights:
    """Address translation to the internet, or to another network."""
    private = view.get("ConnectivityType") == "private"
    yield broken(f"A {'private ' if private else ''}NAT gateway leads out.")


@RULES.rule(
    "way.attachment",
    "AWS::EC2::VPCPeeringConnection",
    "AWS::EC2::TransitGateway",
    "AWS::EC2::TransitGatewayAttachment",
    "AWS::EC2::TransitGatewayVpcAttachment",
    "AWS::EC2::TransitGatewayPeeringAttachment",
    "AWS::EC2::TransitGatewayConnect",
    says="The network is joined to no other that is not named.",
    mend="Remove the attachment, or name it in the environment's configuration.",
)
def attachment(view: View, system: System) -> Sights:
    """Peering, and transit gateways."""
    gateway = view.get("TransitGatewayId")
    named_on_purpose = {view.id, view.resource.logical_id, str(gateway)}
    if not named_on_purpose & system.expectations.attachments:
        other = gateway or view.get("PeerVpcId")
        yield broken(f"The network is joined to {named(other)}, which nobody named.")


TARGETS = {
    "GatewayId": "a gateway",
    "NatGatewayId": "a NAT gateway",
    "EgressOnlyInternetGatewayId": "an egress-only gateway",
    "TransitGatewayId": "a transit gateway",
    "VpcPeeringConnectionId": "a peering",
    "InstanceId": "an instance",
    "NetworkInterfaceId": "a network interface",
    "CarrierGatewayId": "a carrier gateway",
    "LocalGatewayId": "a local gateway",
    "CoreNetworkArn": "a core network",
}


@RULES.rule(
    "way.route",
    "AWS::EC2::Route",
    says="No route leads anywhere but within the network and to what is named.",
    mend="Remove the route, or name the attachment that it leads to in the configuration.",
)
def route(view: View, system: System) -> Sights:
    """A route other than those that AWS makes for the VPC itself and for gateway endpoints."""
    wide = view.get("DestinationCidrBlock") or view.get("DestinationIpv6CidrBlock")
    where = named(wide or view.get("DestinationPrefixListId"))
    target = next(((key, view.get(key)) for key in TARGETS if view.get(key) is not None), None)
    table = str(view.get("RouteTableId", ""))
    path = [resource.id for resource in system.mentioned(table)]
    if target is None:
        if is_public(wide, system) is not False:
            yield unsure(f"{where} leads to a firewall or to an unknown target.", *path)
        return
    key, value = target
    if value in ("local", *system.expectations.attachments):
        return
    if system.find(value, "AWS::EC2::VPCEndpoint"):
        return
    path += [resource.id for resource in system.mentioned(value)]
    yield broken(f"{where} leads to {TARGETS[key]}, {named(value)}.", *path)


@RULES.rule(
    "way.ipv6",
    "AWS::EC2::Subnet",
    says="No subnet gives out public IPv6 addresses that a route could use.",
    mend="Set AssignIpv6AddressOnCreation to false, or remove the IPv6 range.",
)
def ipv6(view: View, system: System) -> Sights:
    """Public IPv6 addresses are harmless without a route; with one they are a way."""
    given = truth(view.get("AssignIpv6AddressOnCreation"), False)
    if given is None:
        yield unsure("Nobody can tell whether IPv6 addresses are given out.")
    elif given:
        routes = [
            other.id for other in system.views("AWS::EC2::Route") if _leads_out(other, system)
        ]
        yield (
            broken("IPv6 addresses are given out, and a route leads out.", *routes)
            if routes
            else lacking("Public IPv6 addresses are given out; only the lack of a route holds.")
        )


def _leads_out(view: View, system: System) -> bool:
    return any(sight.grade.value == "broken" for sight in route(view, system))


def leads_out(vpc: Any, system: System) -> list[str]:
    """The routes and gateways by which a VPC could be left."""
    found = []
    for view in system.views("AWS::EC2::Route"):
        table = system.view(view.get("RouteTableId"), "AWS::EC2::RouteTable")
        same = table is None or table.get("VpcId") == vpc
        if same and _leads_out(view, system):
            found.append(view.id)
    return found


@RULES.rule(
    "way.acl",
    "AWS::EC2::NetworkAclEntry",
    says="No network ACL lets the internet pass where a route leads there.",
    mend="Close the route, and let the ACL pass private ranges only.",
)
def acl(view: View, system: System) -> Sights:
    """The second layer: judged where the first one, the routes, is open."""
    if view.get("RuleAction") == "deny":
        return
    table = system.view(view.get("NetworkAclId"), "AWS::EC2::NetworkAcl")
    routes = leads_out(table.get("VpcId") if table else None, system)
    blocks = [view.get("CidrBlock"), view.get("Ipv6CidrBlock")]
    if routes and any(is_public(block, system) for block in blocks if block):
        yield broken("The ACL lets public addresses pass, and a route leads out.", *routes)


@RULES.rule(
    "way.shared",
    "AWS::RAM::ResourceShare",
    says="Nothing is shared with other accounts.",
    mend="Remove the share, or name the accounts in the configuration.",
)
def shared(view: View, system: System) -> Sights:
    """Subnets, gateways, models... that other accounts may use."""
    for principal in view.items("Principals"):
        account = str(principal).split(":")[4] if "organizations" in str(principal) else principal
        if system.owns(str(account)) is not True:
            organization = system.expectations.organization
            if organization and organization in str(principal):
                continue
            yield broken(f"Resources are shared with {named(principal)}.")


@RULES.rule(
    "way.default-group",
    "AWS::EC2::VPC",
    says="The default security group of each VPC is closed.",
    mend="Remove its rules with a custom resource, such as the CDK's restrictDefaultSecurityGroup.",
)
def default_group(view: View, system: System) -> Sights:
    """The default group lets everything out, until somebody takes its rules away."""
    attribute = f"${{{view.id}.DefaultSecurityGroup}}"
    for other in system.resources.values():
        closes = other.type == "Custom::VpcRestrictDefaultSG" or (
            other.type.startswith("AWS::SSM::")
        )
        if closes and any(attribute in str(branch.properties) for branch in system.branches(other)):
            return
    users = [
        other.id
        for other in system.resources.values()
        if other.type != "AWS::EC2::VPC"
        and any(attribute in str(branch.properties) for branch in system.branches(other))
    ]
    if users:
        yield lacking("The default group is in use with the rules that AWS gives it.", *users)
    else:
        yield unsure("The default group keeps the rules that AWS gives it; nothing uses it here.")


@RULES.rule(
    "way.unseen",
    "AWS::CloudFormation::Stack",
    "AWS::CloudFormation::StackSet",
    "AWS::CloudFormation::Macro",
    "AWS::ServiceCatalog::CloudFormationProvisionedProduct",
    says="Every resource that is made can be seen in the templates.",
    mend="Put the template of what it makes into the folder, or write the resources out.",
)
def unseen(view: View, system: System) -> Sights:
    """Stacks within stacks whose template is not in the folder."""
    if view.id not in {stack.id for stack in system.nested.values()}:
        yield unsure("It makes resources that are not among the templates.")


@RULES.rule(
    "way.known-range",
    "AWS::EC2::VPC",
    says="Every VPC has an address range that is known.",
    mend="Give the parameter of the range a default.",
)
def known_range(view: View, system: System) -> Sights:
    """A range that nobody knows makes every rule on it undecided."""
    block = view.get("CidrBlock")
    if isinstance(block, Unknown):
        yield unsure(f"The address range is unknown: {block.why}.")


@RULES.rule(
    "way.unseen-network",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::VPCEndpoint",
    says="Every VPC that is used is among the templates, or named as somebody else's.",
    mend="Put the templates of the VPC beside these; its owner's are enough.",
)
def unseen_network(view: View, system: System) -> Sights:
    """A VPC that no template makes may have any route, and any name may be answered in it."""
    vpc = view.get("VpcId")
    if vpc is None or system.find(vpc, "AWS::EC2::VPC") or vpc in system.expectations.attachments:
        return
    users = system.views("AWS::EC2::SecurityGroup", "AWS::EC2::VPCEndpoint")
    if view.id == min(other.id for other in users if other.get("VpcId") == vpc):
        yield unsure(f"Nobody can tell where the routes and names of {named(vpc)} lead.")
