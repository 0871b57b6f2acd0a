"""What an existing VPC needs to reach the platform: endpoints, their policies, and a name."""

from collections.abc import Mapping, Sequence

from aws_cdk import Fn, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_route53 as route53
from constructs import Construct

from mlops_constructs.artifact_store import ArtifactStore
from mlops_constructs.endpoint_policies import EndpointPolicies, Principals
from mlops_constructs.endpoint_rights import MANAGE
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.image_repository import PULL, PUSH
from mlops_constructs.managed_tracking import CALL
from mlops_constructs.naming import Naming
from mlops_constructs.private_network import CALLERS
from mlops_constructs.service_call import MANAGED_MLFLOW, S3, ServiceCall, endpoint_prefix
from mlops_constructs.sites import site_of
from mlops_constructs.tracking_task import PORT

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "ecr.api": (*PULL, *PUSH, "ecr:GetAuthorizationToken"),
    "ecr.dkr": (*PULL, *PUSH),
    S3: ArtifactStore.READ_WRITE,
    "sagemaker.api": MANAGE,
    "sagemaker.runtime": ("sagemaker:InvokeEndpoint",),
}
"""The AWS services that a client may ask an endpoint for, and what passes it."""


class ClientNetwork(Construct):
    """Endpoints of the platform in a VPC of somebody else, such as a Databricks workspace's.

    The VPC stays as it is, its routes and groups too. Each endpoint of an AWS service lets through
    only identities of the platform's account on resources of the platform, and takes the service's
    name over for the VPC; S3 alone keeps its own name, as neighbours have buckets of their own:
    ask it by the address of its endpoint.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    vpc
        The VPC.
    subnets
        Ids of the subnets that hold the endpoints, at most one in each zone.
    clients
        The security groups that may call. They are left as they are.
    services
        The AWS services that get an endpoint, some of `ACTIONS`.
    naming
        What the names of the platform's buckets, repositories and endpoints start with.
    platform
        A stack of the platform: what is let through is of its account.
    endpoint_service
        Name of the tracking server's endpoint service; empty where AWS runs MLflow, whose own
        service gets an endpoint then.
    private_dns
        The name of the tracking server in the VPC, the same that the server answers to; AWS's
        service has a name already.

    Attributes
    ----------
    interface_endpoints : dict of str to aws_cdk.aws_ec2.CfnVPCEndpoint
        The endpoint of each AWS service.
    tracking_endpoint : aws_cdk.aws_ec2.CfnVPCEndpoint
        The endpoint of MLflow.

    Raises
    ------
    FaultsError
        With every fault of the arguments.

    Examples
    --------
    >>> ClientNetwork(  # doctest: +SKIP
    ...     stack, "Network", vpc=vpc, subnets=["subnet-0a1"], clients=[group],
    ...     services=["sagemaker.runtime"], naming=naming, platform=Stack.of(network),
    ...     endpoint_service="com.amazonaws.vpce.eu-west-1.vpce-svc-0a1",
    ...     private_dns="mlflow.example.internal")
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        subnets: Sequence[str],
        clients: Sequence[ec2.ISecurityGroup],
        services: Sequence[str],
        naming: Naming,
        platform: Stack,
        endpoint_service: str = "",
        private_dns: str = "",
    ) -> None:
        super().__init__(scope, construct_id)
        faults = _faults(subnets, clients, services) + _name_faults(endpoint_service, private_dns)
        raise_faults(self.node.path, faults)
        self._vpc, self._subnets = vpc, list(subnets)
        aws_group = self._group("AwsGroup", "AWS endpoints", clients, ec2.Port.HTTPS)
        site = site_of(platform)
        policies = EndpointPolicies(site, naming, Principals(site.account))
        actions = {service: ACTIONS[service] for service in sorted(services)}
        if not endpoint_service:
            actions[MANAGED_MLFLOW] = (CALL,)
        self.interface_endpoints = {
            service: self._endpoint(
                "".join(word.capitalize() for word in service.split(".")) + "Endpoint",
                _service_name(self, service),
                aws_group,
                private_dns_enabled=service != S3,
                policy_document=iam.PolicyDocument(
                    statements=policies.statements(
                        [ServiceCall(service, "client", "uses the platform", called)]
                    )
                ),
            )
            for service, called in actions.items()
        }
        self.tracking_endpoint = (
            self._tracking_endpoint(endpoint_service, private_dns, clients)
            if endpoint_service
            else self.interface_endpoints[MANAGED_MLFLOW]
        )

    def _tracking_endpoint(
        self, endpoint_service: str, private_dns: str, clients: Sequence[ec2.ISecurityGroup]
    ) -> ec2.CfnVPCEndpoint:
        """The endpoint of a server of ours, and its name."""
        group = self._group("MlflowGroup", "MLflow endpoint", clients, ec2.Port.tcp(PORT))
        endpoint = self._endpoint("MlflowEndpoint", endpoint_service, group)
        # A zone of the one name: no other name of the VPC is hidden by it.
        zone = route53.PrivateHostedZone(self, "Zone", zone_name=private_dns, vpc=self._vpc)
        # Of an endpoint's names the first is that of all its zones, after its own hosted zone's id.
        alias = Fn.split(":", Fn.select(0, endpoint.attr_dns_entries), 2)
        route53.CfnRecordSet(
            self,
            "Record",
            name=private_dns,
            type="A",
            hosted_zone_id=zone.hosted_zone_id,
            alias_target=route53.CfnRecordSet.AliasTargetProperty(
                hosted_zone_id=alias[0], dns_name=alias[1]
            ),
        )
        return endpoint

    def _group(
        self,
        construct_id: str,
        description: str,
        clients: Sequence[ec2.ISecurityGroup],
        port: ec2.Port,
    ) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self, construct_id, vpc=self._vpc, description=description, allow_all_outbound=False
        )
        for client in clients:
            group.connections.allow_from(client, port, "Clients of the platform")
        return group

    def _endpoint(
        self,
        construct_id: str,
        service_name: str,
        group: ec2.ISecurityGroup,
        *,
        private_dns_enabled: bool = False,
        policy_document: iam.PolicyDocument | None = None,
    ) -> ec2.CfnVPCEndpoint:
        # Not the L2, which wants to know the zones and route tables of the subnets.
        endpoint = ec2.CfnVPCEndpoint(
            self,
            construct_id,
            vpc_id=self._vpc.vpc_id,
            vpc_endpoint_type="Interface",
            service_name=service_name,
            subnet_ids=self._subnets,
            security_group_ids=[group.security_group_id],
            private_dns_enabled=private_dns_enabled,
            policy_document=policy_document,
        )
        endpoint.add_metadata(CALLERS, {"client": "uses the platform"})
        return endpoint


def _service_name(scope: Construct, service: str) -> str:
    prefix, name = endpoint_prefix(service)
    return f"{prefix}.{site_of(scope).region}.{name}"


def _name_faults(endpoint_service: str, private_dns: str) -> list[Fault]:
    if bool(endpoint_service) == bool(private_dns):
        return []
    return [
        Fault(
            "private_dns",
            f"'{private_dns}' for the endpoint service '{endpoint_service}'",
            "both, or neither where AWS runs MLflow",
            "Give both: without the name, nobody finds the endpoint.",
        )
    ]


def _faults(
    subnets: Sequence[str], clients: Sequence[ec2.ISecurityGroup], services: Sequence[str]
) -> list[Fault]:
    faults = [
        Fault(name, "none", "at least one", fix)
        for name, given, fix in (
            ("subnets", subnets, "Name a subnet for the endpoints."),
            ("clients", clients, "Name the security group of whatever calls."),
        )
        if not given
    ]
    return faults + [
        Fault("services", f"'{service}'", ", ".join(ACTIONS), "Choose among them.")
        for service in services
        if service not in ACTIONS
    ]
