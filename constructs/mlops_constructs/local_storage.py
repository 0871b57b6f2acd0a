"""Instances with disks of their own, which their hardware encrypts, and no key of anybody's."""

import re
from collections.abc import Sequence

from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker

from mlops_constructs.acknowledgment import acknowledge

# Families with a "d" among the letters after their generation, such as m5d and g4dn, and those
# that have disks without saying so.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/InstanceStorage.html
_BY_LETTER = re.compile(r"ml\.[a-z]+\d+[a-z]*d[a-z]*\.")
_OTHERS = (
    "ml.g5.",
    "ml.g6.",
    "ml.g6e.",
    "ml.gr6.",
    "ml.i3.",
    "ml.i3en.",
    "ml.i4i.",
    "ml.trn1.",
    "ml.trn1n.",
    "ml.trn2.",
    "ml.p5.",
    "ml.p5e.",
    "ml.p5en.",
    "ml.p6-b200.",
)

PACKS = ("NIST.800.53.R5", "HIPAA.Security", "PCI.DSS.321")
"""The rule packs that ask for a key."""


def has_local_storage(instance_type: str) -> bool:
    """Whether an instance type has disks of its own.

    Examples
    --------
    >>> [has_local_storage(f"ml.{it}.xlarge") for it in ("m5", "m5d", "g4dn", "g5", "c7gd")]
    [False, True, True, True, True]
    """
    return bool(_BY_LETTER.match(instance_type)) or instance_type.startswith(_OTHERS)


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
