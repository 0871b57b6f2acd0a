"""A release asks a managed App as AWS's own plugin does: the same questions, signed alike."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from operations.errors import OperationError
from operations.managed_registry import ManagedRegistry, registry_at
from operations.release import resolve_release
from stacks.config import Environment
from tests.unit.operations.conftest import BUCKET, PLACE, FakeS3

ARN = "arn:aws:sagemaker:ap-northeast-1:111111111111:mlflow-app/app-ABC123"
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
FILES = {f"mlflow/{PLACE}/MLmodel": b"flavors: {}\n"}


class App:
    """A managed App as far as it is asked here: it refuses what is not signed for it."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {
            "registered-models/alias": (200, {"model_version": {"name": "iris", "version": "7"}}),
            "model-versions/get-download-uri": (
                200,
                {"artifact_uri": f"s3://{BUCKET}/mlflow/{PLACE}"},
            ),
        }
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                what = parts.path.removeprefix("/api/2.0/mlflow/")
                app.asked.append((what, parse_qs(parts.query)))
                status, body = app.answers[what] if app.signed(self) else (403, {"message": "no"})
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def signed(self, handler: BaseHTTPRequestHandler) -> bool:
        """Sign the same request anew, at the time that it says, and compare."""
        given = handler.headers["Authorization"] or ""
        names = ("Host", "X-Amz-Content-SHA256", "X-Amz-Date", "x-sm-mlflow-app-arn")
        headers = {name: handler.headers[name] for name in names}
        if headers["x-sm-mlflow-app-arn"] != ARN or "x-sm-mlflow-app-arn" not in given:
            return False
        request = AWSRequest(method="GET", url=f"{self.address}{handler.path}", headers=headers)
        request.context["timestamp"] = headers["X-Amz-Date"]
        signer = SigV4Auth(Credentials(KEY, SECRET), "sagemaker", "ap-northeast-1")
        text = signer.string_to_sign(request, signer.canonical_request(request))
        return given.endswith(f"Signature={signer.signature(text, request)}")


@pytest.fixture
def app() -> Iterator[App]:
    made = App()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def session(secret: str = SECRET) -> boto3.Session:
    return boto3.Session(KEY, secret, region_name="ap-northeast-1")


def test_an_alias_becomes_a_release(app: App, dev: Environment) -> None:
    registry = ManagedRegistry(ARN, session(), address=app.address)
    digests = {"iris": f"sha256:{'a' * 64}"}
    release = resolve_release(dev, "iris", digests, registry, FakeS3(FILES)).only
    assert (release.model, release.version) == ("iris", 7)
    assert release.source == f"s3://{BUCKET}/mlflow/{PLACE}/"
    assert app.asked == [
        ("registered-models/alias", {"name": ["iris"], "alias": ["champion"]}),
        ("model-versions/get-download-uri", {"name": ["iris"], "version": ["7"]}),
    ]


def test_another_secret_is_refused(app: App) -> None:
    registry = ManagedRegistry(ARN, session("another"), address=app.address)
    with pytest.raises(MlflowException, match="status 403"):
        registry.get_model_version_by_alias("iris", "champion")


class TestFaults:
    def fails(self, app: App, dev: Environment) -> OperationError:
        registry = ManagedRegistry(ARN, session(), address=app.address)
        with pytest.raises(OperationError) as raised:
            resolve_release(dev, "iris", {"iris": f"sha256:{'a' * 64}"}, registry, FakeS3(FILES))
        return raised.value

    def test_what_mlflow_does_not_know(self, app: App, dev: Environment) -> None:
        missing = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no alias"}
        app.answers["registered-models/alias"] = (404, missing)
        error = self.fails(app, dev)
        assert "not in the registry: RESOURCE_DOES_NOT_EXIST: no alias" in error.what

    @pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}"])
    def test_what_is_no_answer(self, body: bytes, app: App, dev: Environment) -> None:
        app.answers["registered-models/alias"] = (200, body)
        assert "could not be asked" in self.fails(app, dev).what

    def test_nobody_is_there(self, app: App, dev: Environment) -> None:
        app.address = "http://127.0.0.1:9"
        error = self.fails(app, dev)
        assert "could not be asked" in error.what
        assert "private" in error.fix

    def test_no_credentials(self, app: App) -> None:
        registry = ManagedRegistry(ARN, boto3.Session(), address=app.address)
        with pytest.raises(MlflowException, match="Unable to locate credentials"):
            registry.get_model_version_by_alias("iris", "champion")


def test_an_arn_is_an_apps_and_all_else_is_mlflows() -> None:
    assert isinstance(registry_at(ARN, session()), ManagedRegistry)
    assert isinstance(registry_at("http://127.0.0.1:9", None), MlflowClient)
    with pytest.raises(OperationError, match="no ARN of a managed MLflow App"):
        registry_at(ARN.replace("mlflow-app", "mlflow-tracking-server"), session())
