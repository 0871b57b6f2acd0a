"""The model registry of AWS's managed MLflow App, as far as a release asks it.

AWS's plugin for MLflow's client, sagemaker-mlflow, does this for the whole of MLflow. It is not
installed here: where it is, it takes every S3 address over, and warns at each call of any other
server. Two signed questions need neither.
"""

import hashlib
import json
import re
from typing import Any, Protocol
from urllib.parse import urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException, RestException
from mlflow.tracking import MlflowClient

from operations.errors import OperationError

APP = re.compile(r"arn:aws:sagemaker:(?P<region>[a-z0-9-]+):\d{12}:mlflow-app/[\w-]+")
SECONDS = 30
NOTHING = hashlib.sha256().hexdigest()
"""The digest of a request's body, which a question does not have."""


class Registry(Protocol):
    """What a release asks of a registry: MLflow's own client is one."""

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """The version that an alias means."""
        ...

    def get_model_version_download_uri(self, name: str, version: str) -> str:
        """Where the files of a version are."""
        ...


class ManagedRegistry:
    """The registry of a managed App.

    Parameters
    ----------
    arn
        The App's ARN.
    session
        A boto3 session whose role may `sagemaker:CallMlflowAppApi` on the App.
    address
        Where the App answers: that of its region.

    Raises
    ------
    OperationError
        Where the ARN is of something else.

    Examples
    --------
    >>> registry = ManagedRegistry(arn, boto3.Session())  # doctest: +SKIP
    >>> registry.get_model_version_by_alias("iris", "champion").version  # doctest: +SKIP
    '3'
    """

    def __init__(self, arn: str, session: Any, *, address: str = "") -> None:
        found = APP.fullmatch(arn)
        if not found:
            raise OperationError(
                f"'{arn}' is no ARN of a managed MLflow App.",
                "Copy the output TrackingUri of the Tracking stack.",
            )
        self._arn, self._session, self._region = arn, session, found["region"]
        self._address = address or f"https://mlflow.sagemaker.{self._region}.app.aws"

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """The version that an alias means."""
        found = self._ask("registered-models/alias", name=name, alias=alias)["model_version"]
        return ModelVersion(name, found["version"], found.get("creation_timestamp", 0))

    def get_model_version_download_uri(self, name: str, version: str) -> str:
        """Where the files of a version are."""
        answer = self._ask("model-versions/get-download-uri", name=name, version=version)
        return str(answer["artifact_uri"])

    def _ask(self, what: str, **words: str) -> dict[str, Any]:
        url = f"{self._address}/api/2.0/mlflow/{what}?{urlencode(words)}"
        headers = {"x-sm-mlflow-app-arn": self._arn, "X-Amz-Content-SHA256": NOTHING}
        request = AWSRequest(method="GET", url=url, headers=headers)
        try:
            credentials = self._session.get_credentials()
            SigV4Auth(credentials, "sagemaker", self._region).add_auth(request)
            answer = URLLib3Session(timeout=SECONDS).send(request.prepare())
        except BotoCoreError as error:
            raise MlflowException(str(error)) from error
        return _read(answer.status_code, answer.text)


def registry_at(uri: str, session: Any) -> Registry:
    """The registry at a tracking URI, which is an ARN where AWS runs MLflow.

    Parameters
    ----------
    uri
        The URI.
    session
        A boto3 session; used for an ARN alone.
    """
    if uri.startswith("arn:"):
        return ManagedRegistry(uri, session)
    client: Registry = MlflowClient(uri)
    return client


def _read(status: int, text: str) -> dict[str, Any]:
    """The answer as JSON; MLflow's own exception where it is an error of MLflow's."""
    try:
        answer = json.loads(text)
    except ValueError:
        answer = {}
    if isinstance(answer, dict):
        if status == 200 and answer:
            return answer
        if "error_code" in answer:
            raise RestException(answer)
    raise MlflowException(f"status {status}: {text[:300]}")
