"""Databases with snapshots that are taken and restored as RDS does: of the storage, as a whole."""

import json
import os
import secrets
import shlex
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
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
from tracking_server.database import open_database

PROGRAM = "EVIDENCE_MYSQLD"
USER = "mlflow"
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
    password
        Opens it.
    """

    folder: Path
    command: tuple[str, ...]
    password: str

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
        running = RunningDatabase(process, port, Snapshot(folder, command, self.password))
        process.wait_until(running.answers, START_SECONDS)
        return running


class RunningDatabase:
    """A database that runs, and the secret that opens it.

    Parameters
    ----------
    process
        Its process.
    port
        Where it listens, on 127.0.0.1.
    start
        Its files, how they were first run, and the password.

    Attributes
    ----------
    folder : pathlib.Path
        Its files.
    address : tracking_server.database.Database
        What the image opens it with, over TLS.
    secrets : str
        Address of a Secrets Manager that gives its secret to whoever asks.
    """

    def __init__(self, process: Process, port: int, start: Snapshot) -> None:
        self.process = process
        self.folder = start.folder
        self._start = start
        secret = {
            "username": USER,
            "password": start.password,
            "host": "127.0.0.1",
            "port": port,
            "dbname": MetadataDatabase.NAME,
        }
        self.address = open_database(secret, self.folder / "ca.pem")
        self._manager = secrets_manager(secret)
        self.secrets = f"http://127.0.0.1:{self._manager.server_port}"

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

    def revision(self) -> str:
        """The last revision that a migration finished."""
        ((revision,),) = self.ask("SELECT version_num FROM alembic_version")
        return str(revision)

    def columns(self, table: str) -> set[str]:
        """The columns of a table."""
        return {name for name, *_ in self.ask(f"SHOW COLUMNS FROM `{table}`")}

    def snapshot(self) -> Snapshot:
        """Stop it, and keep its files."""
        self.stop()
        return self._start

    def stop(self) -> None:
        """Stop it as a server is stopped: everything is written."""
        self._manager.shutdown()
        self._manager.server_close()
        self.process.stop(seconds=60)


def secrets_manager(secret: Mapping[str, Any]) -> ThreadingHTTPServer:
    """Start a Secrets Manager on 127.0.0.1 that holds one secret."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked = self.headers["X-Amz-Target"]
            answer = json.dumps({"SecretString": json.dumps(secret)}).encode()
            self.send_response(200 if asked == "secretsmanager.GetSecretValue" else 400)
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

    password = secrets.token_urlsafe(24)
    server = DatabaseServer(
        program,
        folder,
        folder.with_suffix(".log"),
        user=USER,
        password=password,
        database=MetadataDatabase.NAME,
        parameters=PARAMETERS | CHARACTERS,
        run=run,
    )
    (command,) = commands
    return RunningDatabase(server.process, server.port, Snapshot(folder, tuple(command), password))
