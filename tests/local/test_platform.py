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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql
import pytest
from botocore.exceptions import ClientError
from mlflow.tracking import MlflowClient

from local.demo import publish, release
from local.platform import LocalPlatform
from operations.errors import OperationError
from operations.release import resolve_release
from stacks.releases import load_images, load_release
from tests.conftest import ROOT
from tests.local.conftest import Deployed, listening_addresses, processes_naming

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
    headers = {"Content-Type": kind, "x-api-key": platform.api_key() if key is None else key}
    request = urllib.request.Request(platform.invocation_url(endpoint), data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def secret(platform: LocalPlatform) -> dict[str, Any]:
    """The database's generated secret."""
    client = platform.client("secretsmanager")
    (found,) = client.list_secrets()["SecretList"]
    value: dict[str, Any] = json.loads(
        client.get_secret_value(SecretId=found["ARN"])["SecretString"]
    )
    return value


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
        url = f"{platform.tracking_uri()}/api/2.0/mlflow/experiments/search"

        def search(**headers: str) -> int:
            request = urllib.request.Request(
                url, b'{"max_results": 1}', {"Content-Type": "application/json", **headers}
            )
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                return error.code

        assert search() == 200
        assert search(Host="evil.test") == 403

    def test_has_its_pages(self, platform: LocalPlatform) -> None:
        with urllib.request.urlopen(platform.tracking_uri(), timeout=30) as answer:
            assert "<title>MLflow</title>" in answer.read().decode()

    def test_files_go_through_the_server_into_the_bucket(self, platform: LocalPlatform) -> None:
        version = MlflowClient(platform.tracking_uri()).get_model_version_by_alias(
            "iris", "champion"
        )
        recorded = load_release(platform.state.releases, "local", "iris")
        assert recorded is not None
        assert recorded.version == int(version.version)
        bucket, _, prefix = recorded.source.removeprefix("s3://").partition("/")
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
        password = secret(platform)["password"].encode()
        running = processes_naming(str(platform.state.path))
        assert any("mlflow" in command for command in running.values())
        for pid in running:
            for file in ("cmdline", "environ"):
                assert password not in (Path("/proc") / str(pid) / file).read_bytes()

    def test_no_log_holds_the_password(self, platform: LocalPlatform) -> None:
        password = secret(platform)["password"]
        for log in platform.state.logs.iterdir():
            assert password not in log.read_text(errors="replace"), log.name


class TestDatabase:
    def connect(self, platform: LocalPlatform, **options: Any) -> "pymysql.Connection[Any]":
        value = secret(platform)
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
        assert source["S3Uri"] == recorded.source

    def test_says_what_it_does_not_do(self, platform: LocalPlatform) -> None:
        with pytest.raises(ClientError, match="does not run on this machine"):
            platform.client("sagemaker").list_training_jobs()

    def test_a_server_that_dies_is_started_again(self, platform: LocalPlatform) -> None:
        assert call(platform)[0] == 200
        (pid,) = [
            pid
            for pid, command in processes_naming(str(platform.state.path)).items()
            if command.rstrip().endswith("bin/serve")
        ]
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
        assert recorded.version == 2
        with asking(platform) as statuses:
            platform.deploy("Endpoint-iris")
        assert len(statuses) > 10
        assert set(statuses) == {200}
        assert served_model(platform)["Environment"] == {"MODEL_DIGEST": recorded.digest}

    def test_a_second_deployment_changes_nothing(self, platform: LocalPlatform) -> None:
        said: list[str] = []
        platform.cdk("diff", "--all", "--fail", say=said.append)
        assert "Number of stacks with differences: 0" in "\n".join(said)

    def test_a_broken_version_is_rolled_back_and_the_old_serves_on(
        self, platform: LocalPlatform
    ) -> None:
        record = platform.state.releases / "local" / "iris.yaml"
        good = record.read_text()
        release_ = load_release(platform.state.releases, "local", "iris")
        assert release_ is not None
        record.write_text(good.replace(release_.digest, f"sha256:{'0' * 64}"))
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
        with pytest.raises(OperationError, match="models:/iris@challenger"):
            resolve_release(
                environment.model_copy(update={"endpoints": endpoints}),
                "iris",
                load_images(platform.state.releases, "local"),
                MlflowClient(platform.tracking_uri()),
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
        run = MlflowClient(platform.tracking_uri()).get_run(said["run"])
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
        for host, status in ((declared_address(platform), 200), ("mlflow.evil.test:5000", 403)):
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
