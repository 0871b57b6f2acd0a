"""Fakes of an account and of MLflow, as far as the operations use them."""

import base64
import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from stacks.config import Environment, load_environment
from tests.conftest import ROOT

BUCKET = "private-mlops-dev-artifacts-111111111111"
PLACE = "1/models/m-1/artifacts"


class FakeS3:
    """Objects by their keys, in one bucket."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects

    def get_paginator(self, operation: str) -> "FakeS3":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        assert Bucket == BUCKET
        keys = sorted(key for key in self.objects if key.startswith(Prefix))
        for start in range(0, len(keys), 2):
            yield {"Contents": [{"Key": key} for key in keys[start : start + 2]]}
        if not keys:
            yield {}

    def put_object(
        self,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        there = self.objects.get(f"{Bucket}/{Key}")
        if (IfMatch and IfMatch != _etag(there or b"")) or (IfNoneMatch and there is not None):
            raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": "no"}}, "x")
        self.objects[f"{Bucket}/{Key}"] = Body
        return {"VersionId": "v1"}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        found = self.objects.get(Key if Bucket == BUCKET else f"{Bucket}/{Key}")
        if found is None:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "no"}}, "GetObject")
        body = io.BytesIO(found)
        read = {"iter_chunks": lambda size: iter(lambda: body.read(size), b""), "read": body.read}
        return {
            "Body": SimpleNamespace(**read),
            "ETag": _etag(found),
            "VersionId": "v1",
            "LastModified": datetime(2026, 1, 1, tzinfo=UTC),
        }


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


class FakeMlflow:
    """A registry with one model, one version and one alias."""

    def __init__(self, place: str = f"mlflow-artifacts:/{PLACE}", version: str = "7") -> None:
        self.place = place
        self.version = version

    def get_model_version_by_alias(self, name: str, alias: str) -> Any:
        if (name, alias) != ("iris", "champion"):
            raise MlflowException(f"no alias {alias} of {name}", RESOURCE_DOES_NOT_EXIST)
        return SimpleNamespace(version=self.version)

    def get_model_version_download_uri(self, name: str, version: str) -> str:
        if (name, version) != ("iris", self.version):
            raise MlflowException(f"no version {version} of {name}", RESOURCE_DOES_NOT_EXIST)
        return self.place


class FakeEcr:
    """Repositories and the images in them, by tag."""

    def __init__(self, *repositories: str) -> None:
        self.images: dict[str, dict[str, str]] = {name: {} for name in repositories}

    def push(self, repository: str, tag: str) -> None:
        digest = hashlib.sha256(f"{repository}:{tag}".encode()).hexdigest()
        self.images[repository][tag] = f"sha256:{digest}"

    def describe_images(
        self,
        repositoryName: str,  # noqa: N803
        imageIds: list[dict[str, str]],  # noqa: N803
    ) -> dict[str, Any]:
        if repositoryName not in self.images:
            raise ClientError(
                {"Error": {"Code": "RepositoryNotFoundException", "Message": "no"}}, "x"
            )
        (wanted,) = imageIds
        for tag, digest in self.images[repositoryName].items():
            if wanted in ({"imageTag": tag}, {"imageDigest": digest}):
                return {"imageDetails": [{"imageDigest": digest}]}
        raise ClientError({"Error": {"Code": "ImageNotFoundException", "Message": "no"}}, "x")

    def describe_repositories(self, repositoryNames: list[str]) -> dict[str, Any]:  # noqa: N803
        return {"repositories": [{"repositoryUri": f"registry.test/{repositoryNames[0]}"}]}

    def get_authorization_token(self) -> dict[str, Any]:
        token = base64.b64encode(b"AWS:hidden-password").decode()
        granted = {"authorizationToken": token, "proxyEndpoint": "https://registry.test"}
        return {"authorizationData": [granted]}


@pytest.fixture
def dev() -> Environment:
    """The environment with one endpoint, and the images that it takes."""
    environment = load_environment("dev", ROOT / "environments")
    iris = {"iris": environment.endpoints["iris"]}
    changes = {"endpoints": iris, "images": ["iris", "mlflow"], "release": None}
    return environment.model_copy(update=changes)


@pytest.fixture
def ecr() -> FakeEcr:
    return FakeEcr("private-mlops/dev/iris", "private-mlops/dev/mlflow")


@pytest.fixture
def engine(tmp_path: Path, ecr: FakeEcr, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A container engine on the PATH that writes down what it is told, and pushes to the fake.

    It runs as a program of its own, as a real one does; what it pushed is taken from its notes.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    notes = tmp_path / "notes"
    program = folder / "docker"
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {notes}\n'
        f'[ "$1" = login ] && cat >> {tmp_path}/password\n'
        f"[ -e {tmp_path}/fail-$1 ] && exit 3\n"
        "exit 0\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    described = ecr.describe_images

    def describe(**request: Any) -> dict[str, Any]:
        for line in notes.read_text().splitlines() if notes.exists() else []:
            if line.startswith("push "):
                repository, _, tag = line.removeprefix("push registry.test/").partition(":")
                ecr.push(repository, tag)
        return described(**request)

    monkeypatch.setattr(ecr, "describe_images", describe)
    return notes
