"""The key of an endpoint's volumes, and why there is none."""

from collections.abc import Sequence

from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.local_storage import has_local_storage

PACKS = ("NIST.800.53.R5", "HIPAA.Security", "PCI.DSS.321")
"""The rule packs that ask for a key."""


def volume_key(key: kms.IKey, instance_types: Sequence[str]) -> dict[str, str]:
    """The key of the volumes, where each instance type takes one.

    SageMaker refuses a key for instances with disks of their own, and a configuration has one key:
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html

    Parameters
    ----------
    key
        The key.
    instance_types
        What the endpoint runs on.
    """
    if any(has_local_storage(it) for it in instance_types):
        return {}
    return {"kms_key_id": key.key_arn}


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
