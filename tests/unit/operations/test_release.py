import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from model_server.integrity import folder_digest
from operations.errors import OperationError
from operations.release import prefix_digest, resolve_release
from stacks.config import Environment
from stacks.container_config import Container
from stacks.endpoint_config import Endpoint
from tests.unit.operations.conftest import BUCKET, PLACE, FakeMlflow, FakeS3

DIGEST = f"sha256:{'a' * 64}"
IMAGES = {"iris": DIGEST, "mlflow": DIGEST}
FILES = {"MLmodel": b"flavors: {}\n", "data/weights.json": b"{}", "data/a b.txt": b"x"}
OBJECTS = {f"mlflow/{PLACE}/{name}": content for name, content in FILES.items()}


def test_an_alias_becomes_version_place_and_digest(dev: Environment) -> None:
    release = resolve_release(dev, "iris", IMAGES, FakeMlflow(), FakeS3(OBJECTS)).only
    assert (release.model, release.version, release.image) == ("iris", 7, DIGEST)
    assert release.source == f"s3://{BUCKET}/mlflow/{PLACE}/"
    assert release.digest == prefix_digest(FakeS3(OBJECTS), BUCKET, f"mlflow/{PLACE}/")


def test_a_place_in_the_bucket_is_taken_as_it_is(dev: Environment) -> None:
    mlflow = FakeMlflow(place=f"s3://{BUCKET}/mlflow/{PLACE}")
    release = resolve_release(dev, "iris", IMAGES, mlflow, FakeS3(OBJECTS)).only
    assert release.source == f"s3://{BUCKET}/mlflow/{PLACE}/"


class TestSeveralContainers:
    """Each container's model and image is resolved, as far as it has any."""

    def pipeline(self, dev: Environment, *containers: Container) -> Environment:
        endpoint = Endpoint(containers=list(containers))
        return dev.model_copy(update={"endpoints": {"rings": endpoint}})

    def test_are_resolved_by_their_names(self, dev: Environment) -> None:
        environment = self.pipeline(
            dev,
            Container(name="xgb", image="aws:xgboost:1.7-1", model=f"s3://{BUCKET}/m.tar.gz"),
            Container(name="folder", image="aws:xgboost:1.7-1", model=f"s3://{BUCKET}/mlflow/"),
            Container(name="iris", image="iris", model="models:/iris@champion"),
            Container(name="plain", image="iris"),
        )
        s3 = FakeS3({**OBJECTS, "m.tar.gz": b"packed"})
        made = resolve_release(environment, "rings", IMAGES, FakeMlflow(), s3).containers
        assert list(made) == ["xgb", "folder", "iris", "plain"]
        assert made["xgb"].digest == f"sha256:{hashlib.sha256(b'packed').hexdigest()}"
        assert made["xgb"].image is None
        assert made["folder"].digest == prefix_digest(s3, BUCKET, "mlflow/")
        assert (made["iris"].version, made["iris"].image) == (7, DIGEST)
        assert (made["plain"].image, made["plain"].source) == (DIGEST, None)

    def test_an_archive_that_is_not_there(self, dev: Environment) -> None:
        environment = self.pipeline(
            dev,
            Container(name="xgb", image="aws:xgboost:1.7-1", model=f"s3://{BUCKET}/m.tar.gz"),
        )
        with pytest.raises(OperationError) as raised:
            resolve_release(environment, "rings", {}, FakeMlflow(), FakeS3({}))
        assert f"s3://{BUCKET}/m.tar.gz" in raised.value.what
        assert "Upload" in raised.value.fix


class TestDigest:
    def test_is_what_the_container_computes_of_the_same_files(self, tmp_path: Path) -> None:
        for name, content in FILES.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(content)
        assert prefix_digest(FakeS3(OBJECTS), BUCKET, f"mlflow/{PLACE}/") == folder_digest(tmp_path)

    def test_is_what_coreutils_compute(self, tmp_path: Path) -> None:
        files = {"MLmodel": b"a", "data/b.json": b"b"}
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(content)
        script = "find . -type f | sed 's,^./,,' | LC_ALL=C sort | xargs sha256sum | sha256sum"
        said = subprocess.run(
            ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
        objects = {f"p/{name}": content for name, content in files.items()}
        assert prefix_digest(FakeS3(objects), BUCKET, "p/") == f"sha256:{said.split()[0]}"

    def test_a_marker_of_a_folder_is_no_file(self) -> None:
        with_marker = {**OBJECTS, f"mlflow/{PLACE}/data/": b""}
        one = prefix_digest(FakeS3(OBJECTS), BUCKET, f"mlflow/{PLACE}/")
        assert prefix_digest(FakeS3(with_marker), BUCKET, f"mlflow/{PLACE}/") == one


class TestFaults:
    def fails(self, environment: Environment, **changes: Any) -> OperationError:
        arguments: dict[str, Any] = {
            "endpoint": "iris",
            "images": IMAGES,
            "mlflow": FakeMlflow(),
            "s3": FakeS3(OBJECTS),
        }
        with pytest.raises(OperationError) as raised:
            resolve_release(environment, **{**arguments, **changes})
        return raised.value

    def test_unknown_endpoint(self, dev: Environment) -> None:
        error = self.fails(dev, endpoint="rose")
        assert "no endpoint 'rose'" in error.what
        assert "iris" in error.fix

    def test_image_that_is_not_pushed(self, dev: Environment) -> None:
        assert "make images ENV=dev" in self.fails(dev, images={}).fix

    def test_alias_that_does_not_exist(self, dev: Environment) -> None:
        endpoints = {
            "iris": dev.endpoints["iris"].model_copy(update={"model": "models:/iris@winner"})
        }
        error = self.fails(dev.model_copy(update={"endpoints": endpoints}))
        assert "models:/iris@winner" in error.what
        assert "set_registered_model_alias('iris', 'winner'" in error.fix

    def test_version_that_does_not_exist(self, dev: Environment) -> None:
        endpoints = {"iris": dev.endpoints["iris"].model_copy(update={"model": "models:/iris/9"})}
        error = self.fails(dev.model_copy(update={"endpoints": endpoints}))
        assert "no version 9" in error.what

    def test_files_that_are_gone(self, dev: Environment) -> None:
        assert "Log the model again" in self.fails(dev, s3=FakeS3({})).fix

    def test_files_that_are_elsewhere(self, dev: Environment) -> None:
        error = self.fails(dev, mlflow=FakeMlflow(place="s3://other/mlflow/1"))
        assert "s3://other/mlflow/1" in error.what

    def test_mlflow_that_does_not_answer(self, dev: Environment) -> None:
        class Silent(FakeMlflow):
            def get_model_version_by_alias(self, name: str, alias: str) -> Any:
                raise MlflowException("Connection refused")

        error = self.fails(dev, mlflow=Silent())
        assert "Connection refused" in error.what
        assert "private" in error.fix
