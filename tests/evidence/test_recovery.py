"""A migration is killed, and the guide's steps bring everything back."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local.database import ServerProgram
from tests.evidence import steps
from tests.evidence.conftest import History
from tests.evidence.database import RunningDatabase
from tests.evidence.programs import CURRENT, OLD, installed


def kill_migration_at(table: str, database: RunningDatabase, folder: Path) -> None:
    """Start a migration and kill it at its first change of a table.

    A reader who does not end holds the table, so that the change waits: no luck is needed.
    """
    with database.address.connect() as reader, reader.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM `{table}` LIMIT 1")  # noqa: S608 - a name of ours
        migration = steps.start_migration(database, folder)
        deadline = time.monotonic() + 60
        while not any(table in words for words in steps.sessions(database).values()):
            assert migration.running, migration.last_words()
            assert time.monotonic() < deadline, steps.sessions(database)
            time.sleep(0.05)
        os.killpg(migration.pid, signal.SIGKILL)
        assert migration.wait() == -signal.SIGKILL
        steps.end_sessions(database)


@pytest.mark.parametrize(
    ("table", "half_made"),
    [
        pytest.param("registered_model_tags", True, id="within a revision"),
        pytest.param("datasets", False, id="at the only change of a revision"),
    ],
)
def test_a_killed_migration_is_recovered(
    table: str,
    half_made: bool,
    history: Callable[[str], History],
    program: ServerProgram,
    tmp_path: Path,
    say: Callable[[str], None],
) -> None:
    old = history(OLD[0])
    current = installed(CURRENT)
    broken = old.snapshot.restore(tmp_path / "database")
    try:
        before = steps.revision(broken)
        with old.mlflow.server(broken, old.files, tmp_path) as address:
            # Each of its processes looks at the revision when it is first asked.
            old.mlflow.client("history.py", "read", address, folder=tmp_path)
            kill_migration_at(table, broken, tmp_path)
            reached = steps.revision(broken)
            assert reached != before
            # It serves what it has, half-way between two versions.
            seen = old.mlflow.client("history.py", "read", address, folder=tmp_path)
        assert seen == old.found
        again = steps.start_migration(broken, tmp_path)
        status = again.wait()
        say(f"{program.version}: killed after {reached} at {table}; run again: status {status}")
        say(f"  the server of {old.mlflow.version} that ran all the while still shows all of it")
        if not half_made:
            assert status == 0, again.last_words()
            with current.server(broken, old.files, tmp_path) as address:
                assert current.client("history.py", "read", address, folder=tmp_path) == old.found
            say("  the new version serves all of it")
            return
        assert status != 0
        said = again.log.read_text()
        assert "Duplicate column name" in said or "Can't DROP" in said
        assert f"they are at {reached}, perhaps with half of the next" in said
        assert "A migration that failed, or was killed" in said
    finally:
        broken.stop()

    restored = old.snapshot.restore(tmp_path / "restored")
    try:
        assert steps.revision(restored) == before
        with old.mlflow.server(restored, old.files, tmp_path) as address:
            assert old.mlflow.client("history.py", "read", address, folder=tmp_path) == old.found
        assert steps.start_migration(restored, tmp_path).wait() == 0
        with current.server(restored, old.files, tmp_path) as address:
            assert current.client("history.py", "read", address, folder=tmp_path) == old.found
    finally:
        restored.stop()
    say("  restored: the old version serves all of it, and so does the new after its migration")
