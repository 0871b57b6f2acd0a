"""The first question to a version that was just deployed: the model's own example, by the API."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session

from releasing.answers import faults_of
from releasing.model_files import read_model
from stacks.endpoint_config import Endpoint
from stacks.releases import Release

SECONDS = 30
JSON = "application/json"
PASSED = "passed"
TRIES, PAUSE = 5, 5
BUSY = (0, 429, 503, 504)
"""What the API says of an endpoint that may answer in a moment; 0 where nothing was answered."""


@dataclass(frozen=True)
class Answer:
    """What was answered.

    Parameters
    ----------
    status
        The status of HTTP; 0 where nothing was.
    text
        The body, or why there is none.
    """

    status: int
    text: str


class Caller(Protocol):
    """What asks endpoints."""

    def ask(self, endpoint: str, question: str) -> Answer:
        """The answer to a question in JSON."""
        ...


class Api:
    """The private API.

    Parameters
    ----------
    url
        Gives its address, with ``{endpoint}`` in it.
    key_id
        Gives the id of the API's key.
    session
        A boto3 session.
    signed
        Whether a request is signed, too.
    """

    def __init__(
        self, url: Callable[[], str], key_id: Callable[[], str], session: Any, *, signed: bool
    ) -> None:
        self._url = url
        self._key_id = key_id
        self._session = session
        self._signed = signed

    def ask(self, endpoint: str, question: str) -> Answer:
        """The answer to a question in JSON."""
        gateway = self._session.client("apigateway")
        key = gateway.get_api_key(apiKey=self._key_id(), includeValue=True)["value"]
        headers = {"Content-Type": JSON, "Accept": JSON, "x-api-key": key}
        url = unquote(self._url()).replace("{endpoint}", endpoint)
        request = AWSRequest("POST", url, headers, question.encode())
        try:
            if self._signed:
                credentials = self._session.get_credentials()
                SigV4Auth(credentials, "execute-api", self._session.region_name).add_auth(request)
            answer = URLLib3Session(timeout=SECONDS).send(request.prepare())
        except BotoCoreError as error:
            return Answer(0, str(error))
        return Answer(answer.status_code, answer.text)


@dataclass(frozen=True)
class Smoke:
    """What came of it.

    Parameters
    ----------
    said
        In words: ``passed``, or why it was not asked.
    faults
        What was wrong.
    """

    said: str
    faults: tuple[str, ...] = ()


def smoke_test(
    name: str,
    settings: Endpoint,
    release: Release,
    s3: Any,
    caller: Caller,
    sleep: Callable[[float], None],
) -> Smoke:
    """Ask an endpoint what its model was logged with, and look at the answer.

    Parameters
    ----------
    name, settings
        Name and configuration of the endpoint.
    release
        What it serves.
    s3
        A client of S3.
    caller
        Asks endpoints.
    sleep
        Waits for some seconds.
    """
    why = _out_of_reach(settings)
    if why:
        return Smoke(f"not asked: {why}")
    serving = next(
        (variant, it)
        for variant, it in settings.serving.items()
        if not getattr(it, "shadow", False)
    )
    parts = list(serving[1].named_parts(serving[0] if settings.variants else ""))
    first = read_model(s3, release.containers[parts[0]])
    if first.example is None:
        return Smoke("not asked: the model was logged without an input example")
    last = read_model(s3, release.containers[parts[-1]])
    answer = Answer(0, "")
    for attempt in range(TRIES):
        if attempt:
            sleep(PAUSE)
        answer = caller.ask(name, first.example)
        if answer.status not in BUSY:
            break
    if answer.status != 200:
        fault = f"the API answered {answer.status} to the model's own example: {answer.text[:300]}"
        return Smoke("failed", (fault,))
    faults = faults_of(first.example, answer.text, last.signature)
    return Smoke("failed", tuple(faults)) if faults else Smoke(PASSED)


def _out_of_reach(settings: Endpoint) -> str:
    """Why the API cannot be asked for an endpoint."""
    if settings.kind not in ("realtime", "serverless"):
        return f"an endpoint of the kind '{settings.kind}' does not answer through the API"
    if any(it.invocation == "direct" for it in settings.serving.values()):
        return "its containers are asked by name, which the API does not do"
    return ""
