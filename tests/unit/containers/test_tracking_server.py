"""The tracking server's own part: settings, the option file, the first migration."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tracking_server.database import (
    Database,
    DatabaseError,
    ensure_schema,
    open_database,
    read_secret,
)
from tracking_server.server import ENVIRONMENT, command
from tracking_server.settings import Settings, SettingsError

SECRET: dict[str, Any] = {
    "username": "mlflow",
    "password": "p'a\\ss=word",
    "host": "db.internal",
    "port": 3307,
    "dbname": "mlflow",
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    certificates = tmp_path / "ca.pem"
    certificates.touch()
    return {
        "DATABASE_SECRET_ARN": "arn:secret",
        "ARTIFACTS_DESTINATION": "s3://bucket/mlflow",
        "ALLOWED_HOSTS": "mlflow.internal,127.0.0.1",
        "DATABASE_CA": str(certificates),
    }


class TestSettings:
    def test_defaults(self, environment: dict[str, str]) -> None:
        settings = Settings.read(environment)
        assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 5000, 2)
        assert settings.allowed_hosts == ("mlflow.internal", "127.0.0.1")

    @pytest.mark.parametrize(
        "missing", ["DATABASE_SECRET_ARN", "ARTIFACTS_DESTINATION", "ALLOWED_HOSTS"]
    )
    def test_each_is_needed(self, missing: str, environment: dict[str, str]) -> None:
        del environment[missing]
        with pytest.raises(SettingsError, match=f"{missing} is not set"):
            Settings.read(environment)

    def test_all_faults_come_together(self) -> None:
        with pytest.raises(SettingsError) as raised:
            Settings.read({"WORKERS": "none", "PORT": "0", "DATABASE_CA": "/nowhere"})
        text = str(raised.value)
        for part in ("DATABASE_SECRET_ARN", "WORKERS is 'none'", "PORT is '0'", "/nowhere"):
            assert part in text


class TestOptionFile:
    def test_only_this_user_can_read_it(self, tmp_path: Path) -> None:
        options = open_database(SECRET, tmp_path / "ca.pem").options
        assert options.stat().st_mode & 0o777 == 0o600

    def test_the_address_holds_no_password(self, tmp_path: Path) -> None:
        database = open_database(SECRET, tmp_path / "ca.pem")
        assert SECRET["password"] not in database.uri
        assert database.uri.startswith("mysql+pymysql://mlflow@db.internal:3307/mlflow?")

    def test_pymysql_reads_the_password_from_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pymysql.connections.Connection, "connect", lambda self: None)
        monkeypatch.setattr(
            pymysql.connections.Connection, "_create_ssl_ctx", lambda self, ssl: ssl
        )
        secret = {**SECRET, "password": "x#1"}
        database = open_database(secret, tmp_path / "ca.pem")
        connection = database.connect()
        assert connection.password == b"x#1"
        assert vars(connection)["ctx"] == {"ca": str(tmp_path / "ca.pem")}

    def test_a_secret_that_lacks_a_part_is_named_without_its_values(self) -> None:
        with pytest.raises(DatabaseError) as raised:
            open_database({"username": "u", "password": "hidden"}, Path("ca"))
        assert "lacks host, port, dbname" in str(raised.value)
        assert "hidden" not in str(raised.value)

    def test_reads_the_secret_it_is_told_to(self) -> None:
        class Client:
            def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803
                assert SecretId == "arn:secret"
                return {"SecretString": json.dumps(SECRET)}

        assert read_secret(Client(), "arn:secret") == SECRET


class TestCommand:
    def test_is_mlflows_own_with_no_secret(self, environment: dict[str, str]) -> None:
        words = command(Settings.read(environment), "mysql+pymysql://mlflow@db/mlflow")
        assert words[:2] == ["mlflow", "server"]
        hosts = words[words.index("--allowed-hosts") + 1]
        assert hosts == "mlflow.internal,mlflow.internal:*,127.0.0.1,127.0.0.1:*"
        assert "--serve-artifacts" in words

    def test_nothing_is_told_to_anybody(self) -> None:
        assert ENVIRONMENT["MLFLOW_DISABLE_TELEMETRY"] == "true"
        assert ENVIRONMENT["DO_NOT_TRACK"] == "true"


class FakeCursor:
    """A cursor on a database that has tables or not, and a lock that is free or not."""

    def __init__(self, tables: list[bool], free: bool = True) -> None:
        self.tables = tables
        self.free = free
        self.said: list[str] = []

    def __enter__(self) -> "FakeCursor":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def execute(self, statement: str, arguments: object = None) -> None:
        self.said.append(statement.split("(", maxsplit=1)[0])

    def fetchone(self) -> tuple[object, ...] | None:
        if self.said[-1].startswith("SHOW"):
            return ("alembic_version",) if self.tables.pop(0) else None
        return (1,) if self.free else (0,)


class FakeConnection:
    def __init__(self, cursor: FakeCursor) -> None:
        self._cursor = cursor

    def __enter__(self) -> "FakeConnection":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def cursor(self) -> FakeCursor:
        return self._cursor


class TestFirstMigration:
    @pytest.fixture
    def ran(self, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
        commands: list[list[str]] = []

        def run(words: list[str], check: bool) -> None:
            commands.append(words)

        monkeypatch.setattr(subprocess, "run", run)
        return commands

    def database(self, monkeypatch: pytest.MonkeyPatch, cursor: FakeCursor) -> Database:
        monkeypatch.setattr(Database, "connect", lambda self: FakeConnection(cursor))
        return Database("u", "h", 1, "d", Path("o"))

    def test_an_empty_database_gets_its_tables_under_a_lock(
        self, monkeypatch: pytest.MonkeyPatch, ran: list[list[str]]
    ) -> None:
        cursor = FakeCursor([False, False])
        database = self.database(monkeypatch, cursor)
        assert ensure_schema(database) is True
        assert ran == [["mlflow", "db", "upgrade", database.uri]]
        assert cursor.said[1:] == [
            "SELECT GET_LOCK",
            "SHOW TABLES LIKE 'alembic_version'",
            "SELECT RELEASE_LOCK",
        ]

    def test_a_database_with_tables_is_left_alone(
        self, monkeypatch: pytest.MonkeyPatch, ran: list[list[str]]
    ) -> None:
        cursor = FakeCursor([True])
        assert ensure_schema(self.database(monkeypatch, cursor)) is False
        assert ran == []
        assert "SELECT GET_LOCK" not in cursor.said

    def test_the_second_of_two_tasks_finds_the_work_done(
        self, monkeypatch: pytest.MonkeyPatch, ran: list[list[str]]
    ) -> None:
        cursor = FakeCursor([False, True])
        assert ensure_schema(self.database(monkeypatch, cursor)) is False
        assert ran == []
        assert cursor.said[-1] == "SELECT RELEASE_LOCK"

    def test_a_lock_that_is_never_free_is_said(
        self, monkeypatch: pytest.MonkeyPatch, ran: list[list[str]]
    ) -> None:
        cursor = FakeCursor([False], free=False)
        with pytest.raises(DatabaseError, match="another task"):
            ensure_schema(self.database(monkeypatch, cursor))

    def test_a_failed_migration_gives_the_lock_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(words: list[str], check: bool) -> None:
            raise subprocess.CalledProcessError(1, words)

        monkeypatch.setattr(subprocess, "run", fail)
        cursor = FakeCursor([False, False])
        with pytest.raises(DatabaseError, match="failed"):
            ensure_schema(self.database(monkeypatch, cursor))
        assert cursor.said[-1] == "SELECT RELEASE_LOCK"

    def test_waits_for_the_database_and_then_says_why_not(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = iter(range(100))
        monkeypatch.setattr("time.monotonic", lambda: next(clock))

        def refuse(self: Database) -> Any:
            raise pymysql.OperationalError(2003, "refused")

        monkeypatch.setattr(Database, "connect", refuse)
        waits: list[float] = []
        with pytest.raises(DatabaseError, match="h:1 cannot be used"):
            ensure_schema(Database("u", "h", 1, "d", Path("o")), seconds=3, sleep=waits.append)
        assert waits == [1, 1, 1]
