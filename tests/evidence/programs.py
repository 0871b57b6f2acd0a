"""MLflow in several versions: their servers, their clients, and the image's own commands."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.host import aws_environment
from local.images import install_image
from local.processes import Process
from local.servers import answers
from local.state import free_port
from operations.bootstrap import uv_environment
from tests.conftest import ROOT
from tests.evidence.database import (
    ADMINISTRATOR,
    LOGIN,
    MASTER,
    SERVER,
    SESSION,
    RunningDatabase,
)
from tracking_server.settings import ENVIRONMENT

HERE = Path(__file__).parent
OLD = ("2.9.2", "2.22.5", "3.16.1")
"""The version of the Databricks article, the last of version 2, the release before the image's."""

CURRENT = "current"
START_SECONDS = 120


@dataclass(frozen=True)
class Mlflow:
    """One version of MLflow.

    Parameters
    ----------
    version
        One of `OLD`, or `CURRENT` for what the image holds.
    programs
        The folder of its programs.
    """

    version: str
    programs: Path

    def environment(self, folder: Path) -> dict[str, str]:
        """The environment that its programs start from.

        Parameters
        ----------
        folder
            Home, and temporary files.
        """
        temporary = folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        return {
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "TMPDIR": str(temporary),
            "GIT_PYTHON_REFRESH": "quiet",
            "MLFLOW_TRACKING_USERNAME": LOGIN["username"],
            "MLFLOW_TRACKING_PASSWORD": LOGIN["password"],
            "NO_PROXY": "127.0.0.1",
            **ENVIRONMENT,
        }

    def said(self) -> str:
        """The version as it says it."""
        result = subprocess.run(
            [str(self.programs / "mlflow"), "--version"], capture_output=True, text=True, check=True
        )
        return result.stdout.split()[-1]

    def client(self, script: str, *words: str, folder: Path) -> Any:
        """What a script of this folder prints, run with this version's client."""
        result = subprocess.run(
            [str(self.programs / "python"), str(HERE / script), *words],
            env=self.environment(folder),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert result.returncode == 0, result.stderr[-4000:]
        return json.loads(result.stdout.splitlines()[-1])

    def start(self, database: RunningDatabase, files: Path, folder: Path, port: int) -> Process:
        """Start its server, whether or not it comes up.

        Parameters
        ----------
        database
            What it keeps records in.
        files
            What it keeps artifacts in.
        folder
            Home, temporary files and log.
        port
            Where it listens, on 127.0.0.1.
        """
        if self.version == CURRENT:
            return run_in_image(["tracking-server"], database, files, folder, port=port)
        words = ["mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
        words += ["--workers", "2", "--backend-store-uri", database.address.uri]
        words += ["--artifacts-destination", str(files), "--serve-artifacts"]
        program = [str(self.programs / words[0]), *words[1:]]
        log = folder / f"server-{self.version}.log"
        return Process(program, log, self.environment(folder), folder)

    @contextmanager
    def server(self, database: RunningDatabase, files: Path, folder: Path) -> Iterator[str]:
        """Run its server; the address. The image's knows the users by then."""
        if self.version == CURRENT:
            status, said = prepare("grant", database, files, folder)
            assert status == 0, said
        port = free_port()
        process = self.start(database, files, folder, port)
        try:
            process.wait_until(lambda: answers(port, "/health"), START_SECONDS)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stop(seconds=30)


def installed(version: str) -> Mlflow:
    """A version of MLflow, installed where it is not yet.

    Parameters
    ----------
    version
        One of `OLD`, or `CURRENT`.
    """
    if version == CURRENT:
        return Mlflow(version, install_image("mlflow").folder / "bin")
    folder = ROOT / "build" / "evidence" / version
    lock = HERE / "releases" / f"{version}.lock"
    stamp = folder / "installed"
    if not stamp.is_file() or stamp.read_text() != lock.read_text():
        python = str(folder / "bin" / "python")
        _uv("venv", "--allow-existing", "--python", sys.executable, str(folder))
        _uv("pip", "sync", "--require-hashes", "--compile-bytecode", "--python", python, str(lock))
        stamp.write_text(lock.read_text())
    return Mlflow(version, folder / "bin")


def run_in_image(
    words: Sequence[str],
    database: RunningDatabase,
    files: Path,
    folder: Path,
    *,
    port: int = 5000,
    secret: str = SERVER,
    preparing: bool = False,
) -> Process:
    """Start a command of the image with the environment that its task has.

    Parameters
    ----------
    words
        The command.
    database, files
        What records and artifacts are kept in.
    folder
        Home, temporary files and log.
    port
        Where a server listens, on 127.0.0.1.
    secret
        The secret that the server opens the database with.
    preparing
        Whether the task is the one that prepares a deployment, and has the other secrets too.
    """
    current = installed(CURRENT)
    more = {
        "DATABASE_MASTER_SECRET_ARN": MASTER,
        "ADMINISTRATOR_SECRET_ARN": ADMINISTRATOR,
        "ACCESS": '{"users": {}, "teams": {}}',
    }
    given = {
        **current.environment(folder),
        **aws_environment(database.secrets, "ap-northeast-1"),
        "DATABASE_SECRET_ARN": secret,
        "SESSION_SECRET_ARN": SESSION,
        "DATABASE_CA": str(database.folder / "ca.pem"),
        "ARTIFACTS_DESTINATION": str(files),
        "ALLOWED_HOSTS": "127.0.0.1",
        "PORT": str(port),
        **(more if preparing else {}),
    }
    program = [str(current.programs / words[0]), *words[1:]]
    return Process(program, folder / f"{'-'.join(words)}.log", given, folder)


def prepare(word: str, database: RunningDatabase, files: Path, folder: Path) -> tuple[int, str]:
    """Run a command of the image as the task that prepares a deployment; its status and words.

    Parameters
    ----------
    word
        The command.
    database, files
        What records and artifacts are kept in.
    folder
        Home, temporary files and log.
    """
    task = run_in_image(["tracking-server", word], database, files, folder, preparing=True)
    return task.wait(), task.log.read_text()


def _uv(*words: str) -> None:
    result = subprocess.run(
        ["uv", "--quiet", *words], capture_output=True, text=True, env=uv_environment()
    )
    assert result.returncode == 0, result.stderr
