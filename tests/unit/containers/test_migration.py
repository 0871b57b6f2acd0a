"""What the image does about the schemas: looks, refuses, makes the server's user, migrates."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pymysql
import pytest

from tracking_server import migration
from tracking_server.access import ACCESS_DATABASE
from tracking_server.database import Database, DatabaseError, connected, open_database
from tracking_server.migration import (
    ACCESS,
    TRACKING,
    Chain,
    check,
    migrate,
    require_current,
)
from tracking_server.settings import Settings

HEADS = {"mlflow": TRACKING.revisions()[0], ACCESS_DATABASE: ACCESS.revisions()[0]}
FIRST = {"mlflow": "451aebb31d03", ACCESS_DATABASE: "8606fa83a998"}
VERSION_TABLES = {"mlflow": "alembic_version", ACCESS_DATABASE: "alembic_version_auth"}
PASSWORDS = {"mlflow": "the master's", "mlflow_server": "it's % the \\ server's"}


class FakeMysql:
    """A database's server with revisions, users and a lock, as far as the image asks for them."""

    def __init__(self) -> None:
        self.revisions: dict[str, str | None] = {}
        self.tables: dict[str, list[str]] = {}
        self.passwords = {"mlflow": PASSWORDS["mlflow"]}
        self.free = True
        self.said: list[str] = []
        self.answer: list[tuple[Any, ...]] = []

    def at(self, revisions: dict[str, str | None]) -> "FakeMysql":
        """The server, with both schemas at a revision."""
        for name, revision in revisions.items():
            self.revisions[name] = revision
            self.tables[name] = [VERSION_TABLES[name], "users"]
        return self

    def connect(self, database: Database) -> "FakeMysql":
        options = database.options.read_text()
        if not any(password in options for password in self.passwords.values()):
            raise pymysql.OperationalError(1045, "Access denied")
        return self

    def execute(self, statement: str, arguments: tuple[Any, ...] = ()) -> None:
        quoted = [pymysql.converters.escape_item(each, "utf8mb4") for each in arguments]
        said = statement % tuple(quoted) if arguments else statement
        self.said.append(said)
        self.answer = []
        if "GET_LOCK" in said:
            self.answer = [(1 if self.free else 0,)]
        elif "information_schema.TABLES" in said:
            self.answer = [(table,) for table in self.tables.get(arguments[0], [])]
        elif said.startswith("SELECT version_num"):
            database = said.split("`")[1]
            self.answer = [(self.revisions[database],)] if self.revisions[database] else []
        elif said.startswith("CREATE USER"):
            self.passwords.setdefault(*arguments)
        elif said.startswith("ALTER USER"):
            self.passwords[arguments[0]] = arguments[1]

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.answer[0] if self.answer else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.answer

    def cursor(self) -> "FakeMysql":
        return self

    def autocommit(self, on: bool) -> None:
        assert on, "what was read once would be read again"

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> "FakeMysql":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def changes(self) -> list[str]:
        """What was said to change something."""
        return [said for said in self.said if not said.startswith("SELECT")]


@pytest.fixture
def mysql(monkeypatch: pytest.MonkeyPatch) -> FakeMysql:
    server = FakeMysql()
    monkeypatch.setattr(Database, "connect", lambda self: server.connect(self))
    return server


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    where = {"host": "db.internal", "port": 3307, "dbname": "mlflow"}
    held = {
        f"arn:{user}": {"username": user, "password": password, **where}
        for user, password in PASSWORDS.items()
    }

    class Client:
        def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803
            return {"SecretString": json.dumps(held[SecretId])}

    monkeypatch.setattr(migration, "boto3", SimpleNamespace(client=lambda _: Client()))
    return held


@pytest.fixture
def settings(tmp_path: Path, secrets: dict[str, Any]) -> Settings:
    certificates = tmp_path / "ca.pem"
    certificates.touch()
    return Settings.read(
        {
            "DATABASE_SECRET_ARN": "arn:mlflow_server",
            "SESSION_SECRET_ARN": "arn:session",
            "DATABASE_MASTER_SECRET_ARN": "arn:mlflow",
            "ARTIFACTS_DESTINATION": "s3://bucket/mlflow",
            "ALLOWED_HOSTS": "mlflow.internal",
            "DATABASE_CA": str(certificates),
        }
    )


@pytest.fixture
def ran(mysql: FakeMysql, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What was run; it brings the schema up, as MLflow's commands do."""
    commands: list[list[str]] = []

    def run(words: list[str], env: dict[str, str]) -> Any:
        commands.append(words)
        assert env["MLFLOW_DISABLE_TELEMETRY"] == "true"
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        name = ACCESS_DATABASE if ACCESS_DATABASE in words[-1] else "mlflow"
        mysql.at({name: HEADS[name]})
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


class TestRevisions:
    @pytest.mark.parametrize("chain", [TRACKING, ACCESS])
    def test_are_read_from_the_files_of_mlflow(self, chain: Chain) -> None:
        head, known = chain.revisions()
        assert head in known
        assert len(known) > 5

    @pytest.mark.parametrize(
        ("second", "third", "expected"),
        [
            ("'a'", "'b'", {"c"}),
            ("'a'", "('a', 'b')", {"c"}),
            ("'a'", "'a'", None),
        ],
    )
    def test_end_in_the_one_that_none_comes_after(
        self,
        second: str,
        third: str,
        expected: set[str] | None,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        folder = tmp_path / "versions"
        folder.mkdir()
        (folder / "__init__.py").touch()
        for name, before in (("a", "None"), ("b", second), ("c", third)):
            words = f"revision = '{name}'\ndown_revision = {before}\n"
            (folder / f"{name}_words.py").write_text(words)
        origin = str(tmp_path / "__init__.py")
        monkeypatch.setattr(migration, "find_spec", lambda _: SimpleNamespace(origin=origin))
        chain = Chain("tables", "version", "versions", ())
        if expected is None:
            with pytest.raises(DatabaseError, match="2 last revisions"):
                chain.revisions()
        else:
            assert {chain.revisions()[0]} == expected


class TestServe:
    def database(self, settings: Settings) -> Database:
        where = {"host": "h", "port": 1, "dbname": "mlflow"}
        secret = {"username": "mlflow", "password": PASSWORDS["mlflow"], **where}
        return open_database(secret, settings.certificates)

    def test_takes_schemas_that_are_the_images(self, mysql: FakeMysql, settings: Settings) -> None:
        mysql.at({**HEADS})
        require_current(self.database(settings))
        assert mysql.changes() == []

    @pytest.mark.parametrize("behind", ["mlflow", ACCESS_DATABASE])
    @pytest.mark.parametrize("how", ["old", "no revision", "nothing"])
    def test_refuses_an_older_one_and_changes_nothing(
        self, behind: str, how: str, mysql: FakeMysql, settings: Settings
    ) -> None:
        mysql.at({**HEADS})
        mysql.revisions[behind] = FIRST[behind] if how == "old" else None
        if how == "nothing":
            mysql.tables[behind] = []
        with pytest.raises(DatabaseError) as raised:
            require_current(self.database(settings))
        said = str(raised.value)
        found = FIRST[behind] if how == "old" else "no revision"
        assert f"found {found}, wanted {HEADS[behind]}" in said
        assert "Deploy the Tracking stack" in said
        assert "tracking-server migrate" in said
        assert mysql.changes() == []

    @pytest.mark.parametrize("ahead", ["mlflow", ACCESS_DATABASE])
    def test_refuses_a_newer_one(self, ahead: str, mysql: FakeMysql, settings: Settings) -> None:
        mysql.at({**HEADS, ahead: "fedcba987654"})
        with pytest.raises(DatabaseError, match=r"newer than the image.*fedcba987654.*snapshot"):
            require_current(self.database(settings))

    def test_says_all_of_it(self, mysql: FakeMysql, settings: Settings) -> None:
        with pytest.raises(DatabaseError, match=r"MLflow's tables.*; the access tables"):
            require_current(self.database(settings))


class TestCheck:
    @pytest.mark.parametrize(
        ("revisions", "status"),
        [
            (HEADS, 0),
            ({**HEADS, "mlflow": FIRST["mlflow"]}, 3),
            ({**HEADS, "mlflow": None}, 3),
            ({"mlflow": HEADS["mlflow"]}, 3),
            ({"mlflow": None}, 3),
            ({}, 4),
        ],
    )
    def test_says_by_its_status_what_is_to_be_done(
        self,
        revisions: dict[str, str | None],
        status: int,
        mysql: FakeMysql,
        settings: Settings,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        mysql.at(revisions)
        assert check(settings) == status
        first, second = capsys.readouterr().out.splitlines()
        assert f"wanted {HEADS['mlflow']}" in first
        assert f"wanted {HEADS[ACCESS_DATABASE]}" in second
        assert mysql.changes() == []

    def test_a_newer_schema_is_a_fault(self, mysql: FakeMysql, settings: Settings) -> None:
        mysql.at({**HEADS, "mlflow": "fedcba987654"})
        with pytest.raises(DatabaseError, match="newer"):
            check(settings)

    def test_the_servers_own_user_will_do(
        self, mysql: FakeMysql, settings: Settings, secrets: dict[str, Any]
    ) -> None:
        mysql.at({**HEADS})
        mysql.passwords = {"mlflow_server": PASSWORDS["mlflow_server"]}
        object.__setattr__(settings, "master_secret_arn", "")
        assert check(settings) == 0


class TestMigrate:
    def test_an_empty_database_gets_all_of_it(
        self,
        mysql: FakeMysql,
        ran: list[list[str]],
        settings: Settings,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert migrate(settings) == 0
        assert [words[:-1] for words in ran] == [
            [sys.executable, "-m", "mlflow", "db", "upgrade"],
            [sys.executable, "-m", "mlflow.server.auth", "db", "upgrade", "--url"],
        ]
        assert ["/mlflow?" in words[-1] for words in ran] == [True, False]
        assert not any(password in str(ran) for password in PASSWORDS.values())
        password = r"'it\'s % the \\ server\'s'"
        assert mysql.changes() == [
            "CREATE DATABASE IF NOT EXISTS mlflow_access CHARACTER SET utf8mb4",
            f"CREATE USER IF NOT EXISTS 'mlflow_server'@'%' IDENTIFIED BY {password} REQUIRE SSL",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON `mlflow`.* TO 'mlflow_server'@'%'",
            r"GRANT SELECT, INSERT, UPDATE, DELETE ON `mlflow\_access`.* TO 'mlflow_server'@'%'",
        ]
        said = capsys.readouterr().out
        assert said.count("from nothing") == 2
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN

    def test_all_is_done_under_the_lock(
        self, mysql: FakeMysql, ran: list[list[str]], settings: Settings
    ) -> None:
        migrate(settings)
        took = next(n for n, said in enumerate(mysql.said) if "GET_LOCK" in said)
        gave = next(n for n, said in enumerate(mysql.said) if "RELEASE_LOCK" in said)
        assert took == 0
        assert max(mysql.said.index(said) for said in mysql.changes()) < gave

    def test_done_again_it_changes_nothing(
        self, mysql: FakeMysql, ran: list[list[str]], settings: Settings
    ) -> None:
        migrate(settings)
        ran.clear()
        mysql.said.clear()
        assert migrate(settings) == 0
        assert ran == []
        assert not any(said.startswith("ALTER") for said in mysql.said)

    def test_only_what_is_behind_is_migrated(
        self,
        mysql: FakeMysql,
        ran: list[list[str]],
        settings: Settings,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        mysql.at({**HEADS, "mlflow": FIRST["mlflow"]})
        migrate(settings)
        assert len(ran) == 1
        assert f"are at {HEADS['mlflow']}, from {FIRST['mlflow']}" in capsys.readouterr().out

    def test_a_password_is_set_where_the_user_cannot_log_in(
        self, mysql: FakeMysql, ran: list[list[str]], settings: Settings
    ) -> None:
        mysql.passwords["mlflow_server"] = "one from before"
        migrate(settings)
        assert mysql.passwords["mlflow_server"] == PASSWORDS["mlflow_server"]

    def test_the_user_that_the_secret_names_is_made(
        self,
        mysql: FakeMysql,
        ran: list[list[str]],
        settings: Settings,
        secrets: dict[str, dict[str, Any]],
    ) -> None:
        secrets["arn:mlflow_server"]["username"] = "mlflow_server_clone"
        migrate(settings)
        assert set(mysql.passwords) == {"mlflow", "mlflow_server_clone"}

    def test_the_master_is_never_touched(
        self,
        mysql: FakeMysql,
        ran: list[list[str]],
        settings: Settings,
        secrets: dict[str, dict[str, Any]],
    ) -> None:
        """As where an older deployment's server still is the master user."""
        secrets["arn:mlflow_server"] = secrets["arn:mlflow"]
        migrate(settings)
        assert not any("USER" in said or "GRANT" in said for said in mysql.said)

    def test_a_newer_schema_is_left_alone(
        self, mysql: FakeMysql, ran: list[list[str]], settings: Settings
    ) -> None:
        mysql.at({**HEADS, "mlflow": "fedcba987654"})
        with pytest.raises(DatabaseError, match="newer"):
            migrate(settings)
        assert ran == []

    def test_a_lock_that_is_never_free_is_said(
        self, mysql: FakeMysql, ran: list[list[str]], settings: Settings
    ) -> None:
        mysql.free = False
        with pytest.raises(DatabaseError, match="another task has been migrating for 300 s"):
            migrate(settings)
        assert mysql.changes() == []
        assert ran == []

    @pytest.mark.parametrize(
        ("before", "remedy"),
        [
            (FIRST["mlflow"], "put the snapshot back, as docs/upgrades.md says"),
            (None, "drop the database mlflow"),
        ],
    )
    def test_a_failure_says_what_was_reached_and_what_to_do(
        self,
        before: str | None,
        remedy: str,
        mysql: FakeMysql,
        settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        if before:
            mysql.at({**HEADS, "mlflow": before})

        def fail(words: list[str], env: dict[str, str]) -> Any:
            mysql.at({"mlflow": "89d4b8295536"})
            return SimpleNamespace(returncode=1)

        monkeypatch.setattr(subprocess, "run", fail)
        with pytest.raises(DatabaseError) as raised:
            migrate(settings)
        said = str(raised.value)
        assert f"from {before or 'nothing'} to {HEADS['mlflow']} failed with status 1" in said
        assert "they are at 89d4b8295536" in said
        assert remedy in said
        assert any("RELEASE_LOCK" in each for each in mysql.said)
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN

    def test_a_command_that_lies_is_found_out(
        self, mysql: FakeMysql, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done = SimpleNamespace(returncode=0)
        monkeypatch.setattr(subprocess, "run", lambda words, env: done)
        with pytest.raises(DatabaseError, match="not made yet"):
            migrate(settings)


class TestWaiting:
    def test_goes_on_until_the_database_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answers: list[Callable[[], Any]] = [FakeMysql, _refuse, _refuse]
        monkeypatch.setattr(Database, "connect", lambda self: answers.pop()())
        waits: list[float] = []
        with connected(Database("h", 1, "d", Path("o")), sleep=waits.append) as cursor:
            cursor.execute("SELECT 1")
        assert waits == [1, 1]

    def test_ends_with_the_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = iter(range(100))
        monkeypatch.setattr("time.monotonic", lambda: next(clock))
        monkeypatch.setattr(Database, "connect", lambda self: _refuse())
        waits: list[float] = []
        database = Database("h", 1, "d", Path("o"))
        with (
            pytest.raises(DatabaseError, match=r"h:1 cannot be used.*refused"),
            connected(database, seconds=3, sleep=waits.append),
        ):
            pytest.fail("there is nothing to work with")
        assert waits == [1, 1, 1]


def _refuse() -> Any:
    raise pymysql.OperationalError(2003, "refused")
