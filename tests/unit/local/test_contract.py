"""Containers that are started beside each other: programs of this machine, on folders of models."""

import sys
from pathlib import Path

import pytest

from local import contract, images
from local.contract import Part, parts_of, running
from local.images import ProcessImage
from operations.contract import ContractError, check_sample
from operations.errors import OperationError
from stacks.config import load_environment
from tests.conftest import ROOT
from tests.unit.operations.test_commands import run

SERVE = """#!{python}
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

folder = Path(os.environ["SAGEMAKER_BASE_DIR"]) / "model"
assert not folder.is_symlink()
answer = (folder / "answer").read_bytes()

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def do_POST(self):
        given = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200 if given.count(b",") < 2 else 400)
        self.send_header("content-type", "text/csv")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass

HTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProcessImage:
    """An image whose `serve` answers what its model's folder holds, and takes no three columns."""
    monkeypatch.setattr(images, "STORE", tmp_path / "store")
    image = ProcessImage("echo", f"sha256:{'1' * 64}")
    (image.folder / "bin").mkdir(parents=True)
    program = image.folder / "bin" / "serve"
    program.write_text(SERVE.format(python=sys.executable))
    program.chmod(0o755)
    return image


def part(image: ProcessImage, folder: Path, answer: str) -> Part:
    folder.mkdir()
    (folder / "answer").write_text(answer)
    return Part(folder.name, image, folder, {})


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    (tmp_path / "sample.csv").write_text("1,2\n")
    return tmp_path / "sample.csv"


def test_neighbours_that_fit(image: ProcessImage, sample: Path, tmp_path: Path) -> None:
    parts = [part(image, tmp_path / "first", "3,4"), part(image, tmp_path / "second", "5")]
    with running(parts) as neighbours:
        exchanges = check_sample(neighbours, sample)
    assert [exchange.message.body for exchange in exchanges] == [b"1,2\n", b"3,4", b"5"]


def test_neighbours_that_do_not(image: ProcessImage, sample: Path, tmp_path: Path) -> None:
    parts = [part(image, tmp_path / "first", "3,4,5"), part(image, tmp_path / "second", "6")]
    with running(parts) as neighbours, pytest.raises(ContractError, match="first → second breaks"):
        check_sample(neighbours, sample)


def test_a_container_that_does_not_start(image: ProcessImage, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    broken = Part("first", image, tmp_path / "first", {})
    with pytest.raises(OperationError, match="'first' does not start"), running([broken]):
        pytest.fail("it started")


def test_a_model_that_is_not_there(image: ProcessImage, tmp_path: Path) -> None:
    missing = Part("first", image, tmp_path / "missing", {})
    with pytest.raises(OperationError, match="There is no folder"), running([missing]):
        pytest.fail("it started")


def test_the_containers_are_those_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the schema that SparkML Serving is told, and AWS's images by their addresses."""
    asked: list[str] = []

    def found(reference: str, *_: str) -> ProcessImage:
        asked.append(reference)
        return ProcessImage(reference, "sha256:0")

    monkeypatch.setattr(contract, "find_stand_in", found)
    monkeypatch.setattr(contract, "install_image", found)
    environment = load_environment("local", ROOT / "environments")
    features, regressor, output = parts_of(environment, "abalone", tmp_path)
    registry = "354813040037.dkr.ecr.ap-northeast-1.amazonaws.com"
    assert asked == [
        f"{registry}/sagemaker-sparkml-serving:3.3",
        f"{registry}/sagemaker-xgboost:3.0-5",
        "model-server",
    ]
    assert '"name":"sex"' in features.environment["SAGEMAKER_SPARKML_SCHEMA"]
    assert [it.model for it in (regressor, output)] == [
        tmp_path / "regressor",
        tmp_path / "output",
    ]


def test_an_endpoint_that_is_not_there(tmp_path: Path) -> None:
    environment = load_environment("local", ROOT / "environments")
    with pytest.raises(OperationError, match="There is no endpoint 'rose'"):
        parts_of(environment, "rose", tmp_path)


@pytest.mark.parametrize("command", ["contract", "examples"])
def test_help(command: str) -> None:
    said = run("local", command, "--help")
    assert said.returncode == 0
    assert "Usage" in said.stdout


def test_the_command_says_what_is_wrong_and_no_more(tmp_path: Path) -> None:
    options = ("--endpoint", "rose", "--models", str(tmp_path), "--sample", "sample.csv")
    said = run("local", "contract", *options)
    assert said.returncode == 1
    assert "There is no endpoint 'rose'" in said.stderr
    assert "Traceback" not in said.stderr
