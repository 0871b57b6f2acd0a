"""A DNS firewall that answers for the names a network needs, and for nothing else."""

from collections.abc import Mapping, Sequence

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_route53resolver as resolver
from constructs import Construct

from mlops_constructs.service_call import MANAGED_MLFLOW, S3

# The names that private DNS gives to each service's endpoint, within the region's domain.
# https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html
NAMES: Mapping[str, tuple[str, ...]] = {
    "ecr.api": ("api.ecr",),
    "ecr.dkr": ("*.dkr.ecr",),
    "execute-api": ("*.execute-api",),
    S3: ("s3", "*.s3"),
    "sagemaker.api": ("api.sagemaker",),
    "sagemaker.runtime": ("runtime.sagemaker",),
    "states": ("states", "sync-states"),
}
"""Where a service is not here, its name is its own: ``logs.<region>.amazonaws.com``."""

# https://github.com/aws/sagemaker-mlflow says so; AWS's guides do not name it.
ELSEWHERE: Mapping[str, str] = {MANAGED_MLFLOW: "mlflow.sagemaker.{region}.app.aws"}
"""The services whose names stand in another domain."""

# What the platform's own parts are called: load balancers, endpoints, databases, tasks.
OWN_PARTS = (
    "*.elb.{region}.amazonaws.com",
    "*.{region}.vpce.amazonaws.com",
    "*.{region}.rds.amazonaws.com",
    "*.{region}.compute.internal",
)

ALLOW_PRIORITY, BLOCK_PRIORITY = 100, 200
ASSOCIATION_PRIORITY = 101


class DnsFirewall(Construct):
    """Answers queries of a VPC for the names of its services and zones; refuses every other.

    A network without a route out can still send data out in the names it asks for: the resolver
    passes each on to whoever runs the domain. Here it passes on nothing but AWS's own names.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    vpc
        Whose queries are filtered.
    region
        The region that the names belong to.
    services
        The services that are called, as VPC endpoints name them.
    zones
        Domains besides, such as ``bank.internal``: they and what is below them are answered.

    Examples
    --------
    >>> DnsFirewall(  # doctest: +SKIP
    ...     stack, "Dns", vpc=vpc, region="eu-west-1", services=["logs"], zones=["bank.internal"])
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        region: str,
        services: Sequence[str],
        zones: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        needed = resolver.CfnFirewallDomainList(
            self, "Needed", domains=allowed_domains(region, services, zones)
        )
        everything = resolver.CfnFirewallDomainList(self, "Everything", domains=["*"])
        rule = resolver.CfnFirewallRuleGroup.FirewallRuleProperty
        rules = resolver.CfnFirewallRuleGroup(
            self,
            "Rules",
            firewall_rules=[
                rule(
                    action="ALLOW",
                    priority=ALLOW_PRIORITY,
                    firewall_domain_list_id=needed.attr_id,
                    # AWS's names lead to other names of AWS, which differ by service and year.
                    firewall_domain_redirection_action="TRUST_REDIRECTION_DOMAIN",
                ),
                rule(
                    action="BLOCK",
                    block_response="NXDOMAIN",
                    priority=BLOCK_PRIORITY,
                    firewall_domain_list_id=everything.attr_id,
                ),
            ],
        )
        resolver.CfnFirewallRuleGroupAssociation(
            self,
            "Association",
            firewall_rule_group_id=rules.attr_id,
            vpc_id=vpc.vpc_id,
            priority=ASSOCIATION_PRIORITY,
        )


def allowed_domains(region: str, services: Sequence[str], zones: Sequence[str]) -> list[str]:
    """The domains that are answered for, sorted.

    Parameters
    ----------
    region
        The region that the services are called in.
    services
        The services, as VPC endpoints name them.
    zones
        Domains besides.

    Examples
    --------
    >>> allowed_domains("eu-west-1", ["logs"], [])[-1]
    'logs.eu-west-1.amazonaws.com'
    """
    named = [service for service in services if service not in ELSEWHERE]
    names = {name for service in named for name in NAMES.get(service, (service,))}
    domains = {f"{name}.{region}.amazonaws.com" for name in names}
    parts = (*OWN_PARTS, *(ELSEWHERE[service] for service in set(services) & ELSEWHERE.keys()))
    domains |= {part.format(region=region) for part in parts}
    domains |= {name for zone in zones for name in (zone, f"*.{zone}")}
    return sorted(domains)
