"""Instances with disks of their own, which their hardware encrypts, and no key of anybody's."""

import re

# Families with a "d" among the letters after their generation, such as m5d and g4dn, and those
# that have disks without saying so. SageMaker's pages name this list as theirs, for endpoints, for
# transform and for processing jobs, which monitoring runs:
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/InstanceStorage.html
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingClusterConfig.html
_BY_LETTER = re.compile(r"ml\.[a-z]+\d+[a-z]*d[a-z]*\.")
_OTHERS = (
    "ml.dl1.",
    "ml.g5.",
    "ml.g6.",
    "ml.g6e.",
    "ml.g7.",
    "ml.g7e.",
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
    "ml.p6-b300.",
    "ml.p6e-gb200.",
)


def has_local_storage(instance_type: str) -> bool:
    """Whether an instance type has disks of its own.

    Examples
    --------
    >>> [has_local_storage(f"ml.{it}.xlarge") for it in ("m5", "m5d", "g4dn", "g5", "c7gd")]
    [False, True, True, True, True]
    """
    return bool(_BY_LETTER.match(instance_type)) or instance_type.startswith(_OTHERS)
