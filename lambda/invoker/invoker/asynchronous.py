"""Requests that are answered later: put into the bucket, and their answers fetched from there."""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from invoker.failures import explained, log, model_error, unreachable
from invoker.headers import RESPOND_ASYNC
from invoker.messages import JSON, MOST_BYTES, Answer, Request, RequestError, too_long
from invoker.naming import Places, endpoint_name

ANSWER, FAILURE = ".out", "-error.out"
"""What SageMaker ends the names of answers and failures with.

https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-check-predictions.html
"""

REFUSED = re.compile(
    r'client error \((4\d\d)\) from \S+(?: with message "(?P<said>.*)")?', re.DOTALL
)
"""How SageMaker says that a model refused a request."""


class Clients(NamedTuple):
    """What is called of AWS.

    Parameters
    ----------
    s3, runtime
        Clients of S3 and of the SageMaker runtime.
    """

    s3: Any
    runtime: Any


class Queue:
    """The asynchronous endpoints of one environment.

    Parameters
    ----------
    prefix
        What the names of its endpoints start with.
    bucket
        Where requests and answers stand.
    clients
        Makes the clients, when they are first needed.

    Examples
    --------
    >>> queue = Queue("mlops-blue-", "mlops-blue-artifacts-1", clients)  # doctest: +SKIP
    >>> queue.accept(Request("reports", b"{}", "application/json", "*/*"))  # doctest: +SKIP
    >>> queue.fetch("reports", "0c5...-7d1...")  # doctest: +SKIP
    """

    def __init__(self, prefix: str, bucket: str, clients: Callable[[], Clients]) -> None:
        self._prefix = prefix
        self._bucket = bucket
        self._clients = clients

    def accept(self, request: Request) -> Answer:
        """Have the endpoint take a request, and say where its answer will be.

        It is asked once: a second time would make it two requests.

        Parameters
        ----------
        request
            What to ask of which endpoint.

        Raises
        ------
        RequestError
            Where it is not taken.
        """
        clients, places = self._clients(), Places(request.endpoint)
        asked = uuid.uuid4().hex
        key = f"{places.requests}{asked}"
        try:
            clients.s3.put_object(
                Bucket=self._bucket, Key=key, Body=request.body, ContentType=request.content_type
            )
            taken = clients.runtime.invoke_endpoint_async(
                EndpointName=endpoint_name(self._prefix, request.endpoint),
                InputLocation=f"s3://{self._bucket}/{key}",
                ContentType=request.content_type,
                Accept=request.accept,
                **request.options,
            )
        except ClientError as error:
            raise explained(error, request) from error
        except BotoCoreError as error:
            raise unreachable(error, request.endpoint) from error
        invocation = f"{asked}-{self._answer_of(taken['OutputLocation'], places)}"
        said = {"id": invocation, "inferenceId": taken["InferenceId"], "status": "pending"}
        # Beside the address that was posted to, whatever host and stage that has.
        headers = {"Location": f"invocations/{invocation}", "Preference-Applied": RESPOND_ASYNC}
        return Answer(json.dumps(said).encode(), JSON, headers, 202)

    def fetch(self, endpoint: str, invocation: str) -> Answer:
        """The answer to a request that was taken, or that there is none yet.

        Parameters
        ----------
        endpoint
            Which endpoint took it.
        invocation
            What it was called then.

        Raises
        ------
        RequestError
            Where it failed, or was never taken.
        """
        places = Places(endpoint)
        asked, _, answer = invocation.partition("-")
        try:
            if self._found(f"{places.requests}{asked}") is None:
                what = f"Endpoint '{endpoint}' has no request '{invocation}'."
                raise RequestError(404, what)
            if answered := self._found(f"{places.answers}{answer}{ANSWER}"):
                return self._read(answered)
            if failed := self._found(f"{places.failures}{answer}{FAILURE}"):
                text = self._read(failed).body.decode(errors="replace")
                raise _failed(endpoint, invocation, text)
        except ClientError as error:
            log.error("S3 refused %s: %s", invocation, error)
            raise RequestError(502, "The answer cannot be read. The log says more.") from error
        except BotoCoreError as error:
            raise unreachable(error, endpoint) from error
        said = {"id": invocation, "status": "pending"}
        return Answer(json.dumps(said).encode(), JSON, status=202)

    def _found(self, key: str) -> Mapping[str, Any] | None:
        """What is known of an object; nothing where there is none.

        Asked by listing: whether what is missing may be known is decided by its prefix then.
        """
        listed = self._clients().s3.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1)
        return next((each for each in listed.get("Contents", []) if each["Key"] == key), None)

    def _read(self, found: Mapping[str, Any]) -> Answer:
        if found["Size"] > MOST_BYTES:
            raise too_long(found["Size"])
        read = self._clients().s3.get_object(Bucket=self._bucket, Key=found["Key"])
        return Answer(read["Body"].read(), read.get("ContentType", JSON))

    def _answer_of(self, location: str, places: Places) -> str:
        """What SageMaker calls the answer."""
        start = f"s3://{self._bucket}/{places.answers}"
        name = location.removeprefix(start).removesuffix(ANSWER)
        if not location.startswith(start) or not re.fullmatch(r"[\w-]{1,128}", name, re.ASCII):
            log.error("The answer will be at %s, which is not ours.", location)
            raise RequestError(
                502,
                f"Endpoint '{places.endpoint}' took the request, and puts its answer where the API"
                " cannot read it. The log says where.",
            )
        return name


def _failed(endpoint: str, invocation: str, text: str) -> RequestError:
    """Why a request failed, as its callers may know it."""
    refused = REFUSED.search(text)
    status = int(refused[1]) if refused else 500
    said = (refused and refused["said"]) or text
    return model_error(endpoint, status, said, f"{invocation}: {text}")
