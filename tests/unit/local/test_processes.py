"""Programs of the local platform: real processes, small ones."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local.memory import Memory
from local.processes import Process, ProcessError
from local.servers import Server, answers
from tests.conftest import ROOT

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def running(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def test_memory_is_that_of_a_program_and_of_what_it_started(tmp_path: Path) -> None:
    """Two processes of 32 MiB of their own, in one session; and nothing of others."""
    held = "import time; held = bytearray(b'x' * (32 << 20)); print('held', flush=True); "
    python = f'{sys.executable} -c "{held}time.sleep(60)"'
    one, other = start(f"{python} & {python}", tmp_path), start("sleep 60", tmp_path / "other")
    try:
        assert eventually(lambda: one.log.read_text().count("held") == 2)
        memory = Memory()
        found = memory.of({one.pid, other.pid})
        assert 64 << 20 < found[one.pid] < 160 << 20
        assert 0 < found[other.pid] < 16 << 20
        assert memory.of({one.pid}) == {one.pid: found[one.pid]}
    finally:
        one.stop()
        other.stop()
    # Its leader was waited for, and what that started ends by itself.
    assert eventually(lambda: memory.of({one.pid}) == {})


def test_memory_that_grows_is_counted_anew(tmp_path: Path) -> None:
    more = tmp_path / "more"
    script = f"""
import pathlib, time
held = bytearray(b"x" * (32 << 20))
print("held", flush=True)
while not pathlib.Path({str(more)!r}).exists():
    time.sleep(0.02)
held += bytearray(b"x" * (64 << 20))
print("more", flush=True)
time.sleep(60)
"""
    process = Process([sys.executable, "-c", script], tmp_path / "log", ENVIRONMENT, tmp_path)
    memory = Memory()
    try:
        assert eventually(lambda: "held" in process.log.read_text())
        before = memory.of({process.pid})[process.pid]
        more.touch()
        assert eventually(lambda: "more" in process.log.read_text())
        assert memory.of({process.pid})[process.pid] > before + (60 << 20)
    finally:
        process.stop()


def start(script: str, folder: Path) -> Process:
    return Process(["sh", "-c", script], folder / "log", ENVIRONMENT, folder)


class TestProcess:
    def test_stops_its_whole_group(self, tmp_path: Path) -> None:
        process = start("sleep 60 & echo $! > child; sleep 60", tmp_path)
        child_file = tmp_path / "child"
        assert eventually(lambda: child_file.is_file() and child_file.stat().st_size > 1)
        child = int(child_file.read_text())
        process.stop()
        assert not process.running
        assert eventually(lambda: not running(child))

    def test_stops_what_will_not_end(self, tmp_path: Path) -> None:
        process = start("trap '' TERM; echo up; while true; do sleep 0.1; done", tmp_path)
        process.wait_until(lambda: "up" in process.last_words(), 5)
        process.stop(seconds=0.2)
        assert not process.running

    def test_may_be_stopped_twice(self, tmp_path: Path) -> None:
        process = start("sleep 60", tmp_path)
        process.stop()
        process.stop()

    def test_an_early_end_is_told_with_its_last_words(self, tmp_path: Path) -> None:
        process = start("echo no such model >&2; exit 7", tmp_path)
        with pytest.raises(ProcessError, match=r"ended with status 7: no such model"):
            process.wait_until(lambda: False, 5)

    def test_what_is_never_ready_is_stopped(self, tmp_path: Path) -> None:
        process = start("sleep 60", tmp_path)
        with pytest.raises(ProcessError, match="was not ready"):
            process.wait_until(lambda: False, 0.2)
        assert not process.running

    def test_has_no_environment_but_what_it_is_given(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SECRET_OF_THIS_MACHINE", "hidden")
        process = start("env", tmp_path)
        process.wait()
        assert "SECRET_OF_THIS_MACHINE" not in process.log.read_text()

    def test_ends_when_its_parent_is_killed(self, tmp_path: Path) -> None:
        """Nothing is left running, however the platform ends."""
        script = textwrap.dedent(f"""
            import sys, time
            sys.path.insert(0, {str(ROOT)!r})
            from pathlib import Path
            from local.processes import Process
            folder = Path({str(tmp_path)!r})
            process = Process(["sleep", "60"], folder / "log", {{}}, folder)
            print(process.pid, flush=True)
            time.sleep(60)
        """)
        parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        # Until it is the program itself, nothing ties it to its parent yet.
        name = Path(f"/proc/{child}/comm")
        assert eventually(lambda: name.read_text().strip() == "sleep")
        parent.kill()
        parent.wait()
        parent.stdout.close()
        assert eventually(lambda: not running(child))


@pytest.fixture
def server(tmp_path: Path) -> Server:
    def start(port: int) -> Process:
        command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
        return Process(command, tmp_path / "log", ENVIRONMENT, tmp_path)

    return Server("test", start, "/", seconds=10)


class TestServer:
    def test_is_ready_when_it_is_made(self, server: Server) -> None:
        assert server.port is not None
        assert answers(server.port, "/")
        server.stop()
        assert server.port is None

    def test_is_started_again_when_it_dies(self, server: Server) -> None:
        first = server.pid
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: server.pid != first and server.port is not None)
        assert answers(server.port or 0, "/")
        server.stop()

    def test_has_no_port_while_it_is_dead(self, tmp_path: Path) -> None:
        program = tmp_path / "once"
        program.write_text(
            f"#!/bin/sh\n[ -e {tmp_path}/ran ] && exit 1\ntouch {tmp_path}/ran\n"
            f"exec {sys.executable} -m http.server $1 --bind 127.0.0.1\n"
        )
        program.chmod(0o755)

        def start(port: int) -> Process:
            return Process([str(program), str(port)], tmp_path / "log", ENVIRONMENT, tmp_path)

        server = Server("once", start, "/", seconds=10)
        os.kill(server.pid, signal.SIGKILL)
        assert eventually(lambda: server.port is None)
        server.stop()

    def test_what_cannot_start_is_said(self, tmp_path: Path) -> None:
        def start(port: int) -> Process:
            return Process(["false"], tmp_path / "log", ENVIRONMENT, tmp_path)

        with pytest.raises(ProcessError, match="ended with status 1"):
            Server("never", start, "/", seconds=5)

    def test_an_answer_other_than_200_is_no_health(self, server: Server) -> None:
        assert server.port is not None
        assert not answers(server.port, "/nowhere")
        server.stop()
        assert not answers(1, "/")
