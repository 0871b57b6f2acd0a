"""The key of volumes, and why there is none."""

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.local_storage import has_local_storage
from mlops_constructs.platform_role import grant

PACKS = ("NIST.800.53.R5", "HIPAA.Security", "PCI.DSS.321")
"""The rule packs that ask for a key."""


def volume_key(key: kms.IKey, instance_types: Sequence[str]) -> str | None:
    """The key of the volumes of an endpoint or a job, where each instance type takes one.

    SageMaker refuses a key for instances with disks of their own, and a configuration has one key:
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html

    Parameters
    ----------
    key
        The key.
    instance_types
        What the endpoint or the job runs on.
    """
    return None if any(has_local_storage(it) for it in instance_types) else key.key_arn


def grant_volumes(key: kms.IKey, role: iam.IRole) -> iam.Grant:
    """Let SageMaker encrypt the volumes of what acts as `role`.

    A volume is EC2's, in an account of SageMaker's: the role passes the key on, to services of
    AWS's alone. AWS asks that of roles of jobs, and of those of endpoints:
    https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_RecommendationJobInputConfig.html

    Parameters
    ----------
    key
        The key of the volumes.
    role
        The execution role.
    """
    return grant(
        grantee=role,
        actions=["kms:CreateGrant"],
        resource_arns=[key.key_arn],
        conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
    )


def acknowledge_local_storage(config: sagemaker.CfnEndpointConfig) -> None:
    """Say why a configuration has no key, where it has none.

    Parameters
    ----------
    config
        The configuration of an endpoint.
    """
    if config.kms_key_id is None:
        acknowledge(
            config,
            "SageMaker takes no key for instances with disks of their own: the hardware encrypts"
            " them. https://docs.aws.amazon.com/sagemaker/latest/APIReference/"
            "API_CreateEndpointConfig.html",
            *(f"{pack}-SageMakerEndpointConfigurationKMSKeyConfigured" for pack in PACKS),
        )
