"""The command line: help, exit statuses, errors without a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def run(*words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "AWS_EC2_METADATA_DISABLED": "true"}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "command", ["images", "release", "webhook", "deploy", "contract", "schema"]
)
def test_help(command: str) -> None:
    result = run("operations", command, "--help")
    assert result.returncode == 0
    assert "Usage" in result.stdout


def test_unknown_environment() -> None:
    result = run("operations", "images", "--env", "prdo")
    assert result.returncode == 1
    assert "Did you mean 'prod'?" in result.stderr
    assert "Traceback" not in result.stderr


def test_no_engine(tmp_path: Path) -> None:
    result = run("operations", "deploy", "--env", "dev", path=str(tmp_path))
    assert result.returncode == 1
    assert "No container engine answers" in result.stderr
    assert "Traceback" not in result.stderr


def test_no_credentials() -> None:
    result = run("operations", "release", "--env", "dev", "--endpoint", "iris")
    assert result.returncode == 1
    assert "Log in to account 111111111111" in result.stderr
    assert "Traceback" not in result.stderr


def test_schema_is_what_is_committed(tmp_path: Path) -> None:
    target = tmp_path / "schema.json"
    assert run("operations", "schema", "--target", str(target)).returncode == 0
    assert target.read_bytes() == (ROOT / "environments" / "schema.json").read_bytes()


class TestBootstrap:
    """What runs before anything is installed."""

    def test_an_old_python_is_told_which_one_is_needed(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from operations import bootstrap

        monkeypatch.setattr(sys, "version_info", (3, 9, 1))
        with pytest.raises(SystemExit):
            bootstrap.main()
        assert "This is Python 3.9; Python 3.11 or later is needed" in capsys.readouterr().err

    def test_an_installation_that_stands_is_left_alone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from operations import bootstrap

        def fail(*_: object, **__: object) -> None:
            raise AssertionError("nothing is to be run")

        monkeypatch.setattr(subprocess, "run", fail)
        bootstrap.main()

    def test_a_venv_that_cannot_be_made_names_the_package(
        self,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        from operations import bootstrap

        def fail(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
            return subprocess.CompletedProcess([], 1, "", "ensurepip is not available\n")

        monkeypatch.setattr(subprocess, "run", fail)
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(SystemExit):
            bootstrap.make_venv()
        said = capsys.readouterr().err
        assert "ensurepip is not available" in said
        assert "sudo apt-get install" in said

    def test_a_mirror_of_pip_is_a_mirror_of_uv(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from operations import bootstrap

        monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.test/simple")
        monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
        assert bootstrap.uv_environment()["UV_DEFAULT_INDEX"] == "https://mirror.test/simple"
