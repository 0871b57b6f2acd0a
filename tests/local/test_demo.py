"""`python -m local demo`, from outside: what it prints, how it ends, what it leaves."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.state import StateFolder
from tests.conftest import ROOT
from tests.local.conftest import processes_naming

INTERRUPTED = 130


class Demo:
    """A demo that runs, with what it has printed so far."""

    def __init__(self, state: Path, *options: str, path: str | None = None) -> None:
        self.state = state
        self.printed = ""
        self._output = (state.parent / f"{state.name}.output").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local", "demo", "--state", str(state), *options],
            cwd=ROOT,
            env={
                **os.environ,
                "PATH": path or os.environ["PATH"],
                # An account of this machine's, and a proxy, which are none of the demo's business.
                "AWS_PROFILE": "somebody-elses",
                "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
                "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
                "HTTP_PROXY": "http://127.0.0.1:9",
                "http_proxy": "http://127.0.0.1:9",
            },
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait_for(self, text: str, seconds: float) -> None:
        """Wait until it has printed a text."""
        deadline = time.monotonic() + seconds
        while text not in self._read():
            assert self.process.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.1)

    def wait(self, seconds: float) -> int:
        """Wait until it ends; its exit status."""
        status = self.process.wait(seconds)
        self._read()
        return status

    def end(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        self._output.close()

    def _read(self) -> str:
        self._output.seek(0)
        self.printed = self._output.read().decode()
        return self.printed


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def demos() -> Iterator[list[Demo]]:
    started: list[Demo] = []
    yield started
    for demo in started:
        demo.end()


def nothing_left(state: Path) -> bool:
    """Whether everything that ran in a state folder has ended, the last within a moment."""
    deadline = time.monotonic() + 10
    while processes_naming(str(state)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not processes_naming(str(state))


def test_shows_the_answer_and_the_parts_and_stays_until_ctrl_c(
    state: Path, demos: list[Demo]
) -> None:
    demo = Demo(state)
    demos.append(demo)
    demo.wait_for("Ctrl-C stops the platform", seconds=300)
    assert "Iris-Setosa" in demo.printed
    for part in ("Network", "Database (RDS)", "MLflow (Fargate, NLB)", "Endpoint iris", "API"):
        assert part in demo.printed
    assert "Emulated, or not here" in demo.printed
    assert "MLflow UI: http://127.0.0.1:" in demo.printed

    # A second demo beside the first is told so, and the first goes on.
    second = Demo(state)
    demos.append(second)
    assert second.wait(60) == 1
    assert "already runs" in second.printed
    assert demo.process.poll() is None

    demo.process.send_signal(signal.SIGINT)
    assert demo.wait(60) == 0
    assert "Nothing is left running" in demo.printed
    assert nothing_left(state)


def test_ctrl_c_in_the_middle_leaves_nothing(state: Path, demos: list[Demo]) -> None:
    demo = Demo(state, "--no-keep")
    demos.append(demo)
    demo.wait_for("… cdk deploy: Network", seconds=120)
    log = state / "run" / "logs" / "cdk.log"
    deadline = time.monotonic() + 60
    while "AWS::RDS::DBInstance" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    demo.process.send_signal(signal.SIGINT)
    assert demo.wait(60) == INTERRUPTED
    assert "Interrupted. Nothing is left running." in demo.printed
    assert "Traceback" not in demo.printed
    assert nothing_left(state)


def test_a_killed_demo_leaves_nothing(state: Path, demos: list[Demo]) -> None:
    demo = Demo(state, "--no-keep")
    demos.append(demo)
    demo.wait_for("… cdk deploy: Network", seconds=120)
    demo.process.kill()
    assert nothing_left(state)
    with StateFolder(state).owned():
        pass


def test_a_busy_port_is_said(state: Path, demos: list[Demo]) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        demo = Demo(state, "--port", str(port))
        demos.append(demo)
        assert demo.wait(60) == 1
    assert f"Port {port} of 127.0.0.1 cannot be used" in demo.printed
    assert "Traceback" not in demo.printed
    assert nothing_left(state)


def test_no_node_is_said(state: Path, demos: list[Demo], tmp_path: Path) -> None:
    demo = Demo(state, path=str(tmp_path))
    demos.append(demo)
    assert demo.wait(60) == 1
    assert "Node or the cdk CLI is not on the PATH" in demo.printed
    assert "Traceback" not in demo.printed


def test_help() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "local", "demo", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.returncode == 0
    assert "--no-keep" in said.stdout
