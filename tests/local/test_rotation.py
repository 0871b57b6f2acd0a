"""Passwords are rotated by the deployed function, and the server's clients notice nothing."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
import pytest
from botocore.exceptions import ClientError

from local.images import find_image
from local.platform import LocalPlatform
from local.processes import Process
from local.servers import answers
from local.state import free_port
from tests.local.conftest import MASTER, SERVER, authorization, secret, secret_arn

CLIENTS = 8


def connect(platform: LocalPlatform, login: dict[str, Any]) -> "pymysql.Connection[Any]":
    return pymysql.connect(
        host=login["host"],
        port=int(login["port"]),
        user=login["username"],
        password=login["password"],
        database=login["dbname"],
        ssl={"ca": platform.address("database certificates")},
        autocommit=True,
    )


def ask(platform: LocalPlatform, statement: str, *values: str) -> Any:
    """What a statement of the master user finds."""
    with connect(platform, secret(platform, MASTER)) as connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def opens(platform: LocalPlatform, login: dict[str, Any]) -> bool:
    try:
        connect(platform, login).close()
    except pymysql.OperationalError as error:
        if error.args[0] != 1045:
            raise
        return False
    return True


def rotate(platform: LocalPlatform, name: str) -> dict[str, Any]:
    """Rotate a secret now; what it holds then."""
    client, arn = platform.client("secretsmanager"), secret_arn(platform, name)
    version = client.rotate_secret(SecretId=arn)["VersionId"]
    deadline = time.monotonic() + 20
    while "AWSCURRENT" not in client.describe_secret(SecretId=arn)["VersionIdsToStages"][version]:
        assert time.monotonic() < deadline, (platform.state.logs / "emulator.log").read_text()[
            -999:
        ]
        time.sleep(0.05)
    return secret(platform, name)


class TestSecrets:
    def test_both_rotate_by_the_function_and_say_where_the_database_is(
        self, platform: LocalPlatform
    ) -> None:
        for name in (MASTER, SERVER):
            described = platform.client("secretsmanager").describe_secret(
                SecretId=secret_arn(platform, name)
            )
            assert described["RotationEnabled"]
            assert ":function:" in described["RotationLambdaARN"]
            assert described["RotationRules"] == {"AutomaticallyAfterDays": 30}
        master, server = secret(platform, MASTER), secret(platform, SERVER)
        for part in ("host", "port", "dbname"):
            assert master[part] == server[part]
        assert server["masterarn"] == secret_arn(platform, MASTER)

    def test_the_servers_users_take_turns(self, platform: LocalPlatform) -> None:
        first = secret(platform, SERVER)
        second = rotate(platform, SERVER)
        assert {first["username"], second["username"]} == {"mlflow_server", "mlflow_server_clone"}
        assert opens(platform, first)
        assert opens(platform, second)
        third = rotate(platform, SERVER)
        assert third["username"] == first["username"]
        assert not opens(platform, first)
        assert opens(platform, second)
        assert opens(platform, third)

    def test_the_other_user_may_the_same_and_asks_for_tls(self, platform: LocalPlatform) -> None:
        rotate(platform, SERVER)
        of = {
            name: "; ".join(line for (line,) in ask(platform, "SHOW GRANTS FOR %s@'%%'", name))
            for name in ("mlflow_server", "mlflow_server_clone")
        }
        for name, grants in of.items():
            assert "SELECT, INSERT, UPDATE, DELETE" in grants, name
            assert not {"CREATE", "DROP", "ALTER", "GRANT OPTION"} & set(grants.split()), name
        asked = ask(platform, "SELECT ssl_type FROM mysql.user WHERE User LIKE 'mlflow_server%%'")
        assert asked == (("ANY",), ("ANY",))

    def test_the_master_changes_its_own(self, platform: LocalPlatform) -> None:
        first = secret(platform, MASTER)
        second = rotate(platform, MASTER)
        assert first["username"] == second["username"] == "mlflow"
        assert not opens(platform, first)
        assert opens(platform, second)

    def test_one_that_failed_is_taken_up_again(self, platform: LocalPlatform) -> None:
        """The database was told another password; somebody mends it, and rotates again."""
        client, arn = platform.client("secretsmanager"), secret_arn(platform, SERVER)
        login = secret(platform, SERVER)
        ask(platform, "ALTER USER %s@'%%' IDENTIFIED BY 'other'", login["username"])
        log = platform.state.logs / "emulator.log"
        before = log.stat().st_size
        version = client.rotate_secret(SecretId=arn)["VersionId"]
        deadline = time.monotonic() + 20
        while f"setSecret of {arn}: The database refuses" not in log.read_text()[before:]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert secret(platform, SERVER) == login
        ask(platform, "ALTER USER %s@'%%' IDENTIFIED BY %s", login["username"], login["password"])
        with pytest.raises(ClientError, match="is tried again"):
            client.rotate_secret(SecretId=arn)
        while secret(platform, SERVER) == login:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert "AWSCURRENT" in client.describe_secret(SecretId=arn)["VersionIdsToStages"][version]
        assert opens(platform, secret(platform, SERVER))

    def test_no_log_holds_a_password(self, platform: LocalPlatform) -> None:
        held = [secret(platform, SERVER)["password"], rotate(platform, SERVER)["password"]]
        for log in platform.state.logs.iterdir():
            text = log.read_text(errors="replace")
            assert not any(password in text for password in held), log.name


@contextmanager
def serving(platform: LocalPlatform, **variables: str) -> Iterator[int]:
    """The deployed task a second time; its port."""
    ecs = platform.client("ecs")
    (cluster,) = ecs.list_clusters()["clusterArns"]
    (name,) = ecs.list_services(cluster=cluster)["serviceArns"]
    (service,) = ecs.describe_services(cluster=cluster, services=[name])["services"]
    (container,) = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])[
        "taskDefinition"
    ]["containerDefinitions"]
    image, port = find_image(container["image"]), free_port()
    folder = platform.state.run / "rotated"
    environment = {
        **image.environment(platform.program_environment(folder)),
        **{variable["name"]: variable["value"] for variable in container["environment"]},
        "PORT": str(port),
        "DATABASE_CA": platform.address("database certificates"),
        "ALLOWED_HOSTS": "127.0.0.1",
        **variables,
    }
    log = platform.state.logs / "task-rotated.log"
    process = Process(image.command(list(container["command"])), log, environment, folder)
    try:
        process.wait_until(lambda: answers(port, "/health"), 60)
        yield port
    finally:
        process.stop()


class Client:
    """Logs one metric after the other, over one connection, and tries nothing twice."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self._headers = {"Content-Type": "application/json", **headers}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        created = self._post("runs/create", {"experiment_id": "0"})
        self.run = json.loads(created[1])["run"]["info"]["run_id"]
        self.statuses: Counter[int | str] = Counter()

    def log(self, stop: threading.Event) -> None:
        while not stop.is_set():
            step = self.statuses[200]
            metric = {"run_id": self.run, "key": "m", "value": step, "timestamp": 1, "step": step}
            try:
                status, _ = self._post("runs/log-metric", metric)
                self.statuses[status] += 1
            except (OSError, http.client.HTTPException) as error:
                self.statuses[type(error).__name__] += 1
                self._connection.close()
        self._connection.close()

    def _post(self, call: str, body: dict[str, Any]) -> tuple[int, bytes]:
        path = f"/api/2.0/mlflow/{call}"
        self._connection.request("POST", path, json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


@contextmanager
def load(port: int, headers: dict[str, str]) -> Iterator[list[Client]]:
    """Clients that log until the end."""
    stop, clients = threading.Event(), [Client(port, headers) for _ in range(CLIENTS)]
    threads = [threading.Thread(target=client.log, args=[stop]) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def refusals(platform: LocalPlatform) -> int:
    """Logins that the database has refused."""
    counted = ask(platform, "SHOW GLOBAL STATUS LIKE 'Access_denied_errors'")
    # MySQL counts them together with others that ended early.
    counted = counted or ask(platform, "SHOW GLOBAL STATUS LIKE 'Aborted_connects'")
    return int(counted[0][1])


def users_at_work(platform: LocalPlatform) -> set[str]:
    """The server's users whose connections were used within the last second."""
    found = ask(
        platform,
        "SELECT user FROM information_schema.processlist WHERE user LIKE 'mlflow_server%%'"
        " AND db = 'mlflow' AND time < 1",
    )
    return {user for (user,) in found}


@pytest.mark.parametrize("noticed", [1, 3600])
def test_no_request_fails_while_passwords_are_rotated(
    noticed: int, platform: LocalPlatform
) -> None:
    """Twice, so that the first login dies: known by then, and where nobody has read the secret."""
    # A connection that is a second old makes room for another.
    short = {"DATABASE_SECRET_SECONDS": str(noticed), "DATABASE_CONNECTION_SECONDS": "1"}
    headers = authorization(platform, "ana")
    with serving(platform, **short) as port, load(port, headers) as clients:
        before = refusals(platform)
        for _ in range(2):
            user = rotate(platform, SERVER)["username"]
            time.sleep(3)
            assert noticed > 1 or users_at_work(platform) == {user}
        refused = refusals(platform) - before
    counted = sum((client.statuses for client in clients), Counter[int | str]())
    print(f"answers by status: {dict(counted)}; refused logins: {refused}")
    assert set(counted) == {200}
    assert (refused > 0) == (noticed > 1)
    for client in clients:
        kept = ask(platform, "SELECT COUNT(*) FROM metrics WHERE run_uuid = %s", client.run)
        assert kept == ((client.statuses[200],),)
