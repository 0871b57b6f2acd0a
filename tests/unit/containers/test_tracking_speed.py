"""What makes the tracking server fast, as far as it needs no database."""

import random
import socket
import sys
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pymysql
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from mlflow.protos import model_registry_pb2, service_pb2
from mlflow.utils.proto_json_utils import message_to_json as mlflow_message_to_json

from tests.conftest import ROOT
from tracking_server.cache import MOST, Remembered, remember
from tracking_server.connections import Connections
from tracking_server.faster import MLFLOW, take_faster_parts
from tracking_server.messages import _is_plain, message_to_json


class FakeConnection:
    """What PyMySQL's does, with a socket whose other end the test holds."""

    def __init__(self) -> None:
        self._sock, self.database = socket.socketpair()
        self.open = True
        self.rolled_back = 0
        self.broken = False

    def rollback(self) -> None:
        if self.broken:
            raise pymysql.OperationalError(2006, "gone")
        self.rolled_back += 1

    def close(self) -> None:
        self.open = False
        self._sock.close()


class FakeHandlers:
    def __init__(self) -> None:
        self.stores: dict[str, Any] = {}
        self._tracking_store_registry = SimpleNamespace(register=self.stores.__setitem__)
        self.message_to_json: Any = None


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of the store, whose module needs all of MLflow."""
    module: Any = ModuleType("tracking_server.store")
    module.Store = lambda *words, **options: (words, options)
    monkeypatch.setitem(sys.modules, "tracking_server.store", module)


class TestFasterParts:
    @pytest.mark.usefixtures("store")
    def test_they_are_taken_for_the_mlflow_that_they_know(self) -> None:
        handlers = FakeHandlers()
        assert take_faster_parts(handlers, MLFLOW, 6, {"MLFLOW_ENABLE_WORKSPACES": "false"})
        assert handlers.message_to_json is message_to_json
        made = handlers.stores["mysql"](store_uri="mysql://db", artifact_uri="s3://b")
        assert made == (("mysql://db", "s3://b"), {"most": 6})

    @pytest.mark.parametrize(
        ("version", "environment", "reason"),
        [
            ("3.17.3", {}, f"they know MLflow {MLFLOW}, and this is 3.17.3"),
            (MLFLOW, {"MLFLOW_ENABLE_WORKSPACES": "true"}, "workspaces are on"),
            (MLFLOW, {"_MLFLOW_SERVER_READ_REPLICA_BACKEND_STORE": "mysql://r"}, "read replica"),
        ],
    )
    def test_otherwise_mlflow_s_own_serve_and_the_log_says_why(
        self,
        version: str,
        environment: dict[str, str],
        reason: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        handlers = FakeHandlers()
        assert not take_faster_parts(handlers, version, 6, environment)
        assert handlers.stores == {}
        assert handlers.message_to_json is None
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert reason in caplog.text

    def test_the_image_holds_the_mlflow_that_they_know(self) -> None:
        held = (ROOT / "containers" / "mlflow" / "requirements.in").read_text().splitlines()
        assert f"mlflow[auth]=={MLFLOW}" in held


class TestConnections:
    @pytest.fixture
    def opened(self) -> Iterator[list[FakeConnection]]:
        opened: list[FakeConnection] = []
        yield opened
        for connection in opened:
            connection.database.close()
            connection._sock.close()

    @pytest.fixture
    def connections(self, opened: list[FakeConnection]) -> Connections:
        def connect() -> Any:
            opened.append(FakeConnection())
            return opened[-1]

        return Connections(connect, 2, 60, lambda: self.now)

    now = 0.0

    def test_one_that_is_old_is_not_lent(
        self, connections: Connections, opened: list[FakeConnection]
    ) -> None:
        with connections.lent():
            self.now = 59
        with connections.lent() as connection:
            assert connection is opened[0]
        self.now = 60
        with connections.lent() as connection:
            assert connection is opened[1]
        assert not opened[0].open

    def test_one_that_is_free_is_lent_again_and_neither_asked_nor_rolled_back(
        self, connections: Connections, opened: list[FakeConnection]
    ) -> None:
        for _ in range(3):
            with connections.lent() as connection:
                assert connection is opened[0]
        assert len(opened) == 1
        assert opened[0].rolled_back == 0

    @pytest.mark.parametrize("sign", ["says why", "closes"])
    def test_one_that_the_database_ended_is_not_lent(
        self, sign: str, connections: Connections, opened: list[FakeConnection]
    ) -> None:
        with connections.lent():
            pass
        if sign == "says why":
            opened[0].database.send(b"shutdown")
        else:
            opened[0].database.close()
        with connections.lent() as connection:
            assert connection is opened[1]
        assert not opened[0].open

    def test_an_error_is_rolled_back_and_the_connection_kept(
        self, connections: Connections, opened: list[FakeConnection]
    ) -> None:
        with pytest.raises(pymysql.IntegrityError), connections.lent():
            raise pymysql.IntegrityError(1062, "there already")
        with connections.lent() as connection:
            assert connection is opened[0]
        assert opened[0].rolled_back == 1

    def test_one_that_cannot_be_rolled_back_is_closed(
        self, connections: Connections, opened: list[FakeConnection]
    ) -> None:
        with connections.lent():
            opened[0].broken = True
        with pytest.raises(pymysql.OperationalError, match="lost"), connections.lent():
            raise pymysql.OperationalError(2013, "lost")
        assert not opened[0].open
        with connections.lent() as connection:
            assert connection is opened[1]

    def test_one_whose_answer_may_be_half_read_is_closed(
        self, connections: Connections, opened: list[FakeConnection]
    ) -> None:
        with pytest.raises(KeyboardInterrupt), connections.lent():
            raise KeyboardInterrupt
        assert not opened[0].open
        assert opened[0].rolled_back == 0

    def test_no_more_than_it_may_are_open(
        self, connections: Connections, opened: list[FakeConnection]
    ) -> None:
        with connections.lent(), connections.lent():
            assert not connections._places.acquire(blocking=False)
        assert len(opened) == 2

    def test_a_database_that_refuses_takes_no_place(self) -> None:
        def refuse() -> Any:
            raise pymysql.OperationalError(2003, "refused")

        connections = Connections(refuse, 1)
        for _ in range(2):
            with pytest.raises(pymysql.OperationalError), connections.lent():
                pass


KINDS = [
    kind
    for module in (service_pb2, model_registry_pb2)
    for message in module.DESCRIPTOR.message_types_by_name.values()
    for kind in (message, *message.nested_types_by_name.values())
]
PLAIN = [kind for kind in KINDS if _is_plain(kind)]
TEXTS = ["", "a", 'quote " \\ / \n \0', "日本 é 🙂", "</script>"]
DOUBLES = [0.0, -0.0, 0.5, 1e300, 5e-324, float("inf"), float("-inf"), float("nan")]
WHOLE = [0, 1, -1, 2**31 - 1, -(2**31)]


def filled(kind: Descriptor, chance: random.Random, depth: int = 3) -> Any:
    """A message with some of its fields set to anything."""
    message = GetMessageClass(kind)()
    for field in kind.fields:
        if chance.random() < 0.3:
            continue
        count = chance.randrange(3) if field.is_repeated else 1
        values = [value(field, chance, depth) for _ in range(count)]
        if field.message_type:
            for each in values:
                if each is not None:
                    part = getattr(message, field.name)
                    (part.add() if field.is_repeated else part).CopyFrom(each)
        elif field.is_repeated:
            getattr(message, field.name).extend(values)
        else:
            setattr(message, field.name, values[0])
    return message


def value(field: FieldDescriptor, chance: random.Random, depth: int) -> Any:
    if field.message_type:
        return filled(field.message_type, chance, depth - 1) if depth else None
    if field.enum_type:
        return chance.choice(field.enum_type.values).number
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"\0\xff"
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return chance.choice([True, False])
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        return chance.choice(DOUBLES)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return chance.choice(TEXTS)
    if field.cpp_type == FieldDescriptor.CPPTYPE_INT64:
        return chance.choice([*WHOLE, 2**63 - 1, -(2**63)])
    return chance.choice([number for number in WHOLE if number >= 0])


class TestMessages:
    def test_what_clients_ask_for_most_is_written_here(self) -> None:
        for message in ("SearchRuns", "GetRun", "CreateRun", "LogBatch", "SearchExperiments"):
            answer = service_pb2.DESCRIPTOR.message_types_by_name[message]
            assert _is_plain(answer.nested_types_by_name["Response"]), message

    @pytest.mark.parametrize("kind", PLAIN, ids=lambda kind: kind.full_name)
    def test_it_is_what_mlflow_writes(self, kind: Descriptor) -> None:
        chance = random.Random(kind.full_name)  # noqa: S311 - no secret
        for _ in range(5):
            message = filled(kind, chance)
            assert message_to_json(message) == mlflow_message_to_json(message)

    def test_what_is_not_plain_or_asked_for_otherwise_is_mlflow_s(self) -> None:
        trace = service_pb2.TraceInfoV3(trace_id="t")
        trace.tags["a"] = "b"
        assert not _is_plain(trace.DESCRIPTOR)
        assert message_to_json(trace) == mlflow_message_to_json(trace)
        run = service_pb2.RunInfo(run_id="r", start_time=1)
        for options in ({"pretty": False}, {"convert_int64_to_number": False}):
            assert message_to_json(run, **options) == mlflow_message_to_json(run, **options)


class FakeAccess:
    """What `remember` changes of ``mlflow.server.auth``, counted."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.administrators: set[str] = set()
        self.granted: set[tuple[str, str]] = set()
        self.runs = {"r": "e"}
        self.hidden: set[str] = set()
        self.redacted: list[bytes] = []
        self.user = "ana"
        self.store = SimpleNamespace(get_user=self.get_user)
        self.sender_is_admin: Callable[[], bool] = lambda: False

    def get_user(self, name: str) -> Any:
        self.asked.append("user")
        return SimpleNamespace(is_admin=name in self.administrators)

    def authenticate_request(self) -> Any:
        return SimpleNamespace(username=self.user)

    def resolve_permissions(self, username: str, workspace: str, keys: list[str]) -> list[Any]:
        self.asked.append("grants")
        return [key if (username, key) in self.granted else None for key in keys]

    def authorize(self, username: str, anchor: Any, requirements: list[str]) -> bool:
        return all(self.resolve_permissions(username, "default", requirements))

    def _run_requirement(self, run: str, action: str) -> tuple[str, list[str]] | None:
        self.asked.append("run")
        return (self.runs[run], [action]) if run in self.runs else None

    def filter_experiment_ids(self, experiments: list[str]) -> list[str]:
        self.asked.append("experiments")
        return [experiment for experiment in experiments if experiment not in self.hidden]

    def _redact_run_response(self, answer: Any, message: Any, runs_of: Any) -> None:
        self.redacted.append(answer.data)


class TestRemembered:
    @pytest.fixture
    def time(self) -> list[float]:
        return [0.0]

    @pytest.fixture
    def access(self, time: list[float]) -> FakeAccess:
        access = FakeAccess()
        remember(access, 60, lambda: time[0])
        return access

    def test_an_answer_is_remembered_for_some_seconds(self, time: list[float]) -> None:
        asked: list[int] = []

        def twice(number: int) -> int:
            asked.append(number)
            return 2 * number

        double = Remembered(twice, 60, lambda: time[0])
        for now in (0.0, 59.9, 60.0):
            time[0] = now
            assert double(4) == 8
        assert asked == [4, 4]

    def test_what_was_not_found_is_not(self, access: FakeAccess) -> None:
        assert access._run_requirement("new", "read") is None
        access.runs["new"] = "e"
        assert access._run_requirement("new", "read") == ("e", ["read"])

    def test_whatever_a_call_says_is_asked(self, access: FakeAccess) -> None:
        with pytest.raises(TypeError):
            access._run_requirement(["r"], "read")  # type: ignore[arg-type]

    def test_it_holds_no_more_than_it_may(self) -> None:
        double = Remembered(lambda n: 2 * n, 60)
        for number in range(MOST + 1):
            double(number)
        assert len(double._answers) == 1

    def test_a_second_call_asks_for_nothing(self, access: FakeAccess) -> None:
        access.granted = {("ana", "read")}
        for _ in range(3):
            assert not access.sender_is_admin()
            found = access._run_requirement("r", "read")
            assert found is not None
            assert access.authorize("ana", *found)
        assert sorted(access.asked) == ["grants", "run", "user"]

    def test_who_asks_for_more_does_not_change_what_is_remembered(self, access: FakeAccess) -> None:
        for _ in range(2):
            found = access._run_requirement("r", "read")
            assert found == ("e", ["read"])
            found[1].append("write")

    def test_what_has_just_been_granted_is_seen_at_once(self, access: FakeAccess) -> None:
        assert not access.authorize("ana", "e", ["read"])
        access.granted = {("ana", "read")}
        assert access.authorize("ana", "e", ["read"])

    def test_what_was_withdrawn_ends_with_the_time(
        self, access: FakeAccess, time: list[float]
    ) -> None:
        access.granted = {("ana", "read")}
        access.administrators = {"ana"}
        assert access.authorize("ana", "e", ["read"])
        assert access.sender_is_admin()
        access.granted = set()
        access.administrators = set()
        assert access.authorize("ana", "e", ["read"])
        time[0] = 60.0
        assert not access.authorize("ana", "e", ["read"])
        assert not access.sender_is_admin()

    def test_who_may_read_all_experiments_is_asked_once(
        self, access: FakeAccess, time: list[float]
    ) -> None:
        for _ in range(3):
            assert access.filter_experiment_ids(["1", "2"]) == ["1", "2"]
        assert access.asked == ["experiments"]
        access.hidden = {"2"}
        time[0] = 60.0
        assert access.filter_experiment_ids(["1", "2"]) == ["1"]
        access.user = "bob"
        assert access.filter_experiment_ids(["1"]) == ["1"]

    def test_who_may_read_some_sees_at_once_what_is_granted(self, access: FakeAccess) -> None:
        access.hidden = {"2"}
        assert access.filter_experiment_ids(["1", "2"]) == ["1"]
        access.hidden = set()
        assert access.filter_experiment_ids(["1", "2"]) == ["1", "2"]

    @pytest.mark.parametrize("linked", ["inputs", "outputs", "metric"])
    def test_what_names_a_model_is_redacted_and_nothing_else(
        self, linked: str, access: FakeAccess
    ) -> None:
        message = service_pb2.SearchRuns.Response()
        run = message.runs.add()
        run.data.params.add(key="model", value="m-1")
        run.data.metrics.add(key="loss", value=0.5, timestamp=1, step=1)
        plain = message_to_json(message).encode()
        if linked == "inputs":
            run.inputs.model_inputs.add(model_id="m-1")
        elif linked == "outputs":
            run.outputs.model_outputs.add(model_id="m-1", step=1)
        else:
            run.data.metrics[0].model_id = "m-1"
        naming = [write(message).encode() for write in (message_to_json, mlflow_message_to_json)]
        for data in (plain, *naming):
            access._redact_run_response(SimpleNamespace(data=data), message, None)
        assert access.redacted == naming

    def test_one_user_is_not_another(self, access: FakeAccess) -> None:
        access.granted = {("ana", "read")}
        access.administrators = {"ana"}
        assert access.authorize("ana", "e", ["read"])
        assert access.sender_is_admin()
        access.user = "bob"
        assert not access.authorize("bob", "e", ["read"])
        assert not access.sender_is_admin()
