"""The running server is as confined as its task definition says, and ends as ECS asks it to."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.database import ServerProgram
from local.processes import Process
from local.servers import answers
from local.state import free_port
from tests.evidence.containers import Container, confinement, find_image
from tests.evidence.database import LOGIN, RunningDatabase, create_database
from tests.evidence.programs import FILES, SCRATCH, START_SECONDS, prepare, run_in_image
from tracking_server.server import OPTIONS
from tracking_server.settings import ENVIRONMENT

GRACE_SECONDS = 20
USER = "10001"
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
RUN = {"experiment_id": "0", "start_time": 1}
READ_ONLY = ("/", "/etc", "/home", "/opt/venv", "/run", "/usr/local/bin", "/var/lib")
WAITING = (
    "SELECT ID FROM information_schema.PROCESSLIST"
    " WHERE STATE LIKE '%%lock%%' AND INFO LIKE '%%runs%%'"
)
"""Sessions that wait for the table of runs."""

OWN = ("/dev", "/proc", "/sys")
"""What the kernel and the engine keep for themselves."""


@dataclass(frozen=True)
class Running:
    """A server that answers.

    Parameters
    ----------
    process
        Its container, or its process.
    database
        Its database.
    port
        Where it listens, on 127.0.0.1.
    """

    process: Process
    database: RunningDatabase
    port: int


@pytest.fixture(scope="module")
def server(program: ServerProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("container")
    files = folder / "files"
    database = create_database(program, folder / "database")
    try:
        for word in ("migrate", "grant"):
            status, said = prepare(word, database, files, folder)
            assert status == 0, said
        port = free_port()
        process = run_in_image(["tracking-server"], database, files, folder / "server", port=port)
        try:
            process.wait_until(lambda: answers(port, "/health"), START_SECONDS)
            yield Running(process, database, port)
        finally:
            process.stop()
    finally:
        database.stop()


@pytest.fixture
def container(server: Running) -> Container:
    if not isinstance(server.process, Container):
        pytest.skip(f"a process is not confined: {find_image()[1]}")
    return server.process


def call(port: int, path: str, body: Any) -> int:
    """The status that the API answers the administrator with."""
    pair = b64encode(f"{LOGIN['username']}:{LOGIN['password']}".encode()).decode()
    headers = {"Authorization": f"Basic {pair}", "Content-Type": "application/json"}
    address = f"http://127.0.0.1:{port}/api/2.0/mlflow/{path}"
    asked = urllib.request.Request(address, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def processes(container: Container) -> list[Path]:
    """The folders in /proc of a container's processes."""
    space = Path(f"/proc/{container.pid}/ns/pid").readlink()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "ns" / "pid").readlink() == space:
                found.append(folder)
        except OSError:
            continue  # it ended meanwhile
    return found


def status(process: Path) -> dict[str, str]:
    lines = (process / "status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_every_process_is_a_user_without_rights(container: Container) -> None:
    found = [status(process) for process in processes(container)]
    # The engine's own first process, the one that starts the others, and two that serve.
    assert len(found) >= 4
    for process in found:
        assert {*process["Uid"].split(), *process["Gid"].split()} == {USER}, process["Name"]
        assert {int(process[name], 16) for name in CAPABILITIES} == {0}, process["Name"]
        assert process["NoNewPrivs"] == "1", process["Name"]
        assert process["Seccomp"] == "2", process["Name"]


def test_nothing_is_writable_but_the_scratch_volume_and_the_files(container: Container) -> None:
    for folder in READ_ONLY:
        tried = container.run("touch", f"{folder}/written")
        assert "Read-only file system" in tried.stderr, (folder, tried)
    assert container.run("touch", f"{SCRATCH}/written").returncode == 0
    mounts = Path(f"/proc/{container.pid}/mountinfo").read_text().splitlines()
    writable = {
        words[4]
        for words in map(str.split, mounts)
        if "rw" in words[5].split(",") and not words[4].startswith(OWN)
    }
    assert writable == {SCRATCH, FILES}


def test_a_volume_takes_its_mode_from_the_image(tmp_path: Path) -> None:
    """As on Fargate, where nobody makes it writable beforehand."""
    image, ran = find_image()
    if image is None:
        pytest.skip(f"a process has no volume: {ran}")
    options = [*confinement(image.engine, "local"), "--network=host"]
    words = ["touch", f"{SCRATCH}/written"]
    container = Container(image, words, tmp_path / "log", options, {})
    assert container.wait() == 0, container.last_words()


def test_no_secret_is_in_an_environment_or_a_command_line(
    container: Container, server: Running
) -> None:
    hidden = {
        value
        for secret in server.database.held.values()
        for name, value in secret.items()
        if name in ("password", "key")
    }
    assert len(hidden) == 4
    for process in processes(container):
        for name in ("environ", "cmdline"):
            said = (process / name).read_bytes().decode()
            assert said
            assert not [secret for secret in hidden if secret in said], (process, name)


def serving(container: Container) -> set[Path]:
    """Those of its processes that are MLflow's."""
    return {
        process
        for process in processes(container)
        if b"tracking_server.workers" in (process / "cmdline").read_bytes()
    }


def test_mlflow_is_told_to_report_to_nobody(container: Container) -> None:
    found = serving(container)
    assert len(found) == 3
    for process in found:
        said = (process / "environ").read_text().split("\0")
        assert {f"{name}={value}" for name, value in ENVIRONMENT.items()} <= set(said)


def test_a_process_that_dies_is_replaced(container: Container, server: Running) -> None:
    before = serving(container)
    died = max(before, key=lambda process: int(process.name))
    os.kill(int(died.name), signal.SIGKILL)
    # One that dies while it is asked whether it lives is waited for: server.py says how long.
    asked = int(OPTIONS["timeout-worker-healthcheck"])
    wait_until(lambda: len(serving(container) - {died}) == len(before), 2 * asked)
    wait_until(lambda: answers(server.port, "/health"))
    for _ in range(10):
        assert call(server.port, "runs/create", RUN) == 200


def test_what_is_under_way_is_finished_before_the_end(
    server: Running, say: Callable[[str], None]
) -> None:
    process, database = server.process, server.database
    with (
        database.address.connect() as holder,
        holder.cursor() as cursor,
        ThreadPoolExecutor(2) as pool,
    ):
        cursor.execute("LOCK TABLES runs WRITE")
        request = pool.submit(call, server.port, "runs/create", RUN)
        wait_until(lambda: request.done() or bool(database.ask(WAITING)))
        assert not request.done(), request.result()
        started = time.monotonic()
        ended = pool.submit(process.stop, 2 * GRACE_SECONDS)
        wait_until(lambda: not answers(server.port, "/health"))
        assert process.running
        assert not request.done()
        cursor.execute("UNLOCK TABLES")
        assert request.result() == 200
        ended.result()
    seconds = time.monotonic() - started
    assert seconds < GRACE_SECONDS
    assert process.wait() == 0, process.last_words()
    say(f"told to stop, the server finished a call and ended with 0 after {seconds:.1f} s")


def wait_until(ready: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)
