"""MLflow's gateway to language models is off, with an answer that says so.

It would call, from inside the network, whatever address its users give it, and keep their keys
under a passphrase that every MLflow has. MLflow answers 501 where it is off, which is a fault of
the server's to an alarm, and says to set a variable that no user can.

https://mlflow.org/docs/latest/genai/governance/ai-gateway/
"""

from typing import Any, NoReturn

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

CALLS = "/mlflow/gateway/"
"""What the rules of the calls that set it up hold; those that use it are FastAPI's."""

REFUSAL = (
    "This server has no gateway to language models: nothing of it calls an address that a user"
    " gives. Serve the model by an endpoint of the platform, and call its API."
)


class GatewayError(Exception):
    """What this version of MLflow lacks."""


def refuse_gateway(flask: Any, fastapi: Any, gateway: Any) -> None:
    """Have every call that is about the gateway refused, whoever logs in.

    Parameters
    ----------
    flask, fastapi
        MLflow's two applications; the login is looked up before this.
    gateway
        The module ``mlflow.server.gateway_api``.

    Raises
    ------
    GatewayError
        Where this version of MLflow lacks what is changed here.
    """
    asked = getattr(gateway, "_ensure_gateway_enabled", None)
    if not callable(asked):
        raise GatewayError("this MLflow has no _ensure_gateway_enabled: see gateway.py")
    if not any(CALLS in rule.rule for rule in flask.url_map.iter_rules()):
        raise GatewayError(f"this MLflow has no call with {CALLS} in its path: see gateway.py")
    flask.before_request(refuse_call)
    fastapi.dependency_overrides[asked] = refuse_use


def refuse_call() -> None:
    """Refuse what sets the gateway up; leave all else.

    Raises
    ------
    MlflowException
        Where the call that Flask works on does.
    """
    from flask import request

    if request.url_rule and CALLS in request.url_rule.rule:
        raise MlflowException(REFUSAL, PERMISSION_DENIED)


async def refuse_use() -> NoReturn:
    """Refuse what calls a model through the gateway.

    Raises
    ------
    HTTPException
        Always.
    """
    from fastapi import HTTPException

    raise HTTPException(403, REFUSAL)
