"""Databases with snapshots that are taken and restored as RDS does: of the storage, as a whole."""

import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pymysql
import pytest

from local.database import START_SECONDS, DatabaseServer, ServerProgram, find_server
from local.processes import Process
from local.state import free_port
from mlops_constructs.metadata_database import PARAMETERS, MetadataDatabase
from rotator.accounts import Server
from rotator.secrets import Login
from tracking_server.database import Database, open_database

PROGRAM = "EVIDENCE_MYSQLD"
MASTER, SERVER, ADMINISTRATOR = "the master's", "the server's", "the administrator's"
SESSION = "the sessions'"
"""Names of the secrets that the image is given."""

LOGIN = {"username": "administrator", "password": secrets.token_urlsafe(24)}
"""What clients log in to MLflow with; MLflow's of before access control do not ask."""

USERS = {MASTER: "mlflow", SERVER: "mlflow_server"}
"""The users of the database; an older deployment has but the first, and its server is that."""

CHARACTERS = {"character_set_server": "utf8mb4"}
"""What MySQL 8.4 does by itself, and MariaDB 10 does not."""


def server_program(which: str) -> ServerProgram:
    """What to run: this machine's own server, or the one that EVIDENCE_MYSQLD names."""
    if which == "installed":
        found = find_server()
        if found.kind == "container":
            pytest.skip("a snapshot is a copy of the data folder, which a container keeps")
        return found
    command = shlex.split(os.environ.get(PROGRAM, ""))
    if not command:
        pytest.skip(f"{PROGRAM} names no second server, such as a newer mysqld")
    said = subprocess.run(
        [*command, "--no-defaults", "--version"], capture_output=True, text=True, check=True
    ).stdout
    version = said.partition("Ver ")[2].partition(" ")[0].partition("-")[0]
    if "MariaDB" in said:
        return ServerProgram("mariadb", tuple(command), f"MariaDB {version}")
    return ServerProgram("mysql", tuple(command), f"MySQL {version}")


@dataclass(frozen=True)
class Snapshot:
    """The files of a database that was stopped, and how it was run.

    Parameters
    ----------
    folder
        Its files.
    command
        How it was started on them.
    passwords
        The passwords that its users have, by the name of their secret.
    """

    folder: Path
    command: tuple[str, ...]
    passwords: Mapping[str, str]

    def restore(self, folder: Path) -> "RunningDatabase":
        """Start a new database on a copy of the files.

        Parameters
        ----------
        folder
            Where the copy goes.
        """
        shutil.copytree(self.folder, folder)
        port = free_port()
        words = tuple(
            word.replace(str(self.folder), str(folder))
            for word in self.command
            if not word.startswith(("--port=", "--init-file="))
        )
        command = (*words, f"--port={port}")
        log = folder.with_suffix(".log")
        process = Process(command, log, {"PATH": os.environ["PATH"]}, folder)
        running = RunningDatabase(process, port, Snapshot(folder, command, self.passwords))
        process.wait_until(running.answers, START_SECONDS)
        return running


class RunningDatabase:
    """A database that runs, and the secrets that open it.

    Parameters
    ----------
    process
        Its process.
    port
        Where it listens, on 127.0.0.1.
    start
        Its files, how they were first run, and the passwords.

    Attributes
    ----------
    folder : pathlib.Path
        Its files.
    held : dict
        The secrets, by name. Whoever changes one rotates it.
    secrets : str
        Address of a Secrets Manager that gives them to whoever asks.
    address : tracking_server.database.Database
        What the master user opens it with, over TLS.
    """

    def __init__(self, process: Process, port: int, start: Snapshot) -> None:
        self.process = process
        self.folder = start.folder
        self._start = start
        where = {"host": "127.0.0.1", "port": port, "dbname": MetadataDatabase.NAME}
        self.held: dict[str, dict[str, Any]] = {
            name: {"username": USERS[name], "password": password, **where}
            for name, password in start.passwords.items()
        }
        self.held |= {ADMINISTRATOR: LOGIN, SESSION: {"key": secrets.token_urlsafe(24)}}
        self.address = self.opened(MASTER)
        self._manager = secrets_manager(self.held)
        self.secrets = f"http://127.0.0.1:{self._manager.server_port}"

    def opened(self, name: str) -> Database:
        """What the user of a secret opens it with."""
        return open_database(self.held[name], self.folder / "ca.pem")

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            self.address.connect().close()
        except pymysql.MySQLError:
            return False
        return True

    def ask(self, statement: str, *values: object) -> tuple[tuple[Any, ...], ...]:
        """The rows that answer a statement."""
        with self.address.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return tuple(cursor.fetchall())

    def version(self) -> str:
        """What its server says of itself."""
        ((version,),) = self.ask("SELECT VERSION()")
        return str(version)

    def revision(self) -> str:
        """The last revision that a migration finished."""
        ((revision,),) = self.ask("SELECT version_num FROM alembic_version")
        return str(revision)

    def structure(self) -> tuple[tuple[Any, ...], ...]:
        """Every column of every table of every database of ours."""
        return self.ask(
            "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE"
            " FROM information_schema.COLUMNS WHERE TABLE_SCHEMA LIKE 'mlflow%%'"
            " ORDER BY 1, 2, ORDINAL_POSITION"
        )

    def snapshot(self) -> Snapshot:
        """Stop it, and keep its files."""
        self.stop()
        return self._start

    @contextmanager
    def away(self, number: signal.Signals) -> Iterator[None]:
        """End its process, and start it again afterwards, on the same files and port.

        Parameters
        ----------
        number
            What it is told: SIGTERM stops it, SIGKILL ends it as a failing machine does.
        """
        os.killpg(self.process.pid, number)
        self.process.wait()
        try:
            yield
        finally:
            words = [word for word in self._start.command if not word.startswith("--init-file=")]
            environment = {"PATH": os.environ["PATH"]}
            self.process = Process(words, self.process.log, environment, self.folder)
            self.process.wait_until(self.answers, START_SECONDS)

    def rotate(self) -> None:
        """Rotate the secret of the server's users, as the platform's function does."""
        server = Server(str(self.folder / "ca.pem"))
        current = Login({**self.held[SERVER], "masterarn": MASTER})
        pending = current.successor(secrets.token_urlsafe(24))
        server.make(pending, server.account(current), Login(self.held[MASTER]))
        server.check(pending)
        self.held[SERVER] = dict(pending.values)

    def stop(self) -> None:
        """Stop it as a server is stopped: everything is written."""
        self._manager.shutdown()
        self._manager.server_close()
        self.process.stop(seconds=60)


def secrets_manager(held: Mapping[str, Mapping[str, Any]]) -> ThreadingHTTPServer:
    """Start a Secrets Manager on 127.0.0.1 that holds secrets, by name."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            target = self.headers["X-Amz-Target"]
            answer = json.dumps({"SecretString": json.dumps(held[asked["SecretId"]])}).encode()
            self.send_response(200 if target == "secretsmanager.GetSecretValue" else 400)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    manager = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=manager.serve_forever, daemon=True).start()
    return manager


def create_database(program: ServerProgram, folder: Path) -> RunningDatabase:
    """Start an empty database with the parameters that the stacks declare.

    Parameters
    ----------
    program
        What to run.
    folder
        Where its files go.
    """
    commands: list[Sequence[str]] = []

    def run(
        command: Sequence[str], log: Path, environment: Mapping[str, str], where: Path
    ) -> Process:
        commands.append(command)
        return Process(command, log, environment, where)

    passwords = {name: secrets.token_urlsafe(24) for name in USERS}
    server = DatabaseServer(
        program,
        folder,
        folder.with_suffix(".log"),
        user=USERS[MASTER],
        password=passwords[MASTER],
        database=MetadataDatabase.NAME,
        parameters=PARAMETERS | CHARACTERS,
        run=run,
    )
    (command,) = commands
    return RunningDatabase(server.process, server.port, Snapshot(folder, tuple(command), passwords))
