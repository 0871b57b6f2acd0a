"""The image in a container engine, built as `make images` does and confined as its task is."""

import hashlib
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from local.processes import Process, ProcessError
from local.state import ROOT
from operations.contexts import IGNORED, context_digest
from operations.errors import OperationError
from operations.images import PLATFORM, BuildSettings, build_image, find_engine

ENGINE, NO_ENGINE = "ENGINE", "none"
"""The variable that names the engine, and what it says where none is wanted."""

PACKAGES = ("podman", "runc", "catatonit", "mmdebstrap")
SUITE = "bookworm"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
TEMPLATE = "tests/unit/stacks/__snapshots__/test_platform/test_snapshot[{}-Tracking].json"
"""What the unit tests hold a stack to."""

FILES, PROCESSES = 65535, 4096
"""What a container may have of each: engines ask for more by themselves, which may be too much."""


@dataclass(frozen=True)
class ContainerImage:
    """The image in an engine.

    Parameters
    ----------
    engine
        The engine's program.
    version
        What the engine says of itself.
    digest
        The image's own name in it.
    """

    engine: str
    version: str
    digest: str

    def __str__(self) -> str:
        return f"image {self.digest} in {self.version}"


@cache
def find_image() -> tuple[ContainerImage | None, str]:
    """The image in an engine, or nothing; and in words, which of both.

    An image that cannot be built is an error, and so is an engine that was named and does not
    run. No engine where none was named is not.
    """
    wanted = os.environ.get(ENGINE, "")
    if wanted == NO_ENGINE:
        return None, f"the image's command, as a process: {ENGINE}={NO_ENGINE}"
    try:
        engine = find_engine(wanted)
        base = os.environ.get("BASE_IMAGE") or _base_image(engine)
        _try(engine, base)
    except OperationError as error:
        if wanted:
            raise
        return None, f"the image's command, as a process: {error.what} {error.fix}"
    image = _build(engine, base)
    return image, str(image)


def confinement(engine: str, environment: str) -> tuple[str, ...]:
    """What makes an engine confine a container as an environment's task definition says.

    Parameters
    ----------
    engine
        The engine.
    environment
        The environment.
    """
    template = json.loads((ROOT / TEMPLATE.format(environment)).read_text(encoding="utf-8"))
    (task,) = (
        resource["Properties"]
        for name, resource in template["Resources"].items()
        if name.startswith("MlflowTaskDefinition")
    )
    (container,) = task["ContainerDefinitions"]
    linux = container["LinuxParameters"]
    words = [f"--cpus={int(task['Cpu']) / 1024}", f"--memory={task['Memory']}m"]
    words += [f"--user={container['User']}"]
    words += [f"--cap-drop={capability}" for capability in linux["Capabilities"]["Drop"]]
    words += ["--init"] if linux["InitProcessEnabled"] else []
    if container["ReadonlyRootFilesystem"]:
        # podman alone would leave some folders writable.
        words += ["--read-only", *(["--read-only-tmpfs=false"] if engine == "podman" else [])]
    return tuple(words)


class Container(Process):
    """A running container, which ends with this process and is gone afterwards.

    Parameters
    ----------
    image
        The image.
    command
        What runs in it.
    log
        File that its output is added to.
    options
        The engine's options.
    environment
        The container's variables.
    """

    def __init__(
        self,
        image: ContainerImage,
        command: Sequence[str],
        log: Path,
        options: Sequence[str],
        environment: Mapping[str, str],
    ) -> None:
        self.title = f"private-mlops-{os.getpid()}-{time.monotonic_ns()}"
        self._engine = image.engine
        self._pid = 0
        variables = [f"--env={name}={value}" for name, value in environment.items()]
        words = [image.engine, "run", "--rm", f"--name={self.title}", *_limits(), *options]
        super().__init__(
            [*words, *variables, image.digest, *command], log, _engine_environment(), ROOT
        )

    @property
    def pid(self) -> int:
        """The process id, on this machine, of its first process: all others end with that one."""
        while not self._pid:
            if not self.running:
                raise ProcessError(f"{self.name} ended: {self.last_words()}")
            asked = _ask(self._engine, "inspect", "--format={{.State.Pid}}", self.title)
            self._pid = int(asked.stdout) if asked.returncode == 0 else 0
        return self._pid

    def wait(self) -> int:
        """Wait for its end; the exit status, or less than nothing where a signal ended it."""
        status = super().wait()
        # Engines add 128 to the signal's number.
        return 128 - status if status > 128 else status

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one more command in it, as its user."""
        return _ask(self._engine, "exec", self.title, *words)

    def stop(self, seconds: float = 10) -> None:
        """End it: politely, and after `seconds` without mercy."""
        super().stop(seconds)
        _ask(self._engine, "rm", "--force", self.title)


def _limits() -> tuple[str, ...]:
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = FILES if files == resource.RLIM_INFINITY else min(files, FILES)
    return (f"--ulimit=nofile={files}:{files}", f"--ulimit=nproc={PROCESSES}:{PROCESSES}")


def _engine_environment() -> dict[str, str]:
    """What an engine's program asks for, and nothing else of this machine's."""
    kept = ("PATH", "HOME", "DOCKER_HOST", "XDG_RUNTIME_DIR", "CONTAINERS_CONF")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _ask(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True)


def _try(engine: str, image: str) -> None:
    """Run a container that is confined as ours will be."""
    options = (*_limits(), *confinement(engine, "local"), "--network=host")
    tried = _ask(engine, "run", "--rm", *options, image, "python3", "--version")
    if tried.returncode:
        raise OperationError(
            f"{engine} runs no container: {_last_line(tried)}",
            f"Mend what it says; on Debian: apt-get install {' '.join(PACKAGES)}.",
        )


def _last_line(result: subprocess.CompletedProcess[str]) -> str:
    return ((result.stderr or result.stdout).strip().splitlines() or ["it said nothing"])[-1]


def _base_image(engine: str) -> str:
    """An image with Python from Debian's packages, which needs no registry of images."""
    if not shutil.which("mmdebstrap"):
        raise OperationError(
            "There is no image to build on.",
            f"Name one that {engine} can pull as BASE_IMAGE=<image>, or have one made of Debian's"
            " packages: apt-get install mmdebstrap.",
        )
    # Whoever reads packages through a mirror has its authority among this machine's.
    files = {
        "etc/pip.conf": f"[global]\ncert = {AUTHORITIES}\n",
        "etc/uv/uv.toml": "native-tls = true\n",
        str(AUTHORITIES)[1:]: AUTHORITIES.read_text(encoding="utf-8"),
    }
    content = hashlib.sha256(json.dumps([SUITE, files]).encode()).hexdigest()[:16]
    name = f"localhost/private-mlops/base:{content}"
    if _ask(engine, "image", "inspect", name).returncode == 0:
        return name
    with tempfile.TemporaryDirectory() as folder:
        extra, archive = Path(folder) / "files", Path(folder) / "base.tar"
        for path, text in files.items():
            (extra / path).parent.mkdir(parents=True, exist_ok=True)
            (extra / path).write_text(text, encoding="utf-8")
        _must(
            *("mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,python3-venv"),
            *(f"--customize-hook=sync-in {extra} /", SUITE, str(archive)),
        )
        _must(engine, "import", str(archive), name)
    return name


def _build(engine: str, base: str) -> ContainerImage:
    """Build the image by the project's own way, where it is not built yet."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "mlflow"
        shutil.copytree(ROOT / "containers" / "mlflow", folder, ignore=IGNORED)
        bundle = os.environ.get("RDS_CA_BUNDLE", "")
        if not bundle:
            # Containers find the authority of their own database in its place.
            bundle = "authority.pem"
            (folder / bundle).touch()
        settings = BuildSettings(engine, (f"BASE_IMAGE={base}", f"RDS_CA_BUNDLE={bundle}"))
        tag = context_digest(folder, PLATFORM, *settings.arguments).removeprefix("sha256:")[:16]
        image = f"localhost/private-mlops/mlflow:{tag}"
        if _ask(engine, "image", "inspect", image).returncode:
            build_image(folder, image, settings)
    digest = _must(engine, "image", "inspect", "--format={{.Id}}", image)
    version = _must(engine, "--version").replace(" version", "").partition(",")[0]
    return ContainerImage(engine, version, f"sha256:{digest.removeprefix('sha256:')}")


def _must(*words: str) -> str:
    result = _ask(*words)
    if result.returncode:
        raise OperationError(
            f"'{' '.join(words[:2])}' ended with status {result.returncode}: {_last_line(result)}",
            "Mend what it says, or name another base as BASE_IMAGE=<image>.",
        )
    return result.stdout.strip()
