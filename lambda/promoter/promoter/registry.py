"""What an alias means now, as MLflow's registry says."""

import base64
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from promoter.errors import LookError
from promoter.secrets import Secret
from promoter.settings import Alias

PATH = "/api/2.0/mlflow/registered-models/alias"
TIMEOUT = urllib3.Timeout(connect=2, read=8)

# MLflow says the latter of an alias that is not there, and the former of a model, but to
# administrators alone: to others it says 403 of a model that is not there.
GONE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True)
class Promoted:
    """What an alias means.

    Parameters
    ----------
    version
        The version of the model.
    by, reason
        Who set the alias, and why, where it is known: tags of the version.
    """

    version: int
    by: str | None
    reason: str | None


class Registry:
    """MLflow's registry, asked by its REST API.

    Parameters
    ----------
    uri
        MLflow's address. Over https, its certificate has to come from an authority that OpenSSL
        knows here, which ``SSL_CERT_FILE`` may name.
    login
        The secret with ``username`` and ``password``.

    Examples
    --------
    >>> registry = Registry("https://mlflow.internal:5000", login)  # doctest: +SKIP
    >>> registry.meaning(Alias("iris", "champion")).version  # doctest: +SKIP
    7
    """

    def __init__(self, uri: str, login: Secret) -> None:
        self._uri = uri
        self._login = login
        # A look is tried again as a whole, by whoever asked for it.
        self._pool = urllib3.PoolManager(
            ssl_context=ssl.create_default_context(), timeout=TIMEOUT, retries=False
        )

    def meaning(self, alias: Alias) -> Promoted | None:
        """What an alias means now; nothing where it is not there.

        Parameters
        ----------
        alias
            The alias.

        Raises
        ------
        LookError
            Where MLflow cannot be asked, or does not say it to this user.
        """
        login = self._login.value()
        status, said = self._ask(alias, login)
        if status == 401 and self._login.changed(login):
            status, said = self._ask(alias, self._login.value())
        if status in (400, 404) and said.get("error_code") in GONE:
            return None
        if status != 200:
            raise LookError(
                f"MLflow answers {status} to what {alias} means: {said.get('message', 'no more')}."
                " See that the model is there, that the user of the function's login may read it"
                " (tracking.access), and that MLflow is well."
            )
        try:
            version = said["model_version"]
            tags = {tag["key"]: tag.get("value") for tag in version.get("tags", ())}
            return Promoted(
                int(version["version"]),
                tags.get(f"promoted.{alias.name}.by") or None,
                tags.get(f"promoted.{alias.name}.reason") or None,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise LookError(
                f"MLflow's answer to what {alias} means has no version: {error!r}. See whether"
                " its version is one that registry.py knows."
            ) from error

    def _ask(self, alias: Alias, login: str) -> tuple[int, Mapping[str, Any]]:
        try:
            response = self._pool.request(
                "GET",
                f"{self._uri}{PATH}",
                fields={"name": alias.model, "alias": alias.name},
                headers={"Authorization": _basic(login)},
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise LookError(
                f"MLflow at {self._uri} cannot be asked what {alias} means: {error}. See that it"
                " runs, and that its load balancer lets this function in."
            ) from error
        try:
            said = json.loads(response.data)
        except ValueError:
            said = None
        return response.status, said if isinstance(said, dict) else {}


def _basic(login: str) -> str:
    try:
        said = json.loads(login)
        pair = f"{said['username']}:{said['password']}".encode()
    except (KeyError, TypeError, ValueError):
        # What is wrong with it may hold it.
        raise LookError(
            "The secret of MLflow's login holds no JSON with username and password. Put it back."
        ) from None
    return f"Basic {base64.b64encode(pair).decode()}"
