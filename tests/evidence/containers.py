"""Images in a container engine, built as `make images` does and confined as in an account."""

import hashlib
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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

MLFLOW = "mlflow"
"""The tracking server's image."""

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
    base
        What it is built on.
    """

    engine: str
    version: str
    digest: str
    base: str

    def __str__(self) -> str:
        return f"image {self.digest} in {self.version}"


Found = tuple[ContainerImage | None, str]
_found: dict[str, Found] = {}


def find_image() -> Found:
    """The tracking server's image in an engine, or nothing; and in words, which of both.

    An image that cannot be built is an error, and so is an engine that was named and does not
    run. No engine where none was named is not.
    """
    image, said = built_image(MLFLOW)
    return image, said if image else f"the image's command, as a process: {said}"


def built_image(name: str) -> Found:
    """An image in an engine and its name there, or nothing and why; errors are `find_image`'s.

    Parameters
    ----------
    name
        Its folder in `containers`.
    """
    if name not in _found:
        _found[name] = _find(name)
    return _found[name]


def ran() -> list[str]:
    """What ran of each image that was asked for."""
    images = {name: find_image() if name == MLFLOW else found for name, found in _found.items()}
    return [f"what ran of {name}: {said}" for name, (_, said) in sorted(images.items())]


def _find(name: str) -> Found:
    wanted = os.environ.get(ENGINE, "")
    if wanted == NO_ENGINE:
        return None, f"{ENGINE}={NO_ENGINE}"
    try:
        engine = find_engine(wanted)
        base = os.environ.get("BASE_IMAGE") or _base_image(engine)
        _try(engine, base)
    except OperationError as error:
        if wanted:
            raise
        return None, f"{error.what} {error.fix}"
    image = _build(engine, base, name)
    return image, str(image)


def inspect(engine: str, image: str, form: str) -> str:
    """What an engine knows of an image, in a form of its own language of templates."""
    return _must(engine, "image", "inspect", f"--format={form}", image)


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


def _build(engine: str, base: str, name: str) -> ContainerImage:
    """Build an image by the project's own way, where it is not built yet."""
    with _context(name) as (folder, arguments):
        settings = BuildSettings(engine, (f"BASE_IMAGE={base}", *arguments))
        tag = context_digest(folder, PLATFORM, *settings.arguments).removeprefix("sha256:")[:16]
        image = f"localhost/private-mlops/{name}:{tag}"
        if _ask(engine, "image", "inspect", image).returncode:
            build_image(folder, image, settings)
    digest = inspect(engine, image, "{{.Id}}")
    version = _must(engine, "--version").replace(" version", "").partition(",")[0]
    return ContainerImage(engine, version, f"sha256:{digest.removeprefix('sha256:')}", base)


@contextmanager
def _context(name: str) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The folder that an image is built from, and what its build is told beside the base."""
    folder = ROOT / "containers" / name
    if name != MLFLOW:
        yield folder, ()
        return
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / name
        shutil.copytree(folder, copy, ignore=IGNORED)
        bundle = os.environ.get("RDS_CA_BUNDLE", "")
        if not bundle:
            # Containers find the authority of their own database in its place.
            bundle = "authority.pem"
            (copy / bundle).touch()
        yield copy, (f"RDS_CA_BUNDLE={bundle}",)


def _must(*words: str) -> str:
    result = _ask(*words)
    if result.returncode:
        raise OperationError(
            f"'{' '.join(words[:2])}' ended with status {result.returncode}: {_last_line(result)}",
            "Mend what it says, or name another base as BASE_IMAGE=<image>.",
        )
    return result.stdout.strip()
