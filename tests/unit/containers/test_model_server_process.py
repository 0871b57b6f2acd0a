"""The model server as it runs: processes, signals, and a socket."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.state import free_port
from tests.conftest import ROOT

SERVED = Path(__file__).parent / "served.py"
SECONDS = 30
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


@dataclass
class Server:
    """A server that runs."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)

    def send(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = self.connect()
        try:
            content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, answer.read(), found
        finally:
            connection.close()

    def ping(self) -> tuple[int, str]:
        status, body, _ = self.send("GET", "/ping")
        return status, json.loads(body)["error"]["code"] if body else ""

    def sum(self, *row: float) -> tuple[int, Any]:
        """What the model answers of a row."""
        status, body, _ = self.send("POST", "/invocations", {"inputs": [row]})
        return status, json.loads(body)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                if holds():
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.02)
        raise AssertionError(f"it never came to that; the log: {self.log()}")

    def workers(self) -> set[int]:
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return {int(pid) for pid in Path(path).read_text().split()}

    def end(self) -> int:
        """Tell it to stop, and wait until it has."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)

    def log(self) -> str:
        return (self.folder / "log").read_text()


@contextmanager
def serving(name: str, folder: Path, ready: bool = True, **environment: str) -> Iterator[Server]:
    """A model of `served.py`, served until the end."""
    (folder / "model").mkdir(parents=True)
    port = free_port()
    given = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT / 'containers' / 'model-server'}:{ROOT}",
        "SAGEMAKER_BASE_DIR": str(folder),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "MODEL_SERVER_WORKERS": "2",
        **environment,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(SERVED), name], env=given, stdout=log, stderr=log
        )
    server = Server(process, port, folder)
    try:
        if ready:
            server.wait_until(lambda: server.ping() == (200, ""))
        yield server
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(
        "Sums", tmp_path_factory.mktemp("sums"), MODEL_SERVER_LARGEST_BODY="1000"
    ) as server:
        yield server


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("Talker", tmp_path_factory.mktemp("talker")) as server:
        yield server


class TestContract:
    def test_ping_and_invocations(self, sums: Server) -> None:
        assert sums.ping() == (200, "")
        assert sums.sum(1, 2) == (200, {"predictions": [3]})

    def test_what_a_batch_transform_job_asks(self, sums: Server) -> None:
        status, body, _ = sums.send("GET", "/execution-parameters")
        assert status == 200
        assert json.loads(body)["BatchStrategy"] == "MULTI_RECORD"

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/rose", 404),
            ("POST", "/ping", 405),
            ("GET", "/invocations", 405),
            ("PUT", "/invocations", 405),
        ],
    )
    def test_nothing_else(self, method: str, path: str, status: int, sums: Server) -> None:
        found, body, headers = sums.send(method, path, b"x")
        assert found == status
        assert set(json.loads(body)["error"]) == {"code", "message"}
        assert ("allow" in headers) == (status == 405)

    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_body_that_is_too_large(self, chunked: bool, sums: Server) -> None:
        connection = sums.connect()
        body = b" " * 100_000
        connection.request(
            "POST",
            "/invocations",
            iter([body]) if chunked else body,
            encode_chunked=chunked,
            headers={"Transfer-Encoding": "chunked"} if chunked else {},
        )
        answer = connection.getresponse()
        assert answer.status == 413
        assert "more than 1000 bytes" in json.loads(answer.read())["error"]["message"]
        assert answer.getheader("connection") == "close"
        connection.close()

    def test_a_connection_is_kept(self, sums: Server) -> None:
        connection = sums.connect()
        for number in range(3):
            connection.request("POST", "/invocations", json.dumps({"inputs": [[number]]}))
            assert json.loads(connection.getresponse().read()) == {"predictions": [number]}
        connection.close()

    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            (b"rose\r\n\r\n", 400),
            (b"GET /ping HTTP/1.1\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", 431),
            (
                b"POST /invocations HTTP/1.1\r\nContent-Length: 1\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                400,
            ),
            (b"GET /ping HTTP/1.0\r\n\r\n", 200),
            (b"GET /ping HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", 200),
            (b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n", 200),
        ],
    )
    def test_what_is_no_kept_connection_is_closed(
        self, sent: bytes, status: int, sums: Server
    ) -> None:
        with socket.create_connection(("127.0.0.1", sums.port), SECONDS) as client:
            client.sendall(sent)
            received = b""
            while part := client.recv(65536):
                received += part
        assert received.startswith(b"HTTP/1.1 %d " % status)
        assert received.count(b"Content-Length: ") == 1
        assert b"Traceback" not in received

    def test_requests_that_come_together_are_answered_in_order(self, sums: Server) -> None:
        one = b'POST /invocations HTTP/1.1\r\nContent-Length: 17\r\n\r\n{"inputs": [[%d]]}'
        with socket.create_connection(("127.0.0.1", sums.port), SECONDS) as client:
            client.sendall(b"".join(one % number for number in range(9)))
            received = b""
            while received.count(b"predictions") < 9:
                part = client.recv(65536)
                assert part, received
                received += part
        found = [part.partition(b"]")[0] for part in received.split(b"[")[1:]]
        assert found == [b"%d" % number for number in range(9)]

    def test_a_client_that_waits_to_be_asked(self, sums: Server) -> None:
        with socket.create_connection(("127.0.0.1", sums.port), SECONDS) as client:
            client.sendall(
                b"POST /invocations HTTP/1.1\r\nContent-Length: 17\r\nExpect: 100-continue\r\n\r\n"
            )
            assert client.recv(1000).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
            client.sendall(b'{"inputs": [[7]]}')
            assert b'{"predictions":[7]}' in client.recv(1000)


class TestStreams:
    @pytest.mark.parametrize("word", ["now", "async"])
    def test_parts_are_sent_as_they_come(self, word: str, talker: Server) -> None:
        status, body, headers = talker.send(
            "POST", "/invocations", word.encode(), **{"Content-Type": "text/plain"}
        )
        assert status == 200
        assert headers["transfer-encoding"] == "chunked"
        assert body.decode() == "".join(f"{word} {number}\n" for number in range(3))

    def test_what_fails_first_is_an_answer(self, talker: Server) -> None:
        status, body, headers = talker.send(
            "POST", "/invocations", b"fail first", **{"Content-Type": "text/plain"}
        )
        assert status == 500
        assert b"secret" not in body
        assert headers["x-request-id"] in talker.log()

    def test_what_fails_later_is_seen_to_be_cut(self, talker: Server) -> None:
        with pytest.raises(http.client.IncompleteRead):
            talker.send("POST", "/invocations", b"fail last", **{"Content-Type": "text/plain"})

    def test_an_old_client_is_told_by_the_end(self, talker: Server) -> None:
        with socket.create_connection(("127.0.0.1", talker.port), SECONDS) as client:
            client.sendall(
                b"POST /invocations HTTP/1.0\r\nContent-Type: text/plain\r\n"
                b"Content-Length: 3\r\n\r\nnow"
            )
            received = b""
            while part := client.recv(65536):
                received += part
        assert received.endswith(b"\r\n\r\nnow 0\nnow 1\nnow 2\n")


class TestAttributes:
    def test_go_to_the_model_and_back(self, talker: Server) -> None:
        headers = {"Content-Type": "text/plain", ATTRIBUTES: "trace=7"}
        status, body, found = talker.send("POST", "/invocations", b"attributes", **headers)
        assert (status, body) == (200, b"trace=7")
        assert found[ATTRIBUTES.lower()] == "trace=7; seen"

    def test_go_back_with_an_error(self, talker: Server) -> None:
        headers = {"Content-Type": "text/plain", ATTRIBUTES: "trace=8"}
        status, _, found = talker.send("POST", "/invocations", b"bad", **headers)
        assert status == 400
        assert found[ATTRIBUTES.lower()] == "trace=8"


class TestLife:
    def test_ping_says_no_until_the_model_is_loaded(self, tmp_path: Path) -> None:
        with serving("Slow", tmp_path, ready=False) as server:
            server.wait_until(lambda: server.ping() == (503, "loading"))
            status, _, headers = server.send("POST", "/invocations", {"inputs": [[0]]})
            assert (status, headers["retry-after"]) == (503, "1")
            (server.model / "load").touch()
            server.wait_until(lambda: server.ping() == (200, ""))
            assert server.sum(0)[0] == 200

    def test_what_is_under_way_is_finished(self, tmp_path: Path) -> None:
        with serving("Slow", tmp_path, ready=False) as server:
            (server.model / "load").touch()
            server.wait_until(lambda: server.ping() == (200, ""))
            under_way, kept = server.connect(), server.connect()
            kept.request("GET", "/ping")
            assert kept.getresponse().read() == b""
            under_way.request("POST", "/invocations", json.dumps({"inputs": [[1, 2]]}))
            server.wait_until((server.model / "begun").exists)
            server.process.send_signal(signal.SIGTERM)
            server.wait_until(lambda: _refused(server.port))
            kept.request("GET", "/ping")
            answer = kept.getresponse()
            assert (answer.status, answer.getheader("connection")) == (503, "close")
            assert server.process.poll() is None
            (server.model / "go").touch()
            assert json.loads(under_way.getresponse().read()) == {"predictions": [3]}
            assert server.process.wait(SECONDS) == 0

    def test_what_does_not_finish_is_ended(self, tmp_path: Path) -> None:
        with serving("Slow", tmp_path, ready=False, MODEL_SERVER_DRAIN="0") as server:
            (server.model / "load").touch()
            server.wait_until(lambda: server.ping() == (200, ""))
            under_way = server.connect()
            under_way.request("POST", "/invocations", json.dumps({"inputs": [[1]]}))
            server.wait_until((server.model / "begun").exists)
            assert server.end() == 0
            with pytest.raises((OSError, http.client.HTTPException)):
                under_way.getresponse()

    def test_it_can_be_stopped_while_it_loads(self, tmp_path: Path) -> None:
        with serving("Slow", tmp_path, ready=False) as server:
            server.wait_until(lambda: server.ping() == (503, "loading"))
            server.end()
            server.wait_until(lambda: _refused(server.port))

    def test_a_process_that_dies_is_replaced(self, tmp_path: Path) -> None:
        with serving("Fragile", tmp_path) as server:
            before = server.workers()
            with pytest.raises((OSError, http.client.HTTPException)):
                server.sum(1)
            server.wait_until(lambda: len(server.workers()) == 2 and server.workers() != before)
            server.wait_until(lambda: server.sum(4) == (200, {"predictions": [4]}))

    def test_its_processes_end_with_it(self, tmp_path: Path) -> None:
        with serving("Sums", tmp_path) as server:
            workers = server.workers()
            assert len(workers) == 2
            server.process.kill()
            server.process.wait()
            server.wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))

    def test_processes_that_keep_dying_end_it(self, tmp_path: Path) -> None:
        with serving("Fragile", tmp_path) as server:
            end = time.monotonic() + SECONDS
            while server.process.poll() is None and time.monotonic() < end:
                try:
                    server.sum(1)
                except (OSError, http.client.HTTPException):
                    continue
            assert server.process.wait(SECONDS) == 1
            assert "processes ended within" in server.log()

    def test_a_model_that_cannot_answer_its_probe_is_not_served(self, tmp_path: Path) -> None:
        with serving("Useless", tmp_path, ready=False) as server:
            assert server.process.wait(SECONDS) == 1
            assert "cannot be served" in server.log()

    def test_a_model_that_a_process_cannot_load_is_not_served(self, tmp_path: Path) -> None:
        with serving("Unloadable", tmp_path, ready=False) as server:
            assert server.process.wait(SECONDS) == 1
            assert "cannot be loaded: there are no weights" in server.log()
            assert "Traceback" not in server.log()

    def test_a_port_that_is_taken_is_said(self, tmp_path: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = str(taken.getsockname()[1])
            with serving("Sums", tmp_path, ready=False, SAGEMAKER_BIND_TO_PORT=port) as server:
                assert server.process.wait(SECONDS) == 1
                assert "cannot be listened on" in server.log()

    def test_a_wrong_setting_is_said(self, tmp_path: Path) -> None:
        with serving("Sums", tmp_path, ready=False, MODEL_SERVER_BATCH="many") as server:
            assert server.process.wait(SECONDS) == 1
            assert "MODEL_SERVER_BATCH is 'many'" in server.log()

    def test_another_model_than_the_released_one_is_not_served(self, tmp_path: Path) -> None:
        with serving("Sums", tmp_path, ready=False, MODEL_DIGEST="sha256:0") as server:
            assert server.process.wait(SECONDS) == 1
            assert "was released" in server.log()


class TestUser:
    def uids(self, server: Server) -> set[int]:
        found = set()
        for pid in server.workers():
            status = Path(f"/proc/{pid}/status").read_text()
            found.add(int(status.partition("\nUid:")[2].split()[0]))
        return found

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    @pytest.mark.parametrize("name", ["Sums", "Separate"])
    def test_who_answers_is_not_who_loads(self, name: str, tmp_path: Path) -> None:
        with serving(name, tmp_path, MODEL_SERVER_UID="10001") as server:
            assert self.uids(server) == {10001}
            assert server.sum(1, 2) == (200, {"predictions": [3]})
            loaded = {path.name for path in server.model.iterdir()}
            assert loaded == ({"loaded by 0"} if name == "Separate" else set())


class TestBroken:
    def test_a_failure_is_logged_with_its_number_and_not_shown(self, tmp_path: Path) -> None:
        with serving("Fragile", tmp_path) as server:
            status, body, headers = server.send("POST", "/invocations", {"inputs": [[13]]})
            assert status == 500
            assert b"secret" not in body
            assert b"RuntimeError" not in body
            assert b"Traceback" not in body
            number = headers["x-request-id"]
            assert number in body.decode()
            assert f"request {number}" in server.log()
            assert "a secret of the model" in server.log()

    def test_input_that_it_fails_with_does_not_break_it(self, tmp_path: Path) -> None:
        with serving("Fragile", tmp_path, MODEL_SERVER_FAILURES="2") as server:
            assert {server.sum(13)[0] for _ in range(12)} == {500}
            assert server.ping() == (200, "")

    def test_it_is_broken_when_it_fails_with_what_it_could_answer(self, tmp_path: Path) -> None:
        with serving(
            "Fragile", tmp_path, MODEL_SERVER_FAILURES="2", MODEL_SERVER_WORKERS="1"
        ) as server:
            assert {server.sum(99)[0] for _ in range(2)} == {500}
            assert server.ping() == (503, "broken")

    def test_a_stuck_one_is_said_and_replaced(self, tmp_path: Path) -> None:
        with serving(
            "Stuck", tmp_path, MODEL_SERVER_TIMEOUT="1", MODEL_SERVER_WORKERS="1"
        ) as server:
            before = server.workers()
            assert server.sum(666)[0] == 504
            server.wait_until(lambda: server.workers() != before)
            server.wait_until(lambda: server.ping() == (200, ""))
            assert server.sum(5) == (200, {"predictions": [5]})
            assert "at work for too long" in server.log()


def test_metrics_are_lines_that_cloudwatch_reads(tmp_path: Path) -> None:
    with serving("Sums", tmp_path, MODEL_SERVER_WORKERS="1", MODEL_NAME="sums") as server:
        for row in ([1.0], [2.0]):
            assert server.sum(*row)[0] == 200
        assert server.send("POST", "/invocations", b"{")[0] == 400
        assert server.end() == 0
        (line,) = [json.loads(line) for line in server.log().splitlines() if "_aws" in line]
    (about,) = line["_aws"]["CloudWatchMetrics"]
    assert about["Dimensions"] == [["Model"]]
    assert line["Model"] == "sums"
    assert (line["Requests"], line["ClientErrors"], line["ServerErrors"]) == (3, 1, 0)
    assert {metric["Name"] for metric in about["Metrics"]} <= set(line)
    assert len(line["Latency"]) == 3


def _refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), SECONDS).close()
    except ConnectionRefusedError:
        return True
    return False
