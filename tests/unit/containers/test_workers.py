"""How the server's processes come to be; with MLflow itself the image's own tests do it.

Each test has an interpreter of its own, whose collector, signals and threads it changes.
"""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.conftest import ROOT
from tracking_server.workers import WorkersError, fork_from

SHARED = """
import gc
from tracking_server import workers
workers.MODULES = ("json",)
workers.share()
print(gc.isenabled(), gc.get_freeze_count() > 0)
"""

THREAD = """
import threading
from tracking_server import workers
workers.MODULES = ()
ended = threading.Event()
threading.Thread(target=ended.wait, name="telemetry").start()
try:
    workers.share()
except workers.WorkersError as error:
    print(error)
ended.set()
"""

SIGNALLED = """
import signal
from types import SimpleNamespace
from tracking_server import workers
taken = []
signal.signal(signal.SIGTERM, lambda number, _: taken.append(number))
module = SimpleNamespace(spawn=None)
workers.fork_from(module)
process = module.spawn.Process(target=signal.raise_signal, args=[signal.SIGTERM])
process.start()
process.join()
print(process.exitcode, taken)
"""


def said(script: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "containers" / "mlflow")},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_what_was_imported_is_not_looked_through_again() -> None:
    assert said(SHARED) == "True True"


def test_a_thread_that_a_fork_would_leave_behind_is_refused() -> None:
    assert said(THREAD) == "importing MLflow started threads: telemetry"


def test_a_process_takes_a_signal_for_itself() -> None:
    """It would stand in its copy of the first process's list otherwise, and end nothing."""
    assert said(SIGNALLED) == "-15 []"


def test_another_uvicorn_is_refused() -> None:
    with pytest.raises(WorkersError, match=r"uvicorn\._subprocess"):
        fork_from(SimpleNamespace())
