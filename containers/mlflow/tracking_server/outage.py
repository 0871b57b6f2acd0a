"""A login that cannot be looked up is no wrong login.

While the database is away, MLflow answers 401 to an upload of a user whom the process does not
remember. Its clients take that for a wrong password and end, where they try again after 503.
"""

import threading
from collections.abc import Callable
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE, ErrorCode

ASKED = ("authenticate_user", "get_user")
"""What the store of the users is asked."""

LOGINS = ("_authenticate_cached", "_authenticate_fastapi_request")
"""What finds out who calls, and finds nobody where the store fails."""


def tell_outages(auth: Any) -> None:
    """Have MLflow's access control say that the database does not answer, where it does not.

    Parameters
    ----------
    auth
        The module ``mlflow.server.auth``, whose functions of these names are replaced.

    Raises
    ------
    AttributeError
        Where this version of MLflow has no function of such a name.
    """
    seen = threading.local()

    def noting(ask: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*words: Any, **options: Any) -> Any:
            try:
                return ask(*words, **options)
            except MlflowException as error:
                if error.error_code == ErrorCode.Name(TEMPORARILY_UNAVAILABLE):
                    seen.outage = error
                raise

        return noted

    def telling(login: Callable[..., Any]) -> Callable[..., Any]:
        def told(*words: Any) -> Any:
            seen.outage = None
            user = login(*words)
            if user is None and seen.outage is not None:
                raise MlflowException(seen.outage.message, TEMPORARILY_UNAVAILABLE)
            return user

        return told

    for name in ASKED:
        setattr(auth.store, name, noting(getattr(auth.store, name)))
    for name in LOGINS:
        setattr(auth, name, telling(getattr(auth, name)))
