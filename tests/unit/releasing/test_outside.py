"""Where a release meets others: programs, services, an API. Fakes take what the real ones do."""

import inspect
import json
import os
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from mlflow.tracking import MlflowClient

from mlops_constructs.faults import FaultsError
from operations.errors import OperationError
from releasing.cdk import CdkCli
from releasing.checks import _lint, check_templates
from releasing.pipeline import Pipeline
from releasing.services import services_of
from releasing.settings import Settings
from releasing.smoke import Answer, Api
from releasing.stack import EndpointStackState
from tests.conftest import ROOT
from tests.unit.releasing.registry import FakeEcr
from tests.unit.releasing.world import (
    ENVIRONMENT,
    FakeCodePipeline,
    FakeMlflow,
    FakeS3,
    FakeSageMaker,
    FakeSns,
    FakeStack,
    World,
    refused,
)

SERVICES = {
    "s3": FakeS3,
    "cloudformation": FakeStack,
    "codepipeline": FakeCodePipeline,
    "ecr": FakeEcr,
    "sagemaker": FakeSageMaker,
    "sns": FakeSns,
}


def methods(fake: type) -> list[str]:
    return [name for name, it in vars(fake).items() if inspect.isfunction(it) and name[0] != "_"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_call_is_one_of_the_service_and_so_are_its_words(service: str) -> None:
    model = botocore.session.get_session().get_service_model(service)
    operations = {botocore.xform_name(name): name for name in model.operation_names}
    checked = 0
    for name in methods(SERVICES[service]):
        if name in operations:
            shape = model.operation_model(operations[name]).input_shape
            words = inspect.signature(getattr(SERVICES[service], name)).parameters
            given = {word for word in words if word not in ("self", "given")}
            assert given <= set(shape.members), name
            checked += 1
    assert checked >= 1


def test_every_call_of_mlflow_is_one_of_its_clients() -> None:
    for name in methods(FakeMlflow):
        theirs = inspect.signature(getattr(MlflowClient, name)).parameters
        assert set(inspect.signature(getattr(FakeMlflow, name)).parameters) <= set(theirs), name


def test_an_approval_is_answered_as_codepipeline_asks_for_it(tmp_path: Path) -> None:
    given: dict[str, Any] = {}
    world = World(tmp_path, serving=0)
    world.codepipeline.waiting = "one"
    world.codepipeline.put_approval_result = (  # type: ignore[method-assign]
        lambda **words: given.update(words)
    )
    pipeline = Pipeline(world.codepipeline, "private-mlops-dev-release-iris")
    pipeline.reject_others("one", "not this one")
    assert given == {}
    pipeline.reject_others("two", "x" * 600)
    model = botocore.session.get_session().get_service_model("codepipeline")
    shape = model.operation_model("PutApprovalResult").input_shape
    assert set(given) == set(shape.members)
    assert set(given["result"]) == set(shape.members["result"].members)
    assert len(given["result"]["summary"]) == 512


def test_a_change_that_is_overtaken_is_stopped_and_not_answered(tmp_path: Path) -> None:
    """Who may answer an approval may give it: the role of this step may only stop."""
    world = World(tmp_path, serving=0)
    pipeline = Pipeline(world.codepipeline, "private-mlops-dev-release-iris")
    first, second = (world.execution("v") for _ in range(2))
    world.codepipeline.waiting = first
    pipeline.stop_others(first, "not this one")
    assert world.codepipeline.stopped == {}
    pipeline.stop_others(second, "x" * 300)
    assert world.codepipeline.stopped == {first: "x" * 200}
    assert world.codepipeline.rejected == {}
    # It ended by itself between the look and the stop.
    world.codepipeline.waiting = first
    pipeline.stop_others(second, "once more")


class FakeSession:
    """A session of the environment's account, whose stacks have outputs."""

    region_name = "ap-northeast-1"

    def __init__(self, **_: object) -> None:
        self.read: list[str] = []

    def client(self, service: str) -> Any:
        return {
            "sts": SimpleNamespace(get_caller_identity=lambda: {"Account": "111111111111"}),
            "secretsmanager": SimpleNamespace(get_secret_value=self.get_secret_value),
            "cloudformation": SimpleNamespace(describe_stacks=self.describe_stacks),
        }.get(service, service)

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803
        self.read.append(SecretId)
        return {"SecretString": json.dumps({"username": "release", "password": "hidden"})}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        self.read.append(StackName)
        names = ("TrackingUri", "AlarmTopic", "InvocationUrl", "ApiKeyId")
        said = [{"OutputKey": it, "OutputValue": f"http://{it}"} for it in names]
        return {"Stacks": [{"Outputs": said}]}


class TestServices:
    """What a build is told is taken; what it is not, the stacks say."""

    @pytest.fixture
    def session(self, monkeypatch: pytest.MonkeyPatch) -> FakeSession:
        session = FakeSession()
        monkeypatch.setattr("releasing.services.boto3.Session", lambda **_: session)
        for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
            monkeypatch.setenv(name, "of another user")
        return session

    def test_by_hand_the_stacks_are_asked(self, session: FakeSession, tmp_path: Path) -> None:
        services = services_of(Settings("dev"), ROOT, tmp_path, print)
        assert services.topic == "http://AlarmTopic"
        assert services.store.bucket == "private-mlops-dev-releases-111111111111"
        assert services.mlflow.tracking_uri == "http://TrackingUri"
        assert session.read[0] == "private-mlops-dev/mlflow/release"
        assert os.environ["MLFLOW_TRACKING_USERNAME"] == "release"

    def test_a_build_asks_no_stack(self, session: FakeSession, tmp_path: Path) -> None:
        told = Settings("dev", "bucket", "sam", "topic", "http://t", "http://i", "key")
        services = services_of(told, ROOT, tmp_path, print)
        assert (services.topic, services.store.bucket) == ("topic", "bucket")
        assert session.read == ["private-mlops-dev/mlflow/sam"]

    def test_a_change_of_the_platform_has_no_login(
        self, session: FakeSession, tmp_path: Path
    ) -> None:
        told = Settings("dev", "bucket", "sam", "topic", "http://t", "http://i", "key")
        services = services_of(told, ROOT, tmp_path, print, registry=False)
        assert services.mlflow is None
        assert session.read == []
        assert os.environ["MLFLOW_TRACKING_USERNAME"] == "of another user"

    def test_an_environment_that_follows_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "environments").mkdir()
        text = (ROOT / "environments" / "dev.yaml").read_text()
        without = re.sub(r"^release:\n(?:  .*\n)+", "", text, flags=re.MULTILINE)
        (tmp_path / "environments" / "dev.yaml").write_text(without)
        with pytest.raises(FaultsError, match="the endpoints to follow"):
            services_of(Settings("dev"), tmp_path, tmp_path, print)


class TestCdk:
    @pytest.fixture
    def notes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A cdk on the PATH that writes down what it is told."""
        program = tmp_path / "bin" / "cdk"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/notes\n[ ! -e {tmp_path}/fail ]\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        return tmp_path / "notes"

    def test_one_endpoint_is_made_and_deployed(self, notes: Path, tmp_path: Path) -> None:
        cdk = CdkCli("dev", tmp_path)
        cdk.synth(Path("r"), Path("out"), only="iris")
        cdk.deploy(Path("out"), "Endpoint-iris")
        cdk.destroy("Endpoint-iris", Path("out"))
        synth, deploy, destroy = notes.read_text().splitlines()
        assert (
            synth
            == "synth --quiet --no-validation --output out -c env=dev -c releases=r -c only=iris"
        )
        for line in (deploy, destroy):
            assert "Endpoint-iris --app out --exclusively" in line
        assert "--require-approval never" in deploy
        assert "--force" in destroy

    def test_several_are_deployed_side_by_side_by_one_process(
        self, notes: Path, tmp_path: Path
    ) -> None:
        CdkCli("dev", tmp_path).deploy(Path("out"), "Endpoint-a", "Endpoint-b")
        (line,) = notes.read_text().splitlines()
        assert line.startswith("deploy Endpoint-a Endpoint-b --app out --exclusively ")
        assert "--concurrency 2" in line

    def test_a_failure_is_said(self, notes: Path, tmp_path: Path) -> None:
        (tmp_path / "fail").touch()
        with pytest.raises(OperationError, match="'cdk deploy Endpoint-a Endpoint-b' ended with"):
            CdkCli("dev", tmp_path).deploy(Path("out"), "Endpoint-a", "Endpoint-b")


class TestProof:
    def test_a_way_out_speaks_against_an_assembly(self, tmp_path: Path) -> None:
        gateway = {"Type": "AWS::EC2::InternetGateway"}
        template = json.dumps({"Resources": {"WayOut": gateway}})
        path = tmp_path / "Endpoint-iris.template.json"
        path.write_text(template)
        found = check_templates(ENVIRONMENT, tmp_path, [path], ROOT / "environments")
        assert [it for it in found if it.startswith("proof: ") and " at WayOut: " in it]


class TestLint:
    def test_a_wrong_template_is_found(self, tmp_path: Path) -> None:
        bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketNme": "a"}}
        path = tmp_path / "Endpoint-iris.template.json"
        path.write_text(json.dumps({"Resources": {"Bucket": bucket}}))
        (found,) = _lint(path, "ap-northeast-1")
        assert "BucketNme" in found

    def test_a_right_one_is_not(self, tmp_path: Path) -> None:
        path = tmp_path / "Endpoint-iris.template.json"
        path.write_text(json.dumps({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}))
        assert _lint(path, "ap-northeast-1") == []


class TestStack:
    def stack(self, cloudformation: Any, sleep: Any = None) -> EndpointStackState:
        return EndpointStackState(cloudformation, None, "s", "e", sleep or (lambda _: None))

    def test_an_update_under_way_is_waited_for(self, tmp_path: Path) -> None:
        world = World(tmp_path)
        world.stack.status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            world.stack.status = "UPDATE_COMPLETE"

        assert self.stack(world.stack, sleep).settled().right
        assert waits == [10]

    def test_one_that_was_only_looked_at_is_nothing(self, tmp_path: Path) -> None:
        world = World(tmp_path, serving=0)
        world.stack.status = "REVIEW_IN_PROGRESS"
        assert not self.stack(world.stack).settled().there

    def test_one_that_never_ends_is_a_fault(self, tmp_path: Path) -> None:
        world = World(tmp_path)
        world.stack.status = "UPDATE_IN_PROGRESS"
        with pytest.raises(OperationError, match="still UPDATE_IN_PROGRESS after 4 hours"):
            self.stack(world.stack).settled()

    @pytest.mark.parametrize("text", ['{"Resources": {}}', "Resources: {}\n"])
    def test_a_template_may_come_as_text(self, text: str) -> None:
        answer = {"TemplateBody": text}
        assert self.stack(SimpleNamespace(get_template=lambda **_: answer)).template() == {
            "Resources": {}
        }

    def test_what_is_denied_is_not_taken_for_missing(self) -> None:
        def deny(**_: Any) -> None:
            raise refused("AccessDenied", "is not authorized")

        with pytest.raises(ClientError, match="not authorized"):
            self.stack(SimpleNamespace(describe_stacks=deny)).state()


class TestApi:
    """Over HTTP, to a server on loopback that says what it was asked."""

    @pytest.fixture
    def asked(self) -> Iterator[dict[str, Any]]:
        asked: dict[str, Any] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked.update(path=self.path, headers=self.headers, body=body.decode())
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"[1]")

            def do_GET(self) -> None:
                asked.update(path=self.path, headers=self.headers)
                self.send_response(202)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        asked["url"] = f"http://127.0.0.1:{server.server_port}/v1/endpoints/%7Bendpoint%7D/x"
        yield asked
        server.shutdown()
        server.server_close()
        thread.join()

    def session(self) -> Any:
        gateway = SimpleNamespace(get_api_key=lambda **words: {"value": f"of {words['apiKey']}"})
        return SimpleNamespace(
            client=lambda service: gateway,
            get_credentials=lambda: Credentials("AKID", "secret"),
            region_name="ap-northeast-1",
        )

    @pytest.mark.parametrize("signed", [True, False])
    def test_a_question_has_its_key_and_its_signature(
        self, asked: dict[str, Any], signed: bool
    ) -> None:
        api = Api(lambda: asked["url"], lambda: "key", self.session(), signed=signed)
        assert api.ask("iris", '{"inputs": [1]}', {"Prefer": "x"}) == Answer(200, "[1]")
        assert asked["path"] == "/v1/endpoints/iris/x"
        assert asked["body"] == '{"inputs": [1]}'
        assert asked["headers"]["x-api-key"] == "of key"
        assert asked["headers"]["Prefer"] == "x"
        signature = asked["headers"].get("Authorization", "")
        assert ("/ap-northeast-1/execute-api/aws4_request" in signature) == signed

    def test_an_answer_that_comes_later_is_fetched_beside_it(self, asked: dict[str, Any]) -> None:
        api = Api(lambda: asked["url"], lambda: "key", self.session(), signed=True)
        assert api.fetch("iris", "4711-a") == Answer(202, "{}")
        assert asked["path"] == "/v1/endpoints/iris/x/4711-a"
        assert asked["headers"]["x-api-key"] == "of key"
        assert "Authorization" in asked["headers"]

    def test_an_api_that_does_not_answer(self) -> None:
        url = "http://127.0.0.1:1/{endpoint}"
        api = Api(lambda: url, lambda: "key", self.session(), signed=False)
        answer = api.ask("iris", "{}", {})
        assert answer.status == 0
        assert "127.0.0.1:1" in answer.text
