"""What every job of SageMaker's needs of the role that it acts as: its log, and its key."""

from typing import Literal

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from mlops_constructs.acknowledgment import acknowledge_grant
from mlops_constructs.encryption_key import grant_through

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


def grant_job_key(role: iam.IRole, key: kms.IKey) -> iam.Grant:
    """Let the jobs that act as `role` encrypt their volumes and what they write.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html

    Parameters
    ----------
    role
        What the jobs act as.
    key
        The key of the volumes and of the output.
    """
    # The volume is EC2's, in an account of SageMaker's: EC2 gets the key by a grant.
    volumes = iam.Grant.add_to_principal(
        grantee=role,
        actions=["kms:CreateGrant"],
        resource_arns=[key.key_arn],
        conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
    )
    return volumes.combine(grant_through(key, role, "s3", "kms:Encrypt"))
