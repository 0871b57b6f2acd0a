"""From the configuration of the network to what its constructs take."""

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.checks import LOG_RETENTION
from stacks.config import Environment
from stacks.network_config import ExistingVpc


def log_retention(environment: Environment) -> logs.RetentionDays:
    """How long an environment keeps its logs.

    Parameters
    ----------
    environment
        The environment.
    """
    return logs.RetentionDays[LOG_RETENTION[environment.log_retention]]


def existing_vpc(scope: Construct, settings: ExistingVpc) -> ec2.IVpc:
    """A VPC that is there already.

    Parameters
    ----------
    scope
        Where it stands in the tree.
    settings
        Its ids.
    """
    return ec2.Vpc.from_vpc_attributes(
        scope,
        "Vpc",
        vpc_id=settings.vpc,
        availability_zones=list(settings.subnets),
        isolated_subnet_ids=list(settings.subnets.values()),
        isolated_subnet_route_table_ids=[settings.route_tables[zone] for zone in settings.subnets],
    )
