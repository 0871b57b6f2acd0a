"""Temporary files of a process that was killed go; those of the others stay."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracking_server.scratch import use_own_folder


@pytest.fixture(autouse=True)
def folder_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)


@pytest.fixture
def running() -> Iterator[int]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


@pytest.fixture
def ended() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_temporary_files_are_made_in_it(tmp_path: Path) -> None:
    own = use_own_folder(tmp_path)
    with tempfile.TemporaryDirectory() as made:
        assert Path(made).parent == own
    assert own.stat().st_mode & 0o777 == 0o700


def test_only_what_ended_processes_left_is_removed(
    tmp_path: Path, running: int, ended: int
) -> None:
    left, kept = tmp_path / f"process-{ended}", tmp_path / f"process-{running}"
    other = tmp_path / "mlflow-login"
    for folder in (left, kept, other):
        folder.mkdir()
        (folder / "half.bin").touch()
    own = use_own_folder(tmp_path)
    assert set(tmp_path.iterdir()) == {own, kept, other}
    assert (kept / "half.bin").is_file()


def test_a_process_of_the_same_number_begins_with_nothing(tmp_path: Path) -> None:
    left = tmp_path / f"process-{os.getpid()}"
    left.mkdir()
    (left / "half.bin").touch()
    assert list(use_own_folder(tmp_path).iterdir()) == []
