"""The Tracking stack: the MLflow server."""

from aws_cdk import CfnOutput
from aws_cdk import aws_iam as iam
from constructs import Construct

from mlops_constructs.tls_name import Tls
from mlops_constructs.tracking_access import Grant, Team, TrackingAccess
from mlops_constructs.tracking_monitoring import TrackingMonitoring
from mlops_constructs.tracking_preparation import TrackingPreparation
from mlops_constructs.tracking_scaling import TrackingScaling
from mlops_constructs.tracking_server import TrackingServer
from stacks import access_config
from stacks.config import Environment
from stacks.data import DataStack
from stacks.network import NetworkStack
from stacks.platform_stack import PlatformStack


class TrackingStack(PlatformStack):
    """MLflow on Fargate behind an internal load balancer, prepared, watched and scaled.

    Parameters
    ----------
    scope, construct_id
        Where the stack stands.
    environment
        The environment it belongs to.
    network
        Where the server runs.
    data
        Where it keeps metadata and files, and finds its image.
    digest
        Digest of the server's image.

    Attributes
    ----------
    server : mlops_constructs.tracking_server.TrackingServer
        The server.
    access : mlops_constructs.tracking_access.TrackingAccess
        Who may log in.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        network: NetworkStack,
        data: DataStack,
        digest: str,
    ) -> None:
        super().__init__(
            scope, construct_id, environment=environment, holds="MLflow tracking server"
        )
        tracking = environment.tracking
        offered = tracking.endpoint_service
        access = TrackingAccess(
            self,
            "Access",
            naming=environment.naming,
            key=data.key,
            users=tracking.access.users,
            administrators=tracking.access.administrators,
            teams={name: _team(team) for name, team in tracking.access.teams.items()},
            default_permission=tracking.access.default_permission,
            webhooks=environment.release is not None,
            removal_policy=self.removal_policy,
        )
        for secret in access.secrets:
            network.perimeter.close_secret(secret)
        self.server = TrackingServer(
            self,
            "Mlflow",
            network=network.network,
            repository=data.images[tracking.image].repository,
            digest=digest,
            database=data.database,
            artifacts=data.artifacts,
            access=access,
            log_settings=network.log_settings,
            cpu=tracking.cpu,
            memory_mib=tracking.memory,
            tasks=tracking.tasks,
            workers=tracking.workers,
            connections=tracking.connections,
            allowed_principals=[iam.ArnPrincipal(arn) for arn in offered.allowed_principals],
            private_dns=offered.private_dns,
            files=tracking.files,
            tls=Tls(tracking.tls.certificate, tracking.tls.name) if tracking.tls else None,
            deletion_protection=environment.data.deletion_protection,
        )
        TrackingPreparation(
            self,
            "Preparation",
            server=self.server,
            version=digest,
            database=data.database,
            naming=environment.naming,
            log_settings=network.log_settings,
            access=access,
        )
        self.access = access
        self.opt_out("tracking.access.default_permission", access)
        monitoring = TrackingMonitoring(
            self,
            "Monitoring",
            server=self.server,
            alarms=data.alarms,
            database=data.database_monitoring.metrics,
            other_alarms=data.all_alarms,
        )
        if tracking.max_tasks > tracking.tasks:
            TrackingScaling(
                self,
                "Scaling",
                server=self.server,
                requests=monitoring.requests,
                least=tracking.tasks,
                most=tracking.max_tasks,
            )
        self.opt_out(
            "data.deletion_protection",
            self.server.load_balancer,
            "NIST.800.53.R5-ELBDeletionProtectionEnabled",
            "HIPAA.Security-ELBDeletionProtectionEnabled",
        )
        CfnOutput(self, "TrackingUri", value=self.server.uri)
        if environment.release:
            self.share(
                access.users[environment.release.login].secret_arn,
                self.server.load_balancer.load_balancer_dns_name,
                *(
                    group.security_group_id
                    for group in self.server.load_balancer.connections.security_groups
                ),
            )
        service = self.server.endpoint_service
        if service:
            self.share(service.vpc_endpoint_service_id)
            CfnOutput(self, "EndpointServiceName", value=service.vpc_endpoint_service_name)


def _team(team: access_config.Team) -> Team:
    """A team as its construct takes it."""
    kinds = {
        "experiment": team.experiments,
        "registered_model": team.models,
        "prompt": team.prompts,
    }
    grants = [
        Grant(kind, name, permission)
        for kind, named in kinds.items()
        for name, permission in named.items()
    ]
    return Team(team.members, team.create, grants)
