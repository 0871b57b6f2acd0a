"""The tracking server as it is run here, against plain `mlflow server` with an article's flags."""

import base64
import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pymysql

from local.database import DatabaseServer, find_server
from local.host import aws_environment, forget_account
from local.images import ProcessImage, install_image
from local.processes import Process
from local.servers import answers
from local.state import ROOT, free_port
from tests.benchmarks.load import Client, Load, request, run_load
from tests.benchmarks.machine import family, held, processor_seconds
from tests.benchmarks.report import Measure, median, report
from tests.routes import routes

REGION = "ap-northeast-1"
BUCKET = "artifacts"
USER, PASSWORD, DATABASE = "mlflow", "benchmark", "mlflow"
ADMINISTRATOR, SCIENTIST, LOGIN = "administrator", "ana", "benchmark-password"
PARAMETERS = {"require_secure_transport": "1", "log_bin_trust_function_creators": "1"}

ROUNDS = 3
SECONDS = 4.0
CLIENTS = 8
MANY_CLIENTS = 64
ROUTE_SECONDS = 60
OFF = 403
"""What a call of the administrator's is answered where it is off here."""

RUNS = 10_000
FILE_BYTES = 100 * 1024 * 1024
API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"

GOALS = {"log_metric": 3.5, "create_run": 3.5, "log_batch(100)": 2.0, "search_runs": 2.0}


def _logged_in(user: str) -> dict[str, str]:
    """What logs a user in; plain MLflow does not look."""
    pair = base64.b64encode(f"{user}:{LOGIN}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


LOGGED_IN, AS_ADMINISTRATOR = _logged_in(SCIENTIST), _logged_in(ADMINISTRATOR)
JSON = {"Content-Type": "application/json"}


@dataclass
class Machine:
    """What both servers stand on.

    Parameters
    ----------
    image
        MLflow as it is installed.
    database
        The database's server.
    aws
        Address of the embedded AWS.
    secrets
        The ARN of each secret, by its name.
    folder
        For logs and files.
    """

    image: ProcessImage
    database: DatabaseServer
    aws: str
    secrets: Mapping[str, str]
    folder: Path

    def environment(self) -> dict[str, str]:
        """What every program starts from."""
        base = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            **aws_environment(self.aws, REGION),
        }
        return self.image.environment(base)

    @property
    def uri(self) -> str:
        """The database's address as the article writes it, with the authority that TLS needs."""
        return (
            f"mysql+pymysql://{USER}:{PASSWORD}@127.0.0.1:{self.database.port}/{DATABASE}"
            f"?ssl_ca={self.database.certificates}"
        )


def ours(machine: Machine, port: int) -> tuple[list[str], dict[str, str]]:
    """The image's own command, with what the task definition gives it: access control is on."""
    given = {
        "DATABASE_SECRET_ARN": machine.secrets["server"],
        "SESSION_SECRET_ARN": machine.secrets["session"],
        "DATABASE_CA": str(machine.database.certificates),
        "ARTIFACTS_DESTINATION": f"s3://{BUCKET}/mlflow",
        "ALLOWED_HOSTS": "127.0.0.1",
        "PORT": str(port),
    }
    return ["tracking-server"], given


def prepare(machine: Machine) -> None:
    """Both schemas, the server's user in the database, and MLflow's users."""
    grants = [
        {"kind": kind, "name": "*", "permission": "EDIT"}
        for kind in ("experiment", "registered_model")
    ]
    access = {
        "users": {SCIENTIST: {"secret": machine.secrets[SCIENTIST], "administrator": False}},
        "teams": {"scientists": {"members": [SCIENTIST], "create": True, "grants": grants}},
    }
    more = {
        "DATABASE_MASTER_SECRET_ARN": machine.secrets["master"],
        "ADMINISTRATOR_SECRET_ARN": machine.secrets[ADMINISTRATOR],
        "ACCESS": json.dumps(access),
    }
    for word in ("migrate", "grant"):
        words, given = ours(machine, free_port())
        task = Process(
            machine.image.command([*words, word]),
            machine.folder / "logs" / f"{word}.log",
            {**machine.environment(), **given, **more},
            machine.folder,
        )
        if task.wait():
            raise RuntimeError(task.last_words())


def plain(machine: Machine, port: int) -> tuple[list[str], dict[str, str]]:
    """The article's flags; the destination, which it does not name, is the same bucket."""
    words = ["mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    words += ["--default-artifact-root", f"s3://{BUCKET}/plain", "--backend-store-uri", machine.uri]
    return [*words, "--artifacts-destination", f"s3://{BUCKET}/plain"], {}


SERVERS: dict[str, Callable[[Machine, int], tuple[list[str], dict[str, str]]]] = {
    "plain": plain,
    "ours": ours,
}


@dataclass
class Round:
    """What one server did in one round.

    Parameters
    ----------
    start
        Seconds from its start to its first answer.
    loads
        By what was asked for.
    processor
        Milliseconds of a processor that a request took of the server and of the database, by what
        was asked for: what else the machine does changes these little.
    seconds
        What took one request, by what was asked for.
    memory
        MiB of all its processes, idle and after the load.
    routes
        The status that each of MLflow's routes answers to a call that says nothing.
    """

    start: float
    loads: dict[str, Load] = field(default_factory=dict)
    processor: dict[str, tuple[float, float]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    routes: dict[str, int] = field(default_factory=dict)


def main() -> int:
    """Measure, alternating between the two so that both see the same machine."""
    rounds: dict[str, list[Round]] = {name: [] for name in SERVERS}
    with tempfile.TemporaryDirectory() as name, _machine(Path(name)) as machine:
        experiment = _seed(machine)
        asked = routes(machine.image, machine.environment())
        for number in range(ROUNDS):
            # Each is the first as often as the other.
            for server in sorted(SERVERS, reverse=number % 2 == 0):
                rounds[server].append(_round(machine, server, number, experiment, asked))
    return 0 if report("tracking", list(_measures(rounds))) else 1


@contextmanager
def _machine(folder: Path) -> Iterator[Machine]:
    """A database server over TLS, an embedded AWS with a bucket and a secret, and the image."""
    image = install_image("mlflow")
    forget_account()
    logs, temporary = folder / "logs", folder / "tmp"
    logs.mkdir()
    # Another server that starts on this machine clears the one that they would share.
    temporary.mkdir()
    database = DatabaseServer(
        find_server(),
        folder / "database",
        logs / "database.log",
        user=USER,
        password=PASSWORD,
        database=DATABASE,
        parameters={**PARAMETERS, "tmpdir": str(temporary)},
    )
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    emulator = Process(
        [sys.executable, "-m", "local.emulator", str(folder / "aws"), str(port), "0" * 12, "1"],
        logs / "emulator.log",
        {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "LOG_LEVEL": "WARNING"},
        ROOT,
    )
    try:
        emulator.wait_until(lambda: answers(port, "/_ministack/health"), 60)
        os.environ.update(aws_environment(url, REGION))
        boto3.client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        where = {"host": "127.0.0.1", "port": database.port, "dbname": DATABASE}
        held: dict[str, dict[str, Any]] = {
            "master": {"username": USER, "password": PASSWORD, **where},
            "server": {"username": "mlflow_server", "password": PASSWORD, **where},
            "session": {"key": "benchmark"},
            **{user: {"username": user, "password": LOGIN} for user in (ADMINISTRATOR, SCIENTIST)},
        }
        manager = boto3.client("secretsmanager")
        secrets = {
            name: manager.create_secret(Name=name, SecretString=json.dumps(value))["ARN"]
            for name, value in held.items()
        }
        yield Machine(image, database, url, secrets, folder)
    finally:
        emulator.stop()
        database.process.stop()


@contextmanager
def _running(machine: Machine, name: str) -> Iterator[tuple[int, Process, float]]:
    """A server that answers: its port, its process, and the seconds until its first answer."""
    port = free_port()
    words, given = SERVERS[name](machine, port)
    log = machine.folder / "logs" / f"{name}.log"
    started = time.perf_counter()
    process = Process(
        machine.image.command(words), log, {**machine.environment(), **given}, machine.folder
    )
    try:
        process.wait_until(lambda: answers(port, "/health"), 120)
        yield port, process, time.perf_counter() - started
    finally:
        process.stop(5)


def _seed(machine: Machine) -> str:
    """The tables, and an experiment of many runs, written past the server; the experiment."""
    prepare(machine)
    runs = [(number, uuid.uuid4().hex) for number in range(RUNS)]
    now = int(1000 * time.time())
    with (
        pymysql.connect(
            host="127.0.0.1",
            port=machine.database.port,
            user=USER,
            password=PASSWORD,
            database=DATABASE,
            ssl={"ca": str(machine.database.certificates)},
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "INSERT INTO experiments (name, artifact_location, lifecycle_stage, creation_time,"
            " last_update_time) VALUES ('many', 's3://artifacts/many', 'active', %s, %s)",
            (now, now),
        )
        experiment = str(cursor.lastrowid)
        cursor.executemany(
            "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, end_time,"
            " lifecycle_stage, artifact_uri, experiment_id)"
            " VALUES (%s, %s, 'LOCAL', 'bench', 'FINISHED', %s, %s, 'active', '', %s)",
            [(run, f"run-{number}", now + number, now, experiment) for number, run in runs],
        )
        metrics = [
            (f"m{key}", number / RUNS, now, 0, run, 0) for number, run in runs for key in range(3)
        ]
        for table in ("metrics", "latest_metrics"):
            cursor.executemany(
                f"INSERT INTO {table} (`key`, value, timestamp, is_nan, run_uuid, step)"  # noqa: S608 - a table of ours
                " VALUES (%s, %s, %s, %s, %s, %s)",
                metrics,
            )
        for table in ("params", "tags"):
            cursor.executemany(
                f"INSERT INTO {table} (`key`, value, run_uuid)"  # noqa: S608 - a table of ours
                " VALUES (%s, %s, %s)",
                [(f"p{key}", str(number), run) for number, run in runs for key in range(3)],
            )
        connection.commit()
        cursor.execute("ANALYZE TABLE runs, metrics, latest_metrics, params, tags")
    return experiment


def _round(
    machine: Machine, name: str, number: int, experiment: str, routes: Sequence[str]
) -> Round:
    with _running(machine, name) as (port, process, seconds):
        done = Round(seconds)
        own = _call(port, "experiments/create", {"name": f"{name}-{number}"})["experiment_id"]
        started = {"experiment_id": own, "start_time": 1}
        runs = [
            _call(port, "runs/create", started)["run"]["info"]["run_id"]
            for _ in range(MANY_CLIENTS)
        ]

        def log_metric(client: int, step: int) -> bytes:
            body = {"run_id": runs[client], "key": "loss", "value": 0.5, "timestamp": step}
            return request("POST", f"{API}/runs/log-metric", {**body, "step": step}, LOGGED_IN)

        def log_batch(client: int, step: int) -> bytes:
            metrics = [
                {"key": f"m{key}", "value": 0.5, "timestamp": step, "step": step}
                for key in range(100)
            ]
            body = {"run_id": runs[client], "metrics": metrics}
            return request("POST", f"{API}/runs/log-batch", body, LOGGED_IN)

        def create_run(client: int, step: int) -> bytes:
            return request("POST", f"{API}/runs/create", started, LOGGED_IN)

        def get_run(client: int, step: int) -> bytes:
            path = f"{API}/runs/get?run_id={runs[client]}"
            return request("GET", path, headers=LOGGED_IN)

        def search_runs(client: int, step: int) -> bytes:
            body = {
                "experiment_ids": [experiment],
                "filter": "metrics.m0 > 0.5",
                "order_by": ["metrics.m1 DESC"],
                "max_results": 100,
            }
            return request("POST", f"{API}/runs/search", body, LOGGED_IN)

        asked = {
            "log_metric": log_metric,
            "log_batch(100)": log_batch,
            "create_run": create_run,
            "get_run": get_run,
            "search_runs": search_runs,
        }
        with Client(port) as client:
            for make in asked.values():
                client.send(make(0, 0))
        done.memory["idle"] = _family(process.pid)[1]

        def load(what: str, clients: int, title: str) -> None:
            families = (process.pid, machine.database.process.pid)
            before = [_family(leader)[0] for leader in families]
            done.loads[title] = run_load(port, clients, SECONDS, asked[what])
            # What was not answered in time was worked on all the same.
            count = max(len(done.loads[title].times) + done.loads[title].refused, 1)
            server, database = (
                1000 * (_family(leader)[0] - start) / count
                for leader, start in zip(families, before, strict=True)
            )
            done.processor[title] = (server, database)

        for what in asked:
            load(what, CLIENTS, what)
        _transfer(port, done)
        for what in ("log_metric", "log_batch(100)"):
            load(what, MANY_CLIENTS, f"{what}, {MANY_CLIENTS} clients")
        done.memory["after the load"] = _family(process.pid)[1]
        if number == 0:
            done.routes = {route: _status(port, *route.split(" ")) for route in routes}
    return done


def _status(port: int, method: str, path: str) -> int:
    """What a route answers to a call that says nothing; 0 where it does not answer in time."""
    body = b"{}" if method in ("POST", "PUT", "PATCH", "DELETE") else None
    call = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", body, {**JSON, **AS_ADMINISTRATOR}, method=method
    )
    try:
        with urllib.request.urlopen(call, timeout=ROUTE_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def _transfer(port: int, done: Round) -> None:
    """A large file up and down again, through the server."""
    content = os.urandom(FILE_BYTES)
    with Client(port) as client:
        started = time.perf_counter()
        status, _ = client.send(request("PUT", f"{FILES}/large", content, AS_ADMINISTRATOR))
        done.seconds["upload"] = time.perf_counter() - started
        assert status == 200
    with Client(port) as client:
        started = time.perf_counter()
        status, _ = client.send(request("GET", f"{FILES}/large", headers=AS_ADMINISTRATOR))
        done.seconds["download"] = time.perf_counter() - started
        assert status == 200


def _call(port: int, path: str, body: Mapping[str, Any]) -> Any:
    call = urllib.request.Request(
        f"http://127.0.0.1:{port}{API}/{path}",
        json.dumps(body).encode(),
        {**JSON, **LOGGED_IN},
    )
    while True:
        try:
            with urllib.request.urlopen(call, timeout=60) as answer:
                return json.load(answer)
        except ConnectionError:
            # uvicorn kills a process that a busy machine keeps from saying that it lives.
            time.sleep(1)


def _family(leader: int) -> tuple[float, float]:
    """Seconds of a processor that a process and its descendants took, and MiB that they hold."""
    processes = family(leader)
    return processor_seconds(processes), held(processes)


def _measures(rounds: Mapping[str, list[Round]]) -> Iterator[Measure]:
    """Of each thing: what each server did, and the ratio with its goal."""
    for what in rounds["ours"][0].loads:
        rates = {}
        for server, done in rounds.items():
            loads = [each.loads[what] for each in done]
            rates[server] = median([load.per_second for load in loads])
            yield Measure(f"{what}, {server}", rates[server], "rps")
            for percent in (50, 99):
                value = median([load.percentile(percent) for load in loads])
                yield Measure(f"{what}, {server}, p{percent}", value, "ms")
            lost = sum(load.refused for load in loads)
            yield Measure(f"{what}, {server}, not answered well", lost, "requests")
        # Of the medians: a ratio for each round would follow whatever else the machine does.
        ratio = rates["ours"] / max(rates["plain"], 0.1)
        yield Measure(f"{what}, ratio", ratio, "x", GOALS.get(what), least=True)
        took = {}
        for server, done in rounds.items():
            parts = [median([each.processor[what][part] for each in done]) for part in (0, 1)]
            took[server] = sum(parts)
            for part, value in zip(("server", "database"), parts, strict=True):
                yield Measure(f"{what}, {server}, processor of the {part}", value, "ms")
        ratio = took["plain"] / max(took["ours"], 0.001)
        yield Measure(f"{what}, ratio of the processor", ratio, "x")
    for what in rounds["ours"][0].seconds:
        for server, done in rounds.items():
            seconds = median([each.seconds[what] for each in done])
            yield Measure(f"{what}, {server}", seconds, "s")
    for what in rounds["ours"][0].memory:
        sizes = {}
        for server, done in rounds.items():
            sizes[server] = median([each.memory[what] for each in done])
            yield Measure(f"memory {what}, {server}", sizes[server], "MiB")
        yield Measure(f"memory {what}, ratio", sizes["ours"] / sizes["plain"], "x", 1.0)
    for server, done in rounds.items():
        yield Measure(f"start to healthy, {server}", median([each.start for each in done]), "s")
    answers_of = {server: done[0].routes for server, done in rounds.items()}
    other = [
        f"{route}: {status}, plain {answers_of['plain'][route]}"
        for route, status in answers_of["ours"].items()
        if status not in (OFF, answers_of["plain"][route])
    ]
    print("\n".join(other))
    yield Measure("routes that were asked", len(answers_of["ours"]), "")
    yield Measure("routes that are off", list(answers_of["ours"].values()).count(OFF), "")
    yield Measure("routes that answer otherwise (above)", len(other), "")


if __name__ == "__main__":
    sys.exit(main())
