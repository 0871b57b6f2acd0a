"""The server's processes, which share one import of MLflow.

`mlflow server` imports MLflow to read its command line, and each process of uvicorn's imports it
again: seconds each, on the same processors. Here it is imported once, and the processes are forked
from that: they start in a moment, and share its memory.
"""

import gc
import importlib
import multiprocessing
import os
import signal
import sys
import threading
from typing import Any

MODULES = (
    "boto3",
    "pymysql",
    "sqlalchemy.dialects.mysql.pymysql",
    "mlflow.server.auth",
    "mlflow.server.fastapi_app",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "tracking_server.application",
    "tracking_server.cache",
    "tracking_server.guard",
    "tracking_server.loop",
    "tracking_server.messages",
    "tracking_server.store",
)
"""What a process of the server uses. None of them opens, starts or reads anything secret."""

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)


class WorkersError(Exception):
    """Why processes cannot be forked."""


def main() -> None:
    """Import MLflow, and become uvicorn, whose options the command line has."""
    share()
    from mlflow.server import _UVICORN_LOG_CONFIG
    from uvicorn import _subprocess
    from uvicorn.main import main as uvicorn

    fork_from(_subprocess)
    uvicorn(["--log-config", str(_UVICORN_LOG_CONFIG), *sys.argv[1:]])


def share() -> None:
    """Import what all processes use.

    Raises
    ------
    WorkersError
        Where that started a thread: a fork would leave it behind, with what it holds.
    """
    # Most of what an import makes stays, and looking through it again and again takes a third.
    gc.disable()
    for name in MODULES:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()
    others = [each.name for each in threading.enumerate() if each is not threading.main_thread()]
    if others:
        raise WorkersError(f"importing MLflow started threads: {', '.join(others)}")


def fork_from(subprocesses: Any) -> None:
    """Have uvicorn fork its processes, where it would start new interpreters.

    Parameters
    ----------
    subprocesses
        uvicorn's module of that name.

    Raises
    ------
    WorkersError
        Where this version of uvicorn lacks what is changed here.
    """
    if not hasattr(subprocesses, "spawn"):
        raise WorkersError("this uvicorn has no uvicorn._subprocess.spawn: see workers.py")
    subprocesses.spawn = multiprocessing.get_context("fork")
    # Until a process has its own, a signal would be put down in its copy of the first one's list.
    os.register_at_fork(after_in_child=_forget_signals)


def _forget_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    main()
