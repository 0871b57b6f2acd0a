"""An application: it knows the address of the API, a key, and nothing of AWS."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from local.platform import LocalPlatform


@dataclass(frozen=True)
class Reply:
    """What the API answered.

    Parameters
    ----------
    status
        Its status.
    body
        Its body.
    headers
        Its headers, with names in lower case.
    """

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def text(self) -> str:
        """Its body, read as text."""
        return self.body.decode()

    @property
    def said(self) -> Any:
        """Its body, read as JSON."""
        return json.loads(self.text)


class Application:
    """Calls the API of a platform.

    Parameters
    ----------
    platform
        The platform, with its Api stack deployed.
    key
        The key that it shows; the API's own where None.
    """

    def __init__(self, platform: LocalPlatform, key: str | None = None) -> None:
        # Once: who looks them up for each call measures CloudFormation.
        self._url = platform.invocation_url("{endpoint}")
        self._key = platform.api_key() if key is None else key

    def post(self, endpoint: str, body: bytes = b"x", kind: str = "text/csv", **more: str) -> Reply:
        """Ask an endpoint.

        Parameters
        ----------
        endpoint
            Its name in the configuration.
        body, kind
            What is sent.
        more
            Further headers, with ``_`` for ``-``.
        """
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return self._call(self._address(endpoint), body, {"Content-Type": kind, **named})

    def get(self, endpoint: str, location: str) -> Reply:
        """Follow a location that an endpoint's answer named."""
        return self._call(urljoin(self._address(endpoint), location), None, {})

    def _address(self, endpoint: str) -> str:
        return self._url.replace("{endpoint}", endpoint)

    def _call(self, url: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        request = urllib.request.Request(url, body, {**headers, "x-api-key": self._key})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return _reply(answer.status, answer)
        except urllib.error.HTTPError as error:
            return _reply(error.code, error)


def _reply(status: int, answer: Any) -> Reply:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Reply(status, answer.read(), headers)
