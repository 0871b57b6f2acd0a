"""What the emulated resources need of this machine."""

import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3

from local.pace import Pace
from local.processes import Process
from local.state import StateFolder

CREDENTIALS = {
    # The emulator takes any; nothing here can reach a real account.
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
}


NO_ACCOUNT = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}


API = re.compile(r"https://(\w+)\.execute-api\.[^/]+/")
"""What the addresses of API Gateway start with."""


def aws_environment(url: str, region: str) -> dict[str, str]:
    """What makes an AWS SDK talk to the emulator, and to nothing else.

    Parameters
    ----------
    url
        Address of the emulator.
    region
        Region of the environment.
    """
    return {
        **NO_ACCOUNT,
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": url,
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }


def here(value: str, url: str, addresses: Mapping[str, str]) -> str:
    """An address of the network as programs here reach it; anything else as it is.

    Parameters
    ----------
    value
        What a program is told.
    url
        Address of the emulator, which answers for API Gateway.
    addresses
        The loopback address that stands for each name and port.

    Examples
    --------
    >>> here("http://nlb.internal:5000", "", {"nlb.internal:5000": "http://127.0.0.1:81"})
    'http://127.0.0.1:81'
    >>> here("https://a1.execute-api.eu-west-1.amazonaws.com/v1/x", "http://127.0.0.1:80", {})
    'http://127.0.0.1:80/_aws/execute-api/a1/v1/x'
    """
    api = API.match(value)
    if api:
        return f"{url}/_aws/execute-api/{api[1]}/{value[api.end() :]}"
    name = value.partition("://")[2].rstrip("/")
    return addresses.get(name, value)


def forget_account() -> None:
    """Take this machine's AWS accounts, CDK settings and proxies out of the environment.

    So neither this process nor any that it starts can reach an account, or loses its way to
    loopback in a proxy.
    """
    for name in list(os.environ):
        if name.startswith(("AWS_", "CDK_")):
            del os.environ[name]
    os.environ.update(NO_ACCOUNT)


class Host:
    """The machine that resources run on what the stacks declare.

    Parameters
    ----------
    state
        The folder that everything is kept in.
    url
        Address of the emulator.
    pace
        How fast the waits of services pass.
    """

    def __init__(self, state: StateFolder, url: str, pace: Pace | None = None) -> None:
        self.state = state
        self.url = url
        self.pace = pace or Pace()
        self._addresses: dict[str, str] = {}
        self._lock = threading.Lock()
        self._stops: list[Callable[[], None]] = []

    def client(self, service: str, region: str) -> Any:
        """A client of the emulator itself."""
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    def environment(self, region: str, folder: Path) -> dict[str, str]:
        """The environment that every program starts from: no more of this machine's than it needs.

        Parameters
        ----------
        region
            Region of the environment.
        folder
            What the program may write to: its home, and its temporary files.
        """
        temporary = folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "TMPDIR": str(temporary),
            **aws_environment(self.url, region),
        }

    def announce(self, part: str, address: str) -> None:
        """Say which address stands for `part`."""
        with self._lock:
            self._addresses[part] = address
            self.state.write_addresses(self._addresses)

    def withdraw(self, part: str) -> None:
        """Say that nothing stands for `part` any more."""
        with self._lock:
            if self._addresses.pop(part, None):
                self.state.write_addresses(self._addresses)

    def address(self, part: str) -> str:
        """The address that stands for `part`, or nothing."""
        with self._lock:
            return self._addresses.get(part, "")

    def here(self, value: str) -> str:
        """An address of the network as programs here reach it; anything else as it is."""
        with self._lock:
            return here(value, self.url, self._addresses)

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Call `stop` when the platform ends; it may have been called before."""
        self._stops.append(stop)

    def run(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path
    ) -> Process:
        """Start a program that ends with the platform.

        Parameters
        ----------
        command
            Program and arguments.
        log
            File that its output is added to.
        environment
            Its whole environment.
        folder
            Where it runs.
        """
        process = Process(command, log, environment, folder)
        self.on_stop(process.stop)
        return process

    def stop(self) -> None:
        """Stop everything that was started here, the last first."""
        for stop in reversed(self._stops):
            stop()
