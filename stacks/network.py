"""The Network stack: the VPC, its endpoints, its DNS firewall, and the key of all logs."""

from aws_cdk import Token
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from mlops_constructs.data_perimeter import DataPerimeter
from mlops_constructs.dns_firewall import DnsFirewall
from mlops_constructs.encryption_key import EncryptionKey
from mlops_constructs.endpoint_policies import Principals
from mlops_constructs.isolated_vpc import IsolatedVpc
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.private_network import PrivateNetwork
from mlops_constructs.shared_endpoints import HubConnection, SharedEndpoints
from stacks.config import Environment
from stacks.network_calls import network_calls
from stacks.network_config import ExistingVpc, Shared
from stacks.network_parts import existing_vpc, log_retention
from stacks.platform_stack import PlatformStack


class NetworkStack(PlatformStack):
    """The closed network that everything else stands on.

    Parameters
    ----------
    scope, construct_id
        Where the stack stands.
    environment
        The environment it belongs to.

    Attributes
    ----------
    network : mlops_constructs.private_network.PrivateNetwork
        The network.
    perimeter : mlops_constructs.data_perimeter.DataPerimeter
        Closes whatever keeps data to all but the network.
    log_settings : mlops_constructs.log_settings.LogSettings
        How the log groups of every stack are kept.
    """

    def __init__(self, scope: Construct, construct_id: str, *, environment: Environment) -> None:
        super().__init__(
            scope,
            construct_id,
            environment=environment,
            holds="Isolated VPC, endpoints, flow logs",
            termination_protection=environment.data.deletion_protection,
        )
        log_key = EncryptionKey(
            self, "LogKey", description="Log groups", removal_policy=self.removal_policy
        )
        log_key.allow_log_groups()
        self.log_settings = LogSettings(log_key.key, log_retention(environment))
        settings = environment.network
        shared = _shared(settings.shared_endpoints)
        vpc = (
            existing_vpc(self, settings.existing)
            if settings.existing
            else self._new_vpc(environment)
        )
        calls = network_calls(environment)
        self.network = PrivateNetwork(
            self,
            "Network",
            vpc=vpc,
            calls=calls,
            naming=environment.naming,
            principals=Principals(
                environment.account, settings.organization or "", list(settings.neighbours)
            ),
            s3_prefix_list=settings.s3_prefix_list,
            shared=shared,
            callers=_callers(self, settings.existing),
        )
        if not settings.existing:
            DnsFirewall(
                self,
                "DnsFirewall",
                vpc=vpc,
                region=environment.region,
                services=[call.service for call in calls],
                zones=[*settings.dns_zones, *_tracking_names(environment)],
            )
            HubConnection(self, "Hub", vpc=vpc, shared=shared, name=environment.naming.prefix)
        self.perimeter = DataPerimeter(
            environment.naming,
            self.network.endpoints,
            other_endpoints=list(environment.perimeter.endpoints),
            other_vpcs=sorted(client.vpc for client in environment.clients.values()),
            trusted_roles=list(environment.perimeter.roles),
        )
        self.perimeter.close_key(log_key.key)
        self._state_reasons(environment)
        self.share(
            *filter(
                Token.is_unresolved,
                [
                    log_key.key.key_arn,
                    vpc.vpc_id,
                    *self.network.subnet_ids,
                    *(group.security_group_id for group in self.network.groups),
                    *(place.vpc_endpoint_id for place in self.network.endpoints.values()),
                ],
            )
        )

    def _new_vpc(self, environment: Environment) -> ec2.Vpc:
        settings = environment.network
        return IsolatedVpc(
            self,
            "Vpc",
            cidr=str(settings.cidr),
            zones=settings.zones,
            subnet_prefix=settings.subnet_prefix,
            block_public_access=settings.block_public_access,
            log_settings=self.log_settings,
        ).vpc

    def _state_reasons(self, environment: Environment) -> None:
        """Show who else is let in, and why, to who reads the template or its diff."""
        named = {
            "Neighbour": environment.network.neighbours,
            "PerimeterRole": environment.perimeter.roles,
            "PerimeterEndpoint": environment.perimeter.endpoints,
        }
        for kind, reasons in named.items():
            for name, reason in reasons.items():
                self.add_metadata(f"{kind}:{name}", reason)


def _tracking_names(environment: Environment) -> list[str]:
    """The name that the tracking server answers to here, which is no other zone's."""
    tls = environment.tracking.tls
    return [tls.name] if tls else []


def _callers(scope: Construct, settings: ExistingVpc | None) -> list[ec2.ISecurityGroup]:
    groups = settings.security_groups if settings else []
    return [
        ec2.SecurityGroup.from_security_group_id(scope, f"Callers{number}", group, mutable=False)
        for number, group in enumerate(groups, start=1)
    ]


def _shared(settings: Shared | None) -> SharedEndpoints:
    if settings is None:
        return SharedEndpoints()
    return SharedEndpoints(
        services=settings.services,
        security_groups=settings.security_groups,
        cidrs=[str(cidr) for cidr in settings.cidrs],
        transit_gateway=settings.transit_gateway or "",
        dns_profile=settings.dns_profile or "",
    )
