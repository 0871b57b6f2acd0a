"""Eight clients log while something fails: afterwards all that was acknowledged is there."""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local.database import ServerProgram
from tests.conftest import ROOT
from tests.evidence.database import RunningDatabase, create_database
from tests.evidence.programs import CURRENT, installed, prepare
from tests.evidence.service import Service, running
from tests.evidence.storage import Storage
from tests.evidence.writers import API, FILES, OF_MLFLOW, Ledger, Load, ask, authorization, load
from tracking_server.silence import ASKED_AFTER, SECONDS

AWAY = 3
"""Seconds that the database is away."""

REFUSED = 10
"""Seconds that S3 answers 503."""

ROTATIONS = 3
"""The third takes the password away that the first login had."""

AFTERWARDS = 50
"""Seconds within which every client has to write again: MLflow's waits 4, 8 and 16 s to retry."""

CLEAN = 60
"""Seconds within which no temporary file may be left: uvicorn waits 30 s for a dead process."""

NEWCOMER = {"username": "newcomer", "password": "not-seen-before-the-fault"}
"""Somebody whose login no process remembers."""

RECORD: tuple[str, str, Any] = ("POST", f"{API}/experiments/search", {"max_results": 1})
FILE: tuple[str, str, Any] = ("PUT", f"{FILES}/0/{'1' * 32}/artifacts/newcomer.txt", b"a few words")
"""What a newcomer tries."""

CUT_OFF = "Connection broken: IncompleteRead"
"""What MLflow's client says where the body of an answer does not come: the process was killed."""

UPLOADS = 8
LARGE = 20_000_000
"""Bytes that boto3 sends in several parts: it does from 8 MiB on."""


@pytest.fixture(scope="module")
def database(
    program: ServerProgram, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningDatabase]:
    folder = tmp_path_factory.mktemp("faults")
    database = create_database(program, folder / "database")
    database.held["newcomer's"] = NEWCOMER
    access = {"users": {NEWCOMER["username"]: {"secret": "newcomer's", "administrator": True}}}
    declared = {"ACCESS": json.dumps({**access, "teams": {}})}
    try:
        for word in ("migrate", "grant"):
            status, said = prepare(word, database, "s3://none/", folder, declared)
            assert status == 0, said
        yield database
    finally:
        database.stop()


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    storage = Storage(tmp_path_factory.mktemp("storage"))
    yield storage
    storage.stop()


@pytest.fixture(scope="module")
def service(
    database: RunningDatabase, storage: Storage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """One service for all faults but the rotation: it has to get over each of them."""
    with running(database, storage, tmp_path_factory.mktemp("service")) as service:
        yield service


class Fault:
    """What is printed of a fault, and what has to be true after each.

    Parameters
    ----------
    name
        What it is called.
    service
        What it happens to.
    say
        Prints a line.
    """

    def __init__(self, name: str, service: Service, say: Callable[[str], None]) -> None:
        service.wait()
        self._name, self._service, self._say = name, service, say
        self._database = service.database.version()
        self._files = service.temporary_files()

    def check(self, clients: Load, over: float, also: str = "") -> Ledger:
        """Wait until all clients write again, and read all that was acknowledged.

        Parameters
        ----------
        clients
            The clients.
        over
            When the fault was over.
        also
            What else to print of it.
        """
        again = clients.all_write_after(over, AFTERWARDS)
        ledger = clients.stop()
        acknowledged, found = ledger.facts(), ledger.found()
        lost = acknowledged - found
        writes = ledger.acknowledged()
        self._say(f"{self._database}: {self._name}: {writes.total()} acknowledged:")
        self._say(f"  {_counts(writes)}")
        self._say(f"  not acknowledged: {_counts(ledger.errors()) or 'none'}{also}")
        self._say(
            f"  no record acknowledged for {ledger.longest_silence(files=False):.1f} s at most, no"
            f" file for {ledger.longest_silence(files=True):.1f} s; when it was over, each client"
            f" had written each kind again after {again:.1f} s"
        )
        self._say(f"  {len(acknowledged)} values and files acknowledged, {len(lost)} lost")
        assert lost == set(), sorted(lost, key=str)[:5]
        gone = self._no_file_is_left() - over
        self._say(f"  no temporary file left, {gone:.1f} s after it was over")
        return ledger

    def _no_file_is_left(self) -> float:
        """Wait until none is; when none was seen."""
        deadline = time.monotonic() + CLEAN
        while left := {
            task: new
            for task, files in self._service.temporary_files().items()
            if (new := files - self._files.get(task, files))
        }:
            assert time.monotonic() < deadline, left
            time.sleep(0.1)
        return time.monotonic()


def test_a_task_is_killed(service: Service, tmp_path: Path, say: Callable[[str], None]) -> None:
    fault = Fault("task killed", service, say)
    with load(service.port, tmp_path) as clients:
        killed = time.monotonic()
        service.kill(service.tasks[0])
        # There is but one, until another takes its place.
        clients.all_write_after(killed, AFTERWARDS)
        service.wait()
        replaced = time.monotonic()
        also = f"; another task took its place after {replaced - killed:.1f} s"
        ledger = fault.check(clients, replaced, also)
    # The write that was on its way, and what the balancer sent there before it knew.
    for client in clients.plain:
        assert ledger.errors(client.name).total() <= 3, ledger.errors(client.name)
    _mlflow_gave_up_nothing_else(ledger)


@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGTERM, id="stopped"), pytest.param(signal.SIGKILL, id="killed")],
)
def test_the_database_is_started_again(
    number: signal.Signals,
    service: Service,
    database: RunningDatabase,
    tmp_path: Path,
    say: Callable[[str], None],
) -> None:
    fault = Fault(f"database ended by {number.name}, away for {AWAY} s", service, say)
    with load(service.port, tmp_path) as clients:
        with database.away(number):
            time.sleep(AWAY)
            refused = [ask(service.port, *what, NEWCOMER)[0] for what in (RECORD, FILE)]
        ledger = fault.check(clients, time.monotonic())
    # Not 401, which says that the password is wrong, and which MLflow's client does not retry.
    assert refused == [503, 503]
    assert {error.split()[1] for error in ledger.errors()} == {"503"}
    assert ledger.errors(*OF_MLFLOW) == {}


def test_the_databases_machine_is_gone(tmp_path: Path, say: Callable[[str], None]) -> None:
    """Nobody closes its connections, and new ones lead to another. Not under load: one of each."""
    lacks = [name for name in ("unshare", "ip", "iptables") if not shutil.which(name)]
    if lacks or os.geteuid():
        pytest.skip(f"needs root, for a network that falls silent, and {lacks or 'nothing else'}")
    packages = installed(CURRENT).programs.parent.glob("lib/python*/site-packages")
    words = ["-m", "tests.evidence.silence", str(tmp_path), *map(str, packages)]
    result = subprocess.run(
        ["unshare", "--net", sys.executable, *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=4 * SECONDS,
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    say(f"database's machine gone: {found['waiting']:.0f} s of waiting for an answer,")
    say(f"  {found['asking']:.0f} s after a question; a new connection is answered")
    for what in ("waiting", "asking"):
        assert SECONDS - 1 < found[what] < SECONDS + ASKED_AFTER
    assert found["afterwards"] == [[1, [[1]]]]


def test_secrets_are_rotated(
    database: RunningDatabase, storage: Storage, tmp_path: Path, say: Callable[[str], None]
) -> None:
    # A second, so that this test sees what takes five minutes and an hour otherwise.
    short = {"DATABASE_SECRET_SECONDS": "1", "DATABASE_CONNECTION_SECONDS": "1"}
    with running(database, storage, tmp_path, **short) as service:
        fault = Fault(f"secret rotated {ROTATIONS} times", service, say)
        with load(service.port, tmp_path) as clients:
            for _ in range(ROTATIONS):
                database.rotate()
                time.sleep(3)
            ledger = fault.check(clients, time.monotonic())
        noticed = service.logs().count("login has changed")
    assert noticed >= ROTATIONS, noticed
    assert ledger.errors() == {}


def test_s3_refuses(
    service: Service, storage: Storage, tmp_path: Path, say: Callable[[str], None]
) -> None:
    fault = Fault(f"S3 answers 503 for {REFUSED} s", service, say)
    with load(service.port, tmp_path) as clients:
        before = storage.refused
        with storage.refusing():
            time.sleep(REFUSED)
        also = f"; S3 answered 503 to {storage.refused - before} requests"
        ledger = fault.check(clients, time.monotonic(), also)
    assert storage.refused > before
    assert set(ledger.errors()) <= {"file 503"}
    assert ledger.errors(*OF_MLFLOW) == {}


@pytest.mark.parametrize("how", ["closed", "reset", "chunked"])
def test_an_upload_is_cut_off(
    how: str, service: Service, storage: Storage, tmp_path: Path, say: Callable[[str], None]
) -> None:
    fault = Fault(f"{UPLOADS} uploads cut off half-way ({how})", service, say)
    with load(service.port, tmp_path) as clients:
        path = f"{clients.experiment}/{'0' * 32}/artifacts/half.bin"
        uploads = [_begin_upload(service.port, path, how == "chunked") for _ in range(UPLOADS)]
        time.sleep(1)
        for upload in uploads:
            _end_upload(upload, reset=how == "reset")
        ledger = fault.check(clients, time.monotonic())
    assert ledger.errors() == {}
    _is_not_there(path, service, storage)


@pytest.mark.parametrize("where", ["while it receives", "while it stores"])
def test_a_task_is_killed_at_an_upload(
    where: str, service: Service, storage: Storage, tmp_path: Path, say: Callable[[str], None]
) -> None:
    fault = Fault(f"task killed {where} a file", service, say)
    with load(service.port, tmp_path) as clients:
        path = f"{clients.experiment}/{'0' * 32}/artifacts/half.bin"
        task = service.tasks[0]
        assert task.port
        # Where the whole file has come, S3 has its first part, and the second waits.
        with storage.holding(lambda asked: "partNumber=2" in asked) as waits:
            upload = _begin_upload(task.port, path)
            if where == "while it stores":
                upload.sendall(bytes(LARGE - LARGE // 2))
                assert waits.wait(30)
            else:
                time.sleep(1)
            killed = time.monotonic()
            service.kill(task)
        upload.close()
        ledger = fault.check(clients, killed)
    _mlflow_gave_up_nothing_else(ledger)
    _is_not_there(path, service, storage)


def test_a_process_of_a_task_is_killed_at_an_upload(
    service: Service, storage: Storage, tmp_path: Path, say: Callable[[str], None]
) -> None:
    """As where memory is short. The task goes on, and so does its folder for temporary files."""
    fault = Fault("one process of a task killed while it receives a file", service, say)
    with load(service.port, tmp_path) as clients:
        path = f"{clients.experiment}/{'0' * 32}/artifacts/half.bin"
        task = service.tasks[0]
        before = task.pid
        assert task.port
        upload = _begin_upload(task.port, path)
        time.sleep(1)
        killed = time.monotonic()
        os.kill(service.process_that_has(task, "half.bin"), signal.SIGKILL)
        upload.close()
        ledger = fault.check(clients, killed)
    assert task.pid == before
    _mlflow_gave_up_nothing_else(ledger)
    _is_not_there(path, service, storage)


def _mlflow_gave_up_nothing_else(ledger: Ledger) -> None:
    """See that each of MLflow's clients gave up what it got half an answer to, and nothing else.

    They try again what had no answer at all.
    """
    for name in OF_MLFLOW:
        errors = ledger.errors(name)
        assert errors.total() <= 1, errors
        assert all(CUT_OFF in error for error in errors), errors


def _is_not_there(path: str, service: Service, storage: Storage) -> None:
    """See that a file has not even half a content."""
    assert path not in storage.names()
    assert ask(service.port, "GET", f"{FILES}/{path}")[0] == 404


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {what}" for what, number in sorted(counted.items()))


def _begin_upload(port: int, path: str, chunked: bool = False) -> socket.socket:
    """Send the first half of a file."""
    size = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {LARGE}"
    (login,) = authorization().values()
    upload = socket.create_connection(("127.0.0.1", port), 30)
    upload.sendall(
        f"PUT {FILES}/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {login}\r\n"
        f"{size}\r\n\r\n".encode()
    )
    half = bytes(LARGE // 2)
    upload.sendall(f"{len(half):x}\r\n".encode() + half + b"\r\n" if chunked else half)
    return upload


def _end_upload(upload: socket.socket, reset: bool) -> None:
    """Go away, politely or not."""
    if reset:
        # https://man7.org/linux/man-pages/man7/socket.7.html: lingering for no time resets.
        upload.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    upload.close()
