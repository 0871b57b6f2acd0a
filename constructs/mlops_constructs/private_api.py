"""A REST API that answers through one VPC endpoint, with a log of each request."""

from collections.abc import Sequence

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.faults import Fault
from mlops_constructs.log_settings import LogSettings


def private_api(
    scope: Construct,
    *,
    name: str,
    description: str,
    vpc_endpoint: ec2.IVpcEndpoint,
    log_settings: LogSettings,
    rate: int,
    burst: int,
    binary_media_types: Sequence[str] = (),
) -> apigateway.RestApi:
    """Make a private API, its stage ``v1`` and its access log.

    The stage logs once the account lets API Gateway write logs: `InferenceApi` sees to that.

    Parameters
    ----------
    scope
        The construct that the API is: what it consists of stands right in it.
    name, description
        What it is called, and what it is for.
    vpc_endpoint
        The one VPC endpoint that it answers through.
    log_settings
        How its log is kept.
    rate
        Requests per second that are let through in the long run.
    burst
        Requests that are let through at once.
    binary_media_types
        Content types whose bytes are passed on as they are; any other body is text.

    Examples
    --------
    >>> rest_api = private_api(self, name="mlops-blue-inference", ...)  # doctest: +SKIP
    """
    log_group = log_settings.group(scope, "AccessLog")
    rest_api = apigateway.RestApi(
        scope,
        "RestApi",
        rest_api_name=name,
        description=description,
        binary_media_types=list(binary_media_types) or None,
        endpoint_configuration=apigateway.EndpointConfiguration(
            types=[apigateway.EndpointType.PRIVATE], vpc_endpoints=[vpc_endpoint]
        ),
        policy=_only_through(vpc_endpoint),
        cloud_watch_role=False,
        deploy_options=apigateway.StageOptions(
            stage_name="v1",
            access_log_destination=apigateway.LogGroupLogDestination(log_group),
            access_log_format=apigateway.AccessLogFormat.json_with_standard_fields(
                caller=True,
                http_method=True,
                ip=True,
                protocol=True,
                request_time=True,
                resource_path=True,
                response_length=True,
                status=True,
                user=True,
            ),
            logging_level=apigateway.MethodLoggingLevel.ERROR,
            metrics_enabled=True,
            tracing_enabled=False,
            throttling_rate_limit=rate,
            throttling_burst_limit=burst,
        ),
    )
    _acknowledge_stage(rest_api.deployment_stage)
    return rest_api


def limit_faults(**limits: int) -> list[Fault]:
    """The limits that let no request through.

    Parameters
    ----------
    limits
        Each limit by its name.

    Examples
    --------
    >>> [fault.path for fault in limit_faults(rate=0, burst=5)]
    ['rate']
    """
    return [
        Fault(name, str(value), "1 or more", "Let at least one request through.")
        for name, value in limits.items()
        if value < 1
    ]


def _acknowledge_stage(stage: apigateway.Stage) -> None:
    acknowledge(
        stage,
        "The API has no address outside the VPC: its one way in is the endpoint.",
        "AwsSolutions-APIG3",
        "NIST.800.53.R5-APIGWAssociatedWithWAF",
        "PCI.DSS.321-APIGWAssociatedWithWAF",
    )
    acknowledge(
        stage,
        "Answers depend on what is asked, and on whether it is answered yet: none is kept.",
        "APIGWCacheEnabledAndEncrypted",
    )
    acknowledge(
        stage,
        "A client certificate is for HTTP backends; this one is a function, called with IAM.",
        "APIGWSSLEnabled",
    )
    acknowledge(
        stage,
        "The access log and the metrics say who called and how long it took, without X-Ray.",
        "HIPAA.Security-APIGWXrayEnabled",
        "Serverless-APIGWXrayEnabled",
    )


def _only_through(vpc_endpoint: ec2.IVpcEndpoint) -> iam.PolicyDocument:
    """The API's own policy: whoever comes through the endpoint may try; methods decide the rest."""
    return iam.PolicyDocument(
        statements=[
            iam.PolicyStatement(
                principals=[iam.AnyPrincipal()],
                actions=["execute-api:Invoke"],
                resources=["execute-api:/*"],
                conditions={"StringEquals": {"aws:SourceVpce": vpc_endpoint.vpc_endpoint_id}},
            )
        ]
    )
