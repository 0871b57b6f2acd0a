"""A request on its way through the containers of an instance.

https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipeline-real-time.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import httpx2

from local.extensions.json_service import RefusedError
from local.extensions.sagemaker.containers import Instance

ANSWER_SECONDS = 60
"""How long a container may take to answer."""

CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"


@dataclass(frozen=True)
class Payload:
    """What goes into a container, or comes out of it.

    Parameters
    ----------
    body
        The bytes.
    content_type
        What they are; empty where it was not said.
    accept
        What the answer may be; empty where it was not said.
    attributes
        The custom attributes, if any.
    """

    body: bytes
    content_type: str = ""
    accept: str = ""
    attributes: str = ""


class ModelError(RefusedError):
    """A container's answer that is an error.

    Parameters
    ----------
    hostname
        Which container.
    status
        What it answered with; 0 where it did not answer in time.
    text
        What it said.
    """

    def __init__(self, hostname: str, status: int, text: str) -> None:
        side = "client" if 400 <= status < 500 else "server"
        super().__init__(
            "ModelError",
            f'Received {side} error ({status}) from {hostname} with message "{text}".',
            424,
            {"OriginalStatusCode": status, "OriginalMessage": text},
        )
        self.original = status


async def pass_through(
    client: httpx2.AsyncClient,
    instance: Instance,
    names: Sequence[str],
    payload: Payload,
    seconds: float = ANSWER_SECONDS,
) -> Payload:
    """Send a payload through the containers of an instance, each given the answer of the last.

    Parameters
    ----------
    client
        What it is sent with.
    instance
        Whose containers.
    names
        What they are called; one name for an instance of several is that of the one to ask.
    payload
        What the first is given; the last is told what the caller accepts.
    seconds
        How long each may take.

    Returns
    -------
    Payload
        The last answer.

    Raises
    ------
    ModelError
        Where a container answers with an error, or not in time.
    RefusedError
        Where one is dead.
    """
    containers = list(zip(names, instance.containers, strict=True))
    given = payload
    for number, (name, container) in enumerate(containers, 1):
        last = number == len(containers)
        asked = given if last else replace(given, accept="")
        answer = await _ask(client, name, container.port, asked, seconds)
        given = replace(
            payload,
            body=answer.content,
            content_type=answer.headers.get("content-type", "application/octet-stream"),
            attributes=answer.headers.get(CUSTOM_ATTRIBUTES, "" if last else payload.attributes),
        )
    return given


async def _ask(
    client: httpx2.AsyncClient, name: str, port: int | None, payload: Payload, seconds: float
) -> httpx2.Response:
    if port is None:
        raise RefusedError("ServiceUnavailable", f"The container {name} does not answer.", 503)
    headers = {
        "content-type": payload.content_type,
        "accept": payload.accept,
        CUSTOM_ATTRIBUTES: payload.attributes,
    }
    try:
        answer = await client.post(
            f"http://127.0.0.1:{port}/invocations",
            content=payload.body,
            headers={header: value for header, value in headers.items() if value},
            timeout=seconds,
        )
    except httpx2.ReadTimeout as error:
        said = f"Your invocation timed out while waiting for a response from container {name}."
        raise ModelError(name, 0, said) from error
    except httpx2.HTTPError as error:
        raise RefusedError(
            "ServiceUnavailable", f"The container {name} died: {error}", 503
        ) from error
    if not answer.is_success:
        raise ModelError(name, answer.status_code, answer.text)
    return answer
