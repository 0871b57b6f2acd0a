"""The whole platform on this machine: what the stacks declare runs, and what it does."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql
import pytest
from botocore.exceptions import ClientError
from mlflow.entities import Param
from mlflow.exceptions import MlflowException

from local.demo import publish, release
from local.platform import LocalPlatform
from operations.errors import OperationError
from operations.release import resolve_release
from stacks.releases import load_images, load_release
from tests.conftest import ROOT
from tests.local.application import Application
from tests.local.conftest import (
    DEPLOYED,
    MASTER,
    SERVER,
    Deployed,
    authorization,
    listening_addresses,
    processes_naming,
    secret,
)

PETAL = b'{"petal_length": 0.4, "petal_width": 1.4}'


def call(
    platform: LocalPlatform,
    body: bytes = PETAL,
    *,
    endpoint: str = "iris",
    key: str | None = None,
    kind: str = "application/json",
) -> tuple[int, str]:
    """Post to the API; the status and the text that come back."""
    reply = Application(platform, key).post(endpoint, body, kind)
    return reply.status, reply.text


def ask_mlflow(
    platform: LocalPlatform, path: str, body: Any = None, user: str = "ana", **headers: str
) -> tuple[int, str]:
    """Call MLflow's API as a user, or as nobody; the status and the text that come back."""
    if user:
        headers |= authorization(platform, user)
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{platform.tracking_uri()}{path}", content, {"Content-Type": "application/json", **headers}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def served_model(platform: LocalPlatform) -> dict[str, Any]:
    """The container that the iris endpoint serves, as SageMaker describes it."""
    client = platform.client("sagemaker")
    endpoint = client.describe_endpoint(EndpointName=platform.endpoint_name("iris"))
    config = client.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    model = client.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    container: dict[str, Any] = model["PrimaryContainer"]
    return container


class TestApi:
    def test_answers_the_articles_question(self, platform: LocalPlatform) -> None:
        status, body = call(platform)
        assert status == 200
        assert json.loads(body)["category"] == "Iris-Setosa"

    def test_answers_csv_in_csv(self, platform: LocalPlatform) -> None:
        status, body = call(platform, b"0.4,1.4\n5,1.5\n", kind="text/csv")
        assert status == 200
        assert [line.partition(",")[0] for line in body.split()] == [
            "Iris-Setosa",
            "Iris-Versicolour",
        ]

    @pytest.mark.parametrize("key", ["", "wrong"])
    def test_a_wrong_key_is_forbidden(self, key: str, platform: LocalPlatform) -> None:
        assert call(platform, key=key)[0] == 403

    @pytest.mark.parametrize(
        ("body", "kind", "status", "said"),
        [
            (b"{petal", "application/json", 400, "not JSON"),
            (b'{"petal_length": 1}', "application/json", 400, "petal_width"),
            (b"1,2", "text/plain", 415, "is not served"),
        ],
    )
    def test_a_wrong_payload_is_told_what_is_right(
        self, body: bytes, kind: str, status: int, said: str, platform: LocalPlatform
    ) -> None:
        found, text = call(platform, body, kind=kind)
        assert found == status
        assert said in json.loads(text)["error"]

    def test_an_unknown_endpoint_is_not_found(self, platform: LocalPlatform) -> None:
        status, text = call(platform, endpoint="rose")
        assert status == 404
        assert "rose" in json.loads(text)["error"]


def test_the_default_group_is_closed(platform: LocalPlatform) -> None:
    groups = platform.client("ec2").describe_security_groups(
        Filters=[{"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"]
    (vpc,) = platform.client("ec2").describe_vpcs(
        Filters=[{"Name": "cidr", "Values": [str(platform.environment.network.cidr)]}]
    )["Vpcs"]
    (ours,) = [group for group in groups if group["VpcId"] == vpc["VpcId"]]
    assert ours["IpPermissions"] == ours["IpPermissionsEgress"] == []


class TestTracking:
    def test_a_foreign_host_is_refused_on_the_api(self, platform: LocalPlatform) -> None:
        search = "/api/2.0/mlflow/experiments/search"
        assert ask_mlflow(platform, search, {"max_results": 1})[0] == 200
        status, said = ask_mlflow(platform, search, {"max_results": 1}, Host="evil.test")
        assert (status, "Invalid Host header" in said) == (403, True)

    def test_a_page_of_another_site_is_refused(self, platform: LocalPlatform) -> None:
        search = "/api/2.0/mlflow/experiments/search?max_results=1"
        status, said = ask_mlflow(platform, search, Origin="http://localhost:3000")
        assert (status, "other sites" in said) == (403, True)

    def test_has_its_pages(self, platform: LocalPlatform) -> None:
        assert "<title>MLflow</title>" in ask_mlflow(platform, "/")[1]

    def test_files_go_through_the_server_into_the_bucket(self, platform: LocalPlatform) -> None:
        with platform.logged_in("eve") as client:
            version = client.get_model_version_by_alias("iris", "champion")
        recorded = load_release(platform.state.releases, "local", "iris")
        assert recorded is not None
        assert recorded.only.version == int(version.version)
        bucket, _, prefix = recorded.only.source.removeprefix("s3://").partition("/")
        listed = platform.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
        assert f"{prefix}MLmodel" in {entry["Key"] for entry in listed}

    def test_offers_no_link_that_leads_past_it(self, platform: LocalPlatform) -> None:
        """The perimeter would let nobody follow one."""
        address = f"{platform.tracking_uri()}/api/3.0/mlflow/server-info"
        with urllib.request.urlopen(address, timeout=30) as answer:
            offered = json.load(answer)
        assert offered["multipart_uploads_enabled"] is False
        assert offered["multipart_downloads_enabled"] is False

    def test_no_process_and_no_command_holds_the_password(self, platform: LocalPlatform) -> None:
        passwords = [secret(platform, of)["password"].encode() for of in (MASTER, SERVER)]
        running = processes_naming(str(platform.state.path))
        assert any("mlflow" in command for command in running.values())
        for pid in running:
            for file in ("cmdline", "environ"):
                text = (Path("/proc") / str(pid) / file).read_bytes()
                assert not any(password in text for password in passwords)

    def test_no_log_holds_the_password(self, platform: LocalPlatform) -> None:
        passwords = [secret(platform, of)["password"] for of in (MASTER, SERVER)]
        for log in platform.state.logs.iterdir():
            text = log.read_text(errors="replace")
            assert not any(password in text for password in passwords), log.name


class TestAccess:
    """Who may do what, through MLflow's own client; the configuration has a team for each."""

    def test_a_scientist_logs_registers_and_deletes(self, platform: LocalPlatform) -> None:
        with platform.logged_in("ana") as client:
            experiment = client.create_experiment("of ana")
            run = client.create_run(experiment).info.run_id
            client.log_metric(run, "loss", 0.5)
            client.log_text(run, "words", "notes.txt")
            client.create_registered_model("of-ana")
            version = client.create_model_version("of-ana", f"runs:/{run}/model", run)
            client.set_registered_model_alias("of-ana", "champion", version.version)
            client.delete_registered_model("of-ana")
            assert client.get_run(run).data.metrics == {"loss": 0.5}

    def test_an_auditor_reads_and_changes_nothing(
        self, platform: LocalPlatform, tmp_path: Path
    ) -> None:
        with platform.logged_in("eve") as client:
            version = client.get_model_version_by_alias("iris", "champion")
            (experiment,) = client.search_experiments(filter_string="name = 'iris'")
            run = client.search_runs([experiment.experiment_id])[0].info.run_id
            assert client.get_run(run).data.metrics
            (tmp_path / "file").write_text("x")
            attempts: dict[str, Callable[[], object]] = {
                "create experiment": lambda: client.create_experiment("of eve"),
                "create run": lambda: client.create_run(experiment.experiment_id),
                "log metric": lambda: client.log_metric(run, "loss", 1),
                "log batch": lambda: client.log_batch(run, params=[Param("a", "b")]),
                "log file": lambda: client.log_artifact(run, str(tmp_path / "file")),
                "tag": lambda: client.set_tag(run, "a", "b"),
                "delete run": lambda: client.delete_run(run),
                "delete experiment": lambda: client.delete_experiment(experiment.experiment_id),
                "create model": lambda: client.create_registered_model("of-eve"),
                "register": lambda: client.create_model_version("iris", str(version.source)),
                "promote": lambda: client.set_registered_model_alias("iris", "x", "1"),
                "delete model": lambda: client.delete_registered_model("iris"),
            }
            for what, attempt in attempts.items():
                with pytest.raises(Exception, match=r"(?i)permission denied|403|FORBIDDEN"):
                    pytest.fail(f"could {what}: {attempt()}")

    def test_who_is_in_no_team_sees_nothing(self, platform: LocalPlatform) -> None:
        with platform.logged_in("sam") as client:
            assert client.search_experiments() == []
            assert client.search_registered_models() == []
            with pytest.raises(MlflowException, match="Permission denied"):
                client.get_model_version_by_alias("iris", "champion")
            with pytest.raises(MlflowException, match="Permission denied"):
                client.create_experiment("of sam")

    def test_a_pipeline_promotes_and_logs_nothing(self, platform: LocalPlatform) -> None:
        with platform.logged_in("release") as client:
            client.set_registered_model_alias("iris", "candidate", "1")
            assert client.get_model_version_by_alias("iris", "candidate").version == "1"
            with pytest.raises(MlflowException, match="Permission denied"):
                client.delete_registered_model_alias("iris", "candidate")
            with pytest.raises(MlflowException, match="Permission denied"):
                client.create_experiment("of release")

    def test_the_administrator_does_everything(self, platform: LocalPlatform) -> None:
        status, said = ask_mlflow(platform, "/api/2.0/mlflow/users/list", user="administrator")
        assert status == 200
        names = {user["username"] for user in json.loads(said)["users"]}
        assert names == {"administrator", "ana", "eve", "release", "sam"}

    def test_nobody_else_manages_users(self, platform: LocalPlatform) -> None:
        new = {"username": "mallory", "password": "a-long-password"}
        rank = {"username": "ana", "is_admin": True}
        for user, status in (("", 401), ("ana", 403), ("sam", 403)):
            assert ask_mlflow(platform, "/api/2.0/mlflow/users/create", new, user)[0] == status
            assert ask_mlflow(platform, "/api/2.0/mlflow/users/list", None, user)[0] in (
                status,
                # Whoever may create may look up who there is.
                200 if user == "ana" else status,
            )
        with pytest.raises(AssertionError):
            assert ask_mlflow(platform, "/api/2.0/mlflow/users/update-admin", rank)[0] == 200

    def test_nobody_is_let_in_without_a_login(self, platform: LocalPlatform) -> None:
        for path in ("/", "/api/2.0/mlflow/experiments/search?max_results=1", "/version", "/docs"):
            assert ask_mlflow(platform, path, user="")[0] == 401, path
        assert ask_mlflow(platform, "/health", user="") == (200, "OK")


class TestDatabase:
    def connect(self, platform: LocalPlatform, **options: Any) -> "pymysql.Connection[Any]":
        value = secret(platform, MASTER)
        return pymysql.connect(
            host=value["host"],
            port=int(value["port"]),
            user=value["username"],
            password=value["password"],
            database=value["dbname"],
            **options,
        )

    def test_the_generated_secret_opens_it_over_tls(self, platform: LocalPlatform) -> None:
        with self.connect(platform, ssl={"ca": platform.address("database certificates")}) as open_:
            cursor = open_.cursor()
            cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
            assert cursor.fetchone()[1] != ""
            cursor.execute("SELECT COUNT(*) FROM model_versions")
            assert cursor.fetchone()[0] >= 1

    def test_refuses_a_connection_without_tls(self, platform: LocalPlatform) -> None:
        with pytest.raises(pymysql.OperationalError):
            self.connect(platform, ssl_disabled=True)

    def test_its_certificate_is_checked(self, platform: LocalPlatform, tmp_path: Path) -> None:
        from local.certificates import make_certificates

        other = make_certificates(tmp_path)
        with pytest.raises(pymysql.OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
            self.connect(platform, ssl={"ca": str(other)})

    def test_is_as_rds_is(self, platform: LocalPlatform) -> None:
        """Binary log on, and a master user that is no superuser."""
        with self.connect(platform, ssl={"ca": platform.address("database certificates")}) as open_:
            cursor = open_.cursor()
            cursor.execute("SHOW VARIABLES LIKE 'log_bin'")
            assert cursor.fetchone() == ("log_bin", "ON")
            cursor.execute("SHOW GRANTS")
            grants = str(cursor.fetchall())
            assert "SUPER" not in grants
            assert "ALL PRIVILEGES" not in grants


class TestEndpoint:
    def test_describes_itself_as_a_real_one(self, platform: LocalPlatform) -> None:
        described = platform.client("sagemaker").describe_endpoint(
            EndpointName=platform.endpoint_name("iris")
        )
        assert described["EndpointStatus"] == "InService"
        assert described["ProductionVariants"][0]["VariantName"] == "main"
        recorded = load_release(platform.state.releases, "local", "iris")
        assert recorded is not None
        source = served_model(platform)["ModelDataSource"]["S3DataSource"]
        assert source["S3Uri"] == recorded.only.source

    def test_says_what_it_does_not_do(self, platform: LocalPlatform) -> None:
        with pytest.raises(ClientError, match="does not run on this machine"):
            platform.client("sagemaker").list_training_jobs()

    def test_a_server_that_dies_is_started_again(self, platform: LocalPlatform) -> None:
        assert call(platform)[0] == 200
        pids = [
            pid
            for pid, command in processes_naming(str(platform.state.path)).items()
            # The first of each instance's processes; the others end with it.
            if command.rstrip().endswith("bin/serve") and os.getpgid(pid) == pid
        ]
        assert len(pids) == 2
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        seen: set[int] = set()
        deadline = time.monotonic() + 30
        while 200 not in seen or 503 not in seen:
            assert time.monotonic() < deadline, seen
            status, text = call(platform)
            seen.add(status)
            if status != 200:
                assert "not ready" in json.loads(text)["error"]
        assert seen == {200, 503}


@contextmanager
def asking(platform: LocalPlatform) -> Iterator[list[int]]:
    """Ask the API all the time; the statuses that came back."""
    statuses: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            statuses.append(call(platform)[0])

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        yield statuses
    finally:
        stop.set()
        asker.join()


class TestRelease:
    """In the order of the file: a better version, a broken one, and one that does not exist."""

    def test_a_new_version_replaces_the_old_without_a_lost_request(
        self, deployed: Deployed
    ) -> None:
        platform = deployed.platform
        publish(platform, deployed.training)
        release(platform)
        recorded = load_release(platform.state.releases, "local", "iris")
        assert recorded is not None
        assert recorded.only.version == 2
        with asking(platform) as statuses:
            platform.deploy("Endpoint-iris")
        assert len(statuses) > 10
        assert set(statuses) == {200}
        assert served_model(platform)["Environment"] == {"MODEL_DIGEST": recorded.only.digest}

    def test_a_second_deployment_changes_nothing(self, platform: LocalPlatform) -> None:
        said: list[str] = []
        platform.cdk("diff", *DEPLOYED, "--exclusively", "--fail", say=said.append)
        assert "Number of stacks with differences: 0" in "\n".join(said)

    def test_a_broken_version_is_rolled_back_and_the_old_serves_on(
        self, platform: LocalPlatform
    ) -> None:
        record = platform.state.releases / "local" / "iris.yaml"
        good = record.read_text()
        release_ = load_release(platform.state.releases, "local", "iris")
        assert release_ is not None
        record.write_text(good.replace(release_.only.digest, f"sha256:{'0' * 64}"))
        with asking(platform) as statuses, pytest.raises(OperationError) as raised:
            platform.deploy("Endpoint-iris")
        assert "was released" in raised.value.what
        assert set(statuses) == {200}
        described = platform.client("sagemaker").describe_endpoint(
            EndpointName=platform.endpoint_name("iris")
        )
        assert described["EndpointStatus"] == "InService"
        record.write_text(good)
        platform.deploy("Endpoint-iris")
        assert call(platform)[0] == 200

    def test_an_alias_that_does_not_exist_is_said(self, platform: LocalPlatform) -> None:
        environment = platform.environment
        changed = {"model": "models:/iris@challenger"}
        endpoints = {"iris": environment.endpoints["iris"].model_copy(update=changed)}
        with (
            platform.logged_in("release") as mlflow,
            pytest.raises(OperationError, match="models:/iris@challenger"),
        ):
            resolve_release(
                environment.model_copy(update={"endpoints": endpoints}),
                "iris",
                load_images(platform.state.releases, "local"),
                mlflow,
                platform.client("s3"),
            )


def declared_address(platform: LocalPlatform) -> str:
    """Where the client's stack says that MLflow is: a name of its private zone, and the port."""
    return platform.outputs("Client-databricks")["TrackingUri"].removeprefix("http://")


def run_notebook(platform: LocalPlatform) -> dict[str, Any]:
    """Run the notebook as a plain program; what it says at its end."""
    outputs = platform.outputs("Client-databricks")
    settings = json.loads(outputs["NotebookSettings"])
    assert settings["tracking_uri"] == outputs["TrackingUri"]
    # Nobody resolves the zone's name here; the endpoint that it is an alias of is on loopback.
    settings["tracking_uri"] = platform.address(declared_address(platform))
    (repository,) = platform.client("ecr").describe_repositories(
        repositoryNames=[platform.environment.naming.repository("iris")]
    )["repositories"]
    digest = load_images(platform.state.releases, "local")["iris"]
    notebook = ROOT / "examples" / "databricks" / "deploy_iris.py"
    result = subprocess.run(
        [sys.executable, notebook.name],
        cwd=notebook.parent,
        env={
            **platform.program_environment(platform.state.run / "notebook"),
            "PLATFORM": json.dumps(settings),
            "IMAGE": f"{repository['repositoryUri']}@{digest}",
            "GIT_PYTHON_REFRESH": "quiet",
            **platform.login("ana"),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    said: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return said


@pytest.fixture(scope="module")
def said(deployed: Deployed) -> Iterator[dict[str, Any]]:
    """What the notebook said the first time it ran."""
    yield run_notebook(deployed.platform)
    deployed.platform.client("sagemaker").delete_endpoint(
        EndpointName=deployed.platform.endpoint_name("databricks-iris")
    )


class TestClient:
    """A Databricks notebook, by the address that the stack of its VPC declares."""

    def test_trains_deploys_asks_and_writes_it_down(
        self, said: dict[str, Any], platform: LocalPlatform
    ) -> None:
        assert said["version"] == 1
        assert said["accuracy"] > 0.95
        assert said["answer"] == "Iris-Setosa"
        with platform.logged_in("eve") as client:
            run = client.get_run(said["run"])
        assert run.data.tags["endpoint"] == platform.endpoint_name("databricks-iris")

    def test_deploys_into_the_platforms_network(
        self, said: dict[str, Any], platform: LocalPlatform
    ) -> None:
        model = platform.client("sagemaker").describe_model(ModelName=f"{said['endpoint']}-v1")
        settings = json.loads(platform.outputs("Client-databricks")["NotebookSettings"])
        assert model["VpcConfig"] == {
            "Subnets": settings["subnets"],
            "SecurityGroupIds": settings["security_groups"],
        }
        assert model["EnableNetworkIsolation"]
        assert ":role/private-mlops/local/" in model["ExecutionRoleArn"]

    def test_a_second_run_moves_the_endpoint_to_the_new_version(
        self, said: dict[str, Any], platform: LocalPlatform
    ) -> None:
        again = run_notebook(platform)
        assert again["version"] == 2
        described = platform.client("sagemaker").describe_endpoint(EndpointName=said["endpoint"])
        assert described["EndpointConfigName"] == f"{said['endpoint']}-v2"

    def test_the_endpoint_is_a_way_of_its_own_to_the_server(self, platform: LocalPlatform) -> None:
        address = platform.address(declared_address(platform))
        assert address != platform.tracking_uri()
        with urllib.request.urlopen(f"{address}/health", timeout=30) as answer:
            assert answer.status == 200

    def test_the_server_knows_the_name_that_clients_call_it_by(
        self, platform: LocalPlatform
    ) -> None:
        url = f"{platform.address(declared_address(platform))}/api/2.0/mlflow/experiments/search"
        # Who it knows by the name is asked for a login.
        for host, status in ((declared_address(platform), 401), ("mlflow.evil.test:5000", 403)):
            request = urllib.request.Request(
                url,
                b'{"max_results": 1}',
                {"Content-Type": "application/json", "Host": host},
            )
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    found = answer.status
            except urllib.error.HTTPError as error:
                found = error.code
            assert found == status, host


def test_everything_listens_on_loopback_alone(platform: LocalPlatform) -> None:
    running = set(processes_naming(str(platform.state.path)))
    assert len(running) > 3
    assert listening_addresses(running) == {"0100007F"}
