"""The connection to the database, whose password no process environment and no command holds."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pymysql

MIGRATION_LOCK = "mlflow-first-migration"
MIGRATION_SECONDS = 300


class DatabaseError(Exception):
    """Why the database cannot be used."""


@dataclass(frozen=True)
class Database:
    """A database and the file that opens it.

    Parameters
    ----------
    user, host, port, name
        What is called, and as whom.
    options
        A MySQL option file with the password and the certificates, which only this user can read.
        PyMySQL reads it at every new connection.
    """

    user: str
    host: str
    port: int
    name: str
    options: Path

    @property
    def uri(self) -> str:
        """The address for SQLAlchemy, without the password."""
        address = f"{quote(self.user)}@{self.host}:{self.port}/{self.name}"
        return f"mysql+pymysql://{address}?charset=utf8mb4&read_default_file={self.options}"

    def connect(self) -> "pymysql.Connection[Any]":
        """Open a connection over TLS, with the server's name checked."""
        return pymysql.connect(
            user=self.user,
            host=self.host,
            port=self.port,
            database=self.name,
            read_default_file=str(self.options),
        )


def open_database(secret: Mapping[str, Any], certificates: Path) -> Database:
    """Write the option file for a secret of RDS.

    Parameters
    ----------
    secret
        ``username``, ``password``, ``host``, ``port`` and ``dbname``.
    certificates
        What the server's certificate must come from.

    Raises
    ------
    DatabaseError
        Where the secret lacks a part, which is then named; its values never are.
    """
    missing = [
        part for part in ("username", "password", "host", "port", "dbname") if not secret.get(part)
    ]
    if missing:
        raise DatabaseError(f"the database's secret lacks {', '.join(missing)}")
    folder = Path(tempfile.mkdtemp(prefix="mlflow-"))
    options = folder / "client.cnf"
    descriptor = os.open(options, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f'[client]\npassword = "{secret["password"]}"\nssl-ca = {certificates}\n')
    return Database(
        str(secret["username"]), secret["host"], int(secret["port"]), secret["dbname"], options
    )


def read_secret(client: Any, arn: str) -> dict[str, Any]:
    """Read a secret that is JSON.

    Parameters
    ----------
    client
        A client of Secrets Manager.
    arn
        The secret.
    """
    value: dict[str, Any] = json.loads(client.get_secret_value(SecretId=arn)["SecretString"])
    return value


def ensure_schema(
    database: Database, *, seconds: float = 60, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """Create MLflow's tables where there are none, by one task at a time.

    An older schema is left as it is: MLflow then refuses to start and says so, as a migration is
    its own step. https://mlflow.org/docs/latest/self-hosting/migration/

    Parameters
    ----------
    database
        The database.
    seconds
        How long to wait for the database to answer.
    sleep
        Waits between two attempts.

    Returns
    -------
    bool
        Whether tables were created.

    Raises
    ------
    DatabaseError
        Where the database does not answer, or another task holds the migration for too long.
    """
    with _connected(database, seconds, sleep) as connection, connection.cursor() as cursor:
        if _has_tables(cursor):
            return False
        cursor.execute("SELECT GET_LOCK(%s, %s)", (MIGRATION_LOCK, MIGRATION_SECONDS))
        if cursor.fetchone() != (1,):
            raise DatabaseError(f"another task has been migrating for {MIGRATION_SECONDS} s")
        try:
            if _has_tables(cursor):
                return False
            subprocess.run(["mlflow", "db", "upgrade", database.uri], check=True)
            return True
        except subprocess.CalledProcessError as error:
            raise DatabaseError("'mlflow db upgrade' failed: its output is above") from error
        finally:
            cursor.execute("SELECT RELEASE_LOCK(%s)", (MIGRATION_LOCK,))


def _connected(
    database: Database, seconds: float, sleep: Callable[[float], None]
) -> "pymysql.Connection[Any]":
    """A connection, as soon as the database answers."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return database.connect()
        except pymysql.MySQLError as error:
            if time.monotonic() > deadline:
                address = f"{database.host}:{database.port}"
                raise DatabaseError(f"{address} cannot be used: {error}") from error
            sleep(1)


def _has_tables(cursor: Any) -> bool:
    cursor.execute("SHOW TABLES LIKE 'alembic_version'")
    return cursor.fetchone() is not None
