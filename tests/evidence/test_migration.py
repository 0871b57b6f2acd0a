"""What each old version wrote is there after the migration, value for value."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.database import ServerProgram
from local.servers import answers
from local.state import free_port
from tests.evidence import steps
from tests.evidence.conftest import History
from tests.evidence.database import create_database
from tests.evidence.history import RUNS, STEPS, VERSIONS
from tests.evidence.programs import CURRENT, OLD, installed
from tracking_server.database import ensure_schema

COUNTS = {
    "experiments": 3,
    "runs": RUNS + 1 + VERSIONS,
    "params": 3 * RUNS,
    "latest metrics": 6 * RUNS,
    "metric values": (2 * STEPS + 4) * RUNS,
    "inputs": RUNS,
    "models": 2,
    "versions": VERSIONS,
    "aliases": 2,
    "answers": VERSIONS,
}
"""What there must be at least of: `history.py` writes it."""


@pytest.mark.parametrize("version", OLD)
def test_everything_is_readable_after_the_migration(
    version: str,
    history: Callable[[str], History],
    program: ServerProgram,
    tmp_path: Path,
    say: Callable[[str], None],
) -> None:
    old = history(version)
    counts = {kind: len(values) for kind, values in old.found.items()}
    assert COUNTS.items() <= counts.items()
    assert counts["files"] >= 2 * RUNS + 1
    database = old.snapshot.restore(tmp_path / "database")
    current = installed(CURRENT)
    try:
        before = steps.revision(database)
        started = time.monotonic()
        migration = steps.start_migration(database, tmp_path)
        assert migration.wait() == 0, migration.last_words()
        seconds = time.monotonic() - started
        after = steps.revision(database)
        assert after != before
        with current.server(database, old.files, tmp_path) as address:
            found = current.client("history.py", "read", address, folder=tmp_path)
    finally:
        database.stop()
    for kind, values in old.found.items():
        assert found[kind] == values, kind
    say(f"{program.version}: MLflow {version} to {current.said()}, {before} to {after}")
    say(f"  migrated in {seconds:.1f} s; the same before and after:")
    say(f"  {', '.join(f'{count} {kind}' for kind, count in counts.items())}")


@pytest.mark.xfail(
    strict=True,
    reason="where a table is missing, MLflow's server migrates by itself when it starts",
)
@pytest.mark.parametrize("version", [OLD[0], OLD[-1]])
def test_a_new_server_leaves_an_old_schema_alone(
    version: str, history: Callable[[str], History], tmp_path: Path
) -> None:
    old = history(version)
    database = old.snapshot.restore(tmp_path / "database")
    try:
        before = steps.revision(database)
        port = free_port()
        server = installed(CURRENT).start(database, old.files, tmp_path, port)
        try:
            while server.running and not answers(port, "/health"):
                time.sleep(0.1)
        finally:
            server.stop()
        assert steps.revision(database) == before, "migrated by itself"
    finally:
        database.stop()


def test_of_two_first_tasks_one_creates_the_tables(
    program: ServerProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in installed(CURRENT).environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    database = create_database(program, tmp_path / "database")
    try:
        with ThreadPoolExecutor(2) as pool:
            created = list(pool.map(ensure_schema, [database.address] * 2))
        assert sorted(created) == [False, True]
        assert steps.revision(database)
    finally:
        database.stop()
