"""AWS's image that analyzes captured data, in each region that has it."""

from collections.abc import Iterator, Mapping

from mlops_constructs.faults import Fault

REPOSITORY = "sagemaker-model-monitor-analyzer"

# https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-pre-built-container.html
ACCOUNTS: Mapping[str, str] = {
    "af-south-1": "875698925577",
    "ap-east-1": "001633400207",
    "ap-northeast-1": "574779866223",
    "ap-northeast-2": "709848358524",
    "ap-northeast-3": "990339680094",
    "ap-south-1": "126357580389",
    "ap-southeast-1": "245545462676",
    "ap-southeast-2": "563025443158",
    "ap-southeast-3": "669540362728",
    "ca-central-1": "536280801234",
    "eu-central-1": "048819808253",
    "eu-central-2": "590183933784",
    "eu-north-1": "895015795356",
    "eu-south-1": "933208885752",
    "eu-south-2": "437450045455",
    "eu-west-1": "468650794304",
    "eu-west-2": "749857270468",
    "eu-west-3": "680080141114",
    "il-central-1": "843974653677",
    "me-central-1": "588750061953",
    "me-south-1": "607024016150",
    "sa-east-1": "539772159869",
    "us-east-1": "156813124566",
    "us-east-2": "777275614652",
    "us-west-1": "890145073186",
    "us-west-2": "159807026194",
}
"""The account that keeps the image, by the region: those of AWS's commercial partition."""


def monitor_image(region: str) -> str:
    """The address of the image in a region. AWS gives it no tag: it is the newest there.

    Parameters
    ----------
    region
        The region.

    Raises
    ------
    KeyError
        Where the region has no such image.

    Examples
    --------
    >>> monitor_image("eu-west-1")
    '468650794304.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-model-monitor-analyzer'
    """
    return f"{ACCOUNTS[region]}.dkr.ecr.{region}.amazonaws.com/{REPOSITORY}"


def region_faults(path: str, region: str) -> Iterator[Fault]:
    """What is wrong with monitoring in a region.

    Parameters
    ----------
    path
        What a fault calls it.
    region
        The region.
    """
    if region not in ACCOUNTS:
        yield Fault(
            path,
            f"in '{region}', where AWS has no image that monitors",
            ", ".join(ACCOUNTS),
            "Remove it: what is captured is kept all the same.",
        )
