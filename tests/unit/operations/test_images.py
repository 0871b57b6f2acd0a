from pathlib import Path

import pytest

from operations.contexts import context_digest
from operations.errors import OperationError
from operations.images import BuildSettings, find_engine, missing_images, push_images
from stacks.config import Environment
from tests.conftest import ROOT
from tests.unit.operations.conftest import FakeEcr

SETTINGS = BuildSettings("docker", ("BASE_IMAGE=mirror/python:3.12",))
CONTAINERS = ROOT / "containers"


def push(dev: Environment, ecr: FakeEcr, settings: BuildSettings = SETTINGS) -> dict[str, str]:
    return push_images(dev, CONTAINERS, settings, ecr, lambda _: None)


def test_each_image_is_built_pushed_and_named_by_digest(
    dev: Environment, ecr: FakeEcr, engine: Path
) -> None:
    digests = push(dev, ecr)
    assert set(digests) == {"iris", "mlflow"}
    said = engine.read_text().splitlines()
    assert [line.split()[0] for line in said] == ["login", "build", "push", "build", "push"]
    assert "--platform linux/amd64 --build-arg=BASE_IMAGE=mirror/python:3.12" in said[1]
    assert said[1].endswith("/iris")


def test_the_password_is_told_on_no_command_line(
    dev: Environment, ecr: FakeEcr, engine: Path, tmp_path: Path
) -> None:
    push(dev, ecr)
    assert "hidden-password" not in engine.read_text()
    assert (tmp_path / "password").read_text() == "hidden-password"


def test_what_was_pushed_is_not_built_again(dev: Environment, ecr: FakeEcr, engine: Path) -> None:
    first = push(dev, ecr)
    before = engine.read_text()
    assert push(dev, ecr) == first
    assert engine.read_text() == before


def test_another_base_is_another_image(dev: Environment, ecr: FakeEcr, engine: Path) -> None:
    assert push(dev, ecr) != push(dev, ecr, BuildSettings("docker"))


def test_what_building_leaves_behind_is_no_content(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM x")
    before = context_digest(tmp_path)
    (tmp_path / "pkg" / "__pycache__").mkdir(parents=True)
    (tmp_path / "pkg" / "__pycache__" / "a.pyc").touch()
    assert context_digest(tmp_path) == before
    (tmp_path / "pkg" / "a.py").touch()
    assert context_digest(tmp_path) != before


class TestFaults:
    def test_an_image_without_a_folder(self, dev: Environment, ecr: FakeEcr, engine: Path) -> None:
        wanted = dev.model_copy(update={"images": ["iris", "rose", "tulip"]})
        with pytest.raises(OperationError, match="for: rose, tulip"):
            push(wanted, ecr)
        assert not engine.exists(), "nothing may be built before every fault is known"

    def test_a_repository_that_is_not_deployed(self, dev: Environment, engine: Path) -> None:
        with pytest.raises(OperationError, match="cdk deploy Network Data"):
            push(dev, FakeEcr())

    @pytest.mark.parametrize("step", ["login", "build", "push"])
    def test_an_engine_that_fails(
        self, step: str, dev: Environment, ecr: FakeEcr, engine: Path, tmp_path: Path
    ) -> None:
        (tmp_path / f"fail-{step}").touch()
        with pytest.raises(OperationError, match=f"'docker {step}' ended with status 3"):
            push(dev, ecr)

    def test_no_engine(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(OperationError, match="docker, podman, nerdctl"):
            find_engine()

    def test_an_engine_that_does_not_answer(self, engine: Path, tmp_path: Path) -> None:
        (tmp_path / "fail-info").touch()
        with pytest.raises(OperationError, match="tried docker"):
            find_engine("docker")


def test_an_engine_is_found(engine: Path) -> None:
    assert find_engine() == "docker"


def test_images_that_are_not_in_ecr_are_named(dev: Environment, ecr: FakeEcr, engine: Path) -> None:
    digests = push(dev, ecr)
    assert missing_images(dev, digests, ecr) == []
    assert missing_images(dev, {**digests, "iris": f"sha256:{'0' * 64}"}, ecr) == ["iris"]
    assert missing_images(dev, {}, ecr) == ["iris", "mlflow"]
