"""The rotator, with a fake of Secrets Manager that keeps labels as the real one does."""

# ruff: noqa: N803 - the fake takes what boto3 does

import importlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import pymysql
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from rotator.accounts import Account, Server
from rotator.errors import RefusedError, RotationError
from rotator.rotation import Request, Rotator
from rotator.secrets import EXCLUDED, Login, Secrets
from rotator.settings import Settings

SERVER = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:server"
MASTER = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:master"
TOKEN = "t1"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
PLACE = {"host": "db.internal", "port": 3307, "dbname": "mlflow", "engine": "mysql"}


def client_error(code: str, operation: str = "GetSecretValue") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


class FakeSecretsManager:
    """Versions with labels; a version that is labelled may have no value yet."""

    def __init__(self, **values: dict[str, Any]) -> None:
        self.values: dict[str, dict[str, str]] = {}
        self.labels: dict[str, dict[str, list[str]]] = {}
        self.enabled = True
        self.failure: Exception | None = None
        self._numbers = count(1)
        for name, value in values.items():
            arn = {"server": SERVER, "master": MASTER}[name]
            self.values[arn] = {"first": json.dumps(value)}
            self.labels[arn] = {"first": ["AWSCURRENT"]}

    def begin(self, arn: str, token: str) -> None:
        """What RotateSecret does before it calls the function."""
        for labels in self.labels[arn].values():
            if "AWSPENDING" in labels:
                labels.remove("AWSPENDING")
        self.labels[arn][token] = ["AWSPENDING"]

    def login(self, arn: str, label: str = "AWSCURRENT") -> dict[str, Any]:
        (version,) = [name for name, labels in self.labels[arn].items() if label in labels]
        value: dict[str, Any] = json.loads(self.values[arn][version])
        return value

    def describe_secret(self, SecretId: str) -> dict[str, Any]:
        if self.failure:
            raise self.failure
        copied = {version: list(labels) for version, labels in self.labels[SecretId].items()}
        return {"RotationEnabled": self.enabled, "VersionIdsToStages": copied}

    def get_secret_value(
        self,
        SecretId: str,
        VersionStage: str,
    ) -> dict[str, str]:
        for version, labels in self.labels[SecretId].items():
            if VersionStage in labels and version in self.values[SecretId]:
                return {"SecretString": self.values[SecretId][version]}
        raise client_error("ResourceNotFoundException")

    def put_secret_value(
        self,
        SecretId: str,
        ClientRequestToken: str,
        SecretString: str,
        VersionStages: list[str],
    ) -> None:
        if ClientRequestToken in self.values[SecretId]:
            raise client_error("ResourceExistsException", "PutSecretValue")
        self.values[SecretId][ClientRequestToken] = SecretString
        self.labels[SecretId][ClientRequestToken] = VersionStages

    def update_secret_version_stage(
        self,
        SecretId: str,
        VersionStage: str,
        MoveToVersionId: str,
        RemoveFromVersionId: str,
    ) -> None:
        labels = self.labels[SecretId]
        labels[RemoveFromVersionId].remove(VersionStage)
        for others in labels.values():
            if "AWSPREVIOUS" in others:
                others.remove("AWSPREVIOUS")
        labels[RemoveFromVersionId].append("AWSPREVIOUS")
        labels[MoveToVersionId].append(VersionStage)

    def get_random_password(self, PasswordLength: int, ExcludeCharacters: str) -> dict[str, str]:
        assert PasswordLength >= 30
        assert set("'\"\\%#; ") <= set(ExcludeCharacters)
        return {"RandomPassword": f"secret-{next(self._numbers)}"}


class FakeServer:
    """Users with passwords and rights. It fails when told to, before or after what is asked."""

    def __init__(self, **passwords: str) -> None:
        self.passwords = passwords
        self.rights: dict[str, tuple[str, ...]] = {"mlflow_server": ("GRANT SELECT ON `mlflow`.*",)}
        self.fails: Iterator[str] = iter(())

    def check(self, login: Login) -> None:
        if self.passwords.get(login.user) != login.password:
            raise RefusedError(f"The database refuses the password of '{login.user}'.")

    def account(self, login: Login) -> Account:
        self.check(login)
        return Account("%", self.rights[login.user])

    def make(self, login: Login, account: Account, master: Login) -> None:
        self.check(master)
        self._do(lambda: self._make(login, account))

    def change(self, login: Login, password: str) -> None:
        self.check(login)
        self._do(lambda: self.passwords.update({login.user: password}))

    def _make(self, login: Login, account: Account) -> None:
        self.passwords[login.user] = login.password
        self.rights[login.user] = account.grants

    def _do(self, work: Callable[[], None]) -> None:
        failure = next(self.fails, "never")
        if failure == "before":
            raise RotationError("The database cannot be used.")
        work()
        if failure == "after":
            raise RotationError("The database cannot be used.")


class Bench:
    """Both secrets, and a database that knows their users."""

    def __init__(self) -> None:
        self.secrets = FakeSecretsManager(
            server={"username": "mlflow_server", "password": "s0", "masterarn": MASTER, **PLACE},
            master={"username": "mlflow", "password": "m0", **PLACE},
        )
        self.server = FakeServer(mlflow="m0", mlflow_server="s0")
        self.rotator = Rotator(Secrets(self.secrets), self.server)

    def step(self, step: str, arn: str = SERVER, token: str = TOKEN) -> None:
        self.rotator.run(Request(step, arn, token))

    def rotate(self, arn: str = SERVER, token: str = TOKEN) -> None:
        self.secrets.begin(arn, token)
        for step in STEPS:
            self.step(step, arn, token)

    def opens(self, login: dict[str, Any]) -> bool:
        return bool(self.server.passwords.get(login["username"]) == login["password"])


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestAlternating:
    def test_the_other_user_takes_over_and_the_first_stays_valid(self, bench: Bench) -> None:
        first = bench.secrets.login(SERVER)
        bench.rotate()
        second = bench.secrets.login(SERVER)
        assert second["username"] == "mlflow_server_clone"
        assert second == {**first, "username": second["username"], "password": second["password"]}
        assert bench.opens(first)
        assert bench.opens(second)

    def test_the_first_user_comes_back_with_another_password(self, bench: Bench) -> None:
        first = bench.secrets.login(SERVER)
        bench.rotate(token="t1")
        second = bench.secrets.login(SERVER)
        bench.rotate(token="t2")
        third = bench.secrets.login(SERVER)
        assert third["username"] == "mlflow_server"
        assert not bench.opens(first)
        assert bench.opens(second)
        assert bench.opens(third)

    def test_the_clone_may_what_the_current_user_may(self, bench: Bench) -> None:
        bench.rotate()
        rights = bench.server.rights
        assert rights["mlflow_server_clone"] == rights["mlflow_server"]

    def test_the_master_may_be_between_two_steps(self, bench: Bench) -> None:
        bench.secrets.begin(MASTER, "m1")
        bench.step("createSecret", MASTER, "m1")
        bench.step("setSecret", MASTER, "m1")
        bench.rotate()
        assert bench.opens(bench.secrets.login(SERVER))

    def test_who_does_not_know_the_password_gets_no_user(self, bench: Bench) -> None:
        """Of somebody's that is named in the secret: the master's, with all that it may."""
        forged = {**bench.secrets.login(SERVER), "username": "mlflow", "password": "guessed"}
        bench.secrets.values[SERVER]["first"] = json.dumps(forged)
        bench.secrets.begin(SERVER, "t1")
        bench.step("createSecret")
        with pytest.raises(RotationError, match="refuses the password of 'mlflow'"):
            bench.step("setSecret")
        assert "mlflow_clone" not in bench.server.passwords

    def test_a_master_of_another_database_is_no_master(self, bench: Bench) -> None:
        other = {**bench.secrets.login(MASTER), "host": "other.internal"}
        bench.secrets.values[MASTER]["first"] = json.dumps(other)
        with pytest.raises(RotationError, match="Correct 'masterarn'"):
            bench.rotate()

    @pytest.mark.parametrize("change", [{"username": "root"}, {"host": "evil.test"}])
    def test_what_is_pending_is_of_the_same_pair_and_place(
        self, change: dict[str, str], bench: Bench
    ) -> None:
        bench.secrets.begin(SERVER, "t1")
        bench.step("createSecret")
        forged = {**bench.secrets.login(SERVER, "AWSPENDING"), **change}
        bench.secrets.values[SERVER]["t1"] = json.dumps(forged)
        with pytest.raises(RotationError, match="Take the label AWSPENDING off"):
            bench.step("setSecret")


class TestSingle:
    def test_the_master_changes_its_own_password(self, bench: Bench) -> None:
        first = bench.secrets.login(MASTER)
        bench.rotate(MASTER)
        second = bench.secrets.login(MASTER)
        assert second == {**first, "password": second["password"]}
        assert not bench.opens(first)
        assert bench.opens(second)

    def test_setting_it_again_changes_nothing(self, bench: Bench) -> None:
        bench.secrets.begin(MASTER, "t1")
        for step in ("createSecret", "setSecret", "setSecret", "testSecret"):
            bench.step(step, MASTER)
        assert bench.opens(bench.secrets.login(MASTER, "AWSPENDING"))


class TestProtocol:
    @given(
        st.lists(
            st.tuples(
                st.sampled_from([SERVER, MASTER]),
                st.lists(st.integers(1, 3), min_size=4, max_size=4),
                st.lists(st.sampled_from(["before", "after", "never"]), max_size=3),
            ),
            min_size=1,
            max_size=5,
        )
    )
    def test_ends_well_however_often_steps_come_and_fail(
        self, rotations: list[tuple[str, list[int], list[str]]]
    ) -> None:
        """Secrets Manager tries a rotation that failed again from its first step."""
        bench = Bench()
        for number, (arn, times, failures) in enumerate(rotations):
            before, token = bench.secrets.login(arn), f"t{number}"
            bench.secrets.begin(arn, token)
            bench.server.fails = iter(failures)
            done = False
            while not done:
                with suppress(RotationError):
                    for step, repeated in zip(STEPS, times, strict=True):
                        for _ in range(repeated):
                            bench.step(step, arn, token)
                            if arn == SERVER:
                                assert bench.opens(bench.secrets.login(SERVER))
                    done = True
            now = bench.secrets.login(arn)
            assert bench.opens(now)
            assert now["password"] != before["password"]
            assert "AWSCURRENT" in bench.secrets.labels[arn][token]
            assert bench.secrets.login(arn, "AWSPREVIOUS") == before
            assert bench.opens(before) == (arn == SERVER)

    @pytest.mark.parametrize("step", STEPS)
    def test_what_is_current_stays_as_it_is(self, step: str, bench: Bench) -> None:
        bench.rotate()
        values, labels = dict(bench.secrets.values[SERVER]), str(bench.secrets.labels)
        bench.step(step)
        assert bench.secrets.values[SERVER] == values
        assert str(bench.secrets.labels) == labels

    @pytest.mark.parametrize("step", STEPS)
    @pytest.mark.parametrize("labels", [None, [], ["AWSPREVIOUS"]])
    def test_another_version_is_refused(
        self, step: str, labels: list[str] | None, bench: Bench
    ) -> None:
        if labels is not None:
            bench.secrets.labels[SERVER]["t1"] = labels
        with pytest.raises(RotationError, match="t1 is not pending"):
            bench.step(step)

    def test_a_password_that_is_made_is_kept(self, bench: Bench) -> None:
        bench.secrets.begin(SERVER, "t1")
        bench.step("createSecret")
        bench.step("createSecret")
        assert bench.secrets.login(SERVER, "AWSPENDING")["password"] == "secret-1"
        assert bench.secrets.get_random_password(30, EXCLUDED)["RandomPassword"] == "secret-2"

    def test_two_at_once_make_one_password(self, bench: Bench) -> None:
        bench.secrets.begin(SERVER, "t1")
        login = Login(bench.secrets.login(SERVER))
        secrets = Secrets(bench.secrets)
        secrets.put(SERVER, "t1", login.successor("one"))
        secrets.put(SERVER, "t1", login.successor("two"))
        assert bench.secrets.login(SERVER, "AWSPENDING")["password"] == "one"

    def test_a_version_without_a_value_cannot_be_set(self, bench: Bench) -> None:
        bench.secrets.begin(SERVER, "t1")
        with pytest.raises(RotationError, match="t1 has no value"):
            bench.step("setSecret")

    @pytest.mark.parametrize("value", [None, "first"])
    @pytest.mark.parametrize("known", [True, False])
    def test_a_new_schedule_is_tried_out_before_there_is_a_user(
        self, value: str | None, known: bool, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.secrets.begin(SERVER, "t1")
        if value:
            bench.secrets.values[SERVER]["t1"] = bench.secrets.values[SERVER][value]
        if not known:
            del bench.server.passwords["mlflow_server"]
        bench.step("testSecret")
        assert ("does not know 'mlflow_server' yet" in caplog.text) is not known

    def test_a_new_password_that_is_refused_is_not_current(self, bench: Bench) -> None:
        bench.secrets.begin(SERVER, "t1")
        bench.step("createSecret")
        with pytest.raises(RotationError, match="refuses the password"):
            bench.step("testSecret")


class TestErrors:
    def test_name_the_step_the_secret_and_what_to_do(self, bench: Bench) -> None:
        bench.server.passwords["mlflow_server"] = "changed by hand"
        with pytest.raises(RotationError) as raised:
            bench.rotate()
        assert str(raised.value) == (
            f"setSecret of {SERVER}: The database refuses the password of 'mlflow_server'. Set"
            " what the secret says with the master user, or put into the secret what the database"
            " knows; then rotate again."
        )

    @pytest.mark.parametrize(
        "failure",
        [
            client_error("AccessDeniedException", "DescribeSecret"),
            EndpointConnectionError(endpoint_url="https://secretsmanager"),
        ],
    )
    def test_of_secrets_manager_name_where_to_look(self, failure: Exception, bench: Bench) -> None:
        bench.secrets.failure = failure
        with pytest.raises(RotationError, match="Look at the function's role") as raised:
            bench.step("createSecret")
        assert str(raised.value).startswith(f"createSecret of {SERVER}: ")

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("no json", "no JSON object"),
            ("[]", "no JSON object"),
            ('{"username": "u", "password": "hidden"}', "lacks host, port, dbname"),
        ],
    )
    def test_a_secret_that_was_spoilt(self, value: str, said: str, bench: Bench) -> None:
        bench.secrets.values[SERVER]["first"] = value
        with pytest.raises(RotationError, match=said) as raised:
            bench.rotate()
        assert "hidden" not in str(raised.value)

    def test_other_faults_of_the_caller(self, bench: Bench) -> None:
        with pytest.raises(RotationError, match="no request of Secrets Manager"):
            Request.read({"Step": "createSecret", "SecretId": SERVER})
        with pytest.raises(RotationError, match=r"The steps are createSecret, setSecret"):
            bench.step("dropSecret")
        bench.secrets.enabled = False
        with pytest.raises(RotationError, match="Turn its rotation on"):
            bench.step("createSecret")

    def test_a_secret_without_a_current_version(self, bench: Bench) -> None:
        bench.secrets.labels[SERVER] = {"t1": ["AWSPENDING"]}
        with pytest.raises(RotationError, match="no current value"):
            bench.step("createSecret")
        with pytest.raises(RotationError, match="No version is current"):
            bench.step("finishSecret")

    def test_no_log_and_no_text_holds_a_password(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        bench.rotate()
        assert f"finishSecret of {SERVER}: done" in caplog.text
        assert "secret-1" not in caplog.text
        assert "s0" not in repr(Login(bench.secrets.login(SERVER, "AWSPREVIOUS")))


class FakeConnection:
    """Keeps the statements that it is given, as PyMySQL would send them."""

    def __init__(self, rows: dict[str, list[tuple[str]]], failure: Exception | None) -> None:
        self.said: list[str] = []
        self.closed = False
        self._rows = rows
        self._failure = failure
        self._found: list[tuple[str]] = []

    def cursor(self) -> "FakeConnection":
        return self

    def __enter__(self) -> "FakeConnection":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def execute(self, statement: str, values: tuple[str, ...] = ()) -> None:
        if self._failure:
            raise self._failure
        if values:
            statement %= tuple("'" + pymysql.converters.escape_string(v) + "'" for v in values)
        self.said.append(statement)
        self._found = self._rows.get(statement, [])

    def fetchone(self) -> tuple[str]:
        return self._found[0]

    def fetchall(self) -> list[tuple[str]]:
        return self._found

    def close(self) -> None:
        self.closed = True


MARIADB = [
    ("GRANT USAGE ON *.* TO `mlflow_server`@`10.%` IDENTIFIED BY PASSWORD '*5A' REQUIRE SSL",),
    ("GRANT SELECT, INSERT ON `ml%`.* TO `mlflow_server`@`10.%`",),
]
MYSQL = [
    ("GRANT USAGE ON *.* TO `mlflow_server`@`10.%`",),
    ("GRANT SELECT, INSERT ON `ml%`.* TO `mlflow_server`@`10.%` WITH GRANT OPTION",),
]


class TestServer:
    LOGIN = Login({"username": "mlflow_server", "password": "p'w", "masterarn": MASTER, **PLACE})

    @pytest.fixture
    def opened(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """How a connection was opened, and the connection."""
        opened: dict[str, Any] = {"rows": {}, "failure": None, "refusal": None}

        def connect(**options: Any) -> FakeConnection:
            if opened["refusal"]:
                raise opened["refusal"]
            opened["options"] = options
            connection = FakeConnection(opened["rows"], opened["failure"])
            opened["connection"] = connection
            return connection

        monkeypatch.setattr(pymysql, "connect", connect)
        return opened

    def test_checks_the_servers_name_and_gives_up_in_time(self, opened: dict[str, Any]) -> None:
        Server("/ca.pem").check(self.LOGIN)
        options = opened["options"]
        assert options["ssl"] == {"ca": "/ca.pem"}
        assert options["database"] == "mlflow"
        assert {options[f"{kind}_timeout"] for kind in ("connect", "read", "write")} == {5}
        assert opened["connection"].closed

    @pytest.mark.parametrize("grants", [MARIADB, MYSQL])
    def test_rights_are_copied_without_the_password_and_the_right_to_pass_them_on(
        self, grants: list[tuple[str]], opened: dict[str, Any]
    ) -> None:
        opened["rows"] = {
            "SELECT CURRENT_USER()": [("mlflow_server@10.%",)],
            "SHOW GRANTS": grants,
        }
        account = Server("ca").account(self.LOGIN)
        master = Login({**PLACE, "username": "mlflow", "password": "m0"})
        Server("ca").make(self.LOGIN.successor("n'ew"), account, master)
        assert opened["connection"].said == [
            "CREATE USER IF NOT EXISTS 'mlflow_server_clone'@'10.%'"
            " IDENTIFIED BY 'n\\'ew' REQUIRE SSL",
            "GRANT USAGE ON *.* TO 'mlflow_server_clone'@'10.%'",
            "GRANT SELECT, INSERT ON `ml%`.* TO 'mlflow_server_clone'@'10.%'",
            "ALTER USER 'mlflow_server_clone'@'10.%' IDENTIFIED BY 'n\\'ew' REQUIRE SSL",
        ]

    def test_a_user_changes_its_own_password_by_its_name(self, opened: dict[str, Any]) -> None:
        opened["rows"] = {"SELECT CURRENT_USER()": [("mlflow@%",)]}
        Server("ca").change(self.LOGIN, "n'ew")
        changed = "ALTER USER 'mlflow'@'%' IDENTIFIED BY 'n\\'ew'"
        assert opened["connection"].said[1:] == [changed]

    @pytest.mark.parametrize("number", [1045, 1698, 3118])
    def test_a_refused_password_is_told_apart(self, number: int, opened: dict[str, Any]) -> None:
        opened["refusal"] = pymysql.OperationalError(number, "Access denied")
        with pytest.raises(RefusedError):
            Server("ca").check(self.LOGIN)

    @pytest.mark.parametrize(
        "failure",
        [pymysql.OperationalError(2003, "timed out"), FileNotFoundError("ca"), OSError()],
    )
    def test_a_server_that_cannot_be_used(self, failure: Exception, opened: dict[str, Any]) -> None:
        opened["refusal"] = failure
        with pytest.raises(RotationError, match=r"db\.internal:3307 cannot be used") as raised:
            Server("ca").check(self.LOGIN)
        assert not isinstance(raised.value, RefusedError)

    def test_what_the_server_repeats_of_a_statement_is_not_said(
        self, opened: dict[str, Any]
    ) -> None:
        opened["failure"] = pymysql.ProgrammingError(1064, "syntax error near 'new-password'")
        with pytest.raises(RotationError, match=r"error 1064") as raised:
            Server("ca").change(self.LOGIN, "new-password")
        assert "new-password" not in str(raised.value)
        assert raised.value.__cause__ is None
        assert opened["connection"].closed


def test_settings_are_needed() -> None:
    assert Settings.read({"DATABASE_CA": "/ca.pem"}).certificates == "/ca.pem"
    with pytest.raises(ValueError, match="DATABASE_CA must be set"):
        Settings.read({})


def test_passwords_fit_the_option_file_and_a_shell() -> None:
    allowed = {chr(code) for code in range(33, 127)} - set(EXCLUDED)
    assert {character for character in allowed if not character.isalnum()} == set(",-.=^_")


def test_the_handler_carries_out_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_CA", "/ca.pem")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    module = importlib.import_module("rotator.handler")
    bench = Bench()
    monkeypatch.setattr(module, "ROTATOR", bench.rotator)
    bench.secrets.begin(SERVER, "t1")
    for step in STEPS:
        event = {"Step": step, "SecretId": SERVER, "ClientRequestToken": "t1", "RotationToken": ""}
        assert module.handler(event, None) is None
    assert bench.secrets.login(SERVER)["username"] == "mlflow_server_clone"
