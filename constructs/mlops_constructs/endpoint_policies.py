"""What each VPC endpoint lets through: this account's identities, on this platform's resources."""

from collections.abc import Callable, Mapping, Sequence

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam

from mlops_constructs.naming import Naming

Policy = Callable[[Stack, Naming], Sequence[iam.PolicyStatement]]


def s3_policy(stack: Stack, naming: Naming) -> list[iam.PolicyStatement]:
    """The gateway endpoint for S3: the platform's buckets, and ECR's layers.

    Parameters
    ----------
    stack
        The stack that holds the endpoint.
    naming
        What the names of the platform's buckets start with.
    """
    return [
        _own_account(
            stack,
            [
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:GetBucketLocation",
                "s3:GetObject",
                "s3:ListBucket",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
            ],
            [f"arn:{stack.partition}:s3:::{naming.prefix}-*"],
        ),
        # ECR keeps image layers in a bucket of its own and hands out links it signed itself.
        # https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
        iam.PolicyStatement(
            principals=[iam.AnyPrincipal()],
            actions=["s3:GetObject"],
            resources=[f"arn:{stack.partition}:s3:::prod-{stack.region}-starport-layer-bucket/*"],
        ),
    ]


def _ecr(stack: Stack, naming: Naming) -> list[iam.PolicyStatement]:
    return [
        _own_account(
            stack,
            [
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:DescribeImages",
                "ecr:GetDownloadUrlForLayer",
            ],
            [
                stack.format_arn(
                    service="ecr",
                    resource="repository",
                    resource_name=f"{naming.namespace}/*",
                )
            ],
        ),
        # A token names no repository: the action knows no resource.
        _own_account(stack, ["ecr:GetAuthorizationToken"], ["*"]),
    ]


def _execute_api(stack: Stack, _: Naming) -> list[iam.PolicyStatement]:
    # A caller with a key alone has no identity: the API's own policy and method decide about it.
    return [
        iam.PolicyStatement(
            principals=[iam.AnyPrincipal()],
            actions=["execute-api:Invoke"],
            resources=[stack.format_arn(service="execute-api", resource="*")],
        )
    ]


def _logs(stack: Stack, _: Naming) -> list[iam.PolicyStatement]:
    log_groups = stack.format_arn(
        service="logs",
        resource="log-group",
        resource_name="*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return [_own_account(stack, ["logs:CreateLogStream", "logs:PutLogEvents"], [log_groups])]


def _secretsmanager(stack: Stack, _: Naming) -> list[iam.PolicyStatement]:
    secrets = stack.format_arn(
        service="secretsmanager",
        resource="secret",
        resource_name="*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    actions = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    return [_own_account(stack, actions, [secrets])]


def _sagemaker_api(stack: Stack, naming: Naming) -> list[iam.PolicyStatement]:
    kinds = ("endpoint", "endpoint-config", "model")
    return [
        _own_account(
            stack,
            [
                f"sagemaker:{verb}{noun}"
                for noun in ("Model", "EndpointConfig", "Endpoint")
                for verb in ("Create", "Describe", "Delete")
            ]
            + ["sagemaker:UpdateEndpoint", "sagemaker:AddTags"],
            [
                stack.format_arn(
                    service="sagemaker", resource=kind, resource_name=f"{naming.prefix}-*"
                )
                for kind in kinds
            ],
        )
    ]


def _sagemaker_runtime(stack: Stack, naming: Naming) -> list[iam.PolicyStatement]:
    endpoints = stack.format_arn(
        service="sagemaker", resource="endpoint", resource_name=f"{naming.prefix}-*"
    )
    return [_own_account(stack, ["sagemaker:InvokeEndpoint"], [endpoints])]


INTERFACE_POLICIES: Mapping[str, Policy] = {
    "ecr.api": _ecr,
    "ecr.dkr": _ecr,
    "execute-api": _execute_api,
    "logs": _logs,
    "sagemaker.api": _sagemaker_api,
    "sagemaker.runtime": _sagemaker_runtime,
    "secretsmanager": _secretsmanager,
}
"""The policy of each service that can have an interface endpoint here."""


def _own_account(
    stack: Stack, actions: Sequence[str], resources: Sequence[str]
) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        principals=[iam.AnyPrincipal()],
        actions=list(actions),
        resources=list(resources),
        conditions={"StringEquals": {"aws:PrincipalAccount": stack.account}},
    )
