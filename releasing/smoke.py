"""The first question to a version that was just deployed: the model's own example, by the API."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
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
START = "X-Amzn-SageMaker-"
LATER = 202
"""What the API says of a question whose answer comes later."""
PASSED = "passed"
TRIES, PAUSE = 5, 5
LOOKS, LOOK_PAUSE = 120, 15
"""How often an answer is looked for that comes later: an instance may have to start for it."""
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

    def ask(self, endpoint: str, question: str, headers: Mapping[str, str]) -> Answer:
        """The answer to a question in JSON, with more headers."""
        ...

    def fetch(self, endpoint: str, invocation: str) -> Answer:
        """The answer to a question that was taken, or that there is none yet: 202."""
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

    def ask(self, endpoint: str, question: str, headers: Mapping[str, str]) -> Answer:
        """The answer to a question in JSON, with more headers."""
        return self._send("POST", endpoint, "", {"Content-Type": JSON, **headers}, question)

    def fetch(self, endpoint: str, invocation: str) -> Answer:
        """The answer to a question that was taken, or that there is none yet: 202."""
        return self._send("GET", endpoint, f"/{invocation}", {}, None)

    def _send(
        self, method: str, endpoint: str, rest: str, headers: Mapping[str, str], body: str | None
    ) -> Answer:
        url = self._address.replace("{endpoint}", endpoint) + rest
        given = {"Accept": JSON, "x-api-key": self._key, **headers}
        request = AWSRequest(method, url, given, body.encode() if body is not None else None)
        try:
            if self._signed:
                credentials = self._session.get_credentials()
                SigV4Auth(credentials, "execute-api", self._session.region_name).add_auth(request)
            answer = URLLib3Session(timeout=SECONDS).send(request.prepare())
        except BotoCoreError as error:
            return Answer(0, str(error))
        return Answer(answer.status_code, answer.text)

    @cached_property
    def _address(self) -> str:
        return unquote(self._url())

    @cached_property
    def _key(self) -> str:
        gateway = self._session.client("apigateway")
        return str(gateway.get_api_key(apiKey=self._key_id(), includeValue=True)["value"])


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
    if settings.kind == "batch":
        return Smoke("not asked: a batch answers nobody")
    asked, faults = False, []
    for way in _ways(settings):
        first = read_model(s3, release.containers[way.first])
        if first.example is None:
            continue
        asked = True
        answer = _answer(name, first.example, way.headers, caller, sleep)
        if answer.status == 200:
            same = way.last == way.first
            last = first if same else read_model(s3, release.containers[way.last])
            found = faults_of(first.example, answer.text, last.signature)
        else:
            what = f"the API answered {answer.status} to the model's own example"
            found = [f"{what}: {answer.text[:300]}"]
        faults += [f"{way.name}: {it}" if way.name else it for it in found]
    if not asked:
        return Smoke("not asked: the model was logged without an input example")
    return Smoke("failed", tuple(faults)) if faults else Smoke(PASSED)


@dataclass(frozen=True)
class Way:
    """One of the ways to ask an endpoint: `lambda/invoker` says which there are.

    Parameters
    ----------
    first, last
        The containers that take the question, and give the answer.
    headers
        What says that it is these.
    name
        What is asked, where it is one of several.
    """

    first: str
    last: str
    headers: Mapping[str, str]
    name: str = ""


def _ways(settings: Endpoint) -> Iterator[Way]:
    """Each way to ask an endpoint, so that whatever answers is asked."""
    if settings.components:
        for model in settings.components.models:
            yield Way(model, model, {f"{START}Inference-Component": model}, model)
        return
    preferred = {"Prefer": "respond-async"} if settings.kind == "async" else {}
    for variant, served in settings.serving.items():
        if getattr(served, "shadow", False):
            continue
        name = variant if settings.variants else ""
        named = {f"{START}Target-Variant": name} if name else {}
        headers, parts = {**preferred, **named}, served.named_parts(name)
        if served.invocation == "direct":
            for part, container in parts.items():
                directed = {**headers, f"{START}Target-Container-Hostname": container.name}
                yield Way(part, part, directed, part)
        else:
            first, *_ = parts
            *_, last = parts
            yield Way(first, last, headers, name)


def _answer(
    name: str,
    question: str,
    headers: Mapping[str, str],
    caller: Caller,
    sleep: Callable[[float], None],
) -> Answer:
    """The answer to a question, also where it comes later."""
    answer = Answer(0, "")
    for attempt in range(TRIES):
        if attempt:
            sleep(PAUSE)
        answer = caller.ask(name, question, headers)
        if answer.status not in BUSY:
            break
    if answer.status != LATER:
        return answer
    invocation = str(json.loads(answer.text)["id"])
    for _ in range(LOOKS):
        answer = caller.fetch(name, invocation)
        if answer.status not in (LATER, *BUSY):
            break
        sleep(LOOK_PAUSE)
    return answer
