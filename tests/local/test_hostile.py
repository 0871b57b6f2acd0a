"""What a hostile caller sends to the tracking server: it is refused, and the others are served."""

import base64
import gzip
import json
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.images import current_image
from local.platform import LocalPlatform
from tests.local.conftest import Deployed, authorization, processes_naming
from tests.local.wire import HOST, Answer, Header, exchange, message
from tests.routes import routes

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
UPLOAD = "/ajax-api/2.0/mlflow/upload-artifact"
TRACES = "/api/3.0/mlflow/traces"
SEARCH = f"{API}/experiments/search?max_results=1"
JSON = (b"Content-Type", b"application/json")
OPEN = {
    "GET /health",
    "GET /api/3.0/mlflow/server-info",
    "GET /ajax-api/3.0/mlflow/server-info",
}
SECRET = b"what only payroll reads"
MEGABYTE = 1_000_000
SECONDS = 10
"""How long any one call may take."""

PATIENCE = 5
"""How long a call of somebody else may take meanwhile."""

GROWTH = 400
"""MiB that a process of the server may hold more than before: what it took for a moment is
Python's to use again."""

LEAKS = (b"Traceback", b"pymysql", b"[SQL:", b"sqlalchemy", b"root:x:")


@dataclass
class Server:
    """The tracking server of the local platform, asked over the wire.

    Parameters
    ----------
    platform
        The platform.
    logins
        The header of each user.
    """

    platform: LocalPlatform
    logins: dict[str, Header] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        return self.platform.tracking_uri()

    def login(self, user: str) -> list[Header]:
        """The header that logs a user in; none for nobody."""
        if user and user not in self.logins:
            value = authorization(self.platform, user)["Authorization"]
            self.logins[user] = (b"Authorization", value.encode())
        return [self.logins[user]] if user else []

    def ask(
        self,
        method: str,
        target: str | bytes,
        body: Any = None,
        user: str = "ana",
        headers: Sequence[Header] = (JSON,),
        **options: Any,
    ) -> Answer:
        """Ask as a user; what is not bytes becomes JSON."""
        if not isinstance(body, bytes):
            body = b"" if body is None else json.dumps(body).encode()
        sent = message(method, target, [*self.login(user), *headers], body, **options)
        return exchange(self.uri, sent)

    def make(self, path: str, body: Any, user: str = "ana") -> Any:
        """What a call that is in order answers."""
        answer = self.ask("POST", f"{API}/{path}", body, user)
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def refuses(self, what: str, answer: Answer) -> None:
        """Check that a call was refused, and by a sentence that says nothing of the inside."""
        assert 400 <= answer.status < 500, (what, answer.status, answer.body[:300])
        self.tells_nothing(what, answer)

    def tells_nothing(self, what: str, answer: Answer) -> None:
        assert 200 <= answer.status < 500, (what, answer.status, answer.body[:300])
        for leak in (*LEAKS, SECRET):
            assert leak not in answer.body, (what, answer.body[:300])

    def memory(self) -> list[int]:
        """MiB of each process that answers."""
        running = processes_naming(str(self.platform.state.path))
        servers = {pid for pid, words in running.items() if "tracking_server.workers" in words}
        statuses = [(Path("/proc") / str(pid) / "status").read_text() for pid in servers]
        found = []
        for status in statuses:
            said = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            # The first of them answers nobody: it forks the others.
            if int(said["PPid"]) in servers:
                found.append(int(said["VmRSS"].split()[0]) // 1024)
        return sorted(found)

    @contextmanager
    def others_served(self) -> Iterator[None]:
        """Check that calls of somebody else are answered soon, and that memory comes back."""
        self.ask("GET", SEARCH, user="eve")
        before, took, stop = self.memory(), [0.0], threading.Event()
        statuses: set[int] = set()

        def ask() -> None:
            while not stop.is_set():
                started = time.monotonic()
                statuses.add(self.ask("GET", SEARCH, user="eve").status)
                took.append(time.monotonic() - started)
                stop.wait(0.05)

        other = threading.Thread(target=ask)
        other.start()
        try:
            yield
        finally:
            stop.set()
            other.join()
        after = self.memory()
        print(f"memory {before} -> {after} MiB; {len(took)} other calls, {max(took):.2f} s at most")
        assert statuses == {200}
        assert max(took) < PATIENCE
        assert len(after) == len(before) == 2
        assert after[-1] < before[-1] + GROWTH


@contextmanager
def at_once(what: str) -> Iterator[None]:
    """Check that a call takes no longer than any may."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < SECONDS, what


@pytest.fixture(scope="module")
def server(deployed: Deployed) -> Server:
    return Server(deployed.platform)


@pytest.fixture(scope="module")
def table(server: Server) -> list[tuple[str, str]]:
    """Every method and path that the server knows."""
    image = current_image("mlflow")
    folder = server.platform.state.run / "routes"
    folder.mkdir(exist_ok=True)
    environment = server.platform.program_environment(folder)
    found = routes(image, image.environment(environment), access=True)
    return [(method, path) for method, path in (line.split(" ", 1) for line in found)]


def empty(method: str) -> bytes:
    return b"" if method == "GET" else b"{}"


def basic(words: bytes) -> Header:
    return b"Authorization", b"Basic " + base64.b64encode(words)


class TestLogin:
    @pytest.mark.parametrize(
        "login",
        [[], [(b"Authorization", b"Basic \xff\xfe%%%")], [(b"Authorization", b"Bearer abc")]],
        ids=["none", "other letters", "token"],
    )
    def test_every_route_asks_for_one(
        self, login: list[Header], server: Server, table: list[tuple[str, str]]
    ) -> None:
        statuses: Counter[int] = Counter()
        answered = set()
        for method, path in table:
            answer = server.ask(method, path, empty(method), "", [*login, JSON])
            statuses[answer.status] += 1
            if answer.status != 401:
                answered.add(f"{method} {path}")
        print(f"{len(table)} routes: {dict(statuses)}")
        assert len(table) > 500
        assert answered == OPEN
        assert statuses == {401: len(table) - len(OPEN), 200: len(OPEN)}

    @pytest.mark.parametrize(
        "words", [b"ana:wrong", b"ana", b":", b"ana\0:x", b"\xff\xfe:\xff", b"x" * 10_000 + b":"]
    )
    def test_a_wrong_one_opens_none(
        self, words: bytes, server: Server, table: list[tuple[str, str]]
    ) -> None:
        """A sample: such a call may cost the server a tenth of a second of a processor."""
        native = [("GET", f"{FILES}/x"), ("POST", "/v1/traces")]
        for method, path in [*table[::80], *native]:
            answer = server.ask(method, path, empty(method), "", [basic(words), JSON])
            assert answer.status == (200 if f"{method} {path}" in OPEN else 401), path

    @pytest.mark.parametrize(
        "target",
        [
            b"//api/2.0/mlflow/experiments/search?max_results=1",
            b"/api//2.0/mlflow/experiments/search?max_results=1",
            b"/api/2.0/mlflow/experiments/search/?max_results=1",
            b"/health/../api/2.0/mlflow/experiments/search?max_results=1",
            b"//health/../api/2.0/mlflow/experiments/search?max_results=1",
            b"/health/%2e%2e/api/2.0/mlflow/experiments/search?max_results=1",
            b"/health%2f..%2fapi/2.0/mlflow/experiments/search",
            b"/health;/../api/2.0/mlflow/experiments/search",
            b"/API/2.0/mlflow/experiments/search?max_results=1",
            b"/%61pi/2.0/mlflow/experiments/search?max_results=1",
            b"/api/2.0/mlflow%2fexperiments%2fsearch?max_results=1",
            b"/api/2.0/mlflow/experiments/search;/health",
            b"/api/2.0/mlflow/experiments/search%00",
            b"/api/2.0/mlflow/experiments/search#/health",
            b"/api/3.0/mlflow/server-info/../experiments/search",
            b"/api/3.0/mlflow/server-info%2f..%2fexperiments/search",
            b"/api/3.0/mlflow/server-info/",
            b"/api/3.0/mlflow/server-info;a",
            b"/health/",
            b"/Health",
            b"/health%00",
            b"/health%0d%0a",
            b"/./health",
            b"/static-files/../health",
            b"/static-files/index.html",
            b"/api/2.0/mlflow-artifacts/artifacts/../../health",
            b"/gateway/../health",
            b"//v1/traces",
            b"/%ff%fe",
            b"/\xff\xfe",
            b"http://127.0.0.1/api/2.0/mlflow/experiments/search",
            b"http://evil.test/health",
            b"127.0.0.1:80",
            b"*",
            b"",
        ],
    )
    def test_no_spelling_of_a_path_and_no_method_opens_one(
        self, target: bytes, server: Server
    ) -> None:
        # What is no path at all, and a method that is none, is not HTTP.
        refused = {401} if target.startswith(b"/") and target.isascii() else {400}
        for method in ("GET", "POST", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "CONNECT", "DELETE"):
            assert server.ask(method, target, b"", "").status in refused, method
        assert server.ask("BREW", target, b"", "").status == 400

    @pytest.mark.parametrize(
        ("header", "status"),
        [
            ((b"X-HTTP-Method-Override", b"GET"), 401),
            ((b"X-Original-URL", b"/health"), 401),
            ((b"X-Rewrite-URL", b"/health"), 401),
            ((b"X-Forwarded-For", b"127.0.0.1"), 401),
            ((b"X-Forwarded-User", b"administrator"), 401),
            ((b"X-Forwarded-Prefix", b"/health"), 401),
            ((b"Cookie", b"session=administrator"), 401),
            ((b"X-MLFLOW-WORKSPACE", b"default"), 400),
        ],
    )
    def test_no_header_opens_one(self, header: Header, status: int, server: Server) -> None:
        for method in ("GET", "POST"):
            assert server.ask(method, SEARCH, empty(method), "", [header, JSON]).status == status

    def test_who_is_in_no_team_finds_nothing_of_others(
        self, server: Server, table: list[tuple[str, str]]
    ) -> None:
        answered = {}
        for method, path in table:
            answer = server.ask(method, path, empty(method), "sam")
            if answer.status != 503:
                server.tells_nothing(path, answer)
            if answer.status in (200, 503):
                answered[f"{method} {path}".replace("ajax-", "")] = answer
        print(f"{len(answered)} of {len(table)} routes answer: {sorted(answered)}")
        # MLflow's answer for what is off.
        off = {f"{method} /api/3.0/mlflow/workspaces" for method in ("GET",)}
        assert {name for name, answer in answered.items() if answer.status == 503} == off
        # What is one's own, what the server is, and lists, of which these are all empty.
        own = {
            *("GET /", "GET /health", "GET /version", "GET /api/3.0/mlflow/server-info"),
            *("GET /api/2.0/mlflow/users/current", "GET /api/3.0/mlflow/users/current/permissions"),
            *("GET /api/3.0/mlflow/ui-telemetry", "POST /api/3.0/mlflow/ui-telemetry"),
        }
        lists = set(answered) - own - off
        for name in lists:
            said = json.loads(answered[name].body)
            assert not any(said.values()), (name, said)
        assert lists == {
            *("GET /api/2.0/mlflow/model-versions/search",),
            *("GET /api/2.0/mlflow/registered-models/search", "POST /api/2.0/mlflow/runs/search"),
            *("GET /api/2.0/mlflow/gateway-proxy", "POST /api/2.0/mlflow/gateway-proxy"),
            *("GET /api/3.0/mlflow/mcp-servers", "GET /api/3.0/mlflow/mcp-servers/endpoints"),
            *("GET /api/3.0/mlflow/scorers/list", "POST /api/3.0/jobs/search"),
        }


class TestOff:
    """MLflow's gateway calls what a user names; its examples would fail half-way."""

    def test_nobody_sets_the_gateway_up_or_uses_it(
        self, server: Server, table: list[tuple[str, str]]
    ) -> None:
        calls = [(method, path) for method, path in table if "gateway/" in path]
        assert len(calls) > 60
        for method, path in calls:
            answer = server.ask(method, path, empty(method), "administrator")
            assert answer.status == 403, (method, path, answer)
            assert b"no gateway" in answer.body, (method, path, answer)

    @pytest.mark.parametrize("user", ["ana", "sam", "administrator"])
    def test_nobody_has_examples_made(self, user: str, server: Server) -> None:
        answer = server.ask("POST", "/ajax-api/3.0/mlflow/demo/generate", {}, user)
        assert answer.status == 403
        assert b"no examples" in answer.body

    def test_a_secret_with_an_address_inside_is_not_kept(self, server: Server) -> None:
        secret = {
            "secret_name": "inside",
            "secret_value": [{"key": "api_key", "value": "x"}],
            "provider": "openai",
            "auth_config": [{"key": "api_base", "value": "http://169.254.170.2/v2/credentials"}],
        }
        for path in ("/api/3.0/mlflow", "/ajax-api/3.0/mlflow"):
            answer = server.ask("POST", f"{path}/gateway/secrets/create", secret, "administrator")
            assert answer.status == 403, answer

    def test_pages_do_not_offer_it(self, server: Server) -> None:
        said = json.loads(server.ask("GET", "/api/3.0/mlflow/server-info", user="").body)
        assert said["features_enabled"] == {"gateway": False}


@dataclass(frozen=True)
class Runs:
    """A run that ana may write, and one of an experiment that she is denied.

    Parameters
    ----------
    mine, theirs
        Where their files lie, below the server's part of the bucket.
    """

    mine: str
    theirs: str

    @property
    def my_run(self) -> str:
        return self.mine.split("/")[1]

    @property
    def their_run(self) -> str:
        return self.theirs.split("/")[1]

    @property
    def my_experiment(self) -> str:
        return self.mine.split("/")[0]

    @property
    def their_experiment(self) -> str:
        return self.theirs.split("/")[0]


@pytest.fixture(scope="module")
def runs(server: Server) -> Runs:
    found = []
    for user in ("ana", "administrator"):
        experiment = server.make("experiments/create", {"name": f"hostile {time.time_ns()}"}, user)
        number = experiment["experiment_id"]
        if user == "administrator":
            grant = {
                "username": "ana",
                "resource_type": "experiment",
                "resource_id": number,
                "permission": "DENY",
            }
            denied = "/api/3.0/mlflow/users/permissions/grant"
            assert server.ask("POST", denied, grant, "administrator").status == 200
        run = server.make("runs/create", {"experiment_id": number, "start_time": 1}, user)
        uri = run["run"]["info"]["artifact_uri"]
        found.append(uri.removeprefix("mlflow-artifacts:/"))
    mine, theirs = found
    for name in ("payroll.txt", "traces.json", "traces.pb", f"attachments/{'0' * 32}"):
        put = server.ask("PUT", f"{FILES}/{theirs}/{name}", SECRET, "administrator")
        assert put.status == 200
    return Runs(mine, theirs)


@dataclass
class Bucket:
    """What lies in the bucket.

    Parameters
    ----------
    client
        Of S3.
    name
        The bucket's.
    """

    client: Any
    name: str

    def files(self) -> dict[str, str]:
        """The digest of each file, by its key."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return {each["Key"]: each["ETag"] for page in pages for each in page.get("Contents", [])}


@pytest.fixture
def bucket(server: Server) -> Bucket:
    client = server.platform.client("s3")
    names = [each["Name"] for each in client.list_buckets()["Buckets"]]
    (name,) = [name for name in names if "-artifacts-" in name]
    return Bucket(client, name)


@pytest.fixture
def confined(bucket: Bucket, runs: Runs) -> Iterator[None]:
    """Check that nothing was written but below the caller's own run."""
    before = bucket.files()
    yield
    after = bucket.files()
    changed = {key for key, digest in after.items() if before.get(key) != digest}
    changed |= before.keys() - after.keys()
    assert all(key.startswith(f"mlflow/{runs.mine}/") for key in changed), changed


ATOMS = [
    *(
        "..",
        "%2e%2e",
        "%252e%252e",
        "%25252e%25252e",
        ".%2e",
        "%c0%ae%c0%ae",
        "%uff0e",
        "\uff0e\uff0e",
    ),
    *("/", "//", "%2f", "%252f", "\\", "%5c", "%255c", "%00", "%0a", "%0d%0a", "%ff", "%23", "?"),
    *("file:", "file:///", "s3://", "http://[", "C:", "~", ";", "...", ".", "etc/passwd", "a"),
    *("payroll.txt", "%F0%9F%98%80", "%ed%a0%80", "x" * 300),
]


def ways(server: Server, runs: Runs, path: str) -> Iterator[tuple[str, Answer]]:
    """What each way to a file answers to a path below the caller's own run."""
    target = path.encode("utf-8", "surrogatepass")
    below = f"{FILES}/{runs.mine}/".encode() + target
    quoted = urllib.parse.quote(path, safe="%").encode()
    for method in ("GET", "PUT", "DELETE"):
        body = b"by a way" if method == "PUT" else None
        yield method, server.ask(method, below, body)
    run = runs.my_run.encode()
    yield "list", server.ask("GET", f"{FILES}?path={runs.mine}/".encode() + quoted)
    yield (
        "run's list",
        server.ask("GET", f"{API}/artifacts/list?".encode() + b"run_id=%b&path=%b" % (run, quoted)),
    )
    yield "get", server.ask("GET", b"/get-artifact?run_id=%b&path=%b" % (run, quoted))
    upload = UPLOAD.encode() + b"?run_uuid=%b&path=%b" % (run, quoted)
    yield "upload", server.ask("POST", upload, b"by a way")


@pytest.mark.usefixtures("confined")
class TestPaths:
    @pytest.mark.parametrize("up", ["..", "%2e%2e", "%252e%252e", "%25252e%25252e", ".%2e"])
    @pytest.mark.parametrize("slash", ["/", "%2f", "%252f"])
    def test_none_leads_to_another_run(
        self, up: str, slash: str, server: Server, runs: Runs
    ) -> None:
        for path in (f"{up}{slash}" * 3 + f"{runs.theirs}/payroll.txt", f"a{slash}{up}{slash}{up}"):
            for way, answer in ways(server, runs, path):
                assert answer.status in (400, 403), (way, path, answer)

    @pytest.mark.parametrize(
        "path",
        [
            *("file:///etc/passwd", "file:%2f%2f%2fetc%2fpasswd", "/etc/passwd", "%2fetc%2fpasswd"),
            *("//etc/passwd", "..%5c..%5cetc%5cpasswd", "..\\..\\etc\\passwd", "~/.ssh", "C:%5cx"),
            *("mine.txt%00.png", "..%00/x", "%c0%ae%c0%ae/x", "....//....//x", "..;/..;/x"),
            *(
                "s3://other/x",
                "http://[",
                "mine.txt%23x",
                "a/",
                "x" * 256,
                "x/" * 500,
                "%" + "25" * 20,
            ),
        ],
    )
    def test_none_leads_out_of_the_bucket(self, path: str, server: Server, runs: Runs) -> None:
        for way, answer in ways(server, runs, path):
            server.tells_nothing(f"{way} {path}", answer)
            # What was found is what was put there.
            if way in ("GET", "get") and answer.status == 200:
                assert b"by a way" in answer.body

    @settings(
        max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(atoms=st.lists(st.sampled_from(ATOMS), min_size=1, max_size=8))
    def test_none_at_all_does(self, atoms: list[str], server: Server, runs: Runs) -> None:
        for way, answer in ways(server, runs, "".join(atoms)):
            server.tells_nothing(f"{way} {atoms}", answer)

    def test_another_runs_files_are_denied(self, server: Server, runs: Runs) -> None:
        theirs, run = f"{runs.theirs}/payroll.txt", runs.their_run
        experiment, _, rest = theirs.partition("/")
        for path in (
            *(theirs, f"/{theirs}", f"./{theirs}", f"%2e/{theirs}", f"{experiment}//{rest}"),
            *(f"{experiment}%2f{rest}", f"0{theirs}", f"%{ord(experiment[0]):x}{theirs[1:]}"),
        ):
            for method in ("GET", "PUT", "DELETE"):
                body = b"changed" if method == "PUT" else None
                server.refuses(path, server.ask(method, f"{FILES}/{path}", body))
            server.refuses(path, server.ask("GET", f"{FILES}?path={path}"))
        for target in (
            f"/get-artifact?run_id={run}&path=payroll.txt",
            f"{API}/artifacts/list?run_id={run}",
            f"{API}/runs/get?run_id={run}",
        ):
            assert server.ask("GET", target).status == 403, target
        assert server.ask("GET", FILES, {"path": runs.their_experiment}).status == 403

    def test_a_call_that_names_two_runs_reaches_neither(self, server: Server, runs: Runs) -> None:
        mine, theirs = runs.my_run, runs.their_run
        for names in (
            *(f"run_id={mine}&run_uuid={theirs}", f"run_uuid={mine}&run_id={theirs}"),
            *(f"run_id={theirs}&run_id={mine}", f"run_id=&run_uuid={theirs}"),
            *(f"run_uuid={theirs}&run_uuid={mine}", f"run_id={mine}&run_uuid={theirs}&run_id="),
        ):
            get = server.ask("GET", f"/get-artifact?{names}&path=payroll.txt")
            server.refuses(names, get)
            server.refuses(names, server.ask("POST", f"{UPLOAD}?{names}&path=new.txt", b"new"))
            # JSON in the body is not what the address is about.
            body = {"run_id": mine, "run_uuid": mine}
            server.refuses(names, server.ask("POST", f"{UPLOAD}?{names}&path=new.txt", body))


class TestPlaces:
    """Places that a user names, which the server would read by its own right."""

    def test_a_version_is_of_a_run_that_the_user_may_read(
        self, server: Server, runs: Runs, bucket: Bucket
    ) -> None:
        name = f"hostile {time.time_ns()}"
        server.make("registered-models/create", {"name": name})
        own = {"run_id": runs.my_run}
        in_bucket = f"s3://{bucket.name}/mlflow/{runs.theirs}"
        escaping = [
            *("../" * 3, "%2e%2e/" * 3, "%252e%252e/" * 3),
            *("x/../../../../", "..%2f..%2f..%2f"),
        ]
        mine = f"mlflow-artifacts:/{runs.mine}"
        for source in (
            *(in_bucket, in_bucket.upper(), "s3://other/x", "s3:/x", "S3://x"),
            *("file:///etc", "/etc", "etc", ".", "FILE:/etc", "file:", "data:x", "x:y"),
            *("mlflow-artifacts:/../..", "mlflow-artifacts:/", f"mlflow-artifacts:/{runs.theirs}"),
            *(f"{mine}/{up}{runs.theirs}" for up in escaping),
            *(f"runs:/{runs.their_run}/x", f"runs://x/{runs.my_run}/x", "runs:/x", "runs:"),
            *("http://127.0.0.1:1/x", "https://evil.test/x", "ftp://h/x", "sftp://h/x"),
            *("hdfs://h/x", "dbfs:/x", "gs://b/x", "wasbs://c@a.blob.core.windows.net/x", "uc:/x"),
            *(f"models:/m-{'0' * 32}", "models://x/iris/1", "models:/", "\0", "x" * 100_000),
        ):
            for also in ({}, own):
                version = {"name": name, "source": source, **also}
                answer = server.ask("POST", f"{API}/model-versions/create", version)
                server.refuses(f"{source[:200]} {also}", answer)
        for also in ({"run_id": runs.their_run}, {"run_id": ""}):
            version = {"name": name, "source": f"mlflow-artifacts:/{runs.theirs}", **also}
            answer = server.ask("POST", f"{API}/model-versions/create", version)
            server.refuses(str(also), answer)
        made = server.make(
            "model-versions/create", {"name": name, "source": f"{mine}/model", **own}
        )
        assert made["model_version"]["version"] == "1"
        quoted = urllib.parse.quote(name)
        get = f"/model-versions/get-artifact?name={quoted}&version=1&path="
        for path in ("payroll.txt", f"../../../../{runs.theirs}/payroll.txt", "%252fetc/passwd"):
            server.refuses(path, server.ask("GET", get + path))

    def test_an_experiment_lies_where_the_server_says(
        self, server: Server, runs: Runs, bucket: Bucket
    ) -> None:
        for place in (
            *("/etc", "file:///etc", "relative", "s3://other", f"s3://{bucket.name}/mlflow"),
            *("mlflow-artifacts:/../x", f"mlflow-artifacts:/{runs.theirs}", "runs:/x"),
            *("http://127.0.0.1:1/", "http://[", "x" * 100_000),
        ):
            body = {"name": f"at {place[:200]}", "artifact_location": place}
            server.refuses(place[:200], server.ask("POST", f"{API}/experiments/create", body))

    def test_a_trace_is_read_from_its_own_place(
        self, server: Server, runs: Runs, bucket: Bucket
    ) -> None:
        in_bucket = f"s3://{bucket.name}/mlflow/{runs.theirs}"
        places = [f"mlflow-artifacts:/{runs.theirs}", in_bucket, "file:///etc", "http://[", ""]
        tags: list[dict[str, str]] = [{"mlflow.artifactLocation": place} for place in places]
        tags += [
            {"mlflow.trace.spansLocation": "ARCHIVE_REPO", "mlflow.trace.archiveLocation": place}
            for place in places
        ]
        for number, each in enumerate(tags):
            trace = {
                "trace_id": f"tr-{runs.my_run}-{number}",
                "trace_location": {
                    "type": "MLFLOW_EXPERIMENT",
                    "mlflow_experiment": {"experiment_id": runs.my_experiment},
                },
                "request_time": "2026-01-01T00:00:00Z",
                "execution_duration": "1s",
                "state": "OK",
            }
            both = [
                {**trace, "tags": each},
                {**trace, "trace_id": f"tr-set-{runs.my_run}-{number}"},
            ]
            for one in both:
                start = server.ask("POST", TRACES, {"trace": {"trace_info": one}})
                server.tells_nothing(str(each), start)
            for key, value in each.items():
                tag = {"key": key, "value": value}
                path = f"{TRACES}/tr-set-{runs.my_run}-{number}/tags"
                server.tells_nothing(str(tag), server.ask("PATCH", path, tag))
            for one in both:
                get = f"/ajax-api/3.0/mlflow/get-trace-artifact?request_id={one['trace_id']}"
                for path in ("", f"&path={'0' * 32}", "&path=..%2ftraces.json"):
                    server.refuses(f"{each} {path}", server.ask("GET", get + path))


class TestBodies:
    @pytest.mark.parametrize("path", ["runs/log-parameter", "runs/set-tag", "runs/log-batch"])
    @pytest.mark.parametrize("user", ["ana", ""])
    def test_50_megabytes_are_too_much(
        self, user: str, path: str, server: Server, runs: Runs
    ) -> None:
        pair = {"key": "k", "value": "x" * 50 * MEGABYTE}
        body = {"run_id": runs.my_run, **pair, "params": [pair]}
        with server.others_served(), at_once(path):
            answer = server.ask("POST", f"{API}/{path}", body, user)
        assert answer.status == 413
        assert b"larger than" in answer.body

    def test_what_is_too_long_is_refused_or_cut(self, server: Server, runs: Runs) -> None:
        long = "x" * 30 * MEGABYTE
        run = {"run_id": runs.my_run}
        with server.others_served():
            for path, body in (
                ("runs/log-parameter", {**run, "key": long, "value": "v"}),
                ("runs/set-tag", {**run, "key": long, "value": "v"}),
                ("experiments/create", {"name": long}),
                ("runs/log-batch", {**run, "metrics": [1] * 10 * MEGABYTE}),
                ("runs/log-batch", b"{" * 30 * MEGABYTE),
                ("runs/log-batch", b"\xff" * 30 * MEGABYTE),
            ):
                with at_once(path):
                    server.refuses(path, server.ask("POST", f"{API}/{path}", body))
        # MLflow keeps the beginning of a long parameter.
        server.make("runs/log-parameter", {**run, "key": "long", "value": "v" * MEGABYTE})
        kept = json.loads(server.ask("GET", f"{API}/runs/get?run_id={runs.my_run}").body)
        (value,) = [p["value"] for p in kept["run"]["data"]["params"] if p["key"] == "long"]
        assert value == "v" * 6000

    def test_a_trace_is_of_an_experiment_that_is_named(self, server: Server, runs: Runs) -> None:
        for path in ("/api/2.0/mlflow/traces", "/ajax-api/2.0/mlflow/traces"):
            for experiment in ("", "x"):
                answer = server.ask("POST", path, {"experiment_id": experiment}, "administrator")
                assert answer.status == 400, (path, experiment, answer)
            assert server.ask("POST", path, {}, "administrator").status == 400
            mine = {"experiment_id": runs.my_experiment, "timestamp_ms": 1}
            assert server.ask("POST", path, mine).status == 200

    def test_the_largest_batch_is_taken(self, server: Server) -> None:
        made = server.make("experiments/create", {"name": f"largest {time.time_ns()}"})
        number = made["experiment_id"]
        run = server.make("runs/create", {"experiment_id": number, "start_time": 1})
        body = {
            "run_id": run["run"]["info"]["run_id"],
            "metrics": [
                {"key": f"m{i}", "value": 0.5, "timestamp": 1, "step": i} for i in range(800)
            ],
            "params": [{"key": f"p{i}", "value": "\N{GRINNING FACE}" * 6000} for i in range(100)],
            "tags": [{"key": f"t{i}", "value": "x" * 8000} for i in range(100)],
        }
        with at_once("batch"):
            server.make("runs/log-batch", body)

    @pytest.mark.parametrize(
        "body",
        [
            *(b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
            *(b'{"run_id":' + b"[" * depth + b"]" * depth + b"}" for depth in (70, 900, 100_000)),
            json.dumps("[" * 100_000).encode(),
            *(b"1", b'"x"', b"null", b"[1]", b"", b"{", b"\xff\xfe", b"NaN", b"1e999", b"9" * 5000),
            *('{"run_id":"x"}'.encode(code) for code in ("utf-16-be", "utf-32")),
            b'{"run_id":"\xff\xfe"}',
            *(b'{"run_id":%b}' % value for value in (b"1", b"[]", b"{}", b"null", b"true", b'""')),
            *(b'{"run_id":"%b"}' % value for value in (b"\\ud800", b"\\udfff", b"\\u0000", b"x")),
            *(b'{"run_id":"RUN","%b":%b}' % (field, value)
              for field in (b"metrics", b"params", b"tags")
              for value in (b"1", b'"x"', b"[1]", b"[null]", b"{}", b"[[]]", b'[{"key":1}]')),
        ],
        ids=lambda body: str(body[:24]),
    )  # fmt: skip
    def test_what_is_no_batch_is_refused(self, body: bytes, server: Server, runs: Runs) -> None:
        body = body.replace(b"RUN", runs.my_run.encode())
        for path in (f"{API}/runs/log-batch", "/graphql", f"{TRACES}/search"):
            with at_once(path):
                answer = server.ask("POST", path, body)
            server.tells_nothing(path, answer)
            if path.endswith("log-batch"):
                # An empty object for a list is a list without anything, to who reads it.
                assert answer.status >= 400 or body.endswith(b":{}}"), answer

    @pytest.mark.parametrize(
        ("metric", "taken"),
        [
            (b'"value":NaN,"timestamp":1', False),
            (b'"value":-Infinity,"timestamp":1', False),
            (b'"value":1e999,"timestamp":1', False),
            # The words that JSON has for them, and MLflow's clients.
            (b'"value":"NaN","timestamp":1', True),
            (b'"value":"-Infinity","timestamp":1', True),
            (b'"value":1,"timestamp":1,"key":"twice","key":"again"', True),
            (b'"value":1,"timestamp":9223372036854775807,"step":-9223372036854775808', True),
            (b'"value":1,"timestamp":' + b"9" * 40, False),
            (b'"value":1,"timestamp":' + b"9" * 5000, False),
            (b'"value":1,"timestamp":NaN', False),
            (b'"value":1,"timestamp":1e999', False),
            (b'"value":"x","timestamp":1', False),
            (b'"value":{},"timestamp":1', False),
        ],
        ids=lambda said: str(said)[:40],
    )
    def test_a_number_is_one_or_refused(
        self, metric: bytes, taken: bool, server: Server, runs: Runs
    ) -> None:
        body = b'{"run_id":"%b","key":"m",%b}' % (runs.my_run.encode(), metric)
        answer = server.ask("POST", f"{API}/runs/log-metric", body)
        assert answer.status == (200 if taken else 400), answer
        assert json.loads(server.ask("GET", f"{API}/runs/get?run_id={runs.my_run}").body)

    @settings(max_examples=20, deadline=None)
    @given(key=st.binary(max_size=40), value=st.binary(max_size=40), data=st.data())
    def test_no_letters_break_it(
        self, key: bytes, value: bytes, data: st.DataObject, server: Server, runs: Runs
    ) -> None:
        text = st.text(st.characters(), max_size=40)
        word = data.draw(st.one_of(text, st.sampled_from(["\0", "\ud800", "\U0001f600" * 20])))
        body = {"run_id": runs.my_run, "key": f"k{word}", "value": word}
        raw = b'{"run_id":"%b","key":"%b","value":"%b"}' % (runs.my_run.encode(), key, value)
        for path in ("log-parameter", "set-tag"):
            server.tells_nothing(repr(word), server.ask("POST", f"{API}/runs/{path}", body))
            server.tells_nothing(repr(raw), server.ask("POST", f"{API}/runs/{path}", raw))
        quoted = urllib.parse.quote_from_bytes(key).encode()
        for target in (f"{API}/runs/get?run_id=", f"{API}/x/", f"{FILES}/{runs.mine}/"):
            for ending in (quoted, key):
                answer = server.ask("GET", target.encode() + ending)
                server.tells_nothing(repr((target, ending)), answer)
        other = [
            (b"X-Other", value.translate(None, b"\r\n\0")),
            (b"Content-Type", key.translate(None, b"\r\n\0")),
        ]
        server.tells_nothing(repr(other), server.ask("GET", SEARCH, None, "ana", other))

    def test_parts_of_a_form_are_no_call(self, server: Server) -> None:
        for name in (b"\xff\xfe", b"run_id", b"\0", b"x" * MEGABYTE):
            head = b'--b\r\nContent-Disposition: form-data; name="%b"; filename="%b"' % (name, name)
            body = head + b"\r\n\r\n\xff\xfe\r\n--b--\r\n"
            kind = (b"Content-Type", b"multipart/form-data; boundary=b")
            for path in (f"{API}/runs/log-batch", "/api/2.0/mlflow/users/create-ui", "/graphql"):
                server.refuses(path, server.ask("POST", path, body, "ana", [kind]))

    def test_traces_unpack_to_no_more_than_a_body(self, server: Server, runs: Runs) -> None:
        packed = gzip.compress(bytes(200 * MEGABYTE), 1)
        experiment = (b"X-Mlflow-Experiment-Id", runs.my_experiment.encode())
        kind = (b"Content-Type", b"application/x-protobuf")
        statuses = []
        with server.others_served():
            for body, coding in (
                *((packed, b"gzip"), (b"\x1f\x8b", b"gzip"), (packed[:100], b"gzip")),
                *((b"\xff" * 1000, b"deflate"), (gzip.compress(b"") * 2, b"gzip"), (b"", b"zip")),
            ):
                headers = [experiment, kind, (b"Content-Encoding", coding)]
                with at_once("traces"):
                    answer = server.ask("POST", "/v1/traces", body, "ana", headers)
                server.refuses(str(body[:20]), answer)
                statuses.append(answer.status)
        assert statuses[0] == 413


class TestWire:
    """What does not keep to HTTP."""

    def head(self, server: Server, *headers: bytes) -> bytes:
        (name, value), *_ = server.login("ana")
        lines = [f"POST {API}/runs/log-batch HTTP/1.1".encode(), b"Host: " + HOST]
        lines += [b"Content-Type: application/json", name + b": " + value, *headers]
        return b"\r\n".join([*lines, b"", b""])

    def test_a_body_without_an_end_is_cut_off(self, server: Server) -> None:
        chunk = b"%x\r\n" % MEGABYTE + b"x" * MEGABYTE + b"\r\n"
        head = self.head(server, b"Transfer-Encoding: chunked", b"Connection: close")
        sent = []

        def endless() -> Iterator[bytes]:
            yield head
            while True:
                sent.append(MEGABYTE)
                yield chunk

        with server.others_served(), at_once("chunks"):
            answer = exchange(server.uri, endless())
        # Who goes on sending may find the connection closed before it reads the answer.
        assert answer.status in (413, 0)
        assert sum(sent) < 300 * MEGABYTE

    @pytest.mark.parametrize(
        "lines",
        [
            [b"Content-Length: 5", b"Content-Length: 6"],
            [b"Content-Length: -1"],
            [b"Content-Length: 5x"],
            [b"Content-Length: 99999999999999999999999999"],
            [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
            [b"Transfer-Encoding: xchunked"],
            [b"Transfer-Encoding: chunked, identity"],
        ],
        ids=lambda lines: str(lines),
    )
    def test_a_length_that_is_none_is_refused(self, lines: list[bytes], server: Server) -> None:
        answer = exchange(server.uri, self.head(server, *lines, b"Connection: close") + b"{}   ")
        assert answer.status == 400

    def test_what_follows_a_body_is_no_part_of_it(self, server: Server) -> None:
        """A length that is too short leaves what is no request."""
        sent = self.head(server, b"Content-Length: 2") + b"{}" + b"{}" * 10 + b"\r\n\r\n"
        answer = exchange(server.uri, sent)
        assert answer.status == 400
        assert b" 200 " not in answer.body

    def test_who_sends_nothing_more_stops_nobody(self, server: Server) -> None:
        """More of them than the server works on calls at once."""
        sent = self.head(server, b"Content-Length: 1000") + b"{"

        def wait() -> None:
            with pytest.raises(TimeoutError):
                exchange(server.uri, sent, 3)

        waiting = [threading.Thread(target=wait) for _ in range(60)]
        with server.others_served():
            for thread in waiting:
                thread.start()
            for thread in waiting:
                thread.join()

    @pytest.mark.parametrize(
        ("target", "headers"),
        [
            (SEARCH, [(b"X-Long", b"x" * MEGABYTE)]),
            (SEARCH, [(b"x" * MEGABYTE, b"x")]),
            (SEARCH, [(b"X-%d" % number, b"x" * 20) for number in range(10_000)]),
            (f"{API}/runs/get?run_id=" + "x" * MEGABYTE, []),
            ("/" + "x" * MEGABYTE, []),
            ("/" * MEGABYTE, []),
        ],
        ids=["value", "name", "many", "query", "path", "slashes"],
    )
    @pytest.mark.parametrize("user", ["ana", ""])
    def test_a_head_is_not_endless(
        self, user: str, target: str, headers: list[Header], server: Server
    ) -> None:
        with at_once(target[:40]):
            answer = server.ask("GET", target, None, user, headers)
        # The server may close before all is sent; the answer is then lost.
        assert answer.status in (431, 0)


def token(words: bytes) -> str:
    return base64.b64encode(words).decode()


FILTERS = {
    "a megabyte": "metrics.a > 1 and " * 55_000 + "metrics.a > 1",
    "a megabyte of text": f"attributes.name = '{'x' * MEGABYTE}'",
    "10,000 terms": " and ".join(f"tags.t{number} = 'x'" for number in range(10_000)),
    "300 terms": " AND ".join(f"tags.t{number} = 'x'" for number in range(300)),
    "60 terms": "\tand\n".join(f"tags.t{number} = 'x'" for number in range(60)),
    "100,000 parentheses": "(" * 100_000 + ")" * 100_000,
    "500 parentheses": "(" * 500 + "tags.a = 'b'" + ")" * 500,
    "a long word": "x" * 60_000,
    "half a word": "tags.`" + "x" * 60_000,
}
TAKEN = {
    "many percent signs": f"tags.a LIKE '{'%a' * 1000}'",
    "a quote": "tags.a = 'x''; DROP TABLE runs; --'",
    "a letter of four bytes": "tags.a = '\N{GRINNING FACE}'",
    "nothing": "",
}
INJECTIONS = [
    *("tags.a = 'x' OR 1=1", "tags.a = 'x'; DROP TABLE runs; --", "1=1", "' OR ''='", "\0"),
    *("tags.\"a`b\" = 'x'", "tags.`a` = 'x' --", "tags.a = 'x' UNION SELECT * FROM users"),
    *("tags.a = 'x\\' OR 1=1 -- '", "SLEEP(20)", "tags.a = SLEEP(20)", "metrics.a = 'x'"),
    *("metrics.a > 1e999", "attributes.start_time > 'x'", "attributes.__class__ = 'x'"),
    *("attributes.start_time > " + "9" * 30, "tags.a IN (SELECT 1)", "tags.a IN ('x'", "a.b.c = 1"),
]
PAGES = [
    *("x", "\u00e9", "=", token(b"\xff"), token(b"[]"), token(b"1"), token(b"{}"), token(b"null")),
    *(token(b'{"offset":%b}' % offset) for offset in (b"-1", b'"a"', b"1e400", b"9" * 40, b"[]")),
    *(token(b"[" * 100_000), "x" * MEGABYTE),
]
ORDERS = [
    *("tags.a; DROP TABLE runs", "(SELECT SLEEP(20))", "metrics.a DESC, (SELECT 1)", "1", "\0"),
    *("attributes.name'", "tags.`a`; --", "x" * 60_000, "x" * MEGABYTE, "attributes.__class__"),
]


@dataclass(frozen=True)
class Search:
    """A search of the API.

    Parameters
    ----------
    path
        Where it is.
    body
        What it needs.
    orders
        Makes a clause of its order of a text.
    """

    path: str
    body: Callable[[str], dict[str, Any]]
    orders: Callable[[str], Any] = str


SEARCHES = {
    "runs": Search(f"{API}/runs/search", lambda number: {"experiment_ids": [number]}),
    "experiments": Search(f"{API}/experiments/search", lambda _: {}),
    "traces": Search(
        f"{TRACES}/search",
        lambda number: {
            "locations": [
                {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": number}}
            ]
        },
    ),
    "logged models": Search(
        f"{API}/logged-models/search",
        lambda number: {"experiment_ids": [number]},
        lambda text: {"field_name": text},
    ),
}


class TestSearches:
    @pytest.fixture(params=SEARCHES)
    def search(
        self, request: pytest.FixtureRequest, server: Server, runs: Runs
    ) -> Iterator[Callable[..., Answer]]:
        """Searches, in no more time than any call may take, while others are served."""
        kind = SEARCHES[request.param]

        def search(what: str, **words: Any) -> Answer:
            if "order_by" in words:
                words["order_by"] = [kind.orders(each) for each in words["order_by"]]
            body = {"max_results": 10, **kind.body(runs.my_experiment), **words}
            with at_once(what):
                answer = server.ask("POST", kind.path, body)
            server.tells_nothing(what, answer)
            return answer

        with server.others_served():
            yield search

    def test_a_huge_filter_is_refused(self, search: Callable[..., Answer]) -> None:
        for what, text in FILTERS.items():
            assert search(what, filter=text).status == 400, what

    def test_one_that_is_in_order_is_answered(self, search: Callable[..., Answer]) -> None:
        for what, text in TAKEN.items():
            assert search(what, filter=text).status in (200, 400), what

    def test_no_statement_gets_in(self, search: Callable[..., Answer], server: Server) -> None:
        for text in INJECTIONS:
            found = search(text, filter=text)
            # Not one finds what a condition that always holds would.
            assert found.status == 400 or json.loads(found.body) in ({}, {"runs": []}), text
        for text in ORDERS:
            search(text[:40], order_by=[text])
        search("many", order_by=[f"metrics.m{number}" for number in range(10_000)])
        search("some", order_by=[f"metrics.m{number}" for number in range(100)])
        assert server.ask("GET", SEARCH).status == 200

    def test_pages_are_those_that_it_gave(self, search: Callable[..., Answer]) -> None:
        for most in (10**9, -1, 10**30, 0):
            search(str(most), max_results=most)
        for text in PAGES:
            assert search(text[:40], page_token=text).status in (200, 400), text[:40]

    @pytest.mark.parametrize("kind", ["registered-models", "model-versions"])
    def test_the_registry_does_so_too(self, kind: str, server: Server) -> None:
        texts = [text for text in FILTERS.values() if len(text) < 40_000]
        for text in [*texts, *TAKEN.values(), *INJECTIONS, "name = 'a' and " * 2000]:
            target = f"{API}/{kind}/search?max_results=10&filter={urllib.parse.quote(text)}"
            with at_once(text[:40]):
                server.tells_nothing(text[:40], server.ask("GET", target))

    def test_a_query_of_graphql_is_not_endless(self, server: Server, runs: Runs) -> None:
        search = '{mlflowSearchRuns(input:{experimentIds:["%s"],filter:"%s"}){runs{info{runId}}}}'
        with server.others_served():
            queries: tuple[Any, ...] = (
                *("{" * 100_000, "{" * 900, "query{" + "a{" * 5000 + "b" + "}" * 5001, "x", ""),
                *("{" + "a " * MEGABYTE + "}", "fragment a on Query{...a}{...a}", 1, None, [], {}),
                search % (runs.my_experiment, "metrics.a > 1 and " * 3000),
                search % (runs.my_experiment, "1=1"),
                search % (runs.their_experiment, ""),
            )
            for query in queries:
                with at_once(str(query)[:40]):
                    answer = server.ask("POST", "/graphql", {"query": query})
                server.tells_nothing(str(query)[:40], answer)


PAGES_OF_ALL_KINDS = (SEARCH, f"{FILES}/1/x", "/", "/version", "/static-files/x", "/signup")
FOREIGN = [
    *(b"evil.test", b"evil.test:80", b"127.0.0.1.evil.test", b"127.0.0.1.", b"localhost", b"[::1]"),
    *(b"127.0.0.1@evil.test", b"user@127.0.0.1", b"127.0.0.1:80@evil.test", b"127.0.0.1:evil.test"),
    *(b"evil.test#127.0.0.1", b"evil.test/127.0.0.1", b"evil.test, 127.0.0.1", b"127.0.0.1 evil"),
    *(b"EVIL.TEST", b"xn--mlflow-evil.test", b"0x7f000001", b"2130706433", b"", b"*", b"\xff\xfe"),
    *(b"127.0.0.1\nevil", b"127.0.0.1\0evil", b"MLFLOW.LOCAL.MLOPS.INTERNAL.", b"a" * 5000),
]


class TestHosts:
    @pytest.mark.parametrize("host", FOREIGN, ids=lambda host: str(host[:30]))
    def test_no_page_answers_to_a_foreign_name(self, host: bytes, server: Server) -> None:
        for target in PAGES_OF_ALL_KINDS:
            answer = server.ask("GET", target, host=host)
            assert answer.status in (400, 403), (target, answer)
            assert b"evil" not in answer.head.lower() + answer.body.lower()
        # The load balancer asks by the address of the task.
        assert server.ask("GET", "/health", user="", host=host).status in (200, 400)

    @pytest.mark.parametrize("host", [HOST, HOST + b":80", b"mlflow.local.mlops.internal"])
    def test_its_own_are_answered(self, host: bytes, server: Server) -> None:
        assert server.ask("GET", SEARCH, host=host).status == 200

    def test_one_name_is_named(self, server: Server) -> None:
        for target in PAGES_OF_ALL_KINDS:
            for first, second in ((HOST, b"evil.test"), (b"evil.test", HOST), (HOST, HOST)):
                answer = server.ask("GET", target, headers=[(b"Host", second)], host=first)
                assert answer.status == 400
            assert server.ask("GET", target, host=None, version=b"1.0").status == 403
        assert server.ask("GET", "/health", user="", host=None, version=b"1.0").status == 200

    @pytest.mark.parametrize("host", [b"evil.test", HOST])
    def test_an_address_names_no_other(self, host: bytes, server: Server) -> None:
        for target in (*PAGES_OF_ALL_KINDS, "/health"):
            for authority in ("http://evil.test", "http://127.0.0.1", "//evil.test@127.0.0.1"):
                answer = server.ask("GET", f"{authority}{target}", host=host)
                assert answer.status in (400, 403, 404), (authority, target, answer)
                assert b"evil" not in answer.head.lower()

    @pytest.mark.parametrize(
        "name",
        [b"X-Forwarded-Host", b"X-Host", b"Forwarded", b"X-Forwarded-Server", b"X-Original-Host"],
    )
    def test_a_proxy_that_is_none_changes_nothing(self, name: bytes, server: Server) -> None:
        foreign = b"host=evil.test" if name == b"Forwarded" else b"evil.test"
        for target in (*PAGES_OF_ALL_KINDS, "/static-files", f"{API}/experiments/search/"):
            answer = server.ask("GET", target, headers=[(name, foreign)])
            assert b"evil" not in answer.head.lower() + answer.body.lower()
        assert server.ask("GET", SEARCH, headers=[(name, HOST)], host=b"evil.test").status == 403

    @pytest.mark.parametrize(
        "origin", [b"http://evil.test", b"http://[", b"null", b"\xff", b"http://127.0.0.1:1", b""]
    )
    def test_no_page_of_another_site_calls_it(self, origin: bytes, server: Server) -> None:
        for target in PAGES_OF_ALL_KINDS:
            for method in ("GET", "POST", "OPTIONS"):
                headers = [(b"Origin", origin), (b"Access-Control-Request-Method", b"POST")]
                answer = server.ask(method, target, headers=headers)
                assert answer.status in (400, 403)
                assert b"access-control-allow-origin" not in answer.head.lower()
