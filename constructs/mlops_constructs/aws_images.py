"""The images of AWS that an endpoint may serve from: account, host and tag of each, by region.

What the SageMaker SDK knows, as data: ``tests/compliance/test_aws_images.py`` compares the two.
SageMaker pulls these images over its own network, so that a network without a way out needs none of
their addresses.
https://docs.aws.amazon.com/sagemaker/latest/dg/ecr-sagemaker-image-uris.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlops_constructs.faults import Fault

ALGORITHMS: Mapping[str, str] = {
    "af-south-1": "510948584623",
    "ap-east-1": "651117190479",
    "ap-northeast-1": "354813040037",
    "ap-northeast-2": "366743142698",
    "ap-northeast-3": "867004704886",
    "ap-south-1": "720646828776",
    "ap-south-2": "628508329040",
    "ap-southeast-1": "121021644041",
    "ap-southeast-2": "783357654285",
    "ap-southeast-3": "951798379941",
    "ap-southeast-4": "106583098589",
    "ca-central-1": "341280168497",
    "ca-west-1": "190319476487",
    "cn-north-1": "450853457545",
    "cn-northwest-1": "451049120500",
    "eu-central-1": "492215442770",
    "eu-central-2": "680994064768",
    "eu-north-1": "662702820516",
    "eu-south-1": "978288397137",
    "eu-south-2": "104374241257",
    "eu-west-1": "141502667606",
    "eu-west-2": "764974769150",
    "eu-west-3": "659782779980",
    "il-central-1": "898809789911",
    "me-central-1": "272398656194",
    "me-south-1": "801668240914",
    "sa-east-1": "737474898029",
    "us-east-1": "683313688378",
    "us-east-2": "257758044811",
    "us-gov-east-1": "237065988967",
    "us-gov-west-1": "414596584902",
    "us-west-1": "746614075791",
    "us-west-2": "246618743249",
}
"""The account of the algorithms' images in each region."""

WITHOUT_SPARKML = frozenset(
    {
        "ap-south-2",
        "ap-southeast-4",
        "ca-west-1",
        "eu-central-2",
        "eu-south-2",
        "il-central-1",
        "me-central-1",
        "us-gov-east-1",
    }
)
"""Regions of the former that have no image for Spark's pipelines."""

DEEP_LEARNING: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1"),
            *("ap-southeast-2", "ca-central-1", "eu-central-1", "eu-north-1"),
            *("eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1"),
            *("us-east-1", "us-east-2", "us-west-1", "us-west-2"),
        ),
        "763104351884",
    ),
    "af-south-1": "626614931356",
    "ap-east-1": "871362719292",
    "ap-east-2": "975050140332",
    "ap-northeast-3": "364406365360",
    "ap-south-2": "772153158452",
    "ap-southeast-3": "907027046896",
    "ap-southeast-4": "457447274322",
    "ap-southeast-5": "550225433462",
    "ap-southeast-6": "633930458069",
    "ap-southeast-7": "590183813437",
    "ca-west-1": "204538143572",
    "cn-north-1": "727897471807",
    "cn-northwest-1": "727897471807",
    "eu-central-2": "380420809688",
    "eu-south-1": "692866216735",
    "eu-south-2": "503227376785",
    "il-central-1": "780543022126",
    "me-central-1": "914824155844",
    "me-south-1": "217643126080",
    "mx-central-1": "637423239942",
    "us-gov-east-1": "446045086412",
    "us-gov-west-1": "442386744353",
}
"""The account of the deep-learning images in each region."""


@dataclass(frozen=True)
class Framework:
    """What images of a framework are called.

    Parameters
    ----------
    repository
        Their repository, the same in every region.
    accounts
        The account that has it, by region.
    tags
        The tag of each version; ``{processor}`` stands for ``cpu`` or ``gpu``.
    """

    repository: str
    accounts: Mapping[str, str]
    tags: Mapping[str, str]


FRAMEWORKS: Mapping[str, Framework] = {
    "pytorch": Framework(
        "pytorch-inference",
        DEEP_LEARNING,
        {
            "2.3.0": "2.3.0-{processor}-py311",
            "2.4.0": "2.4.0-{processor}-py311",
            "2.5.1": "2.5.1-{processor}-py311",
            "2.6.0": "2.6.0-{processor}-py312",
        },
    ),
    "sklearn": Framework(
        "sagemaker-scikit-learn",
        ALGORITHMS,
        {version: f"{version}-cpu-py3" for version in ("0.23-1", "1.0-1", "1.2-1", "1.9-0")},
    ),
    "sparkml-serving": Framework(
        "sagemaker-sparkml-serving",
        {region: it for region, it in ALGORITHMS.items() if region not in WITHOUT_SPARKML},
        {"3.3": "3.3"},
    ),
    "tensorflow": Framework(
        "tensorflow-inference",
        DEEP_LEARNING,
        {
            "2.16.1": "2.16.1-{processor}",
            "2.18.0": "2.18.0-{processor}",
            "2.19.0": "2.19.0-{processor}",
            "2.20.0": "2.20.0-{processor}-py312",
        },
    ),
    "xgboost": Framework(
        "sagemaker-xgboost",
        ALGORITHMS,
        {version: version for version in ("1.3-1", "1.5-1", "1.7-1", "3.0-5", "3.2-0")},
    ),
}
"""The images of AWS that can be named, by framework."""

GPU = re.compile(r"ml\.(p\d|g\d)")
OTHER_PROCESSOR = re.compile(r"ml\.(inf|trn|[a-z]+\d+g|g5g)")
"""Instance types whose processor these images are not built for: Inferentia, Trainium, Graviton."""


@dataclass(frozen=True)
class AwsImage:
    """An image of AWS for one framework.

    Parameters
    ----------
    framework
        One of `FRAMEWORKS`.
    version
        One of its versions.

    Examples
    --------
    >>> AwsImage("xgboost", "1.7-1").address("eu-west-1", "ml.m5.large")
    '141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:1.7-1'
    >>> AwsImage("pytorch", "2.6.0").address("cn-north-1", "ml.g5.xlarge")
    '727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/pytorch-inference:2.6.0-gpu-py312'
    """

    framework: str
    version: str

    def faults(self, path: str, region: str, instance_type: str = "") -> list[Fault]:
        """What is wrong with it in a region, on an instance type.

        Parameters
        ----------
        path
            Where it stands, as the user would name it.
        region
            The region.
        instance_type
            What it is to run on; unknown where empty.
        """
        given = f"'{self.framework}:{self.version}'"
        known = FRAMEWORKS.get(self.framework)
        if known is None:
            return [Fault(path, given, ", ".join(FRAMEWORKS), "Choose one, or build an image.")]
        faults = []
        if self.version not in known.tags:
            versions = ", ".join(known.tags)
            faults.append(Fault(path, given, f"{self.framework} {versions}", "Choose one of them."))
        if region not in known.accounts:
            faults.append(
                Fault(
                    path,
                    f"{given} in {region}",
                    "a region where AWS offers it",
                    "Build an image of your own: AWS has none of it there.",
                )
            )
        if OTHER_PROCESSOR.match(instance_type):
            faults.append(
                Fault(
                    path,
                    f"{given} on {instance_type}",
                    "an instance type with an Intel or AMD processor",
                    "Choose one, such as 'ml.m5.large': the image is built for no other.",
                )
            )
        return faults

    def address(self, region: str, instance_type: str = "") -> str:
        """Where the image is pulled from, for an instance type."""
        known = FRAMEWORKS[self.framework]
        processor = "gpu" if GPU.match(instance_type) else "cpu"
        tag = known.tags[self.version].format(processor=processor)
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        return f"{known.accounts[region]}.dkr.ecr.{region}.{suffix}/{known.repository}:{tag}"
