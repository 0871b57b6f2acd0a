"""What of MLflow is off here, with an answer that says so and what to do instead.

The gateway to language models would call, from inside the network, whatever address its users
give it, and keep their keys under a passphrase that every MLflow has. MLflow answers 501 where it
is off, which is a fault of the server's to an alarm, and says to set a variable that no user can.

The examples fail half-way where files go through the server, which would have to log in to
itself; elsewhere they take a thread for half a minute.

https://mlflow.org/docs/latest/genai/governance/ai-gateway/setup
"""

from typing import Any, NoReturn

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

GATEWAY = (
    "This server has no gateway to language models: nothing of it calls an address that a user"
    " gives. Serve the model by an endpoint of the platform, and call its API."
)
EXAMPLES = "This server makes no examples. Run 'mlflow server' on a machine of your own for them."

OFF = {"/mlflow/gateway/": GATEWAY, "/mlflow/demo/generate": EXAMPLES}
"""What is answered to a call, by a part of its rule. The gateway's own calls are FastAPI's."""


class OffError(Exception):
    """What this version of MLflow lacks."""


def turn_off(flask: Any, fastapi: Any, gateway: Any) -> None:
    """Have every such call refused, whoever logs in.

    Parameters
    ----------
    flask, fastapi
        MLflow's two applications; the login is looked up before this.
    gateway
        The module ``mlflow.server.gateway_api``.

    Raises
    ------
    OffError
        Where this version of MLflow lacks what is changed here.
    """
    asked = getattr(gateway, "_ensure_gateway_enabled", None)
    if not callable(asked):
        raise OffError("this MLflow has no _ensure_gateway_enabled: see off.py")
    rules = [rule.rule for rule in flask.url_map.iter_rules()]
    for part in OFF:
        if not any(part in rule for rule in rules):
            raise OffError(f"this MLflow has no call with {part} in its path: see off.py")
    flask.before_request(refuse_call)
    fastapi.dependency_overrides[asked] = refuse_gateway


def refuse_call() -> None:
    """Refuse the call that Flask works on where it is one of these; leave all others.

    Raises
    ------
    MlflowException
        Where it is.
    """
    from flask import request

    rule = request.url_rule.rule if request.url_rule else ""
    for part, message in OFF.items():
        if part in rule:
            raise MlflowException(message, PERMISSION_DENIED)


async def refuse_gateway() -> NoReturn:
    """Refuse what calls a model through the gateway.

    Raises
    ------
    HTTPException
        Always.
    """
    from fastapi import HTTPException

    raise HTTPException(403, GATEWAY)
