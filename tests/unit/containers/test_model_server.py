"""The model server's small parts: settings, health, metrics, users, digests, images."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from model_server import Model
from model_server.health import Health
from model_server.integrity import folder_digest
from model_server.metrics import SAMPLES, Metrics
from model_server.privileges import drop
from model_server.serving import ModelError, load
from model_server.settings import Settings, SettingsError
from operations.contexts import context_digest, gather, libraries
from operations.errors import OperationError
from tests.conftest import ROOT

CONTAINERS = ROOT / "containers"


def settings(**environment: str) -> Settings:
    return Settings.read(environment)


class TestSettings:
    def test_nothing_needs_to_be_said(self) -> None:
        read = settings()
        assert (read.host, read.port, read.folder) == ("127.0.0.1", 8080, Path("/opt/ml/model"))
        assert read.timeout < 60, "SageMaker's own"
        assert read.drain < 30, "SageMaker kills then"

    def test_every_fault_is_said_together(self) -> None:
        with pytest.raises(SettingsError) as raised:
            settings(
                SAGEMAKER_BIND_TO_PORT="0", MODEL_SERVER_BATCHING="rose", MODEL_SERVER_ROWS="-1"
            )
        assert str(raised.value).count(";") == 2
        assert "SAGEMAKER_BIND_TO_PORT is '0', which is no number from 1 to 65535" in str(
            raised.value
        )
        assert "MODEL_SERVER_BATCHING is 'rose': auto, on, off" in str(raised.value)

    def test_the_guide_names_every_variable(self) -> None:
        source = (CONTAINERS / "model-server" / "model_server" / "settings.py").read_text()
        variables = set(re.findall(r'"((?:MODEL|SAGEMAKER)_[A-Z_]+)"', source))
        page = (ROOT / "docs" / "serving.md").read_text()
        assert variables == set(re.findall(r"`((?:MODEL|SAGEMAKER)_[A-Z_]+)`", page))


class TestHealth:
    def test_says_why_not(self) -> None:
        health = Health(2, timeout=10)
        assert health.fault() == "loading"
        for slot in health.slots:
            slot.ready = True
        assert health.fault() == "loading", "somebody still says that it is being loaded"
        health.start()
        assert health.fault() == ""
        health.slots[1].broken = True
        assert health.fault() == "broken"
        health.slots[1].broken = False
        health.slots[0].busy_since = 0.001
        assert health.fault() == "stuck"
        health.slots[0].clear()
        assert health.fault() == "", "another is there while this one comes back"
        health.drain()
        assert health.fault() == "draining"


class TestMetrics:
    def test_a_line_holds_no_more_than_it_may(self) -> None:
        metrics = Metrics("iris")
        for number in range(3 * SAMPLES):
            metrics.answered(200, number)
            metrics.ran(2, number)
        line = json.loads(metrics.line())
        assert line["Requests"] == 3 * SAMPLES
        for name in ("Latency", "PredictTime", "BatchSize"):
            assert len(line[name]) == SAMPLES
        assert min(line["Latency"]) >= 1000 * 2 * SAMPLES, "the latest are kept"
        assert metrics.line() == ""

    def test_errors_are_told_apart(self) -> None:
        metrics = Metrics("iris")
        for status in (200, 400, 413, 500, 503, 504):
            metrics.answered(status, 0)
        line = json.loads(metrics.line())
        assert (line["ClientErrors"], line["ServerErrors"]) == (2, 3)


class TestLoading:
    class Kept(Model):
        loads = 0

        def load(self, folder: Path) -> None:
            self.loads += 1

    def test_a_shared_model_is_loaded_once(self, tmp_path: Path) -> None:
        model = self.Kept()
        make = load(model, settings(SAGEMAKER_BASE_DIR=str(tmp_path)))
        assert make() is make() is model
        assert model.loads == 1

    def test_each_process_loads_its_own_where_asked(self, tmp_path: Path) -> None:
        model = self.Kept()
        model.shared = False
        make = load(model, settings(SAGEMAKER_BASE_DIR=str(tmp_path)))
        assert model.loads == 0
        assert make().loads == 1  # type: ignore[attr-defined]

    def test_only_the_released_model_is_loaded(self, tmp_path: Path) -> None:
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "a").write_text("1")
        digest = folder_digest(tmp_path / "model")
        given = {"SAGEMAKER_BASE_DIR": str(tmp_path), "MODEL_DIGEST": digest}
        load(self.Kept(), Settings.read(given))
        (tmp_path / "model" / "a").write_text("2")
        with pytest.raises(ModelError, match=f"but {digest} was released"):
            load(self.Kept(), Settings.read(given))

    def test_threads_that_a_fork_would_lose_are_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        found = iter([1, 4])
        monkeypatch.setattr("model_server.serving._threads", lambda: next(found))
        load(self.Kept(), settings(SAGEMAKER_BASE_DIR=str(tmp_path)))
        assert "started 3 threads" in caplog.text
        assert "`shared = False` in Kept" in caplog.text


@pytest.mark.parametrize(("root", "becomes"), [(True, [10001, 10001]), (False, [])])
def test_it_is_not_root_when_it_answers(
    root: bool, becomes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[int] = []
    monkeypatch.setattr("os.geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr("os.setgroups", lambda groups: None)
    monkeypatch.setattr("os.setgid", became.append)
    monkeypatch.setattr("os.setuid", became.append)
    drop(10001)
    assert became == becomes


def test_a_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_text("2")
    first = folder_digest(tmp_path)
    (tmp_path / "b" / "c").rename(tmp_path / "d")
    assert folder_digest(tmp_path) != first


class TestImages:
    """What an image is built from, beside its own files."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name in ("image", "library"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "pyproject.toml").write_text('[project]\nname = "x"\n')
        (tmp_path / "library" / "code.py").touch()
        with (tmp_path / "image" / "pyproject.toml").open("a") as file:
            file.write('[tool.images]\nlibraries = ["library"]\n')
        return tmp_path / "image"

    def test_is_gathered_with_it(self, folder: Path, tmp_path: Path) -> None:
        gather(folder, tmp_path / "context")
        assert (tmp_path / "context" / "libraries" / "library" / "code.py").is_file()
        assert (tmp_path / "context" / "pyproject.toml").is_file()

    def test_is_a_part_of_its_digest(self, folder: Path, tmp_path: Path) -> None:
        before = context_digest(folder)
        (tmp_path / "library" / "code.py").write_text("changed = True\n")
        assert context_digest(folder) != before

    def test_must_be_there(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "library" / "pyproject.toml").unlink()
        with pytest.raises(OperationError, match="no package beside it: library"):
            libraries(folder)

    @pytest.mark.parametrize("folder", sorted(CONTAINERS.glob("*/pyproject.toml")), ids=str)
    def test_needs_nothing_that_the_image_does_not_pin(self, folder: Path) -> None:
        lock = (folder.parent / "requirements.lock").read_text()
        pinned = set(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE))
        for part in [folder.parent, *libraries(folder.parent)]:
            project: dict[str, Any] = tomllib.loads((part / "pyproject.toml").read_text())
            assert set(project["project"].get("dependencies", [])) <= pinned
        uses = "COPY libraries" in (folder.parent / "Dockerfile").read_text()
        assert uses == bool(libraries(folder.parent))
