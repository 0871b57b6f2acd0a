"""MLflow's own access control, closed where it is open by default.

MLflow asks for a login and looks up permissions in tables of its own, which stand in a database
of their own. Some things of it are changed, each a function that MLflow looks up when it needs
it; a version that has it no longer ends the server at its start.

https://mlflow.org/docs/latest/self-hosting/security/basic-http-auth/
"""

import configparser
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tracking_server.database import Database

ACCESS_DATABASE = "mlflow_access"
"""The database with the users and their permissions, beside the one with the runs."""

CACHE_SECONDS = 60
"""How long a process knows a login and what it may do: comparing a password costs a tenth of a
second of a processor, on purpose. For as long, it takes what was withdrawn."""

HEALTH = "/health"
"""Says whether the server is healthy."""

OPEN = (HEALTH, "/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info")
"""What answers without a login: whether it is healthy, and how a client is to speak to it, which
clients ask before they log in."""

EXPERIMENT = re.compile(r"^(0|[1-9][0-9]*)/")
"""What the path of a file of an experiment begins with: its number, as it is written."""

SESSION_KEY = "TRACKING_SERVER_SESSION_KEY"
"""The variable with the name of the file that holds the key of sessions."""


class AccessError(Exception):
    """What this version of MLflow lacks."""


def configure(
    database: Database, folder: Path, *, default_permission: str, session_key: str
) -> dict[str, str]:
    """Write what MLflow's access control reads when it is imported.

    Parameters
    ----------
    database
        The database of the runs; the one of the access is on the same server.
    folder
        Where to; only this user can read the files.
    default_permission
        What a user may do with what no permission names.
    session_key
        Signs sessions; the same in all tasks.

    Returns
    -------
    dict of str to str
        The environment that names the files.
    """
    config = configparser.ConfigParser(interpolation=None)
    config["mlflow"] = {
        "default_permission": default_permission,
        # MLflow's parser takes a percent sign for the beginning of a name.
        "database_uri": replace(database, name=ACCESS_DATABASE).uri.replace("%", "%%"),
        "grant_default_workspace_access": "false",
        "auth_cache_ttl_seconds": str(CACHE_SECONDS),
    }
    settings, key = folder / "access.ini", folder / "session.key"
    for file in (settings, key):
        file.touch(0o600)
    with settings.open("w", encoding="utf-8") as text:
        config.write(text)
    key.write_text(session_key, encoding="utf-8")
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        SESSION_KEY: str(key),
        # The administrator is made by `tracking-server grant`, which knows the password.
        "_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED": "true",
        # What no rule decides is refused.
        "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
    }


def protect(flask: Any) -> Any:
    """Have every call to MLflow's applications asked for a login, and checked.

    Parameters
    ----------
    flask
        MLflow's Flask application.

    Returns
    -------
    Any
        MLflow's FastAPI application, around it.

    Raises
    ------
    AccessError
        Where this version of MLflow lacks what is changed here.
    """
    from mlflow.server import auth, security_utils

    from tracking_server.cache import remember
    from tracking_server.outage import tell_outages

    key = Path(os.environ[SESSION_KEY]).read_text(encoding="utf-8")
    ask = auth.authenticate_request_basic_auth
    changes = {
        # MLflow takes whatever the header says for a name and a password, and fails.
        "authenticate_request_basic_auth": lambda: authenticate(auth, ask),
        # MLflow would have the key stand in the environment.
        "get_flask_server_secret_key": lambda: key,
        # MLflow looks one up, and may then write to the other.
        "_run_id_or_uuid_param": lambda: named_run(auth),
        # MLflow's assistant runs programs on the machine, for whoever calls from it.
        "_get_require_authentication_validator": lambda: refuse,
        # MLflow answers some more, such as what it was built with.
        "is_unprotected_route": is_open,
        # MLflow lets whoever can log in make experiments and models.
        "_can_create_in_workspace": lambda username: may_create(auth, username),
    }
    for name, changed in changes.items():
        if not callable(getattr(auth, name, None)):
            raise AccessError(f"this MLflow has no mlflow.server.auth.{name}: see access.py")
        setattr(auth, name, changed)
    # MLflow takes 01/file for one of experiment 01, whom nobody is denied.
    auth._EXPERIMENT_ID_PATTERN = EXPERIMENT
    # MLflow answers this and /version to whatever name it is called by.
    security_utils.HEALTH_ENDPOINTS = [HEALTH]
    remember(auth, CACHE_SECONDS)
    tell_outages(auth)
    return auth.create_app(flask)


def is_open(path: str) -> bool:
    """Whether a path answers without a login.

    Parameters
    ----------
    path
        The path of a call.
    """
    return path in OPEN


def authenticate(auth: Any, ask: Callable[[], Any]) -> Any:
    """The login of the call that Flask works on, or what refuses it.

    Parameters
    ----------
    auth
        MLflow's module.
    ask
        MLflow's own, which looks the login up.
    """
    from flask import request

    try:
        login = request.authorization
    except ValueError:
        login = None  # the header has other letters than it may
    basic = login is not None and login.type == "basic"
    return ask() if basic else auth.make_basic_auth_response()


def named_run(auth: Any) -> str:
    """The run that a call names in its address, by either of two words.

    Parameters
    ----------
    auth
        MLflow's module.

    Raises
    ------
    MlflowException
        Where it names none, or two.
    """
    from flask import request

    named = {request.args.get(word) for word in ("run_id", "run_uuid")} - {None, ""}
    if len(named) != 1:
        raise auth.MlflowException(
            "Name one run, by run_id or by run_uuid.", auth.INVALID_PARAMETER_VALUE
        )
    return str(named.pop())


async def refuse(*_: Any) -> bool:
    """Whether a user who is no administrator may do what nobody else may: never."""
    return False


def may_create(auth: Any, username: str) -> bool:
    """Whether a user may make experiments, models and whatever else is new.

    It is what MLflow asks for where it has workspaces: the right to use the one, which
    `tracking-server grant` gives to the teams that may create.

    Parameters
    ----------
    auth
        MLflow's module.
    username
        Who asks.
    """
    from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME

    user = auth.store.get_user(username)
    found = auth._role_grant_for_resource(user.id, "workspace", "*", DEFAULT_WORKSPACE_NAME)
    return found is not None and bool(found.can_use)
