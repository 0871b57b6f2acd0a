"""Programs that stand for AWS's own algorithm images, which this machine cannot pull.

A stand-in keeps to the image's contract as far as its own folder says, on the version of the
library that the image has; it is not the image. It is installed when an endpoint first needs it.
It is told as any container here where to listen, by ``SAGEMAKER_BIND_TO_PORT``, and where its
model is: in ``model`` below ``SAGEMAKER_BASE_DIR``.
"""

import re

from local.images import ProcessImage, image_of, install
from local.state import ROOT
from operations.errors import OperationError

STAND_IN = "stand-in for AWS's image"
"""What the addresses of the platform call a program that stands for an image."""

FOLDER = ROOT / "local" / "stand_ins"
"""A folder for each, named as the repository of what it stands for."""
TAGS = {"sagemaker-sparkml-serving": ("3.3",), "sagemaker-xgboost": ("3.0-5",)}
"""The tags that each stands for: another has another library, and other answers."""

IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?"
    r"/(?P<repository>[^:@]+)(:(?P<tag>.+))?"
)


def aws_repository(reference: str, account: str) -> str | None:
    """The repository of an image of AWS's own; nothing where the image is of this account.

    Parameters
    ----------
    reference
        The image, as a model names it.
    account
        The platform's account.
    """
    found = IMAGE.fullmatch(reference)
    return found["repository"] if found and found["account"] != account else None


def find_stand_in(reference: str, repository: str) -> ProcessImage:
    """The program that stands for an image of AWS's, installed.

    Parameters
    ----------
    reference
        The image, as a model names it.
    repository
        Its repository.

    Raises
    ------
    OperationError
        Where there is none, or none for that tag.
    """
    tag = reference.rpartition(":")[2]
    if tag not in TAGS.get(repository, ()):
        known = ", ".join(f"{name}:{tag}" for name, tags in TAGS.items() for tag in tags)
        raise OperationError(
            f"{reference} is an image of AWS's, which cannot be pulled here, and nothing stands"
            f" for it: {known} have a stand-in.",
            "Choose one of these, write another in local/stand_ins, or deploy to an account.",
        )
    return install(image_of(FOLDER / repository), FOLDER / repository)
