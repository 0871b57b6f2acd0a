"""What the server takes in the place of MLflow's own, where it knows the MLflow that it runs."""

import logging
import os
from collections.abc import Mapping
from typing import Any

MLFLOW = "3.17.2"
"""The version that the faster parts are written for, and compared with by the tests."""

OTHERWISE = {
    "MLFLOW_ENABLE_WORKSPACES": "workspaces are on",
    "_MLFLOW_SERVER_READ_REPLICA_BACKEND_STORE": "there is a read replica",
}
"""Variables with which MLflow takes another store of its own."""

_log = logging.getLogger(__name__)


def take_faster_parts(
    handlers: Any, version: str, threads: int, environment: Mapping[str, str] = os.environ
) -> bool:
    """Have MLflow's handlers use the store and the answers of this package.

    Parameters
    ----------
    handlers
        The module ``mlflow.server.handlers``.
    version
        The version of MLflow.
    threads
        How many calls are worked on at once.
    environment
        What MLflow was told.

    Returns
    -------
    bool
        Whether they do. Otherwise the log has a warning that says why, and MLflow's own serve.
    """
    off = ("", "0", "false")
    reasons = [
        why for name, why in OTHERWISE.items() if environment.get(name, "").lower() not in off
    ]
    if version != MLFLOW:
        reasons.append(f"they know MLflow {MLFLOW}, and this is {version}")
    if reasons:
        _log.warning("the faster parts are not used, and calls cost more: %s", "; ".join(reasons))
        return False
    from tracking_server.messages import message_to_json
    from tracking_server.store import Store

    def make(store_uri: str, artifact_uri: str) -> Any:
        return Store(store_uri, artifact_uri, most=threads)

    # Not an entry point: only the server takes them, not all that use MLflow.
    handlers._tracking_store_registry.register("mysql", make)
    handlers.message_to_json = message_to_json
    return True
