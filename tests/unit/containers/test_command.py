"""What the image can be told to do."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pymysql
import pytest

from tests.conftest import ROOT
from tracking_server import command
from tracking_server.command import COMMANDS, Command, main
from tracking_server.database import DatabaseError
from tracking_server.settings import ADMINISTRATOR, MASTER, Settings


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Which commands ran; each ends with 7."""
    names: list[str] = []

    def runs(name: str) -> Callable[[Settings], int]:
        def run(settings: Settings) -> int:
            names.append(name)
            return 7

        return run

    fakes = {name: Command(each.does, runs(name), each.needs) for name, each in COMMANDS.items()}
    monkeypatch.setattr(command, "COMMANDS", fakes)
    certificates = tmp_path / "ca.pem"
    certificates.touch()
    for name in (
        "DATABASE_SECRET_ARN",
        "SESSION_SECRET_ARN",
        "ARTIFACTS_DESTINATION",
        "ALLOWED_HOSTS",
    ):
        monkeypatch.setenv(name, "given")
    monkeypatch.setenv("DATABASE_CA", str(certificates))
    monkeypatch.delenv(MASTER, raising=False)
    monkeypatch.delenv(ADMINISTRATOR, raising=False)
    return names


def test_the_images_program_is_this() -> None:
    project = tomllib.loads((ROOT / "containers" / "mlflow" / "pyproject.toml").read_text())
    assert project["project"]["scripts"]["tracking-server"] == f"{main.__module__}:main"


@pytest.mark.parametrize(
    ("words", "name"), [([], "serve"), (["serve"], "serve"), (["check"], "check")]
)
def test_runs_what_it_is_told(words: list[str], name: str, called: list[str]) -> None:
    assert main(words) == 7
    assert called == [name]


@pytest.mark.parametrize(("name", "needed"), [("migrate", MASTER), ("smoke", ADMINISTRATOR)])
def test_a_command_that_needs_more_says_so(
    name: str,
    needed: str,
    called: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([name]) == 1
    assert called == []
    assert capsys.readouterr().err == f"tracking-server: {needed} is not set\n"
    monkeypatch.setenv(needed, "arn:more")
    assert main([name]) == 7


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_lists_every_command(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word]) == 0
    said = capsys.readouterr().out
    for name, each in COMMANDS.items():
        assert f"  {name:8} {each.does}\n" in said


@pytest.mark.parametrize("words", [["upgrade"], ["serve", "now"], ["--workers"]])
def test_what_is_no_command_is_said_in_one_line(
    words: list[str], called: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert called == []
    (said,) = capsys.readouterr().err.splitlines()
    assert "is none of serve, check, migrate, grant, smoke" in said


@pytest.mark.parametrize(
    "error", [DatabaseError("two\nlines"), pymysql.OperationalError(1045, "two\nlines")]
)
def test_a_fault_is_one_line(
    error: Exception,
    called: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(settings: Settings) -> int:
        raise error

    monkeypatch.setitem(command.COMMANDS, "serve", Command("", fail))
    assert main([]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("tracking-server: ")
