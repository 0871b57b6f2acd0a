"""The connection to the database, whose password no process environment and no command holds."""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pymysql.cursors

PARTS = ("username", "password", "host", "port", "dbname")
"""What a secret of RDS has to say."""


class DatabaseError(Exception):
    """Why the database cannot be used."""


@dataclass(frozen=True)
class Database:
    """A database and the file that opens it.

    Parameters
    ----------
    host, port, name
        What is called.
    options
        A MySQL option file with user, password and certificates, which only this user can read.
        PyMySQL reads it at every new connection.
    """

    host: str
    port: int
    name: str
    options: Path

    @property
    def uri(self) -> str:
        """The address for SQLAlchemy, without user and password."""
        address = f"mysql+pymysql://{self.host}:{self.port}/{self.name}"
        return f"{address}?charset=utf8mb4&read_default_file={self.options}"

    def connect(self) -> "pymysql.Connection[Any]":
        """Open a connection over TLS, with the server's name checked."""
        return pymysql.connect(
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
    options = Path(tempfile.mkdtemp(prefix="mlflow-")) / "client.cnf"
    write_options(options, secret, certificates)
    return Database(secret["host"], int(secret["port"]), secret["dbname"], options)


def write_options(options: Path, secret: Mapping[str, Any], certificates: Path) -> bool:
    """Have an option file say what a secret does; whoever reads it meanwhile reads a whole one.

    Parameters
    ----------
    options
        The file.
    secret, certificates
        As for `open_database`.

    Returns
    -------
    bool
        Whether it said something else before, or nothing.

    Raises
    ------
    DatabaseError
        Where the secret lacks a part, or an option file cannot say it.
    """
    missing = [part for part in PARTS if not secret.get(part)]
    if missing:
        raise DatabaseError(f"the database's secret lacks {', '.join(missing)}")
    login = {"user": str(secret["username"]), "password": str(secret["password"])}
    unsayable = [name for name, value in login.items() if not value.isprintable()]
    if unsayable:
        raise DatabaseError(f"the {' and the '.join(unsayable)} of the secret cannot be written")
    said = "".join(f'{name} = "{value}"\n' for name, value in login.items())
    text = f"[client]\n{said}ssl-ca = {certificates}\n"
    if options.is_file() and options.read_text(encoding="utf-8") == text:
        return False
    # Nobody else can read what mkstemp makes.
    descriptor, name = tempfile.mkstemp(dir=options.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(options)
    return True


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


@contextmanager
def connected(
    database: Database, seconds: float = 60, sleep: Callable[[float], None] = time.sleep
) -> Iterator["pymysql.cursors.Cursor"]:
    """A cursor on the database, as soon as it answers; each statement is a transaction.

    Parameters
    ----------
    database
        The database.
    seconds
        How long to wait for it to answer.
    sleep
        Waits between two attempts.

    Raises
    ------
    DatabaseError
        Where it does not answer.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection = database.connect()
            break
        except pymysql.MySQLError as error:
            if time.monotonic() > deadline:
                address = f"{database.host}:{database.port}"
                raise DatabaseError(f"{address} cannot be used: {error}") from error
            sleep(1)
    with connection:
        connection.autocommit(True)
        with connection.cursor() as cursor:
            yield cursor
