"""RDS for MySQL that holds MLflow's metadata."""

from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge, acknowledge_grant
from mlops_constructs.database_class import has_insights
from mlops_constructs.encryption_key import grant_through
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.naming import Naming
from mlops_constructs.platform_role import PlatformRole, grant
from mlops_constructs.sites import site_of

PORT = 3307
"""Not MySQL's own port, which scanners try first (cdk-nag AwsSolutions-RDS11)."""

PARAMETERS = {
    "require_secure_transport": "1",
    # MLflow's migrations create triggers; with the binary log on, that needs SUPER or this.
    # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.MySQL.Options.html
    "log_bin_trust_function_creators": "1",
    "slow_query_log": "1",
    "long_query_time": "2",
    # A log is exported where it is a file; the default is a table.
    "log_output": "FILE",
    # Notes too: that a password was refused is one.
    # https://dev.mysql.com/doc/refman/8.4/en/communication-errors.html
    "log_error_verbosity": "3",
    # What MLflow's tables are made with; the collation follows.
    "character_set_server": "utf8mb4",
}
"""What MLflow and the closed network need of the server."""

LOGS = ("error", "slowquery")
"""The logs that RDS exports."""

MONITORING = Duration.seconds(60)
"""How often RDS measures the instance's operating system."""


SERVER_USER = "mlflow_server"
"""The tracking server's own user, which takes turns with another when its password changes."""


class MetadataDatabase(Construct):
    """A MySQL 8.4 database that asks for TLS, with generated passwords.

    RDS makes the master user. The tracking server's own user is made by whoever prepares the
    database for it, with the password of `secret`.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    vpc
        Where it runs: on the isolated subnets.
    security_group
        The database's own group. Who may connect is for the later stacks to say.
    naming
        What the instance's name starts with: the name of its exported log follows from it.
    key
        Encrypts the storage, the backups and the secrets.
    log_settings
        How logs are kept.
    instance_type
        Class of the instance, without its ``db.``.
    storage_gib
        Allocated storage, in GiB. It grows by itself up to five times of this.
    backup_days
        Days that automatic backups are kept: 1 to 35.
    multi_az
        A standby in a second zone: yes.
    deletion_protection
        Refuses to be deleted: yes.
    removal_policy
        What happens to the database with its stack: kept.

    Attributes
    ----------
    instance : aws_cdk.aws_rds.DatabaseInstance
        The database.
    group : aws_cdk.aws_ec2.ISecurityGroup
        Its group.
    logs : dict of str to aws_cdk.aws_logs.LogGroup
        The group of each log of `LOGS`.
    master_secret : aws_cdk.aws_secretsmanager.ISecret
        The master user: ``username``, ``password``, ``host``, ``port`` and ``dbname``, as JSON.
    secret : aws_cdk.aws_secretsmanager.ISecret
        The same of the server's user, and the master's secret as ``masterarn``.

    Raises
    ------
    FaultsError
        With every fault of the arguments.

    Examples
    --------
    >>> database = MetadataDatabase(  # doctest: +SKIP
    ...     stack, "Database", vpc=vpc, security_group=group, naming=naming,
    ...     key=key, log_settings=settings, instance_type=ec2.InstanceType("t4g.medium"))
    >>> database.grant_read_secret(task_role)  # doctest: +SKIP
    """

    NAME = "mlflow"

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        security_group: ec2.ISecurityGroup,
        naming: Naming,
        key: kms.IKey,
        log_settings: LogSettings,
        instance_type: ec2.InstanceType,
        storage_gib: int = 20,
        backup_days: int = 35,
        multi_az: bool = True,
        deletion_protection: bool = True,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_faults(self.node.path, _faults(storage_gib, backup_days))
        self._key = key
        self.group = security_group
        master_secret = rds.DatabaseSecret(self, "Secret", username=self.NAME, encryption_key=key)
        master_secret.apply_removal_policy(removal_policy)
        identifier = f"{naming.prefix}-{self.NAME}"
        self.logs = {
            log: log_settings.group(
                self, f"{log.capitalize()}Log", name=f"/aws/rds/instance/{identifier}/{log}"
            )
            for log in LOGS
        }
        engine = rds.DatabaseInstanceEngine.mysql(version=rds.MysqlEngineVersion.VER_8_4_10)
        self.instance = rds.DatabaseInstance(
            self,
            "Instance",
            engine=engine,
            instance_identifier=identifier,
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[security_group],
            port=PORT,
            publicly_accessible=False,
            database_name=self.NAME,
            credentials=rds.Credentials.from_secret(master_secret),
            instance_type=instance_type,
            allocated_storage=storage_gib,
            max_allocated_storage=5 * storage_gib,
            storage_encrypted=True,
            storage_encryption_key=key,
            storage_type=rds.StorageType.GP3,
            parameter_group=rds.ParameterGroup(
                self, "Parameters", engine=engine, parameters=PARAMETERS
            ),
            multi_az=multi_az,
            backup_retention=Duration.days(backup_days),
            copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=True,
            cloudwatch_logs_exports=list(LOGS),
            monitoring_interval=MONITORING,
            monitoring_role=self._monitoring_role(),
            **_insights(instance_type, key),
            deletion_protection=deletion_protection,
            removal_policy=removal_policy,
        )
        self.instance.node.add_dependency(*self.logs.values())
        self._acknowledge_instance()
        server_secret = rds.DatabaseSecret(
            self,
            "ServerSecret",
            username=SERVER_USER,
            master_secret=self.master_secret,
            encryption_key=key,
        )
        server_secret.apply_removal_policy(removal_policy)
        self.secret = server_secret.attach(self.instance)

    def _monitoring_role(self) -> iam.Role:
        """What RDS writes its measures of the operating system with.

        https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Monitoring.OS.Enabling.html
        """
        site = site_of(self)
        role = PlatformRole(
            self,
            "MonitoringRole",
            assumed_by=iam.ServicePrincipal(
                "monitoring.rds.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": site.account}},
            ),
            description="Writes what RDS measures of the database's operating system",
        )
        measures = site.arn("logs", "log-group:RDSOSMetrics")
        streams = f"{measures}:log-stream:*"
        grant(
            grantee=role,
            actions=["logs:CreateLogGroup", "logs:PutRetentionPolicy"],
            resource_arns=[measures, f"{measures}:*"],
        )
        grant(
            grantee=role,
            actions=[
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:GetLogEvents",
                "logs:PutLogEvents",
            ],
            resource_arns=[streams],
        )
        acknowledge(
            role,
            "RDS keeps one log group for an account, with a stream for each id that it makes.",
            f"AwsSolutions-IAM5[Resource::{measures}:*]",
            f"AwsSolutions-IAM5[Resource::{streams}]",
        )
        return role

    def _acknowledge_instance(self) -> None:
        acknowledge(
            self.instance,
            "The general log repeats every statement with its values, which are the clients' data.",
            "RDSLoggingEnabled[LogExport::general]",
        )
        acknowledge(
            self.instance,
            "MySQL of RDS writes an audit log with MariaDB's plugin alone, which is not installed:"
            " the tracking server is the one user.",
            "RDSLoggingEnabled[LogExport::audit]",
        )

    @property
    def master_secret(self) -> secretsmanager.ISecret:
        """The master user: user, password, host, port and database name, as JSON."""
        secret = self.instance.secret
        assert secret is not None
        return secret

    @property
    def connections(self) -> ec2.Connections:
        """Who may connect: nobody until a later stack says so."""
        return self.instance.connections

    def grant_read_secret(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let `grantee` read the server's secret, and have Secrets Manager decrypt it."""
        return self._grant_read(grantee, self.secret)

    def grant_read_master_secret(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let `grantee` read the master's secret, and have Secrets Manager decrypt it."""
        return self._grant_read(grantee, self.master_secret)

    def grant_rotate_secrets(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let `grantee` replace the values of both secrets.

        https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets-required-permissions-function.html
        """
        rotate = grant(
            grantee=grantee,
            actions=[
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetSecretValue",
                "secretsmanager:PutSecretValue",
                "secretsmanager:UpdateSecretVersionStage",
            ],
            resource_arns=[self.secret.secret_arn, self.master_secret.secret_arn],
        )
        generate = grant(
            grantee=grantee, actions=["secretsmanager:GetRandomPassword"], resource_arns=["*"]
        )
        acknowledge_grant(
            grantee,
            "A password that Secrets Manager makes up belongs to no secret yet.",
            "AwsSolutions-IAM5[Resource::*]",
        )
        use_key = grant_through(
            self._key, grantee, "secretsmanager", "kms:Decrypt", "kms:GenerateDataKey"
        )
        return rotate.combine(generate).combine(use_key)

    def _grant_read(self, grantee: iam.IGrantable, secret: secretsmanager.ISecret) -> iam.Grant:
        read = grant(
            grantee=grantee,
            actions=["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
            resource_arns=[secret.secret_arn],
        )
        return read.combine(grant_through(self._key, grantee, "secretsmanager", "kms:Decrypt"))


def _insights(instance_type: ec2.InstanceType, key: kms.IKey) -> dict[str, Any]:
    """A week of what the database waits for, encrypted, where the class can tell.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Database-Insights.html
    """
    if not has_insights(f"db.{instance_type.to_string()}"):
        return {"enable_performance_insights": False}
    return {
        "database_insights_mode": rds.DatabaseInsightsMode.STANDARD,
        "enable_performance_insights": True,
        "performance_insight_retention": rds.PerformanceInsightRetention.DEFAULT,
        "performance_insight_encryption_key": key,
    }


def _faults(storage_gib: int, backup_days: int) -> list[Fault]:
    faults = []
    if not 20 <= storage_gib <= 65536:
        faults.append(
            Fault("storage_gib", str(storage_gib), "20 to 65536 GiB", "Choose one in the range.")
        )
    if not 1 <= backup_days <= 35:
        faults.append(
            Fault("backup_days", str(backup_days), "1 to 35 days", "Choose one in the range.")
        )
    return faults
