"""MLflow on Fargate behind an internal network load balancer."""

from collections.abc import Mapping, Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from mlops_constructs.artifact_store import ArtifactStore
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.image_repository import LAYERS
from mlops_constructs.internal_balancer import HEALTH, ISOLATED, internal_balancer
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.metadata_database import PORT as DATABASE_PORT
from mlops_constructs.metadata_database import MetadataDatabase
from mlops_constructs.naming import MODELS_PREFIX
from mlops_constructs.private_network import PrivateNetwork
from mlops_constructs.service_call import S3, ServiceCall
from mlops_constructs.sites import site_of
from mlops_constructs.tls_name import Tls, add_listener, add_name
from mlops_constructs.tracking_access import TrackingAccess
from mlops_constructs.tracking_task import PORT, TrackingTask

FILES = (PROXIED, DIRECT) = ("proxied", "direct")
"""The ways that clients send files: through the server, or to the bucket themselves."""


class TrackingServer(Construct):
    """An MLflow tracking server that clients inside the VPC reach by one address.

    The server keeps metadata in the database and files in the bucket. Clients send files through
    the server, so that they need no rights on the bucket. No secret enters the task definition:
    the server reads the database's secret with its own role when it starts.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    network
        Where the server runs, and whose clients may call it.
    repository
        Repository of the server's image.
    digest
        Digest of the image, ``sha256:...``.
    database
        Holds the metadata.
    artifacts
        Holds the files.
    access
        Who may log in, and what may be done with what no permission names. Where it has a key for
        webhooks, the server calls APIs of this account and region, and nothing else, when its
        registry changes.
    log_settings
        How logs are kept.
    cpu
        CPU units of a task; 1024 are one vCPU.
    memory_mib
        Memory of a task, in MiB; Fargate pairs it with `cpu`.
    tasks
        Tasks that run at once.
    workers
        Server processes in each task.
    allowed_principals
        Who may ask for an endpoint to the server from another VPC: nobody. Each request waits
        until it is accepted.
    private_dns
        The name that clients of such an endpoint call the server by. It stands in their own
        private zone: no public domain needs to be owned for it.
    connections
        Connections that one task may open to the database, all of its processes together.
    files
        ``proxied``: clients send files through the server. ``direct``: they read and write the
        bucket themselves, with rights of their own.
    tls
        What the load balancer shows its clients; without it, it passes TCP on as it is.
    deletion_protection
        The load balancer, whose name the clients know, refuses to be deleted: yes.

    Attributes
    ----------
    cluster : aws_cdk.aws_ecs.Cluster
        Where its tasks run.
    group : aws_cdk.aws_ec2.SecurityGroup
        The group of its tasks.
    subnets : list of str
        Ids of the subnets that its tasks stand in.
    service : aws_cdk.aws_ecs.FargateService
        The service.
    log : aws_cdk.aws_logs.LogGroup
        Its log.
    load_balancer : aws_cdk.aws_elasticloadbalancingv2.NetworkLoadBalancer
        The load balancer.
    target_group : aws_cdk.aws_elasticloadbalancingv2.NetworkTargetGroup
        The tasks, as the load balancer sees them.
    uri : str
        The address for ``mlflow.set_tracking_uri``.
    endpoint_service : aws_cdk.aws_ec2.VpcEndpointService or None
        The way in from other VPCs, where there are allowed principals.

    Raises
    ------
    FaultsError
        With every fault of the arguments.

    Examples
    --------
    >>> tracking = TrackingServer(  # doctest: +SKIP
    ...     stack, "Mlflow", network=network, repository=repository, digest="sha256:...",
    ...     database=database, artifacts=artifacts, access=access, log_settings=settings)
    """

    CALLS = (
        ServiceCall(
            "ecr.api",
            "tracking server",
            "finds its image",
            (*LAYERS, "ecr:GetAuthorizationToken"),
        ),
        ServiceCall(
            "ecr.dkr",
            "tracking server",
            "pulls its image",
            LAYERS,
        ),
        ServiceCall(
            "logs",
            "tracking server",
            "writes its log",
            ("logs:CreateLogStream", "logs:PutLogEvents"),
        ),
        ServiceCall(S3, "tracking server", "keeps runs' files", ArtifactStore.READ_WRITE),
        ServiceCall(
            "secretsmanager",
            "tracking server",
            "reads its database secret",
            ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"),
        ),
    )

    WEBHOOK_CALLS = (
        ServiceCall(
            "execute-api", "tracking server", "tells of its registry", ("execute-api:Invoke",)
        ),
    )
    """What it calls besides, where its registry has webhooks. It signs nothing for IAM."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        network: PrivateNetwork,
        repository: ecr.IRepository,
        digest: str,
        database: MetadataDatabase,
        artifacts: ArtifactStore,
        access: TrackingAccess,
        log_settings: LogSettings,
        cpu: int = 1024,
        memory_mib: int = 2048,
        tasks: int = 2,
        workers: int = 2,
        connections: int = 72,
        allowed_principals: Sequence[iam.ArnPrincipal] = (),
        private_dns: str = "",
        files: str = PROXIED,
        tls: Tls | None = None,
        deletion_protection: bool = True,
    ) -> None:
        super().__init__(scope, construct_id)
        faults = _faults(tasks=tasks, workers=workers, connections=connections) + _name_faults(
            allowed_principals, private_dns
        )
        if files not in FILES:
            faults.append(Fault("files", f"'{files}'", " or ".join(FILES), "Choose one."))
        raise_faults(self.node.path, faults)
        network.require(self, self.CALLS)
        self.group = network.security_group(self, "ServerGroup", "MLflow tasks")
        balancer_group = network.security_group(self, "BalancerGroup", "MLflow load balancer")
        network.connect_to_aws(self.group)
        self.group.connections.allow_to(
            database.instance, ec2.Port.tcp(DATABASE_PORT), "Keeps metadata"
        )
        self.group.connections.allow_from(balancer_group, ec2.Port.tcp(PORT), "Is called")
        for caller in network.callers:
            balancer_group.connections.allow_from(caller, ec2.Port.tcp(PORT), "Is called")

        self.load_balancer = internal_balancer(
            self,
            vpc=network.vpc,
            group=balancer_group,
            logs=artifacts.access_logs,
            by_private_link=bool(allowed_principals),
            deletion_protection=deletion_protection,
        )
        self.endpoint_service = self._offer(allowed_principals) if allowed_principals else None
        names = [self.load_balancer.load_balancer_dns_name, private_dns, tls.name if tls else ""]
        hosts = dict.fromkeys(name for name in names if name)
        self.uri = f"http://{self.load_balancer.load_balancer_dns_name}:{PORT}"
        if tls:
            add_name(self, self.load_balancer, network.vpc, tls)
            self.uri = f"https://{tls.name}:{PORT}"

        self.cluster = ecs.Cluster(
            self,
            "Cluster",
            vpc=network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )
        self.subnets = network.subnet_ids
        self._image = ecs.ContainerImage.from_ecr_repository(repository, digest)
        self._environment = {
            "AWS_DEFAULT_REGION": site_of(self).region,
            "DATABASE_SECRET_ARN": database.secret.secret_full_arn or "",
            "ARTIFACTS_DESTINATION": artifacts.uri(MODELS_PREFIX),
            "ARTIFACTS": files,
            "ALLOWED_HOSTS": ",".join(hosts),
            "WORKERS": str(workers),
            "DATABASE_CONNECTIONS": str(connections),
            **access.server_environment,
        }
        if access.webhooks:
            network.require(self, self.WEBHOOK_CALLS)
            # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-private-api-test-invoke-url.html
            suffix = f"{site_of(self).region}.{Stack.of(self).url_suffix}"
            self._environment["WEBHOOK_HOSTS"] = f".execute-api.{suffix}"
        self._size = {"cpu": cpu, "memory_mib": memory_mib}
        self._database = database
        self._access = access
        self._artifacts = artifacts
        self.log = log_settings.group(self, "Log")
        task = self.task(self, "Task", purpose="Runs the tracking server", log=self.log)
        self.service = ecs.FargateService(
            self,
            "Service",
            cluster=self.cluster,
            task_definition=task.definition,
            desired_count=tasks,
            min_healthy_percent=100,
            max_healthy_percent=200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            health_check_grace_period=Duration.seconds(120),
            assign_public_ip=False,
            vpc_subnets=ISOLATED,
            security_groups=[self.group],
        )
        listener = add_listener(self.load_balancer, PORT, tls)
        self.target_group = listener.add_targets(
            "Tasks",
            port=PORT,
            # Tasks speak plain HTTP: what TLS there is ends at the load balancer.
            protocol=elb.Protocol.TCP,
            targets=[self.service],
            deregistration_delay=Duration.seconds(30),
            health_check=HEALTH,
        )

    def task(
        self,
        scope: Construct,
        construct_id: str,
        *,
        purpose: str,
        log: logs.ILogGroup,
        environment: Mapping[str, str] | None = None,
    ) -> TrackingTask:
        """Define a task of the server's image, with what the server itself is given.

        Parameters
        ----------
        scope, construct_id
            Where it stands in the tree.
        purpose
            What its tasks do: ``Runs the tracking server``.
        log
            Where they log to.
        environment
            The variables that they have besides.
        """
        task = TrackingTask(
            scope,
            construct_id,
            purpose=purpose,
            image=self._image,
            environment={**self._environment, **(environment or {})},
            log=log,
            **self._size,
        )
        self._database.grant_read_secret(task.role)
        self._access.grant_read_keys(task.role)
        self._artifacts.grant_read_write(task.role, f"{MODELS_PREFIX}/")
        return task

    def _offer(self, principals: Sequence[iam.ArnPrincipal]) -> ec2.VpcEndpointService:
        return ec2.VpcEndpointService(
            self,
            "EndpointService",
            vpc_endpoint_service_load_balancers=[self.load_balancer],
            acceptance_required=True,
            allowed_principals=list(principals),
        )


def _faults(**named: int) -> list[Fault]:
    return [
        Fault(name, str(count), "1 or more", "Run at least one.")
        for name, count in named.items()
        if count < 1
    ]


def _name_faults(principals: Sequence[iam.ArnPrincipal], private_dns: str) -> list[Fault]:
    if bool(principals) == bool(private_dns):
        return []
    return [
        Fault(
            "private_dns",
            f"'{private_dns}' for {len(principals)} allowed principals",
            "a name where there are allowed principals, and none where there are none",
            "Give both: the server answers 403 to a name that it does not know.",
        )
    ]
