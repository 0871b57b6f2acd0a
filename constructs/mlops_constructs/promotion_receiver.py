"""What MLflow tells of its aliases: a private API, the function behind it, and the schedule."""

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.alarms import Alarms
from mlops_constructs.encryption_key import grant_through
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.followed_aliases import LONGEST, size, spelled
from mlops_constructs.function_in_vpc import function_in_vpc
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.naming import Naming
from mlops_constructs.platform_role import grant
from mlops_constructs.private_api import limit_faults, private_api
from mlops_constructs.private_network import PrivateNetwork
from mlops_constructs.release_store import ATTEMPTS, DELIVERIES, PROMOTIONS, ReleaseStore
from mlops_constructs.service_call import S3, ServiceCall
from mlops_constructs.tracking_server import TrackingServer
from mlops_constructs.tracking_task import PORT
from mlops_constructs.undelivered_events import UndeliveredEvents

# API Gateway waits 29 s; the function gives up a second before.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
TIMEOUT = Duration.seconds(28)

SIGNED = ("X-MLflow-Signature", "X-MLflow-Timestamp", "X-MLflow-Delivery-Id")
"""What MLflow sends with each event: without one of them, the function is not asked.

https://mlflow.org/docs/latest/ml/webhooks/
"""

RATE, BURST = 20, 50
"""Events that are heard; a lost one is found by the schedule."""
CONCURRENCY = 5


class PromotionReceiver(Construct):
    """A Lambda function that finds out which aliases moved, told by MLflow or by the clock.

    MLflow cannot sign for IAM: the API asks for nothing, but answers through one VPC endpoint
    alone, and the function believes nothing that MLflow's secret did not sign.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What the API's name starts with.
    network
        Where the function runs.
    source
        Folder of the function's code, which holds ``promoter/handler.py``.
    store
        Where promotions are written.
    key
        Encrypts the secrets.
    login
        Name and password of the user that reads MLflow, as JSON.
    tracking
        MLflow's load balancer.
    tracking_uri
        Its address.
    followed
        The model of each container by its alias, by container, by endpoint.
    minutes
        Minutes between two looks by the clock: 1 to 1440.
    undelivered
        Where a look goes that EventBridge could not start.
    log_settings
        How logs are kept.
    alarms
        How alarms are made.
    removal_policy
        What happens to the secret with its stack: it is kept.

    Attributes
    ----------
    function : aws_cdk.aws_lambda.Function
        The function.
    rest_api : aws_cdk.aws_apigateway.RestApi
        The API.
    secret : aws_cdk.aws_secretsmanager.Secret
        What MLflow signs events with.
    alarm : aws_cdk.aws_cloudwatch.Alarm
        Says that the function failed.

    Raises
    ------
    FaultsError
        With every fault of the arguments.

    Examples
    --------
    >>> receiver = PromotionReceiver(  # doctest: +SKIP
    ...     stack, "Receiver", naming=naming, network=network, source=Path("lambda/promoter"),
    ...     followed={"iris": {"model": "models:/iris@champion"}}, ...)
    """

    # What calls the API is MLflow's own: `TrackingServer.WEBHOOK_CALLS`.
    CALLS = (
        ServiceCall(
            "secretsmanager",
            "promoter",
            "reads MLflow's login and the webhook's secret",
            ("secretsmanager:GetSecretValue",),
        ),
        ServiceCall(
            S3,
            "promoter",
            "writes promotions",
            (*ReleaseStore.READ, *ReleaseStore.WRITE, *ReleaseStore.LIST),
        ),
    )

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        network: PrivateNetwork,
        source: Path,
        store: ReleaseStore,
        key: kms.IKey,
        login: secretsmanager.ISecret,
        tracking: ec2.IConnectable,
        tracking_uri: str,
        followed: Mapping[str, Mapping[str, str]],
        undelivered: UndeliveredEvents,
        log_settings: LogSettings,
        alarms: Alarms,
        minutes: int = 5,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_faults(self.node.path, _faults(followed, minutes))
        network.require(self, (*self.CALLS, *TrackingServer.WEBHOOK_CALLS))
        self.secret = self._secret(key, removal_policy)
        self.function = function_in_vpc(
            self,
            description="Finds out which aliases of models moved",
            purpose="Reads aliases, and writes promotions",
            callers="Promoter",
            code=lambda_.Code.from_asset(str(source), exclude=["**/__pycache__", "**/*.pyc"]),
            handler="promoter.handler.handler",
            environment={
                "RELEASE_BUCKET": store.bucket.bucket_name,
                "TRACKING_URI": tracking_uri,
                "LOGIN_SECRET_ARN": login.secret_arn,
                "WEBHOOK_SECRET_ARN": self.secret.secret_arn,
                "FOLLOWED": spelled(followed),
            },
            timeout=TIMEOUT,
            concurrency=CONCURRENCY,
            network=network,
            log_settings=log_settings,
        )
        acknowledge(
            self.function,
            "Whoever calls it is told how it went: API Gateway, or EventBridge, which tries again"
            " and has a queue. What is lost all the same, the next look finds.",
            "NIST.800.53.R5-LambdaDLQ",
            "HIPAA.Security-LambdaDLQ",
            "Serverless-LambdaDLQ",
        )
        self.function.connections.allow_to(tracking, ec2.Port.tcp(PORT), "Reads aliases")
        self._grant(store, key, login)
        self.rest_api = private_api(
            self,
            name=f"{naming.prefix}-promotions",
            description="Hears of aliases from MLflow",
            vpc_endpoint=network.endpoints["execute-api"],
            log_settings=log_settings,
            rate=RATE,
            burst=BURST,
        )
        self._add_promotions()
        self._look(minutes, undelivered)
        self.alarm = alarms.above(
            self,
            "Failed",
            self.function.metric_errors(statistic="Sum", period=Duration.minutes(5)),
            1,
            "It could not be found out which aliases moved. The function's log says why; nothing"
            " is lost, but nothing is released either until a look succeeds.",
            periods=2,
        )

    @property
    def url(self) -> str:
        """The address that MLflow posts to."""
        return self.rest_api.url_for_path("/promotions")

    def _secret(self, key: kms.IKey, removal_policy: RemovalPolicy) -> secretsmanager.Secret:
        secret = secretsmanager.Secret(
            self,
            "Secret",
            description="MLflow signs what it tells of aliases with it",
            encryption_key=key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                password_length=64, exclude_punctuation=True
            ),
            removal_policy=removal_policy,
        )
        acknowledge(
            secret,
            "MLflow holds a copy of it: whoever replaces the value has the webhook registered"
            " anew. Who learns it can have aliases looked at, and nothing else.",
            "AwsSolutions-SMG4",
            "NIST.800.53.R5-SecretsManagerRotationEnabled",
            "HIPAA.Security-SecretsManagerRotationEnabled",
        )
        return secret

    def _grant(self, store: ReleaseStore, key: kms.IKey, login: secretsmanager.ISecret) -> None:
        store.grant_read_write(self.function, PROMOTIONS, DELIVERIES)
        store.grant_read(self.function, ATTEMPTS)
        grant(
            grantee=self.function,
            actions=["secretsmanager:GetSecretValue"],
            resource_arns=[login.secret_arn, self.secret.secret_arn],
        )
        grant_through(key, self.function, "secretsmanager", "kms:Decrypt")

    def _add_promotions(self) -> None:
        headers = {f"method.request.header.{name}": True for name in SIGNED}
        method = self.rest_api.root.add_resource("promotions").add_method(
            "POST",
            apigateway.LambdaIntegration(self.function, proxy=True),
            authorization_type=apigateway.AuthorizationType.NONE,
            request_parameters=headers,
            request_validator=apigateway.RequestValidator(
                self,
                "Validator",
                rest_api=self.rest_api,
                validate_request_parameters=True,
                validate_request_body=True,
            ),
        )
        acknowledge(
            method,
            "MLflow signs with a secret of its own, which the function verifies before all else;"
            " the API answers through the VPC's endpoint alone.",
            "AwsSolutions-APIG4",
            "AwsSolutions-COG4",
        )

    def _look(self, minutes: int, undelivered: UndeliveredEvents) -> None:
        """Have the function look at every alias, again and again."""
        rule = events.CfnRule(
            self,
            "Look",
            description="Finds what MLflow could not tell of",
            schedule_expression=events.Schedule.rate(Duration.minutes(minutes)).expression_string,
            targets=[undelivered.target("Promoter", self.function.function_arn)],
        )
        lambda_.CfnPermission(
            self,
            "CalledByTheClock",
            action="lambda:InvokeFunction",
            function_name=self.function.function_arn,
            principal="events.amazonaws.com",
            source_arn=rule.attr_arn,
        )


def _faults(followed: Mapping[str, Mapping[str, str]], minutes: int) -> list[Fault]:
    faults = limit_faults(minutes=minutes)
    if minutes > 1440:
        faults.append(Fault("minutes", str(minutes), "1 to 1440", "Look at least once a day."))
    if size(followed) > LONGEST:
        faults.append(
            Fault(
                "followed",
                f"{len(followed)} endpoints, which take {size(followed)} bytes",
                f"at most {LONGEST} bytes: a function is told of them in its variables",
                "Follow fewer endpoints, or give them and their models shorter names.",
            )
        )
    if not followed:
        faults.append(Fault("followed", "nothing", "an endpoint or more", "Follow one."))
    faults += [
        Fault(
            f"followed.{endpoint}",
            "no model with an alias",
            "a container or more, each with 'models:/<name>@<alias>'",
            "Give one an alias, or do not follow the endpoint.",
        )
        for endpoint, models in followed.items()
        if not models or not all("@" in model for model in models.values())
    ]
    return faults
