"""The one private API in front of every endpoint."""

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.faults import raise_faults
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.naming import Naming
from mlops_constructs.platform_role import PlatformRole
from mlops_constructs.private_api import limit_faults, private_api
from mlops_constructs.service_call import ServiceCall
from mlops_constructs.sites import site_of

BINARY = ("application/octet-stream", "application/vnd.apache.parquet", "application/x-npy")
"""Content types whose bytes are passed on as they are; any other body is text.

An answer is sent so where the caller names one of these first in ``Accept``:
https://docs.aws.amazon.com/apigateway/latest/developerguide/lambda-proxy-binary-media.html
"""


class InferenceApi(Construct):
    """A private REST API: ``POST /endpoints/{endpoint}/invocations``, with a key.

    What an asynchronous endpoint answers is read at ``GET .../invocations/{invocation}``. The API
    answers only through the given VPC endpoint. A new model endpoint needs no change here.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What the API's name starts with.
    invoker
        The function that answers.
    vpc_endpoint
        The one VPC endpoint that the API answers through.
    log_settings
        How logs are kept.
    authorization
        What a caller shows beside the key: a request signed by an identity of the account, or
        nothing more.
    rate
        Requests per second that one key, and all of them together, may send in the long run.
    burst
        Requests that one key, and all of them together, may send at once.

    Attributes
    ----------
    rest_api : aws_cdk.aws_apigateway.RestApi
        The API.
    methods : list of aws_cdk.aws_apigateway.Method
        The method that invokes, and the one that reads an answer.
    key : aws_cdk.aws_apigateway.IApiKey
        The first key. API Gateway makes its value.

    Raises
    ------
    FaultsError
        With every fault of the arguments.

    Examples
    --------
    >>> api = InferenceApi(  # doctest: +SKIP
    ...     stack, "Api", naming=naming, invoker=invoker.function, vpc_endpoint=endpoint,
    ...     log_settings=settings)
    """

    CALLS = (
        ServiceCall("execute-api", "clients", "call the inference API", ("execute-api:Invoke",)),
    )

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        invoker: lambda_.IFunction,
        vpc_endpoint: ec2.IVpcEndpoint,
        log_settings: LogSettings,
        authorization: apigateway.AuthorizationType = apigateway.AuthorizationType.IAM,
        rate: int = 50,
        burst: int = 100,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_faults(self.node.path, limit_faults(rate=rate, burst=burst))
        self.rest_api = private_api(
            self,
            name=f"{naming.prefix}-inference",
            description="Invokes the model endpoints",
            vpc_endpoint=vpc_endpoint,
            log_settings=log_settings,
            rate=rate,
            burst=burst,
            binary_media_types=BINARY,
        )
        self.rest_api.deployment_stage.node.add_dependency(self._account_that_logs())
        self.methods = self._add_invocations(invoker, authorization)
        self.key = self._add_key(rate, burst)

    @property
    def invocation_url(self) -> str:
        """The address to post to, with ``{endpoint}`` where the endpoint's name goes."""
        return self.rest_api.url_for_path("/endpoints/{endpoint}/invocations")

    def _add_invocations(
        self, invoker: lambda_.IFunction, authorization: apigateway.AuthorizationType
    ) -> list[apigateway.Method]:
        endpoint = self.rest_api.root.add_resource("endpoints").add_resource("{endpoint}")
        invocations = endpoint.add_resource("invocations")
        validator = apigateway.RequestValidator(
            self,
            "Validator",
            rest_api=self.rest_api,
            validate_request_parameters=True,
            validate_request_body=True,
        )
        methods = [
            resource.add_method(
                verb,
                apigateway.LambdaIntegration(invoker, proxy=True),
                api_key_required=True,
                authorization_type=authorization,
                request_parameters={f"method.request.path.{name}": True for name in names},
                request_validator=validator,
            )
            for verb, resource, names in (
                ("POST", invocations, ("endpoint",)),
                ("GET", invocations.add_resource("{invocation}"), ("endpoint", "invocation")),
            )
        ]
        for method in methods:
            acknowledge(
                method,
                "Callers are workloads of this network: they sign with their role, or show a key.",
                "AwsSolutions-COG4",
            )
        return methods

    def _add_key(self, rate: int, burst: int) -> apigateway.IApiKey:
        key = self.rest_api.add_api_key("Key")
        plan = self.rest_api.add_usage_plan(
            "Plan",
            throttle=apigateway.ThrottleSettings(rate_limit=rate, burst_limit=burst),
        )
        plan.add_api_key(key)
        plan.add_api_stage(stage=self.rest_api.deployment_stage)
        return key

    def _account_that_logs(self) -> apigateway.CfnAccount:
        """Let API Gateway write logs: a setting of the account and region, not of an API.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
        """
        role = PlatformRole(
            self,
            "LogsRole",
            assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
            description="Lets API Gateway write its logs",
        )
        every_log = site_of(self).arn("logs", "*")
        acknowledge(
            role,
            "The setting serves every API of the account and region, whatever its logs are called.",
            f"AwsSolutions-IAM5[Resource::{every_log}]",
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogGroups",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                    "logs:GetLogEvents",
                    "logs:FilterLogEvents",
                ],
                resources=[every_log],
            )
        )
        return apigateway.CfnAccount(self, "Account", cloud_watch_role_arn=role.role_arn)
