"""The function between the API and the SageMaker endpoints."""

from pathlib import Path

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.model_endpoint import ModelEndpoint
from mlops_constructs.naming import Naming
from mlops_constructs.platform_role import PlatformRole
from mlops_constructs.private_network import PrivateNetwork
from mlops_constructs.service_call import ServiceCall

# API Gateway waits 29 s; the function gives up a second before, so that the caller learns why.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
TIMEOUT = Duration.seconds(28)


class ModelInvoker(Construct):
    """A Lambda function in the VPC that invokes any endpoint of the environment by its name.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What the names of the endpoints start with: the function may invoke no other.
    network
        Where the function runs.
    source
        Folder of the function's code, which holds ``invoker/handler.py``.
    log_settings
        How logs are kept.
    concurrency
        Requests that are served at once, reserved of what the account may run.

    Attributes
    ----------
    function : aws_cdk.aws_lambda.Function
        The function.

    Raises
    ------
    FaultsError
        Where `concurrency` lets nothing run.

    Examples
    --------
    >>> invoker = ModelInvoker(  # doctest: +SKIP
    ...     stack, "Invoker", naming=naming, network=network, source=Path("lambda/invoker"),
    ...     log_settings=settings)
    """

    # Lambda writes the function's log over a network of its own.
    CALLS = (
        ServiceCall(
            "sagemaker.runtime", "invoker", "invokes endpoints", ("sagemaker:InvokeEndpoint",)
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
        log_settings: LogSettings,
        concurrency: int = 100,
    ) -> None:
        super().__init__(scope, construct_id)
        if concurrency < 1:
            fault = Fault("concurrency", str(concurrency), "1 or more", "Let one request run.")
            raise_faults(self.node.path, [fault])
        network.require(self, self.CALLS)
        log_group = log_settings.group(self, "Log")
        role = PlatformRole(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Invokes the model endpoints",
        )
        log_group.grant_write(role)
        network.grant_attach(role)
        ModelEndpoint.grant_invoke_any(role, naming)
        group = network.security_group(self, "FunctionGroup", "Model invoker")
        network.connect_to_aws(group)
        self.function = lambda_.Function(
            self,
            "Function",
            description="Passes a request of the API to the SageMaker endpoint it names",
            code=lambda_.Code.from_asset(str(source), exclude=["**/__pycache__", "**/*.pyc"]),
            handler="invoker.handler.handler",
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            memory_size=512,
            timeout=TIMEOUT,
            reserved_concurrent_executions=concurrency,
            environment={
                "ENDPOINT_PREFIX": naming.endpoint(""),
                "READ_SECONDS": str(int(TIMEOUT.to_seconds()) - 2),
            },
            role=role,
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[group],
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
        )
        acknowledge(
            self.function,
            "API Gateway calls it and waits: a call that fails is answered, and is never queued.",
            "NIST.800.53.R5-LambdaDLQ",
            "HIPAA.Security-LambdaDLQ",
            "Serverless-LambdaDLQ",
        )
        acknowledge(
            self.function,
            "It does one call, which its log times; the network has no way to X-Ray.",
            "Serverless-LambdaTracing",
        )
        self._deny_network_interfaces_to_code(role)

    def _deny_network_interfaces_to_code(self, role: iam.Role) -> None:
        """Keep for the Lambda service what only the service needs.

        https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
        """
        iam.ManagedPolicy(
            self,
            "CodeMakesNoInterfaces",
            description="Keeps for the Lambda service what only the service needs",
            roles=[role],
            statements=[
                iam.PolicyStatement(
                    effect=iam.Effect.DENY,
                    actions=["ec2:*NetworkInterface*", "ec2:*PrivateIpAddresses"],
                    resources=["*"],
                    conditions={
                        "ArnEquals": {"lambda:SourceFunctionArn": self.function.function_arn}
                    },
                )
            ],
        )
