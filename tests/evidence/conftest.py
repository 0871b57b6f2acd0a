"""Histories that old versions of MLflow wrote, each written once, and what was found in the end."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.database import ServerProgram
from tests.evidence.containers import ran
from tests.evidence.database import PROGRAM, Snapshot, create_database, server_program
from tests.evidence.history import Found
from tests.evidence.programs import Mlflow, installed

HERE = Path(__file__).parent
SWITCH = "EVIDENCE"
LINES = pytest.StashKey[list[str]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave these tests to a command of their own: they take minutes, and three old MLflows."""
    if not os.environ.get(SWITCH):
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.skip(reason="make evidence runs these"))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print what was counted."""
    lines = config.stash.get(LINES, [])
    if lines:
        terminalreporter.section("evidence")
        terminalreporter.write("\n".join([*ran(), *lines, ""]))


@dataclass(frozen=True)
class History:
    """What one version of MLflow left behind.

    Parameters
    ----------
    mlflow
        The version.
    snapshot
        The database, after that version's server ended.
    files
        The artifacts.
    found
        All of it, as that version's client read it.
    """

    mlflow: Mlflow
    snapshot: Snapshot
    files: Path
    found: Found


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a line at the end."""
    return request.config.stash.setdefault(LINES, []).append


@pytest.fixture(scope="session", params=["installed", PROGRAM])
def program(request: pytest.FixtureRequest) -> ServerProgram:
    """The database server."""
    return server_program(request.param)


@pytest.fixture(scope="session")
def history(
    program: ServerProgram, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], History]:
    """What a version left behind; the first who asks for it waits until it is written."""
    written: dict[str, History] = {}

    def get(version: str) -> History:
        if version not in written:
            folder = tmp_path_factory.mktemp(f"history-{version}")
            mlflow = installed(version)
            assert mlflow.said() == version
            database = create_database(program, folder / "database")
            try:
                with mlflow.server(database, folder / "files", folder) as address:
                    found = mlflow.client("history.py", "write", address, folder=folder)
            finally:
                snapshot = database.snapshot()
            written[version] = History(mlflow, snapshot, folder / "files", found)
        return written[version]

    return get
