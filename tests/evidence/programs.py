"""MLflow in several versions: their servers, their clients, and the image's own commands."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from local.host import aws_environment
from local.images import install_image
from local.processes import Process
from local.servers import answers
from local.state import free_port
from operations.bootstrap import uv_environment
from tests.conftest import ROOT
from tests.evidence.containers import Container, ContainerImage, confinement, find_image
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
FILES, SCRATCH = "/files", "/tmp"  # noqa: S108 - the container's own
AUTHORITIES = "/etc/ssl/rds/global-bundle.pem"
"""Where a container has the files, its temporary ones, and the authority of the database."""

START_SECONDS = 120
NOTHING: Mapping[str, str] = MappingProxyType({})


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
    files: Path | str,
    folder: Path,
    *,
    port: int = 5000,
    secret: str = SERVER,
    preparing: bool = False,
    variables: Mapping[str, str] = NOTHING,
) -> Process:
    """Start a command of the image: in a container where an engine is, and otherwise as a process.

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
    variables
        What else its environment says.
    """
    given = {**task_variables(database, files, port, secret, preparing=preparing), **variables}
    image, _ = find_image()
    start = partial(start_container, image) if image else start_process
    return start(words, database, files, folder, given)


def task_variables(
    database: RunningDatabase,
    files: Path | str,
    port: int,
    secret: str = SERVER,
    *,
    preparing: bool = False,
) -> dict[str, str]:
    """The environment that a task of the image has.

    Parameters
    ----------
    database, files, port, secret, preparing
        As for `run_in_image`.
    """
    more = {
        "DATABASE_MASTER_SECRET_ARN": MASTER,
        "ADMINISTRATOR_SECRET_ARN": ADMINISTRATOR,
        "ACCESS": '{"users": {}, "teams": {}}',
    }
    return {
        **aws_environment(database.secrets, "ap-northeast-1"),
        "DATABASE_SECRET_ARN": secret,
        "SESSION_SECRET_ARN": SESSION,
        "ARTIFACTS_DESTINATION": str(files),
        "ALLOWED_HOSTS": "127.0.0.1",
        "PORT": str(port),
        **(more if preparing else {}),
    }


def start_process(
    words: Sequence[str],
    database: RunningDatabase,
    files: Path | str,
    folder: Path,
    given: Mapping[str, str],
) -> Process:
    """Start a command of the image as a process, with the variables that its task has.

    Parameters
    ----------
    words, database, files, folder
        As for `run_in_image`.
    given
        The variables.
    """
    current = installed(CURRENT)
    environment = {
        **current.environment(folder),
        **given,
        "DATABASE_CA": str(database.folder / "ca.pem"),
    }
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", *ENVIRONMENT):
        del environment[name]
    program = [str(current.programs / words[0]), *words[1:]]
    return Process(program, _log(words, folder), environment, folder)


def start_container(
    image: ContainerImage,
    words: Sequence[str],
    database: RunningDatabase,
    files: Path | str,
    folder: Path,
    given: Mapping[str, str],
    like: str = "local",
) -> Container:
    """Start a command of the image in a container that has what its task has.

    It sees this machine's network, as the database and the secrets are there.

    Parameters
    ----------
    image
        The image.
    words, database, files, folder
        As for `run_in_image`.
    given
        The variables.
    like
        The environment whose task definition says what confines it.
    """
    # As of the volume that Fargate makes: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/bind-mounts.html
    scratch = folder / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    scratch.chmod(0o1777)
    mounts = {scratch: SCRATCH, database.folder / "ca.pem": f"{AUTHORITIES}:ro"}
    variables = {**given, "MLFLOW_HOST": "127.0.0.1"}
    if isinstance(files, Path):
        # The servers of old versions have another user.
        files.mkdir(parents=True, exist_ok=True)
        subprocess.run(["chmod", "--recursive", "a+rwX", str(files)], check=True)
        mounts[files] = FILES
        variables["ARTIFACTS_DESTINATION"] = FILES
    options = [
        *confinement(image.engine, like),
        # Fargate does not know it, and the image can do with it.
        "--security-opt=no-new-privileges",
        "--network=host",
        *(f"--volume={source}:{target}" for source, target in mounts.items()),
    ]
    return Container(image, words, _log(words, folder), options, variables)


def _log(words: Sequence[str], folder: Path) -> Path:
    return folder / f"{'-'.join(words)}.log"


def prepare(
    word: str,
    database: RunningDatabase,
    files: Path | str,
    folder: Path,
    variables: Mapping[str, str] = NOTHING,
) -> tuple[int, str]:
    """Run a command of the image as the task that prepares a deployment; its status and words.

    Parameters
    ----------
    word
        The command.
    database, files
        What records and artifacts are kept in.
    folder
        Home, temporary files and log.
    variables
        What else its environment says.
    """
    words = ["tracking-server", word]
    task = run_in_image(words, database, files, folder, preparing=True, variables=variables)
    return task.wait(), task.log.read_text()


def _uv(*words: str) -> None:
    result = subprocess.run(
        ["uv", "--quiet", *words], capture_output=True, text=True, env=uv_environment()
    )
    assert result.returncode == 0, result.stderr
