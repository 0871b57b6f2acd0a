"""What each old version wrote is there after the migration, value for value."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pymysql
import pytest

from local.database import ServerProgram
from tests.evidence import steps
from tests.evidence.conftest import History
from tests.evidence.database import MASTER, SERVER, create_database
from tests.evidence.history import RUNS, STEPS, VERSIONS
from tests.evidence.programs import CURRENT, OLD, installed, prepare, run_in_image
from tracking_server.access import ACCESS_DATABASE
from tracking_server.mend import NAME, OTHER
from tracking_server.migration import EMPTY_STATUS, OLD_STATUS, RIGHTS

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

REFUSED = (
    "ALTER TABLE experiments ADD COLUMN more INT",
    "CREATE TABLE more (id INT)",
    "DROP TABLE mlflow_access.users",
    "CREATE USER other",
)
"""What the server's user may not do."""


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
        assert prepare("check", database, old.files, tmp_path)[0] == OLD_STATUS
        before = steps.revision(database)
        started = time.monotonic()
        migration = steps.start_migration(database, tmp_path)
        assert migration.wait() == 0, migration.last_words()
        seconds = time.monotonic() - started
        after = steps.revision(database)
        assert after != before
        assert prepare("check", database, old.files, tmp_path)[0] == 0
        assert prepare("grant", database, old.files, tmp_path)[0] == 0
        status, said = prepare("smoke", database, old.files, tmp_path)
        assert status == 0, said
        with current.server(database, old.files, tmp_path) as address:
            found = current.client("history.py", "read", address, folder=tmp_path)
    finally:
        database.stop()
    for kind, values in old.found.items():
        assert found[kind] == values, kind
    say(f"{program.version}: MLflow {version} to {current.said()}, {before} to {after}")
    say(f"  migrated in {seconds:.1f} s; the same before and after:")
    say(f"  {', '.join(f'{count} {kind}' for kind, count in counts.items())}")


@pytest.mark.parametrize("version", OLD)
def test_a_new_server_leaves_an_old_schema_alone(
    version: str, history: Callable[[str], History], tmp_path: Path
) -> None:
    """Not even where its user might change it, as where the server is the master user."""
    old = history(version)
    database = old.snapshot.restore(tmp_path / "database")
    try:
        before = steps.revision(database), database.structure()
        words = ["tracking-server", "serve"]
        server = run_in_image(words, database, old.files, tmp_path, secret=MASTER)
        assert server.wait() == 1
        assert (steps.revision(database), database.structure()) == before
    finally:
        database.stop()
    (said,) = server.log.read_text().splitlines()
    assert f"MLflow's tables are older than the image: found {before[0]}, wanted" in said
    assert "the access tables are not made yet" in said


def test_of_two_migrations_one_migrates(
    program: ServerProgram, tmp_path: Path, say: Callable[[str], None]
) -> None:
    database = create_database(program, tmp_path / "database")
    try:
        assert prepare("check", database, tmp_path, tmp_path)[0] == EMPTY_STATUS
        with ThreadPoolExecutor(2) as pool:
            folders = [tmp_path / "one", tmp_path / "two"]
            both = list(
                pool.map(lambda folder: prepare("migrate", database, folder, folder), folders)
            )
        assert prepare("check", database, tmp_path, tmp_path)[0] == 0
        keys = database.ask(
            "SELECT CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS"
            " WHERE CONSTRAINT_SCHEMA = %s",
            ACCESS_DATABASE,
        )
    finally:
        database.stop()
    assert [status for status, _ in both] == [0, 0]
    assert sorted(said.count(", from nothing") for _, said in both) == [0, 2]
    assert {(NAME,), (OTHER,)} <= set(keys)
    say(f"{program.version}: of two first migrations one migrated, with {len(keys)} foreign keys")


def test_the_servers_user_may_work_and_no_more(
    program: ServerProgram, tmp_path: Path, say: Callable[[str], None]
) -> None:
    """After a rotation too: the secret then names another user, or has another password."""
    database = create_database(program, tmp_path / "database")
    secret = database.held[SERVER]
    try:
        for user, password in (
            ("mlflow_server", secret["password"]),
            ("mlflow_server", "changed, and ' quoted \\"),
            ("mlflow_server_clone", "another%s"),
        ):
            secret |= {"username": user, "password": password}
            status, said = prepare("migrate", database, tmp_path, tmp_path)
            assert status == 0, said
            assert password not in said
            with database.opened(SERVER).connect() as connection, connection.cursor() as cursor:
                cursor.execute("SELECT COUNT(*) FROM experiments")
                for statement in REFUSED:
                    with pytest.raises(pymysql.MySQLError, match="denied"):
                        cursor.execute(statement)
            rights = [row[0] for row in database.ask("SHOW GRANTS FOR %s@'%%'", user)]
            assert sum(f"GRANT {RIGHTS} ON `mlflow" in right for right in rights) == 2, rights
            assert len(rights) == 3, rights
            with pytest.raises(pymysql.MySQLError, match=r"denied|insecure"):
                pymysql.connect(
                    host="127.0.0.1",
                    port=database.address.port,
                    user=user,
                    password=password,
                    ssl_disabled=True,
                )
    finally:
        database.stop()
    say(f"{program.version}: the server's user has {RIGHTS} and nothing else, over TLS alone")
