"""What every job of SageMaker's needs of the role that it acts as: its log, and its key."""

from typing import Literal

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from mlops_constructs.acknowledgment import acknowledge_grant
from mlops_constructs.encryption_key import grant_through
from mlops_constructs.platform_role import grant
from mlops_constructs.sites import site_of
from mlops_constructs.volume_key import grant_volumes, volume_key

Kind = Literal["ProcessingJobs", "TransformJobs"]


def grant_job_logs(role: iam.IRole, kind: Kind) -> iam.Grant:
    """Let SageMaker write the logs of the jobs that act as `role`.

    An account has one group for each kind of job, and no environment owns it: whoever wants a key
    and a retention for it makes it before the first job. SageMaker makes it otherwise.
    https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html

    Parameters
    ----------
    role
        What the jobs act as.
    kind
        The kind of job.
    """
    group = site_of(role).arn("logs", f"log-group:/aws/sagemaker/{kind}")
    streams = f"{group}:log-stream:*"
    granted = grant(
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


def grant_job_key(role: iam.IRole, key: kms.IKey, instance: str) -> iam.Grant:
    """Let the jobs that act as `role` encrypt what they write, and their volumes.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html

    Parameters
    ----------
    role
        What the jobs act as.
    key
        The key of the output and of the volumes.
    instance
        What they run on.
    """
    output = grant_through(key, role, "s3", "kms:Encrypt")
    if not volume_key(key, [instance]):
        return output
    return grant_volumes(key, role).combine(output)
