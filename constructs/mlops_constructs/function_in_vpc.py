"""A Lambda function in the isolated subnets, as every function of the platform is made."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.platform_role import PlatformRole
from mlops_constructs.private_network import PrivateNetwork


def function_in_vpc(
    scope: Construct,
    *,
    description: str,
    purpose: str,
    callers: str,
    code: lambda_.Code,
    handler: str,
    environment: Mapping[str, str],
    timeout: Duration,
    concurrency: int,
    network: PrivateNetwork,
    log_settings: LogSettings,
) -> lambda_.Function:
    """Make a function with a role, a security group and a log of its own.

    It calls AWS through the network's endpoints, and nothing else until somebody connects it.

    Parameters
    ----------
    scope
        The construct that the function is: what it consists of stands right in it.
    description, purpose, callers
        What the function does, what its role is for, and who is in its group, in a few words.
    code, handler
        What runs.
    environment
        Its variables.
    timeout
        How long one call may take.
    concurrency
        Calls that run at once, reserved of what the account may run.
    network
        Where it runs.
    log_settings
        How its log is kept.

    Examples
    --------
    >>> function = function_in_vpc(self, description="Rotates", ...)  # doctest: +SKIP
    >>> function.connections.allow_to(database, ec2.Port.tcp(3307))  # doctest: +SKIP
    """
    log_group = log_settings.group(scope, "Log")
    role = PlatformRole(
        scope,
        "Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        description=purpose,
    )
    log_group.grant_write(role)
    network.grant_attach(role)
    group = network.security_group(scope, "FunctionGroup", callers)
    network.connect_to_aws(group)
    function = lambda_.Function(
        scope,
        "Function",
        description=description,
        code=code,
        handler=handler,
        runtime=lambda_.Runtime.PYTHON_3_14,
        architecture=lambda_.Architecture.ARM_64,
        memory_size=512,
        timeout=timeout,
        reserved_concurrent_executions=concurrency,
        environment=dict(environment),
        role=role,
        vpc=network.vpc,
        vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
        security_groups=[group],
        log_group=log_group,
        logging_format=lambda_.LoggingFormat.JSON,
    )
    acknowledge(
        function,
        "It does one call, which its log times; the network has no way to X-Ray.",
        "Serverless-LambdaTracing",
    )
    _deny_network_interfaces_to_code(scope, function, role)
    return function


def _deny_network_interfaces_to_code(
    scope: Construct, function: lambda_.Function, role: iam.Role
) -> None:
    """Keep for the Lambda service what only the service needs.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
    """
    iam.ManagedPolicy(
        scope,
        "CodeMakesNoInterfaces",
        description="Keeps for the Lambda service what only the service needs",
        roles=[role],
        statements=[
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=["ec2:*NetworkInterface*", "ec2:*PrivateIpAddresses"],
                resources=["*"],
                conditions={"ArnEquals": {"lambda:SourceFunctionArn": function.function_arn}},
            )
        ],
    )
