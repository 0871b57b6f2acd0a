"""The Network stack: the VPC, its endpoints, its flow logs, and the key of all logs."""

from aws_cdk import aws_logs as logs
from constructs import Construct

from mlops_constructs.encryption_key import EncryptionKey
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.private_network import PrivateNetwork
from stacks.checks import LOG_RETENTION
from stacks.config import Environment
from stacks.platform_stack import PlatformStack

SERVICES = {
    "ecr.api": "tasks and endpoints look up their images",
    "ecr.dkr": "tasks and endpoints pull their images",
    "execute-api": "clients call the inference API",
    "logs": "the tracking server writes its log",
    "sagemaker.api": "clients deploy and describe endpoints",
    "sagemaker.runtime": "the invoker calls endpoints",
    "secretsmanager": "the tracking server reads its database secret",
}
"""The services that are called from inside the VPC, and who calls them."""


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
        retention = logs.RetentionDays[LOG_RETENTION[environment.log_retention]]
        self.log_settings = LogSettings(log_key.key, retention)
        self.network = PrivateNetwork(
            self,
            "Network",
            cidr=str(environment.network.cidr),
            zones=environment.network.zones,
            subnet_prefix=environment.network.subnet_prefix,
            services=SERVICES,
            naming=environment.naming,
            s3_prefix_list=environment.network.s3_prefix_list,
            log_settings=self.log_settings,
        )
        self.share(
            log_key.key.key_arn,
            self.network.vpc.vpc_id,
            *(subnet.subnet_id for subnet in self.network.vpc.isolated_subnets),
            *(group.security_group_id for group in self.network.groups),
            self.network.interface_endpoints["execute-api"].vpc_endpoint_id,
        )
