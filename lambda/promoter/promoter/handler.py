"""The entry point: a webhook of MLflow by way of API Gateway, or the schedule."""

from typing import Any

import boto3
from botocore.config import Config

from promoter.hearing import Hearing
from promoter.looking import Promoter
from promoter.registry import Registry
from promoter.secrets import Secret
from promoter.settings import Settings
from promoter.store import Store

SETTINGS = Settings.read()
# API Gateway waits 29 s.
CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3})
MANAGER = boto3.client("secretsmanager", config=CONFIG)
STORE = Store(boto3.client("s3", config=CONFIG), SETTINGS.bucket)
PROMOTER = Promoter(
    SETTINGS.followed,
    Registry(SETTINGS.tracking_uri, Secret(MANAGER, SETTINGS.login_secret)),
    STORE,
)
HEARING = Hearing(PROMOTER, STORE, Secret(MANAGER, SETTINGS.webhook_secret))


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Answer a webhook, or look at every endpoint.

    Parameters
    ----------
    event
        A request as API Gateway's proxy integration gives it; anything else is the schedule's.

    Raises
    ------
    LookError
        Where the schedule could not look at an endpoint: the function has failed then.
    """
    if "httpMethod" in event:
        return HEARING.hear(event)
    return PROMOTER.reconcile()
