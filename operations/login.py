"""A login to MLflow, as its client reads it: from the environment, whenever it asks."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mlops_constructs.naming import Naming
from operations.errors import OperationError


def login_variables(manager: Any, naming: Naming, user: str) -> dict[str, str]:
    """The variables that log a client of MLflow in.

    Parameters
    ----------
    manager
        A client of Secrets Manager.
    naming
        What the environment's names start with.
    user
        A user of its configuration, or ``administrator``.

    Raises
    ------
    OperationError
        Where the user's secret cannot be read.
    """
    secret = naming.login(user)
    try:
        said = json.loads(manager.get_secret_value(SecretId=secret)["SecretString"])
    except (BotoCoreError, ClientError) as error:
        raise OperationError(
            f"The login of '{user}' to MLflow, the secret {secret}, cannot be read: {error}",
            "Name a user of tracking.access.users whose secret you may read, or log in by"
            " MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
        ) from error
    return {
        "MLFLOW_TRACKING_USERNAME": said["username"],
        "MLFLOW_TRACKING_PASSWORD": said["password"],
    }


@contextmanager
def logged_in(variables: dict[str, str]) -> Iterator[None]:
    """Have the clients of MLflow in this process log in.

    Parameters
    ----------
    variables
        What `login_variables` gave; nothing where they log in by what the environment says.
    """
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
