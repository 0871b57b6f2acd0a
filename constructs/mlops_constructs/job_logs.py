"""The logs of SageMaker's jobs, which an account keeps in one log group for each kind of job."""

from typing import Literal

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam

from mlops_constructs.acknowledgment import acknowledge_grant

Kind = Literal["ProcessingJobs", "TransformJobs"]


def grant_job_logs(role: iam.IRole, kind: Kind) -> iam.Grant:
    """Let SageMaker write the logs of the jobs that act as `role`.

    The group belongs to the account, not to an environment: whoever wants a key and a retention
    for it makes it before the first job. SageMaker makes it otherwise.
    https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html

    Parameters
    ----------
    role
        What the jobs act as.
    kind
        The kind of job.
    """
    group = Stack.of(role).format_arn(
        service="logs",
        resource="log-group",
        resource_name=f"/aws/sagemaker/{kind}",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    streams = f"{group}:log-stream:*"
    granted = iam.Grant.add_to_principal(
        grantee=role,
        actions=[
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:DescribeLogStreams",
            "logs:PutLogEvents",
        ],
        resource_arns=[group, streams],
    )
    acknowledge_grant(
        role,
        "Each job and each instance has a stream, and none has a name before it runs.",
        f"AwsSolutions-IAM5[Resource::{streams}]",
    )
    return granted
