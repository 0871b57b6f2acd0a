"""The closed network: an endpoint for each service that is called, and groups that name groups."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from mlops_constructs.closed_network import ClosedNetwork
from mlops_constructs.endpoint_policies import RESOURCES, EndpointPolicies, Principals
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.naming import Naming
from mlops_constructs.service_call import S3, ServiceCall, endpoint_prefix
from mlops_constructs.shared_endpoints import SharedEndpoints
from mlops_constructs.sites import site_of

CALLERS = "Callers"
"""Key of an endpoint's metadata that says who calls through it, and what for."""


class PrivateNetwork(Construct, ClosedNetwork):
    """The endpoints of a VPC without a way out, each made of the calls that are declared.

    What runs inside reaches AWS through the endpoints alone. There is one for each service that
    is called, unless it is shared; each lets through the declared actions alone, of this
    account's identities, on this platform's resources.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    vpc
        The VPC, whose isolated subnets are used.
    calls
        Every call of everything that runs inside.
    naming
        What the names of the platform's resources start with.
    principals
        Whose requests pass the endpoints.
    s3_prefix_list
        Id of the region's managed prefix list for S3. Security groups name it as the one
        destination outside of the VPC.
    shared
        Services that are reached through endpoints of somebody else.
    callers
        Groups of somebody else whose members may call the platform. They are left as they are.

    Attributes
    ----------
    vpc : aws_cdk.aws_ec2.IVpc
        The VPC.
    subnet_ids : list of str
        Ids of its isolated subnets.
    endpoints : dict of str to aws_cdk.aws_ec2.IVpcEndpoint
        The endpoint of each service that is called: S3's gateway and shared ones too.
    clients : aws_cdk.aws_ec2.ISecurityGroup
        The group of whatever may call the platform from inside the VPC.
    callers : list of aws_cdk.aws_ec2.ISecurityGroup
        Every group whose members may call the platform: `clients`, and those that were given.

    Raises
    ------
    FaultsError
        With every fault of the arguments: a service that cannot have an endpoint here, a shared
        endpoint that nobody calls.

    Examples
    --------
    >>> network = PrivateNetwork(  # doctest: +SKIP
    ...     stack, "Network", vpc=vpc, calls=TrackingServer.CALLS, naming=Naming("mlops", "blue"),
    ...     principals=Principals("111111111111"), s3_prefix_list="pl-6da54004")
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        calls: Sequence[ServiceCall],
        naming: Naming,
        principals: Principals,
        s3_prefix_list: str,
        shared: SharedEndpoints | None = None,
        callers: Sequence[ec2.ISecurityGroup] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        self._shared = shared or SharedEndpoints()
        by_service = _by_service(calls)
        raise_faults(self.node.path, _faults(by_service, self._shared))
        self._subnets = vpc.isolated_subnets
        subnet_ids = [subnet.subnet_id for subnet in self._subnets]
        self.endpoints: dict[str, ec2.IVpcEndpoint] = {}
        ClosedNetwork.__init__(self, vpc, subnet_ids, self.endpoints, s3_prefix_list)
        self._endpoints_group = self.security_group(self, "EndpointsGroup", "Interface endpoints")
        self.clients = self.security_group(self, "ClientsGroup", "What may call the platform")
        self.callers = [self.clients, *callers]
        for caller in self.callers:
            self.connect_to_aws(caller)
        policies = EndpointPolicies(site_of(self), naming, principals, self.subnet_ids)
        for service, its_calls in by_service.items():
            self.endpoints[service] = (
                self._shared_endpoint(service)
                if service in self._shared.services
                else self._add_endpoint(service, its_calls, policies)
            )

    @property
    def groups(self) -> list[ec2.ISecurityGroup]:
        """The groups that rules of later stacks name: of the endpoints, and of the clients."""
        return [self._endpoints_group, self.clients]

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
        for place in (
            *map(ec2.Peer.security_group_id, self._shared.security_groups),
            *map(ec2.Peer.ipv4, self._shared.cidrs),
        ):
            peer.connections.allow_to(place, ec2.Port.HTTPS, "Calls AWS through shared endpoints")
        self.connect_to_s3(peer)

    def _shared_endpoint(self, service: str) -> ec2.IVpcEndpoint:
        endpoint_id, construct_id = (
            self._shared.services[service],
            f"Shared{_construct_id(service)}",
        )
        if service == S3:
            return ec2.GatewayVpcEndpoint.from_gateway_vpc_endpoint_id(
                self, construct_id, endpoint_id
            )
        return ec2.InterfaceVpcEndpoint.from_interface_vpc_endpoint_attributes(
            self, construct_id, vpc_endpoint_id=endpoint_id, port=443
        )

    def _add_endpoint(
        self, service: str, calls: Sequence[ServiceCall], policies: EndpointPolicies
    ) -> ec2.IVpcEndpoint:
        endpoint: ec2.GatewayVpcEndpoint | ec2.InterfaceVpcEndpoint
        construct_id, subnets = _construct_id(service), ec2.SubnetSelection(subnets=self._subnets)
        if service == S3:
            endpoint = self.vpc.add_gateway_endpoint(
                construct_id, service=ec2.GatewayVpcEndpointAwsService.S3, subnets=[subnets]
            )
        else:
            prefix, name = endpoint_prefix(service)
            endpoint = self.vpc.add_interface_endpoint(
                construct_id,
                service=ec2.InterfaceVpcEndpointAwsService(name, prefix),
                private_dns_enabled=True,
                open=False,
                subnets=subnets,
                security_groups=[self._endpoints_group],
            )
        for statement in policies.statements(calls):
            endpoint.add_to_policy(statement)
        resource = endpoint.node.default_child
        assert isinstance(resource, ec2.CfnVPCEndpoint)
        resource.add_metadata(CALLERS, {call.caller: call.reason for call in calls})
        return endpoint


def _construct_id(service: str) -> str:
    words = service.replace(".", "-").split("-")
    return "".join(word.capitalize() for word in words) + "Endpoint"


def _by_service(calls: Sequence[ServiceCall]) -> dict[str, list[ServiceCall]]:
    """The calls of each service, in the order of their names, each caller's once."""
    found: dict[str, dict[str, ServiceCall]] = defaultdict(dict)
    for call in calls:
        known = found[call.service].get(call.caller)
        if known:
            actions = tuple(dict.fromkeys((*known.actions, *call.actions)))
            call = replace(known, actions=actions)
        found[call.service][call.caller] = call
    return {service: list(found[service].values()) for service in sorted(found)}


def _faults(calls: Mapping[str, Sequence[ServiceCall]], shared: SharedEndpoints) -> list[Fault]:
    faults = [
        Fault(
            "calls",
            f"'{service}', which the {callers[0].caller} calls",
            ", ".join(RESOURCES),
            f"Say in endpoint_policies.py what of '{service}' is this platform's.",
        )
        for service, callers in calls.items()
        if service not in RESOURCES
    ]
    faults += [
        Fault(
            f"shared.services.{service}",
            f"an endpoint for '{service}', which nothing calls",
            ", ".join(calls) or "no service",
            "Remove it.",
        )
        for service in shared.services
        if service not in calls
    ]
    return faults
