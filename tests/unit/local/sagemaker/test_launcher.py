"""Instances as processes: small programs that stand for images of AWS's."""

import json
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.extensions.sagemaker import containers as module
from local.extensions.sagemaker.containers import Instance, Launcher
from local.extensions.sagemaker.errors import StartError
from local.host import Host
from local.stand_ins import find_stand_in
from local.state import StateFolder
from tests.unit.local.sagemaker.test_instances import FakeS3, source

TELLING = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        model = Path(os.environ["SAGEMAKER_BASE_DIR"]) / "model"
        told = {
            "given": os.environ.get("GIVEN"),
            "files": [str(each.resolve().relative_to(model.resolve())) for each in model.iterdir()],
        }
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *_):
        pass

HTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
"""

REGISTRY = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
GOOD = {
    "Image": f"{REGISTRY}/telling:1",
    "Environment": {"GIVEN": "this"},
    **source("S3Prefix", "None", "m/"),
}
BROKEN = {"Image": f"{REGISTRY}/broken:1"}


PROGRAMS = {"telling": TELLING, "broken": "exit('no room')"}


@dataclass(frozen=True)
class Program:
    """What runs in the place of an image."""

    folder: Path

    def command(self, _: list[str]) -> list[str]:
        return [sys.executable, "-c", PROGRAMS[self.folder.name]]

    def environment(self, base: dict[str, str]) -> dict[str, str]:
        return base


def find_program(reference: str, repository: str) -> Any:
    if repository in PROGRAMS:
        return Program(Path("programs") / repository)
    return find_stand_in(reference, repository)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(module, "find_stand_in", find_program)
    host = Host(StateFolder(tmp_path), "http://127.0.0.1:1")
    monkeypatch.setattr(host, "client", lambda *_: FakeS3(**{"m/x": b"1"}))
    host.state.run.mkdir(parents=True)
    yield host
    host.stop()


def told(instance: Instance, number: int) -> dict[str, Any]:
    """What a container says of itself."""
    port = instance.containers[number].port
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_each_container_has_its_port_its_variables_and_its_model(host: Host) -> None:
    bare = {"Image": GOOD["Image"]}
    instance = Launcher(host, "000000000000").prepare("e", "us-east-1", [GOOD, bare])()
    assert told(instance, 0) == {"given": "this", "files": ["x"]}
    assert told(instance, 1) == {"given": None, "files": []}
    instance.stop()
    assert not instance.ready


def test_a_stand_in_is_announced(host: Host) -> None:
    Launcher(host, "000000000000").prepare("e", "us-east-1", [GOOD])
    assert host.address("stand-in for AWS's image telling") == "programs/telling"


def test_an_instance_whose_container_does_not_start_leaves_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = Launcher(host, "000000000000")
    start = launcher.prepare("e", "us-east-1", [GOOD, BROKEN])
    with pytest.raises(StartError, match="no room"):
        start()
    # Were the first one still there, there would be no room for another.
    monkeypatch.setattr(module, "MOST_PROCESSES", 1)
    instance = launcher.prepare("e", "us-east-1", [GOOD])()
    with pytest.raises(StartError, match="1 containers run on this machine"):
        launcher.prepare("f", "us-east-1", [GOOD])()
    instance.stop()


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (f"{REGISTRY}/other:1", "cannot be pulled here"),
        ("000000000000.dkr.ecr.us-east-1.amazonaws.com/mlops/iris@sha256:0", "is not installed"),
    ],
)
def test_an_image_that_is_not_here_is_said(image: str, said: str, host: Host) -> None:
    with pytest.raises(StartError, match=said):
        Launcher(host, "000000000000").prepare("e", "us-east-1", [{"Image": image}])
