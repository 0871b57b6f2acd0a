"""The source of builds: what git knows of a checkout, and the same zip for the same files."""

import io
import subprocess
import zipfile
from pathlib import Path

import pytest

from local.source import source_zip
from operations.errors import OperationError


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("secret\n")
    for name in ("kept", "secret", "new"):
        (tmp_path / name).write_text(name)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "run").write_text("#!/bin/sh\n")
    (tmp_path / "folder" / "run").chmod(0o755)
    (tmp_path / "link").symlink_to("kept")
    (tmp_path / "gone").write_text("")
    subprocess.run(["git", "-C", str(tmp_path), "add", "kept", "gone", "link"], check=True)
    (tmp_path / "gone").unlink()
    return tmp_path


def test_has_what_git_knows_and_would_take(checkout: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(source_zip(checkout))) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
        assert archive.read("link") == b"kept"
    assert modes == {
        ".gitignore": 0o644,
        "folder/run": 0o755,
        "kept": 0o644,
        "link": 0o644,
        "new": 0o644,
    }


def test_is_the_same_for_the_same_files(checkout: Path) -> None:
    before = source_zip(checkout)
    (checkout / "kept").touch()
    assert source_zip(checkout) == before
    (checkout / "kept").write_text("changed")
    assert source_zip(checkout) != before


def test_says_that_it_is_no_checkout(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="cannot be listed"):
        source_zip(tmp_path)
