import json
import os
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from mlflow.entities.webhook import WebhookTestResult

from mlops_constructs import release_store
from operations import deployment as deployment_module
from operations import managed_registry
from operations.deployment import Deployment, check_account, run_cdk
from operations.errors import OperationError
from operations.images import BuildSettings
from releasing.checkout import CheckoutRecords
from releasing.journal import BEFORE_DEPLOYMENT, Attempt, Step
from releasing.ledger import Book
from stacks.checks import IMAGES_RECORD
from stacks.config import Environment
from stacks.release_config import ReleaseSettings
from stacks.releases import load_images, load_release, parse_images
from tests.conftest import RELEASES, ROOT
from tests.unit.operations.conftest import PLACE, FakeEcr, FakeMlflow, FakeS3
from tests.unit.operations.test_webhook import FakeWebhooks

RELEASE_BUCKET = "private-mlops-dev-releases-111111111111"
PROMOTED = {"version": "v1", "content": {"endpoint": "iris", "models": {}}}


class FakeSession:
    """An account with a registry, a bucket, and the stack that says where MLflow is."""

    def __init__(self, ecr: FakeEcr, account: str = "111111111111") -> None:
        self.ecr = ecr
        self.account = account
        self.objects = {f"mlflow/{PLACE}/MLmodel": b"x"}

    def client(self, service: str) -> Any:
        return {
            "ecr": self.ecr,
            "s3": FakeS3(self.objects),
            "sts": self,
            "cloudformation": self,
        }[service]

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": self.account}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        assert StackName == "private-mlops-dev-Tracking"
        return outputs(TrackingUri="http://mlflow.internal:5000")


def outputs(**named: str) -> dict[str, Any]:
    made = [{"OutputKey": key, "OutputValue": value} for key, value in named.items()]
    return {"Stacks": [{"Outputs": made}]}


class Run:
    """A deployment with fakes, and what it did."""

    def __init__(self, dev: Environment, session: Any, releases: Path, build: bool = True) -> None:
        self.did: list[str] = []
        self.releases = releases
        self.deployment = Deployment(
            dev,
            session,
            root=ROOT,
            releases=releases,
            served=CheckoutRecords(dev, releases, session.client("s3"), self.say),
            build=BuildSettings("docker") if build else None,
            cdk=lambda *words: self.did.append(" ".join(words)),
            say=self.say,
        )

    def say(self, line: str) -> None:
        self.did.append(f"# {line}")

    @property
    def cdk(self) -> list[str]:
        return [line for line in self.did if not line.startswith("#")]


@pytest.fixture
def run(
    dev: Environment, ecr: FakeEcr, engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    asked: list[str] = []

    def client(uri: str) -> FakeMlflow:
        asked.append(uri)
        return FakeMlflow()

    monkeypatch.setattr(managed_registry, "MlflowClient", client)
    return Run(dev, FakeSession(ecr), tmp_path / "releases")


def test_state_comes_first_then_images_then_what_runs_them(run: Run) -> None:
    assert run.deployment.run() == []
    assert run.cdk == [
        "deploy Network Data",
        "deploy Tracking Api",
        "deploy Endpoint-iris",
    ]
    pushed = next(i for i, line in enumerate(run.did) if "pushing" in line)
    assert run.did.index("deploy Network Data") < pushed < run.did.index("deploy Tracking Api")
    assert set(load_images(run.releases, "dev")) == {"iris", "mlflow"}
    release = load_release(run.releases, "dev", "iris")
    assert release is not None
    assert release.only.version == 7


def test_an_endpoint_without_a_model_waits_and_the_rest_is_deployed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(managed_registry, "MlflowClient", lambda uri: FakeMlflow(version="none"))

    class Empty(FakeMlflow):
        def get_model_version_by_alias(self, name: str, alias: str) -> Any:
            return super().get_model_version_by_alias("other", alias)

    monkeypatch.setattr(managed_registry, "MlflowClient", lambda uri: Empty())
    (waiting,) = run.deployment.run()
    assert waiting.startswith("Endpoint-iris is not deployed: 'models:/iris@champion'")
    assert run.cdk == ["deploy Network Data", "deploy Tracking Api"]


def test_a_release_that_stands_is_not_resolved_anew(run: Run) -> None:
    run.deployment.run()
    record = run.releases / "dev" / "iris.yaml"
    pinned = record.read_text().replace("version: 7", "version: 3")
    record.write_text(pinned)
    run.deployment.run()
    assert record.read_text() == pinned


def test_a_failing_step_ends_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*words: str) -> None:
        raise OperationError("'cdk deploy' ended with status 1.", "Mend it.")

    monkeypatch.setattr(run.deployment, "_cdk", fail)
    with pytest.raises(OperationError):
        run.deployment.run()
    assert load_images(run.releases, "dev") == {}


def test_recorded_images_may_be_used_as_they_are(
    run: Run, dev: Environment, ecr: FakeEcr, engine: Path
) -> None:
    prebuilt = Run(dev, FakeSession(ecr), run.releases, build=False)
    with pytest.raises(OperationError, match="Not in ECR: iris, mlflow"):
        prebuilt.deployment.run()
    run.deployment.push_images(BuildSettings("docker"))
    before = engine.read_text()
    prebuilt.deployment.run()
    assert engine.read_text() == before


class ReleasingSession(FakeSession):
    """An account whose environment follows aliases."""

    ADDRESS = "https://a1.execute-api.ap-northeast-1.amazonaws.com/v1/promotions"

    def client(self, service: str) -> Any:
        return self if service == "secretsmanager" else super().client(service)

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        if StackName != "private-mlops-dev-Release":
            return super().describe_stacks(StackName)
        return outputs(PromotionsUrl=self.ADDRESS, WebhookSecretArn="arn:webhook")

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803
        login = '{"username": "administrator", "password": "p"}'
        texts = {"arn:webhook": "signs", "private-mlops-dev/mlflow/administrator": login}
        return {"SecretString": texts[SecretId], "VersionId": "v1"}


class TestWebhook:
    @pytest.fixture
    def following(self, dev: Environment) -> Environment:
        release = ReleaseSettings.model_validate({"follow": ["iris"]})
        return dev.model_copy(update={"release": release})

    @pytest.fixture
    def webhooks(self, monkeypatch: pytest.MonkeyPatch) -> FakeWebhooks:
        fake = FakeWebhooks()

        def client(uri: str) -> FakeWebhooks:
            assert uri == "http://mlflow.internal:5000"
            assert os.environ["MLFLOW_TRACKING_USERNAME"] == "administrator"
            return fake

        monkeypatch.setattr(deployment_module, "MlflowClient", client)
        return fake

    def test_is_registered_after_the_stack_that_hears_it(
        self, following: Environment, run: Run, ecr: FakeEcr, webhooks: FakeWebhooks, tmp_path: Path
    ) -> None:
        run = Run(following, ReleasingSession(ecr), tmp_path / "releases")
        assert run.deployment.run() == []
        assert run.cdk[-1] == "deploy Release"
        place = "s3://private-mlops-dev-releases-111111111111/source/app.zip"
        assert run.did.index("deploy Release") < run.did.index(f"# Releases are made with {place}")
        (webhook,) = webhooks.webhooks
        assert (webhook.name, webhook.url) == (
            "private-mlops-dev-release",
            ReleasingSession.ADDRESS,
        )
        assert webhooks.secrets == {webhook.webhook_id: "signs"}
        assert "signs" not in str(run.did).replace("Signed", "")
        assert "MLFLOW_TRACKING_PASSWORD" not in os.environ

    def test_that_cannot_be_registered_is_said_and_the_rest_is_deployed(
        self, following: Environment, run: Run, ecr: FakeEcr, webhooks: FakeWebhooks, tmp_path: Path
    ) -> None:
        webhooks.result = WebhookTestResult(False, 503, "not now")
        run = Run(following, ReleasingSession(ecr), tmp_path / "releases")
        (waiting,) = run.deployment.run()
        assert waiting.startswith("Aliases are looked at by the clock alone: The webhook")
        assert "not now" in waiting

    def test_there_is_none_where_nothing_is_followed(self, run: Run) -> None:
        with pytest.raises(OperationError, match=r"release\.follow"):
            run.deployment.webhook()


class TestServed:
    """What serves is in the bucket of releases; the folder may be older."""

    @pytest.fixture
    def following(self, dev: Environment) -> Environment:
        release = ReleaseSettings.model_validate({"follow": ["iris"]})
        return dev.model_copy(update={"release": release})

    @pytest.fixture
    def session(self, ecr: FakeEcr, monkeypatch: pytest.MonkeyPatch) -> ReleasingSession:
        monkeypatch.setattr(deployment_module, "MlflowClient", lambda uri: FakeWebhooks())
        return ReleasingSession(ecr)

    @pytest.fixture
    def run(
        self, run: Run, following: Environment, session: ReleasingSession, tmp_path: Path
    ) -> Run:
        return Run(following, session, tmp_path / "releases")

    def put(self, session: ReleasingSession, key: str, text: str) -> None:
        session.objects[f"{RELEASE_BUCKET}/{key}"] = text.encode()

    def version(self, run: Run) -> int:
        release = load_release(run.releases, "dev", "iris")
        assert release
        return release.only.version

    def recorded(self, version: int) -> str:
        text = (RELEASES / "dev" / "iris.yaml").read_text()
        return re.sub(r"^version: .*", f"version: {version}", text, flags=re.MULTILINE)

    def test_an_older_version_is_not_put_back(self, run: Run, session: ReleasingSession) -> None:
        path = run.releases / "dev" / "iris.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(self.recorded(3))
        self.put(session, "records/iris.yaml", self.recorded(8))
        assert run.deployment.run() == []
        assert self.version(run) == 8
        taken = next(i for i, line in enumerate(run.did) if "iris version 8 serves" in line)
        assert run.did[taken].endswith("instead of iris version 3")
        assert taken < run.did.index("deploy Endpoint-iris")

    def test_a_new_checkout_does_not_ask_the_alias_what_serves(
        self, run: Run, session: ReleasingSession
    ) -> None:
        """The alias may mean what failed: version 7 here."""
        self.put(session, "records/iris.yaml", self.recorded(6))
        assert run.deployment.run() == []
        assert self.version(run) == 6
        assert "deploy Endpoint-iris" in run.cdk

    def test_what_is_the_same_is_neither_written_nor_said(
        self, run: Run, session: ReleasingSession
    ) -> None:
        self.put(session, "records/iris.yaml", self.recorded(8))
        run.deployment.run()
        run.did.clear()
        written = (run.releases / "dev" / "iris.yaml").stat().st_mtime_ns
        run.deployment.run()
        assert (run.releases / "dev" / "iris.yaml").stat().st_mtime_ns == written
        assert not [line for line in run.did if "serves" in line]

    def test_what_the_bucket_does_not_know_is_deployed_as_it_is_recorded_here(
        self, run: Run
    ) -> None:
        assert run.deployment.run() == []
        assert self.version(run) == 7
        assert "deploy Endpoint-iris" in run.cdk

    @pytest.mark.parametrize("step", get_args(Step))
    def test_what_is_being_released_is_left_alone(
        self, step: Step, run: Run, session: ReleasingSession
    ) -> None:
        self.put(session, "attempts/iris.json", journal(step=step, outcome="running"))
        waiting = run.deployment.run()
        untouched = step in BEFORE_DEPLOYMENT
        assert ("deploy Endpoint-iris" in run.cdk) is untouched
        assert [line for line in waiting if "a release of it is under way" in line] == waiting
        assert bool(waiting) is not untouched

    def test_so_is_what_an_earlier_attempt_left_half_way(
        self, run: Run, session: ReleasingSession
    ) -> None:
        left = json.loads(journal(step="deploying", outcome="running"))
        now = json.loads(journal(step="begun", outcome="running"))
        self.put(session, "attempts/iris.json", json.dumps({**now, "earlier": [left]}))
        assert len(run.deployment.run()) == 1
        assert "deploy Endpoint-iris" not in run.cdk

    def test_what_ended_is_deployed(self, run: Run, session: ReleasingSession) -> None:
        self.put(session, "attempts/iris.json", journal(step="verified", outcome="served"))
        assert run.deployment.run() == []
        assert "deploy Endpoint-iris" in run.cdk

    def test_a_bucket_that_cannot_be_read_ends_it(
        self, run: Run, session: ReleasingSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(self: FakeS3, **request: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

        monkeypatch.setattr(FakeS3, "get_object", refuse)
        with pytest.raises(OperationError, match="What 'iris' serves cannot be read"):
            run.deployment.run()
        assert "deploy Endpoint-iris" not in run.cdk

    def test_releases_take_the_images_of_what_is_deployed(
        self, run: Run, session: ReleasingSession
    ) -> None:
        self.put(session, "records/images.yaml", "images: {}\n")
        run.deployment.run()
        text = session.objects[f"{RELEASE_BUCKET}/records/images.yaml"].decode()
        assert parse_images(text, Path("images.yaml")) == load_images(run.releases, "dev")

    def test_images_that_others_record_meanwhile_are_not_overwritten(
        self, run: Run, session: ReleasingSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read = FakeS3.get_object

        def others(self: FakeS3, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
            found = read(self, Bucket, Key)
            if Key == "records/images.yaml":
                self.objects[f"{Bucket}/{Key}"] = b"theirs"
            return found

        self.put(session, "records/images.yaml", "images: {}\n")
        monkeypatch.setattr(FakeS3, "get_object", others)
        with pytest.raises(OperationError, match=r"images\.yaml was written meanwhile"):
            run.deployment.run()
        assert session.objects[f"{RELEASE_BUCKET}/records/images.yaml"] == b"theirs"

    def test_its_places_are_those_of_the_stack(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read: list[str] = []
        found = FakeS3.get_object

        def note(self: FakeS3, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
            if Bucket == RELEASE_BUCKET:
                read.append(Key)
            return found(self, Bucket, Key)

        monkeypatch.setattr(FakeS3, "get_object", note)
        run.deployment.run()
        journal, record, images = read
        assert journal == f"{release_store.ATTEMPTS}iris.json"
        assert {record, images} == {
            f"{release_store.RECORDS}{it}.yaml" for it in ("iris", IMAGES_RECORD)
        }


def journal(**changes: Any) -> str:
    """A journal with one attempt, as releases write it."""
    attempt = Attempt.model_validate(
        {"endpoint": "iris", "promotion": PROMOTED, "execution": "e1", **changes}
    )
    return Book((attempt,)).text


class TestAccount:
    def test_another_account_is_refused(self, dev: Environment, ecr: FakeEcr) -> None:
        with pytest.raises(OperationError) as raised:
            check_account(dev, FakeSession(ecr, account="999999999999"))
        assert "999999999999" in raised.value.what
        assert "111111111111" in raised.value.what

    def test_no_credentials(self, dev: Environment) -> None:
        class Session:
            def client(self, service: str) -> Any:
                raise NoCredentialsError

        with pytest.raises(OperationError, match="Log in to account 111111111111"):
            check_account(dev, Session())


def test_a_tracking_stack_that_is_not_deployed(
    dev: Environment, ecr: FakeEcr, engine: Path, tmp_path: Path
) -> None:
    class Bare(FakeSession):
        def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "no"}}, "x")

    with pytest.raises(OperationError, match="TRACKING_URI"):
        Run(dev, Bare(ecr), tmp_path).deployment.release("iris")


def test_cdk_is_told_the_environment_and_the_releases(
    dev: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "cdk"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\nexit $(cat {tmp_path}/status)\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "status").write_text("0")
    run_cdk(dev, ROOT, tmp_path / "r", "deploy", "Data")
    said = (tmp_path / "said").read_text()
    assert said.startswith("deploy Data --import-existing-resources")
    assert f"-c env=dev -c releases={tmp_path}/r" in said
    (tmp_path / "status").write_text("1")
    with pytest.raises(OperationError, match="ended with status 1"):
        run_cdk(dev, ROOT, tmp_path / "r", "deploy", "Data")
