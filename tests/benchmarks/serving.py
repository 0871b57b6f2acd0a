"""Our model server against the article's, MLflow's, and servers that do nothing but answer."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.images import STORE, install_image
from local.processes import Process
from local.state import ROOT, free_port
from tests.benchmarks.machine import family, held, processor_seconds
from tests.benchmarks.report import Measure, median, report

PEERS = Path(__file__).parent / "peers"
PACKAGES = ("nginx-light", "wrk")
CORES = len(os.sched_getaffinity(0))
ROUNDS = 3
SECONDS = 3
CONNECTIONS = (1, 16, 64)
BUSY = 16

ROW = [0.038, 0.051, 0.062, 0.022, -0.044, -0.035, -0.043, -0.003, 0.020, -0.018]
PAYLOADS: dict[str, dict[str, Any]] = {
    "diabetes": {"inputs": [ROW, ROW[::-1]]},
    "iris": {"inputs": {"petal_length": [0.4], "petal_width": [1.4]}},
}
"""What every server is sent: the same for all."""

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream gunicorn {{ server unix:{folder}/gunicorn.sock; }}
  server {{
    listen 127.0.0.1:{port} deferred; client_max_body_size 5m; keepalive_timeout 5;
    location ~ ^/(ping|invocations) {{
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header Host $http_host; proxy_redirect off; proxy_pass http://gunicorn;
    }}
    location / {{ return 404 "{{}}"; }}
  }}
}}
"""
"""The configuration of the container that the article refers to, without its log of requests."""

TRAIN = """
import sys
from pathlib import Path
import mlflow.sklearn
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
features, target = load_diabetes(return_X_y=True)
model = Ridge(alpha=0.03).fit(features, target)
mlflow.sklearn.save_model(model, sys.argv[1], pip_requirements=["scikit-learn"])
"""
"""The article's model of diabetes, as it logs it."""

PREDICT = """
import sys, timeit
import mlflow.sklearn, numpy
model = mlflow.sklearn.load_model(sys.argv[1])
rows = numpy.array(eval(sys.argv[2]))
print(min(timeit.repeat(lambda: model.predict(rows), number=2000, repeat=5)) / 2000)
"""


@dataclass(frozen=True)
class Machine:
    """What is measured, and with what.

    Parameters
    ----------
    folder
        For models, logs and sockets.
    peers
        The peers' environment.
    ours
        The environments of our images, by the model.
    """

    folder: Path
    peers: Path
    ours: Mapping[str, Path]

    def model(self, kind: str) -> Path:
        """The folder of a model, as MLflow keeps it."""
        return self.folder / kind / "model"


@dataclass(frozen=True)
class Server:
    """How a server is started.

    Parameters
    ----------
    commands
        Its programs, which run beside each other.
    environment
        What they are told.
    ping
        Path that answers 200 when it is ready.
    """

    commands: Sequence[Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    ping: str = "/ping"


def ours(machine: Machine, kind: str, port: int) -> Server:
    """The image's `serve`."""
    environment = {
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_BASE_DIR": str(machine.folder / kind),
    }
    return Server([[str(machine.ours[kind] / "bin" / "serve")]], environment)


def trivial(machine: Machine, _: str, port: int) -> Server:
    """Our server, with a model that costs nothing."""
    python = str(machine.ours["diabetes"] / "bin" / "python")
    environment = {"SAGEMAKER_BIND_TO_PORT": str(port)}
    return Server([[python, str(PEERS / "trivial.py")]], environment)


def article(machine: Machine, kind: str, port: int) -> Server:
    """nginx before gunicorn with as many synchronous workers as there are processors."""
    folder = machine.folder / "article"
    folder.mkdir(exist_ok=True)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
    gunicorn = [str(machine.peers / "bin" / "gunicorn"), "--timeout", "60", "-k", "sync"]
    gunicorn += ["-b", f"unix:{folder / 'gunicorn.sock'}", "-w", str(CORES)]
    gunicorn += ["--pythonpath", f"{PEERS},{ROOT / 'containers' / 'iris'}", "article:app"]
    nginx = ["nginx", "-c", str(folder / "nginx.conf")]
    environment = {"MODEL_FOLDER": str(machine.model(kind)), "MODEL_KIND": kind}
    return Server([gunicorn, nginx], environment)


def mlflow(machine: Machine, kind: str, port: int) -> Server:
    """`mlflow models serve`, as its guide starts it."""
    command = [str(machine.peers / "bin" / "mlflow"), "models", "serve", "--env-manager", "local"]
    command += ["-m", str(machine.model(kind)), "-p", str(port), "-h", "127.0.0.1"]
    return Server([command], {"PYTHONPATH": str(ROOT / "containers" / "iris")})


def uvicorn(machine: Machine, _: str, port: int) -> Server:
    """An ASGI application that returns a constant."""
    command = [str(machine.peers / "bin" / "uvicorn"), "--port", str(port), "bare:asgi"]
    command += ["--workers", str(CORES), "--loop", "uvloop", "--http", "httptools"]
    command += ["--no-access-log", "--log-level", "warning", "--app-dir", str(PEERS)]
    return Server([command])


def granian(machine: Machine, _: str, port: int) -> Server:
    """An RSGI application that returns a constant."""
    command = [str(machine.peers / "bin" / "granian"), "--interface", "rsgi", "--port", str(port)]
    command += ["--workers", str(CORES), "--no-ws", "--loop", "uvloop", "--log-level", "warning"]
    return Server([[*command, "--working-dir", str(PEERS), "bare:rsgi"]])


Make = Callable[[Machine, str, int], Server]
MODELLED: dict[str, Make] = {"ours": ours, "nginx + gunicorn + Flask": article, "mlflow": mlflow}
ALONE: dict[str, Make] = {
    "ours, trivial model": trivial,
    "bare uvicorn": uvicorn,
    "bare granian": granian,
}


@dataclass(frozen=True)
class Load:
    """What wrk saw of one server, and what it took.

    Parameters
    ----------
    per_second
        Requests that were answered well, a second.
    p50, p99
        Milliseconds.
    failed
        Requests that were not.
    server, client
        Microseconds of a processor that a request took.
    """

    per_second: float
    p50: float
    p99: float
    failed: int
    server: float
    client: float


@dataclass
class Round:
    """What one server did in one round.

    Parameters
    ----------
    start
        Seconds from its start to its first answer.
    memory
        MiB of all its processes after the load.
    loads
        By the number of connections.
    """

    start: float
    memory: float = 0.0
    loads: dict[int, Load] = field(default_factory=dict)


def main() -> int:
    """Measure all of them in turn, several times, so that they see the same machine."""
    _install_packages()
    if not shutil.which("wrk"):
        print("wrk is not installed and cannot be: the client in Python would be what is measured.")
        return 1
    modelled = dict(MODELLED)
    if not _nginx():
        print("nginx is not installed and cannot be: the article's layout is not measured.")
        del modelled["nginx + gunicorn + Flask"]
    planned = [(make, name, kind) for name, make in modelled.items() for kind in PAYLOADS]
    planned += [(make, name, "diabetes") for name, make in ALONE.items()]
    rounds: dict[tuple[str, str], list[Round]] = {(name, kind): [] for _, name, kind in planned}
    with tempfile.TemporaryDirectory() as folder:
        machine = _machine(Path(folder))
        seconds = _predict_seconds(machine)
        for number in range(ROUNDS):
            for make, name, kind in planned if number % 2 else reversed(planned):
                rounds[name, kind].append(_round(machine, make, name, kind))
    return 0 if report("serving", list(_measures(rounds, seconds))) else 1


def _install_packages() -> None:
    """Debian's packages, where one is missing and this user may."""
    if shutil.which("wrk") and _nginx():
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"Install {' and '.join(PACKAGES)} to measure everything.")
        return
    for words in (("update", "-q"), ("install", "-y", "-q", "--no-install-recommends", *PACKAGES)):
        given = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", *words], env=given, stdout=subprocess.DEVNULL)


def _nginx() -> str | None:
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def _machine(folder: Path) -> Machine:
    """Both models, trained; both images and the peers, installed."""
    images = {"diabetes": install_image("model-server").folder}
    images["iris"] = install_image("iris").folder
    machine = Machine(folder, _peers(), images)
    _run([machine.peers / "bin" / "python", "-c", TRAIN, machine.model("diabetes")])
    channel = folder / "iris" / "input" / "data" / "train"
    channel.mkdir(parents=True)
    shutil.copy(ROOT / "examples" / "iris" / "iris.csv", channel)
    _run([images["iris"] / "bin" / "train"], SAGEMAKER_BASE_DIR=str(folder / "iris"))
    return machine


def _peers() -> Path:
    """The environment of the peers, installed once for each lock file."""
    lock = PEERS / "requirements.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder = STORE / f"serving-peers-{digest}"
    if not (folder / "installed").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        _run(["uv", "--quiet", "venv", "--python", sys.executable, folder])
        install = ["uv", "--quiet", "pip", "install", "--python", folder, "--compile-bytecode"]
        _run([*install, "--require-hashes", "-r", lock])
        (folder / "installed").touch()
    return folder


def _run(words: Sequence[object], **environment: str) -> str:
    result = subprocess.run(
        [str(word) for word in words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if result.returncode:
        raise RuntimeError(f"{words[0]} failed: {result.stderr}")
    return result.stdout


def _predict_seconds(machine: Machine) -> float:
    """Seconds of the model of diabetes alone, with nothing around it."""
    python = machine.ours["diabetes"] / "bin" / "python"
    rows = PAYLOADS["diabetes"]["inputs"]
    given = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return float(_run([python, "-c", PREDICT, machine.model("diabetes"), rows], **given))


@contextmanager
def _running(
    machine: Machine, make: Make, name: str, kind: str
) -> Iterator[tuple[int, list[Process], float]]:
    """A server that answers: its port, its processes, and the seconds until its first answer."""
    port = free_port()
    server = make(machine, kind, port)
    base = {"PATH": f"{os.environ['PATH']}:/usr/sbin", "HOME": str(machine.folder)}
    started = time.perf_counter()
    processes = [
        Process(words, machine.folder / f"{name}.log", {**base, **server.environment}, ROOT)
        for words in server.commands
    ]
    try:
        processes[-1].wait_until(lambda: _answers(port, kind), 120)
        yield port, processes, time.perf_counter() - started
    finally:
        for process in reversed(processes):
            process.stop(5)


def _answers(port: int, kind: str) -> bool:
    """Whether it predicts."""
    body = json.dumps(PAYLOADS[kind])
    words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-d", body]
    words += ["-H", "Content-Type: application/json", f"http://127.0.0.1:{port}/invocations"]
    return subprocess.run(words, capture_output=True, text=True).stdout == "200"


def _round(machine: Machine, make: Make, name: str, kind: str) -> Round:
    with _running(machine, make, name, kind) as (port, processes, seconds):
        done = Round(seconds)
        _wrk(port, kind, BUSY, 1)
        for connections in CONNECTIONS:
            before = _taken(processes)
            said, client = _wrk(port, kind, connections, SECONDS)
            took = _taken(processes) - before
            requests = max(said["requests"], 1)
            done.loads[connections] = Load(
                (said["requests"] - said["failed"]) / said["seconds"],
                said["p50"],
                said["p99"],
                said["failed"],
                1e6 * took / requests,
                1e6 * client / requests,
            )
        done.memory = sum(held(family(process.pid)) for process in processes)
    return done


def _taken(processes: Sequence[Process]) -> float:
    return sum(processor_seconds(family(process.pid)) for process in processes)


def _wrk(port: int, kind: str, connections: int, seconds: int) -> tuple[dict[str, Any], float]:
    """What wrk says, and the seconds of a processor that it took itself."""
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    words += ["-s", str(PEERS / "post.lua"), f"http://127.0.0.1:{port}/invocations"]
    before = os.times()
    text = _run(words, BODY=json.dumps(PAYLOADS[kind]))
    after = os.times()
    client = after.children_user + after.children_system
    client -= before.children_user + before.children_system
    return json.loads(text.splitlines()[-1]), client


def _measures(rounds: Mapping[tuple[str, str], list[Round]], predict: float) -> Iterator[Measure]:
    """Of each server what it did, and the ratios that have goals."""
    rates: dict[tuple[str, str, int], float] = {}
    for (name, kind), done in rounds.items():
        what = name if name in ALONE else f"{kind}, {name}"
        for connections in CONNECTIONS:
            loads = [each.loads[connections] for each in done]
            place = f"{what}, {connections} connections"
            rates[name, kind, connections] = median([load.per_second for load in loads])
            yield Measure(place, rates[name, kind, connections], "rps")
            most = 0.45 if (name, connections) == ("ours", 1) else None
            yield Measure(f"{place}, p50", median([load.p50 for load in loads]), "ms", most)
            yield Measure(f"{place}, p99", median([load.p99 for load in loads]), "ms")
            failed = sum(load.failed for load in loads)
            yield Measure(f"{place}, not answered well", failed, "requests")
            for part, costs in (
                ("server", [load.server for load in loads]),
                ("client", [load.client for load in loads]),
            ):
                yield Measure(f"{place}, processor of the {part}", median(costs), "us")
        yield Measure(f"{what}, start to first answer", median([each.start for each in done]), "s")
        yield Measure(f"{what}, memory", median([each.memory for each in done]), "MiB")
    goals = {"nginx + gunicorn + Flask": 3.5, "mlflow": 10.0}
    for kind in PAYLOADS:
        for name, goal in goals.items():
            if (name, kind) in rounds:
                ratio = rates["ours", kind, BUSY] / max(rates[name, kind, BUSY], 0.1)
                asked = goal if kind == "diabetes" else None
                yield Measure(f"{kind}, ours to {name}", ratio, "x", asked, least=True)
    yield Measure("diabetes, predict alone", 1e6 * predict, "us")
    limit = CORES / predict
    yield Measure("diabetes, limit without batching", limit, "rps")
    ratio = rates["ours", "diabetes", BUSY] / limit
    yield Measure("diabetes, ours to that limit", ratio, "x", 1.0, least=True)
    bare = max(rates[name, "diabetes", BUSY] for name in ("bare uvicorn", "bare granian"))
    ratio = rates["ours, trivial model", "diabetes", BUSY] / bare
    yield Measure("trivial model, ours to the faster bare server", ratio, "x", 0.8, least=True)


if __name__ == "__main__":
    sys.exit(main())
