"""`tracking-server smoke`: the server as it will run, asked before anybody relies on it.

A load balancer sees /health, which answers while every call of the API is refused. So the API is
asked, by the names that clients will use. Nothing that is asked for writes anything.
"""

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from typing import Any

import boto3

from tracking_server.database import read_secret
from tracking_server.server import prepare
from tracking_server.settings import PROXIED, Settings

SECONDS = 120
"""How long all of it may take."""

STOP_SECONDS = 30

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
STRANGER = "stranger.invalid"


class SmokeError(Exception):
    """What the server answered otherwise than it should."""


@dataclass(frozen=True)
class Caller:
    """Calls the server as the administrator.

    Parameters
    ----------
    port
        Where it listens, on 127.0.0.1.
    authorization
        What says who calls; nobody where empty.
    deadline
        When the last answer must be there, by the monotonic clock.
    """

    port: int
    authorization: str
    deadline: float

    def ask(self, host: str, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """The status and the body of an answer.

        Parameters
        ----------
        host
            The name to call it by.
        method, path, body
            What to ask; the body becomes JSON.
        """
        seconds = max(self.deadline - time.monotonic(), 0.1)
        connection = HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        headers = {
            "Host": host,
            "Content-Type": "application/json",
            **({"Authorization": self.authorization} if self.authorization else {}),
        }
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def expect(self, host: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """What is answered, as JSON.

        Raises
        ------
        SmokeError
            Where it is not answered with 200 and JSON.
        """
        try:
            status, content = self.ask(host, method, path, body)
        except (OSError, HTTPException) as error:
            raise SmokeError(f"{method} {path} as {host} was not answered: {error}") from error
        text = content.decode(errors="replace")
        try:
            found = json.loads(text) if status == 200 else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise SmokeError(f"{method} {path} as {host} answered {status}: {text[:300]}")
        return found


def smoke(settings: Settings, seconds: float = SECONDS) -> int:
    """Run the server for a moment on 127.0.0.1, and ask it what clients will ask.

    Parameters
    ----------
    settings
        How the service's tasks run it.
    seconds
        How long it may take, until the last answer.

    Raises
    ------
    SmokeError
        With the first answer that is not as it should be.
    """
    deadline = time.monotonic() + seconds
    secret = read_secret(boto3.client("secretsmanager"), settings.administrator_secret_arn)
    words = f"{secret['username']}:{secret['password']}".encode()
    caller = Caller(_free_port(), f"Basic {base64.b64encode(words).decode()}", deadline)
    # A name may be a pattern.
    hosts = [host.replace("*", "any") for host in settings.allowed_hosts]
    with _running(settings, caller.port) as server:
        _wait(server, caller, hosts[0])
        for host in hosts:
            _ask(caller, host, proxied=settings.files == PROXIED)
        nobody = replace(caller, authorization="")
        status, _ = nobody.ask(hosts[0], "POST", f"{API}/experiments/search", {"max_results": 1})
        if status != 401:
            raise SmokeError(f"a call without a login answered {status}, and not 401")
        status, _ = caller.ask(STRANGER, "POST", f"{API}/experiments/search", {"max_results": 1})
        if status != 403:
            raise SmokeError(f"a call for the host {STRANGER} answered {status}, and not 403")
    print(f"answered as {', '.join(hosts)}; refused as {STRANGER}, and without a login")
    return 0


def _ask(caller: Caller, host: str, proxied: bool) -> None:
    """Ask for what clients use: experiments, runs, registered models and files."""
    found = caller.expect(host, "POST", f"{API}/experiments/search", {"max_results": 1})
    if not found.get("experiments"):
        raise SmokeError(f"{API}/experiments/search as {host} found none, not even the default")
    ids = [found["experiments"][0]["experiment_id"]]
    caller.expect(host, "POST", f"{API}/runs/search", {"experiment_ids": ids, "max_results": 1})
    for kind in ("registered-models", "model-versions"):
        caller.expect(host, "GET", f"{API}/{kind}/search?max_results=1")
    if proxied:
        caller.expect(host, "GET", f"{FILES}?path={ids[0]}")


@contextlib.contextmanager
def _running(settings: Settings, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """The server as `serve` runs it, but with one process of its workers."""
    words, environment = prepare(
        replace(
            settings,
            host="127.0.0.1",
            port=port,
            workers=1,
            connections=settings.connections // settings.workers,
        )
    )
    server = subprocess.Popen(words, env=environment, start_new_session=True)
    try:
        yield server
    finally:
        # The group that it leads, as MLflow starts processes of its own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait(server: "subprocess.Popen[bytes]", caller: Caller, host: str) -> None:
    """Wait until the server takes calls."""
    while True:
        with contextlib.suppress(OSError, HTTPException):
            status, _ = caller.ask(host, "GET", "/health")
            if status == 200:
                return
        if server.poll() is not None:
            raise SmokeError(f"the server ended with {server.returncode}; it says why above")
        if time.monotonic() > caller.deadline:
            raise SmokeError("the server did not come up in time; what it did is above")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
