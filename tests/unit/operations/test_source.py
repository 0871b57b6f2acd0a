"""What releases are made with: the files of a checkout, and where they are put."""

import io
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mlops_constructs import release_store
from operations.errors import OperationError
from operations.source import APP, put_source, source_zip
from stacks.config import load_environment
from tests.conftest import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    (folder / ".gitignore").write_text("build/\n")
    (folder / "app.py").write_text("print('app')\n")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    (folder / "link").symlink_to("app.py")
    (folder / "build").mkdir()
    (folder / "build" / "left").write_text("over\n")
    return folder


def packed(checkout: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(source_zip(checkout)))


def test_it_has_what_git_knows_or_would_take(checkout: Path) -> None:
    assert packed(checkout).namelist() == [".gitignore", "app.py", "link", "run"]


def test_a_link_is_what_it_leads_to_and_a_program_stays_one(checkout: Path) -> None:
    archive = packed(checkout)
    assert archive.read("link") == b"print('app')\n"
    assert archive.getinfo("run").external_attr >> 16 & 0o100
    assert not archive.getinfo("app.py").external_attr >> 16 & 0o100


def test_equal_files_make_equal_zips(checkout: Path) -> None:
    first = source_zip(checkout)
    (checkout / "app.py").touch()
    assert source_zip(checkout) == first


def test_files_may_be_added(checkout: Path) -> None:
    added = {"app.py": b"print('another')\n", "proposal.json": b"{}"}
    with zipfile.ZipFile(io.BytesIO(source_zip(checkout, added))) as archive:
        assert archive.namelist() == [".gitignore", "app.py", "link", "proposal.json", "run"]
        assert {name: archive.read(name) for name in added} == added
        assert not archive.getinfo("proposal.json").external_attr >> 16 & 0o100


def test_what_is_no_checkout_is_said(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="cannot be listed"):
        source_zip(tmp_path)


def test_it_is_put_where_builds_take_it(checkout: Path) -> None:
    put: list[dict[str, Any]] = []

    class S3:
        def put_object(self, **given: Any) -> None:
            put.append(given)

    environment = load_environment("dev", ROOT / "environments")
    place = put_source(environment, checkout, S3())
    assert place == "s3://private-mlops-dev-releases-111111111111/source/app.zip"
    assert [(it["Bucket"], it["Key"]) for it in put] == [
        ("private-mlops-dev-releases-111111111111", APP)
    ]
    assert zipfile.is_zipfile(io.BytesIO(put[0]["Body"]))


def test_the_stack_says_the_same_of_its_place() -> None:
    assert APP == release_store.APP
