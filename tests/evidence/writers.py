"""Clients that log, what was acknowledged to them, and what is found of it afterwards."""

import base64
import hashlib
import itertools
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from local.processes import Process
from tests.evidence.database import LOGIN
from tests.evidence.programs import CURRENT, installed

HERE = Path(__file__).parent
API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
RECORDS: tuple[str, ...] = ("metric", "batch", "metric", "param", "run")
FILES_TOO: tuple[str, ...] = ("file", "metric")
PLAIN, WITH_FILES, OF_MLFLOW = 4, 2, ("mlflow-0", "mlflow-1")
"""Of eight clients: those that log records, those that send files too, MLflow's own."""

PAUSE = 0.05
SECONDS = 60
"""How long an answer may take."""

Fact = tuple[Any, ...]
"""Something that was written: ("metric", run, key, step, value), ("param", run, key, value),
("run", run), or ("file", path, digest)."""


def authorization(login: dict[str, str] = LOGIN) -> dict[str, str]:
    """What logs a user in."""
    pair = base64.b64encode(f"{login['username']}:{login['password']}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


@dataclass(frozen=True)
class Write:
    """A write, and what came of it.

    Parameters
    ----------
    kind
        ``metric``, ``batch``, ``param``, ``run`` or ``file``.
    began, ended
        When, by the monotonic clock.
    error
        Why it was not acknowledged; a status, or what was raised. Empty where it was.
    facts
        What was acknowledged.
    """

    kind: str
    began: float
    ended: float
    error: str
    facts: tuple[Fact, ...]


class Connection:
    """A kept connection to the server, opened anew after an error.

    Parameters
    ----------
    port
        Where to, on 127.0.0.1.
    login
        Who calls.
    """

    def __init__(self, port: int, login: dict[str, str] = LOGIN) -> None:
        self._http = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        self._headers = authorization(login)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """The status and the body of an answer; nothing is tried twice."""
        given = body if isinstance(body, bytes) or body is None else json.dumps(body)
        kind = {"Content-Type": "application/json"} if isinstance(given, str) else {}
        try:
            self._http.request(method, path, given, {**self._headers, **kind})
            answer = self._http.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException):
            self._http.close()
            raise

    def found(self, method: str, path: str, body: Any = None) -> Any:
        """What is answered, which has to be well."""
        status, content = self.ask(method, path, body)
        assert status == 200, f"{method} {path}: {status}: {content[:300]!r}"
        return json.loads(content)

    def close(self) -> None:
        """Close it."""
        self._http.close()


def ask(
    port: int, method: str, path: str, body: Any = None, login: dict[str, str] = LOGIN
) -> tuple[int, bytes]:
    """The status and the body of one answer."""
    connection = Connection(port, login)
    try:
        return connection.ask(method, path, body)
    finally:
        connection.close()


class Client(Protocol):
    """Logs until it is stopped."""

    name: str
    kinds: Sequence[str]

    def writes(self) -> list[Write]:
        """What it wrote."""
        ...

    def stop(self) -> None:
        """Have it end after what it is at."""
        ...


class PlainClient:
    """Logs over one connection, and tries nothing twice: what fails is counted and left.

    Parameters
    ----------
    name
        What it is called.
    port
        Where the service is, on 127.0.0.1.
    experiment
        What it logs to.
    kinds
        What it writes, in turns.
    """

    def __init__(self, name: str, port: int, experiment: str, kinds: Sequence[str]) -> None:
        self.name, self.kinds = name, kinds
        self._experiment = experiment
        self._connection = Connection(port)
        self._run = self._create_run()
        self._written: list[Write] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._log, name=name)
        self._thread.start()

    def writes(self) -> list[Write]:
        """What it wrote."""
        return list(self._written)

    def stop(self) -> None:
        """Have it end after what it is at."""
        self._stopped.set()
        self._thread.join()
        self._connection.close()

    def _log(self) -> None:
        for number, kind in enumerate(itertools.cycle(self.kinds)):
            if self._stopped.wait(PAUSE):
                return
            began, error, facts = time.monotonic(), "", ()
            try:
                facts = getattr(self, f"_write_{kind}")(number)
            except RefusedError as refused:
                error = str(refused)
            except (OSError, HTTPException) as raised:
                error = type(raised).__name__
            self._written.append(Write(kind, began, time.monotonic(), error, facts))

    def _write_metric(self, number: int) -> tuple[Fact, ...]:
        fact = ("metric", self._run, "m", number, number / 2)
        self._post("runs/log-metric", {"run_id": self._run, **_metric(fact)})
        return (fact,)

    def _write_batch(self, number: int) -> tuple[Fact, ...]:
        logged = [("metric", self._run, f"b{each}", number, number / 4) for each in range(10)]
        param = ("param", self._run, f"b{number}", str(number))
        said = {"key": param[2], "value": param[3]}
        metrics = [_metric(fact) for fact in logged]
        body = {"run_id": self._run, "metrics": metrics, "params": [said]}
        self._post("runs/log-batch", body)
        return (*logged, param)

    def _write_param(self, number: int) -> tuple[Fact, ...]:
        said = {"run_id": self._run, "key": f"p{number}", "value": str(number)}
        self._post("runs/log-parameter", said)
        return (("param", self._run, said["key"], said["value"]),)

    def _write_run(self, number: int) -> tuple[Fact, ...]:
        return (("run", self._create_run()),)

    def _write_file(self, number: int) -> tuple[Fact, ...]:
        content = os.urandom(1000 * (1 + number % 300))
        path = f"{self._experiment}/{self._run}/artifacts/{number}.bin"
        status, _ = self._connection.ask("PUT", f"{FILES}/{path}", content)
        if status != 200:
            raise RefusedError(str(status))
        return (("file", path, hashlib.sha256(content).hexdigest()),)

    def _create_run(self) -> str:
        made = self._post("runs/create", {"experiment_id": self._experiment, "start_time": 1})
        return str(json.loads(made)["run"]["info"]["run_id"])

    def _post(self, call: str, body: dict[str, Any]) -> bytes:
        status, content = self._connection.ask("POST", f"{API}/{call}", body)
        if status != 200:
            raise RefusedError(str(status))
        return content


class RefusedError(Exception):
    """A status other than 200."""


class MlflowClient:
    """MLflow's own client, of the image, with its own retries: `logging_client.py`.

    Parameters
    ----------
    name
        What it is called.
    port
        Where the service is, on 127.0.0.1.
    experiment
        What it logs to.
    folder
        For its files and its log.
    """

    kinds: Sequence[str] = ("metric", "batch", "param", "file", "run")

    def __init__(self, name: str, port: int, experiment: str, folder: Path) -> None:
        self.name = name
        mlflow = installed(CURRENT)
        words = [str(HERE / "logging_client.py"), f"http://127.0.0.1:{port}", experiment, name]
        program = [str(mlflow.programs / "python"), *words]
        log = folder / f"{name}.log"
        self._process = Process(program, log, mlflow.environment(folder), folder)

    def writes(self) -> list[Write]:
        """What it wrote."""
        assert self._process.running, self._process.last_words()
        return self._read()

    def stop(self) -> None:
        """End it at once: what it is at was not acknowledged to anybody."""
        self._process.stop()

    def _read(self) -> list[Write]:
        # The last line may be half there.
        lines = self._process.log.read_text().split("\n")[:-1]
        return [
            Write(kind, began, ended, error, tuple(map(tuple, facts)))
            for kind, began, ended, error, facts in map(
                json.loads, (line for line in lines if line.startswith('["'))
            )
        ]


class Load:
    """Eight clients that log to an experiment of their own.

    Parameters
    ----------
    port
        Where the service is, on 127.0.0.1.
    folder
        For the files of MLflow's clients.
    """

    def __init__(self, port: int, folder: Path) -> None:
        self._connection = Connection(port)
        named = {"name": f"faults {time.time_ns()}"}
        made = self._connection.found("POST", f"{API}/experiments/create", named)
        self.experiment = str(made["experiment_id"])
        # It would end with the task that it leads to; it is opened anew when it is needed.
        self._connection.close()
        of_mlflow = [MlflowClient(name, port, self.experiment, folder) for name in OF_MLFLOW]
        self.plain = [
            PlainClient(f"plain-{n}", port, self.experiment, kinds)
            for n, kinds in enumerate(PLAIN * [RECORDS] + WITH_FILES * [FILES_TOO])
        ]
        self.clients: list[Client] = [*self.plain, *of_mlflow]

    def all_write_after(self, moment: float, seconds: float) -> float:
        """Wait until each client has written something of each kind since a moment.

        Returns
        -------
        float
            When the last of them had, in seconds after the moment.
        """
        deadline = time.monotonic() + seconds
        while True:
            since, missing = moment, []
            for client in self.clients:
                first: dict[str, float] = {}
                for write in client.writes():
                    if write.began >= moment and not write.error:
                        first.setdefault(write.kind, write.ended)
                missing += [f"{client.name}: {kind}" for kind in client.kinds if kind not in first]
                since = max([since, *first.values()])
            if not missing:
                return since - moment
            assert time.monotonic() < deadline, f"nothing of these was written: {missing}"
            time.sleep(0.2)

    def stop(self) -> "Ledger":
        """Stop the clients; what was acknowledged, and what was not."""
        written = {client.name: client.writes() for client in self.clients}
        for client in self.clients:
            client.stop()
        written |= {client.name: client.writes() for client in self.plain}
        return Ledger(self._connection, self.experiment, written)


@contextmanager
def load(port: int, folder: Path) -> Iterator[Load]:
    """Have eight clients log, which all do when this begins."""
    clients = Load(port, folder)
    try:
        clients.all_write_after(0, SECONDS)
        yield clients
    finally:
        for client in clients.clients:
            client.stop()


@dataclass(frozen=True)
class Ledger:
    """What clients wrote, and the service to read it from.

    Parameters
    ----------
    connection
        To the service.
    experiment
        Where they wrote.
    written
        By the client.
    """

    connection: Connection
    experiment: str
    written: dict[str, list[Write]]

    def acknowledged(self) -> Counter[str]:
        """How many writes were, by kind."""
        return Counter(write.kind for write in self._all() if not write.error)

    def longest_silence(self, *, files: bool) -> float:
        """The longest time, in seconds, in which no record was acknowledged to anybody, or no file.

        Parameters
        ----------
        files
            Whether files are meant.
        """
        ends = sorted(
            write.ended
            for write in self._all()
            if not write.error and (write.kind == "file") == files
        )
        return max(later - earlier for earlier, later in pairwise(ends))

    def errors(self, *names: str) -> Counter[str]:
        """How many writes were not, by kind and error; of all clients, or those of these names."""
        return Counter(f"{write.kind} {write.error}" for write in self._all(*names) if write.error)

    def facts(self) -> set[Fact]:
        """Everything that was acknowledged."""
        return {fact for write in self._all() for fact in write.facts}

    def found(self) -> set[Fact]:
        """Everything that is there: records through the API, files through the server."""
        facts: set[Fact] = set()
        page = ""
        while True:
            asked = {"experiment_ids": [self.experiment], "max_results": 1000, "page_token": page}
            answer = self.connection.found("POST", f"{API}/runs/search", asked)
            for run in answer.get("runs", []):
                facts |= self._of_run(run)
            page = answer.get("next_page_token", "")
            if not page:
                break
        for path in [fact[1] for fact in self.facts() if fact[0] == "file"]:
            status, content = self.connection.ask("GET", f"{FILES}/{path}")
            if status == 200:
                facts.add(("file", path, hashlib.sha256(content).hexdigest()))
        self.connection.close()
        return facts

    def _of_run(self, run: dict[str, Any]) -> set[Fact]:
        name = run["info"]["run_id"]
        facts: set[Fact] = {("run", name)}
        for param in run["data"].get("params", []):
            facts.add(("param", name, param["key"], param["value"]))
        for metric in run["data"].get("metrics", []):
            asked = f"run_id={name}&metric_key={metric['key']}&max_results=25000"
            answer = self.connection.found("GET", f"{API}/metrics/get-history?{asked}")
            assert not answer.get("next_page_token")
            for each in answer["metrics"]:
                facts.add(("metric", name, each["key"], each["step"], each["value"]))
        return facts

    def _all(self, *names: str) -> Iterator[Write]:
        for name, writes in self.written.items():
            if not names or name in names:
                yield from writes


def _metric(fact: Fact) -> dict[str, Any]:
    _, _, key, step, value = fact
    return {"key": key, "value": value, "timestamp": 1, "step": step}
