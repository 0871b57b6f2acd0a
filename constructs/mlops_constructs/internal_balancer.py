"""A load balancer that only the network reaches, and what it takes for a healthy target."""

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_s3 as s3
from constructs import Construct

ISOLATED = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
"""Where load balancers and tasks stand."""

HEALTH = elb.HealthCheck(
    protocol=elb.Protocol.HTTP,
    path="/health",
    # A task does not answer well while its database is away, and ECS replaces what the load
    # balancer calls unhealthy: all tasks at once. A standby takes over within 60 to 120 seconds,
    # so 150 are waited.
    # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.MultiAZ.Failover.html
    interval=Duration.seconds(15),
    unhealthy_threshold_count=10,
)
"""How the load balancer asks whether a task is well."""


def internal_balancer(
    scope: Construct,
    *,
    vpc: ec2.IVpc,
    group: ec2.ISecurityGroup,
    logs: s3.IBucket,
    by_private_link: bool,
    deletion_protection: bool,
) -> elb.NetworkLoadBalancer:
    """Make a load balancer in every zone, without an address outside of the VPC.

    Parameters
    ----------
    scope
        What it belongs to.
    vpc
        Where it stands.
    group
        Its security group.
    logs
        Keeps its access logs.
    by_private_link
        Whether clients of other VPCs come in by an endpoint service.
    deletion_protection
        Whether it refuses to be deleted.
    """
    balancer = elb.NetworkLoadBalancer(
        scope,
        "LoadBalancer",
        vpc=vpc,
        vpc_subnets=ISOLATED,
        internet_facing=False,
        cross_zone_enabled=True,
        deletion_protection=deletion_protection,
        security_groups=[group],
        # Rules see a client of another VPC by its own address there, which may be anyone's
        # here. Who comes in by PrivateLink is decided by principal, acceptance, and the group
        # of the client's endpoint:
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-security-groups.html
        enforce_security_group_inbound_rules_on_private_link_traffic=(
            False if by_private_link else None
        ),
    )
    logged_to = {"enabled": "true", "bucket": logs.bucket_name, "prefix": "tracking"}
    for attribute, value in logged_to.items():
        balancer.set_attribute(f"access_logs.s3.{attribute}", value)
    return balancer
