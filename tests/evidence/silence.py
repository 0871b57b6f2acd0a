"""A database whose machine is gone: what was open gets no answer, and new connections do.

Runs in a network of its own, which it makes silent:
``unshare --net python -m tests.evidence.silence <folder> <packages of the image>``.
Prints what came of the connections, as JSON.
"""

import json
import site
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pymysql

from tests.evidence.database import create_database, server_program
from tracking_server.connections import Connections, ask, opener
from tracking_server.silence import give_up_on_silence


def main() -> None:
    """Do as the command line says."""
    # What the tests have installed comes first, and SQLAlchemy is not among it.
    site.addsitedir(sys.argv[2])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    database = create_database(server_program("installed"), Path(sys.argv[1]) / "database")
    try:
        give_up_on_silence()
        connections = Connections(opener(database.address.uri), 2)
        with (
            connections.lent() as waiting,
            connections.lent() as asking,
            ThreadPoolExecutor() as pool,
        ):
            # One waits for an answer by then, and the other asks when it is too late.
            slow = pool.submit(_seconds, waiting, "SELECT SLEEP(300)")
            time.sleep(1)
            for connection in (waiting, asking):
                _silence(connection._sock)
            fast = pool.submit(_seconds, asking, "SELECT 1")
            found: dict[str, Any] = {"waiting": slow.result(), "asking": fast.result()}
        with connections.lent() as connection:
            found["afterwards"] = ask(connection, "SELECT 1")
    finally:
        database.stop()
    print(json.dumps(found))


def _seconds(connection: "pymysql.Connection[pymysql.cursors.Cursor]", statement: str) -> float:
    """How long a statement takes until it fails."""
    started = time.monotonic()
    try:
        ask(connection, statement)
    except pymysql.OperationalError:
        return time.monotonic() - started
    raise AssertionError("it was answered")


def _silence(connection: socket.socket) -> None:
    """Have nothing come through any more, in either direction."""
    own, theirs = (str(end[1]) for end in (connection.getsockname(), connection.getpeername()))
    for source, to in ((own, theirs), (theirs, own)):
        rule = ["--protocol", "tcp", "--source-port", source, "--destination-port", to]
        subprocess.run(["iptables", "--append", "OUTPUT", *rule, "--jump", "DROP"], check=True)


if __name__ == "__main__":
    main()
