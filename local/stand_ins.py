"""Programs that stand for AWS's own algorithm images, which this machine cannot pull.

A stand-in answers as the image does, as far as an example needs it; it is not the image. It is told
as any container here where to listen, by ``SAGEMAKER_BIND_TO_PORT``, and where its model is: in
``model`` below ``SAGEMAKER_BASE_DIR``.
"""

import re
import sys
from dataclasses import dataclass

from local.state import ROOT
from operations.errors import OperationError

IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?"
    r"/(?P<repository>[^:@]+)(?P<tag>[:@].+)?"
)

STAND_IN = "stand-in for AWS's image"
"""What the addresses of the platform call a program that stands for an image."""

STAND_INS: dict[str, tuple[str, ...]] = {}
"""The program and its arguments that run for `serve` of an image of AWS's, by its repository."""


@dataclass(frozen=True)
class StandIn:
    """A program that runs in the place of an image.

    Parameters
    ----------
    name
        Repository of the image.
    program
        Program and arguments; ``python`` is this one.
    """

    name: str
    program: tuple[str, ...]

    def command(self, words: list[str]) -> list[str]:
        """The command that runs for `words`.

        Raises
        ------
        OperationError
            Where it is not `serve`: a stand-in does nothing else.
        """
        if words != ["serve"]:
            raise OperationError(
                f"The stand-in for {self.name} does not run '{' '.join(words)}'.",
                "It serves; deploy to an account for the rest.",
            )
        first, *others = self.program
        return [sys.executable if first == "python" else first, *others]

    def environment(self, base: dict[str, str]) -> dict[str, str]:
        """`base`, with this checkout to import from."""
        return {**base, "PYTHONPATH": str(ROOT)}


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


def find_stand_in(reference: str, repository: str) -> StandIn:
    """The program that stands for an image of AWS's.

    Parameters
    ----------
    reference
        The image, as a model names it.
    repository
        Its repository.

    Raises
    ------
    OperationError
        Where there is none.
    """
    if repository not in STAND_INS:
        known = ", ".join(sorted(STAND_INS)) or "none is known yet"
        raise OperationError(
            f"{reference} is an image of AWS's, which cannot be pulled here.",
            f"Give it a stand-in in local/stand_ins.py ({known}), or deploy to an account.",
        )
    return StandIn(repository, STAND_INS[repository])
