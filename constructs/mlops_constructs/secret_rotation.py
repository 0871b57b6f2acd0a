"""The function that changes the passwords of the database's users, and when it is called."""

from pathlib import Path

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.alarms import Alarms
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.function_in_vpc import function_in_vpc
from mlops_constructs.function_source import with_packages
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.metadata_database import PORT, MetadataDatabase
from mlops_constructs.private_network import PrivateNetwork
from mlops_constructs.service_call import ServiceCall
from mlops_constructs.sites import site_of

# Lambda's runtimes for Python carry RDS's authorities beside the public ones, and AWS's own
# rotation functions read them there:
# https://docs.aws.amazon.com/lambda/latest/dg/services-rds.html
# https://github.com/aws-samples/aws-secrets-manager-rotation-lambdas
CERTIFICATES = "/etc/pki/tls/cert.pem"

# The slowest step opens three connections, each of which may take 5 s, and asks Secrets Manager
# as often.
TIMEOUT = Duration.seconds(30)

SECRETS = 2
"""Both secrets may be rotated at once; a single one never is."""


class SecretRotation(Construct):
    """Both of the database's secrets are given new passwords, each so many days.

    The server's user alternates with a second one, so that whoever has read the secret before a
    rotation goes on until the next one. The master user changes its own password.

    Nothing is rotated when the schedule is made: the server's user is not there yet.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    database
        The database.
    network
        Where the function runs.
    source
        Folder of the function's code, which holds ``rotator/handler.py``.
    log_settings
        How logs are kept.
    alarms
        How alarms are made.
    days
        Days between two rotations of a secret: 1 to 365.

    Attributes
    ----------
    function : aws_cdk.aws_lambda.Function
        The function.
    alarm : aws_cdk.aws_cloudwatch.Alarm
        Says that a rotation failed.

    Raises
    ------
    FaultsError
        With every fault of the arguments.

    Examples
    --------
    >>> SecretRotation(  # doctest: +SKIP
    ...     stack, "Rotation", database=database, network=network,
    ...     source=Path("lambda/rotator"), log_settings=settings, alarms=alarms, days=30)
    """

    CALLS = (
        ServiceCall(
            "secretsmanager",
            "secret rotation",
            "replaces the database's passwords",
            (
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetRandomPassword",
                "secretsmanager:GetSecretValue",
                "secretsmanager:PutSecretValue",
                "secretsmanager:UpdateSecretVersionStage",
            ),
        ),
    )

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        database: MetadataDatabase,
        network: PrivateNetwork,
        source: Path,
        log_settings: LogSettings,
        alarms: Alarms,
        days: int = 30,
    ) -> None:
        super().__init__(scope, construct_id)
        if not 1 <= days <= 365:
            fault = Fault("days", str(days), "1 to 365 days", "Choose one in the range.")
            raise_faults(self.node.path, [fault])
        network.require(self, self.CALLS)
        with with_packages(source, "pymysql") as code:
            self.function = function_in_vpc(
                self,
                description="Gives the database's users new passwords",
                purpose="Replaces the passwords in the database's secrets",
                callers="Secret rotation",
                code=code,
                handler="rotator.handler.handler",
                environment={"DATABASE_CA": CERTIFICATES},
                timeout=TIMEOUT,
                concurrency=SECRETS,
                network=network,
                log_settings=log_settings,
            )
        acknowledge(
            self.function,
            "Secrets Manager tries a rotation that failed again by itself, and an alarm says so.",
            "NIST.800.53.R5-LambdaDLQ",
            "HIPAA.Security-LambdaDLQ",
            "Serverless-LambdaDLQ",
        )
        self.function.connections.allow_to(database.instance, ec2.Port.tcp(PORT), "Sets passwords")
        database.grant_rotate_secrets(self.function)
        self.alarm = alarms.above(
            self,
            "Failed",
            self.function.metric_errors(statistic="Sum", period=Duration.minutes(5)),
            1,
            "A password of the database could not be rotated. The function's log says at which"
            " step, of which secret, and what to do. The server goes on with the last one.",
            periods=1,
        )
        self._schedule(database, days)

    def _schedule(self, database: MetadataDatabase, days: int) -> None:
        """Have Secrets Manager call the function: for this account's secrets, and nobody else.

        https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets-required-permissions-function.html
        """
        permission = lambda_.CfnPermission(
            self,
            "CalledBySecretsManager",
            action="lambda:InvokeFunction",
            function_name=self.function.function_arn,
            principal="secretsmanager.amazonaws.com",
            source_account=site_of(self).account,
        )
        for name, secret in (("Server", database.secret), ("Master", database.master_secret)):
            schedule = secretsmanager.CfnRotationSchedule(
                self,
                f"{name}Schedule",
                secret_id=secret.secret_arn,
                rotation_lambda_arn=self.function.function_arn,
                rotation_rules=secretsmanager.CfnRotationSchedule.RotationRulesProperty(
                    automatically_after_days=days
                ),
                rotate_immediately_on_update=False,
            )
            # Secrets Manager tries a new schedule out: by then the function can do its work.
            schedule.node.add_dependency(permission, *self.function.connections.security_groups)
            schedule.node.add_dependency(database.group)
