"""One local platform for every test of this folder: deployed once, by the real cdk CLI."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.database import find_server
from local.demo import publish, release, train
from local.platform import LocalPlatform, running_platform
from local.state import StateFolder

MASTER, SERVER = "DatabaseSecret", "DatabaseServerSecret"
"""What the names of the database's secrets hold: of RDS's master user, and of the server's own."""


DEPLOYED = ("Network", "Data", "Tracking", "Api", "Endpoint-iris", "Client-databricks")
"""The stacks of the one platform. Releases that follow aliases have one of their own."""


@dataclass(frozen=True)
class Deployed:
    """The platform with the iris model in service.

    Parameters
    ----------
    platform
        The platform.
    training
        What training called ``/opt/ml``.
    """

    platform: LocalPlatform
    training: Path


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    find_server()
    with running_platform(StateFolder(tmp_path_factory.mktemp("platform"))) as platform:
        platform.install_images()
        platform.bootstrap()
        platform.deploy(*DEPLOYED[:4])
        training = train(platform)
        publish(platform, training)
        release(platform)
        platform.deploy(*DEPLOYED[4:])
        yield Deployed(platform, training)


@pytest.fixture
def platform(deployed: Deployed) -> LocalPlatform:
    return deployed.platform


def authorization(platform: LocalPlatform, user: str) -> dict[str, str]:
    """The header that logs a user in to MLflow."""
    login = platform.login(user)
    pair = f"{login['MLFLOW_TRACKING_USERNAME']}:{login['MLFLOW_TRACKING_PASSWORD']}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def secret_arn(platform: LocalPlatform, name: str) -> str:
    """The database's secret of that name, `MASTER` or `SERVER`."""
    listed = platform.client("secretsmanager").list_secrets()["SecretList"]
    (found,) = [entry["ARN"] for entry in listed if name in entry["Name"]]
    return str(found)


def secret(platform: LocalPlatform, name: str) -> dict[str, Any]:
    """What a secret of the database holds now."""
    client = platform.client("secretsmanager")
    text = client.get_secret_value(SecretId=secret_arn(platform, name))["SecretString"]
    value: dict[str, Any] = json.loads(text)
    return value


def processes_naming(text: str) -> dict[int, str]:
    """The running processes whose command line or folder names `text`."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                folder = str((entry / "cwd").readlink())
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if state != "Z" and (text in command or text in folder):
                found[int(entry.name)] = command
    return found


def listening_addresses(pids: set[int]) -> set[str]:
    """The addresses that processes listen on, as hexadecimal text of the kernel."""
    inodes = set()
    for pid in pids:
        for descriptor in (Path("/proc") / str(pid) / "fd").iterdir():
            try:
                target = str(descriptor.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target.removeprefix("socket:[").rstrip("]"))
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in (Path("/proc/net") / table).read_text().splitlines()[1:]:
            fields: list[Any] = line.split()
            listens = fields[3] == "0A"
            if listens and fields[9] in inodes:
                addresses.add(fields[1].rpartition(":")[0])
    return addresses
