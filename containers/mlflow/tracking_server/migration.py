"""The two schemas, MLflow's and its access control's: where they stand, and bringing them up.

Only the one-off task before a deployment changes a schema, as the database's master user. The
server's own user cannot, and the server refuses to start on a schema that is not the image's.
"""

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import Enum
from importlib.util import find_spec
from pathlib import Path

import boto3
import pymysql
from pymysql.constants import ER
from pymysql.cursors import Cursor

from tracking_server.access import ACCESS_DATABASE
from tracking_server.database import (
    Database,
    DatabaseError,
    connected,
    open_database,
    read_secret,
)
from tracking_server.settings import ENVIRONMENT, Settings

LOCK = "mlflow-migration"
LOCK_SECONDS = 300

RIGHTS = "SELECT, INSERT, UPDATE, DELETE"
"""What the server may do with its tables, and all that it needs: it never changes one."""

GUIDE = "docs/upgrades.md"

OLD_STATUS, EMPTY_STATUS = 3, 4
"""How `check` ends where there is something to migrate, and to keep, and where there is nothing."""


class State(Enum):
    """Where a schema stands, seen from the image."""

    EMPTY = "not made yet"
    OLD = "older than the image"
    CURRENT = "current"
    UNKNOWN = "newer than the image, whose MLflow does not know that revision"


@dataclass(frozen=True)
class Chain:
    """MLflow's revisions of one schema.

    Parameters
    ----------
    title
        What the schema is called.
    table
        Where the revision that a database has reached is written down.
    folder
        Where the revisions are in MLflow's package.
    command
        What migrates it, as Python's module and words; the address follows.
    """

    title: str
    table: str
    folder: str
    command: tuple[str, ...]

    def revisions(self) -> tuple[str, frozenset[str]]:
        """The last revision of the installed MLflow, and all of them.

        They are read from the files: importing MLflow to ask it takes seconds.

        Raises
        ------
        DatabaseError
            Where the files do not end in one revision.
        """
        mlflow = find_spec("mlflow")
        origin = mlflow.origin if mlflow else None
        folder = Path(origin or "").parent / self.folder
        before = dict(_revision(path) for path in sorted(folder.glob("[!_]*.py")))
        older = {name for names in before.values() for name in names}
        heads = before.keys() - older
        if len(heads) != 1:
            raise DatabaseError(f"{folder} holds {len(heads)} last revisions, and not one")
        return heads.pop(), frozenset(before)


TRACKING = Chain(
    "MLflow's tables",
    "alembic_version",
    "store/db_migrations/versions",
    ("mlflow", "db", "upgrade"),
)
ACCESS = Chain(
    "the access tables",
    "alembic_version_auth",
    "server/auth/db/migrations/versions",
    ("mlflow.server.auth", "db", "upgrade", "--url"),
)


def _revision(path: Path) -> tuple[str, tuple[str, ...]]:
    """A revision, and those it comes after."""
    found = {
        target.id: ast.literal_eval(line.value)
        for line in ast.parse(path.read_bytes()).body
        if isinstance(line, ast.Assign)
        for target in line.targets
        if isinstance(target, ast.Name) and target.id in ("revision", "down_revision")
    }
    before = found["down_revision"] or ()
    return found["revision"], (before,) if isinstance(before, str) else tuple(before)


@dataclass(frozen=True)
class Schema:
    """A schema as it was found.

    Parameters
    ----------
    chain
        MLflow's revisions of it.
    database
        Name of its database.
    state
        Where it stands.
    found
        The revision it has reached, where one is written down.
    wanted
        The image's.
    """

    chain: Chain
    database: str
    state: State
    found: str | None
    wanted: str

    def __str__(self) -> str:
        return (
            f"{self.chain.title} are {self.state.value}: found {self.found or 'no revision'},"
            f" wanted {self.wanted}"
        )


def read_schemas(cursor: Cursor, name: str) -> tuple[Schema, Schema]:
    """Where both schemas stand.

    Parameters
    ----------
    cursor
        On the database's server, of a user who can read both.
    name
        MLflow's database.
    """
    return (
        _read_schema(cursor, TRACKING, name),
        _read_schema(cursor, ACCESS, ACCESS_DATABASE),
    )


def _read_schema(cursor: Cursor, chain: Chain, database: str) -> Schema:
    wanted, known = chain.revisions()
    cursor.execute(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", (database,)
    )
    tables = {name for (name,) in cursor.fetchall()}
    found = None
    if chain.table in tables:
        cursor.execute(f"SELECT version_num FROM {_name(database)}.{chain.table}")  # noqa: S608
        row = cursor.fetchone()
        found = str(row[0]) if row else None
    if found == wanted:
        state = State.CURRENT
    elif found:
        state = State.OLD if found in known else State.UNKNOWN
    else:
        state = State.OLD if tables - {chain.table} else State.EMPTY
    return Schema(chain, database, state, found, wanted)


def _name(name: str) -> str:
    """A name as MySQL takes it in a statement."""
    return "`" + name.replace("`", "``") + "`"


def require_current(database: Database) -> None:
    """See that a server of this image can work with the database; change nothing.

    Parameters
    ----------
    database
        The database, as the server opens it.

    Raises
    ------
    DatabaseError
        Where a schema is another than the image's, with what to do.
    """
    with connected(database) as cursor:
        schemas = read_schemas(cursor, database.name)
    _refuse_unknown(schemas)
    behind = [str(schema) for schema in schemas if schema.state is not State.CURRENT]
    if behind:
        raise DatabaseError(
            f"{'; '.join(behind)}. Deploy the Tracking stack, which migrates first, or run"
            f" 'tracking-server migrate' as {GUIDE} says"
        )


def _refuse_unknown(schemas: Sequence[Schema]) -> None:
    newer = [str(schema) for schema in schemas if schema.state is State.UNKNOWN]
    if newer:
        raise DatabaseError(
            f"{'; '.join(newer)}. There is no way down: deploy the image that made it, or put a"
            f" snapshot back as {GUIDE} says"
        )


def check(settings: Settings) -> int:
    """Say where both schemas stand.

    Parameters
    ----------
    settings
        Whose user looks: the master where the task has its secret, as the server's may not be yet.

    Returns
    -------
    int
        0 where both are the image's, 3 where there is something older, 4 where there is nothing.
    """
    arn = settings.master_secret_arn or settings.secret_arn
    secret = read_secret(boto3.client("secretsmanager"), arn)
    database = open_database(secret, settings.certificates)
    with connected(database) as cursor:
        schemas = read_schemas(cursor, database.name)
    _refuse_unknown(schemas)
    for schema in schemas:
        print(schema)
    states = {schema.state for schema in schemas}
    if states == {State.CURRENT}:
        return 0
    return EMPTY_STATUS if states == {State.EMPTY} else OLD_STATUS


def migrate(settings: Settings) -> int:
    """Make the access database and the server's user where they are missing, and migrate both.

    Parameters
    ----------
    settings
        Where the secrets of the master user and the server's user are.

    Raises
    ------
    DatabaseError
        Where a migration failed, with what was reached and what to do.
    """
    client = boto3.client("secretsmanager")
    master_secret = read_secret(client, settings.master_secret_arn)
    server_secret = read_secret(client, settings.secret_arn)
    master = open_database(master_secret, settings.certificates)
    server = open_database(server_secret, settings.certificates)
    with connected(master) as cursor, _locked(cursor), _undisturbed():
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {ACCESS_DATABASE} CHARACTER SET utf8mb4")
        if server_secret["username"] != master_secret["username"]:
            _ensure_user(cursor, server, server_secret["username"], server_secret["password"])
        schemas = read_schemas(cursor, master.name)
        _refuse_unknown(schemas)
        for schema in schemas:
            if schema.state is not State.CURRENT:
                _upgrade(cursor, schema, master)
    require_current(server)
    for schema in schemas:
        came = "" if schema.state is State.CURRENT else f", from {schema.found or 'nothing'}"
        print(f"{schema.chain.title} are at {schema.wanted}{came}")
    return 0


@contextmanager
def _locked(cursor: Cursor) -> Iterator[None]:
    """Be the only one who migrates; the lock ends with the connection, however that ends."""
    cursor.execute("SELECT GET_LOCK(%s, %s)", (LOCK, LOCK_SECONDS))
    if cursor.fetchone() != (1,):
        raise DatabaseError(f"another task has been migrating for {LOCK_SECONDS} s")
    try:
        yield
    finally:
        with suppress(pymysql.MySQLError):
            cursor.execute("SELECT RELEASE_LOCK(%s)", (LOCK,))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Go on when told to stop: a migration may then end before it is killed, and not half-way."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _ensure_user(cursor: Cursor, server: Database, user: str, password: str) -> None:
    """Make the server's user with its rights; set its password where it cannot log in."""
    cursor.execute(
        "CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s REQUIRE SSL", (user, password)
    )
    for name in (server.name, ACCESS_DATABASE):
        # In a grant, these two stand for other characters.
        pattern = _name(name.replace("_", r"\_").replace("%", r"\%")).replace("%", "%%")
        cursor.execute(f"GRANT {RIGHTS} ON {pattern}.* TO %s@'%%'", (user,))
    try:
        server.connect().close()
    except pymysql.OperationalError as error:
        if error.args[0] != ER.ACCESS_DENIED_ERROR:
            raise
        cursor.execute("ALTER USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL", (user, password))


def _upgrade(cursor: Cursor, schema: Schema, database: Database) -> None:
    """Run MLflow's own command, which opens connections of its own."""
    uri = replace(database, name=schema.database).uri
    result = subprocess.run(
        [sys.executable, "-m", *schema.chain.command, uri], env={**os.environ, **ENVIRONMENT}
    )
    if result.returncode == 0:
        return
    try:
        reached = _read_schema(cursor, schema.chain, schema.database).found or "no revision"
    except pymysql.MySQLError as error:
        reached = f"a revision that cannot be read: {error}"
    if schema.state is State.EMPTY:
        remedy = f"Nothing was in it: drop the database {schema.database}, make it anew, run again"
    else:
        remedy = (
            f"Running it again does not help: end what it left running and put the snapshot back,"
            f" as {GUIDE} says under 'A migration that failed, or was killed'"
        )
    raise DatabaseError(
        f"migrating {schema.chain.title} from {schema.found or 'nothing'} to {schema.wanted} failed"
        f" with status {result.returncode}, and its output is above: they are at {reached}, perhaps"
        f" with half of the next. {remedy}"
    )
