"""The entry point: Secrets Manager asks for one step, and no answer means that it is done."""

from collections.abc import Mapping

import boto3
from botocore.config import Config

from rotator.accounts import Server
from rotator.rotation import Request, Rotator
from rotator.secrets import Secrets
from rotator.settings import Settings

ROTATOR = Rotator(
    Secrets(
        boto3.client(
            "secretsmanager",
            config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2}),
        )
    ),
    Server(Settings.read().certificates),
)


def handler(event: Mapping[str, object], _: object) -> None:
    """Carry out one step.

    Parameters
    ----------
    event
        ``Step``, ``SecretId`` and ``ClientRequestToken``, as Secrets Manager gives them.

    Raises
    ------
    RotationError
        Where the step failed: Secrets Manager tries the rotation again, and the alarm begins.
    """
    ROTATOR.run(Request.read(event))
