from pathlib import Path

import pytest

from mlops_constructs.faults import FaultsError
from operations.records import write_images, write_release
from stacks.releases import Release, Released, load_images, load_release

DIGEST = f"sha256:{'d' * 64}"
IRIS = Released(
    model="iris", version=7, source="s3://bucket/mlflow/1/", digest=DIGEST, image=DIGEST
)
RELEASE = Release({"model": IRIS})
PIPELINE = Release(
    {
        "features": Released(source="s3://bucket/mlflow/2/model.tar.gz", digest=DIGEST),
        "regressor": Released(model="rings", version=2, source="s3://bucket/m/", digest=DIGEST),
        "output": IRIS,
    }
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_release(tmp_path, "blue", "iris", RELEASE)
    write_images(tmp_path, "blue", {"mlflow": DIGEST, "iris": DIGEST})
    assert load_release(tmp_path, "blue", "iris") == RELEASE
    assert load_images(tmp_path, "blue") == {"iris": DIGEST, "mlflow": DIGEST}


def test_the_same_record_is_the_same_bytes(tmp_path: Path) -> None:
    one = write_images(tmp_path / "1", "blue", {"b": DIGEST, "a": DIGEST}).read_bytes()
    two = write_images(tmp_path / "2", "blue", {"a": DIGEST, "b": DIGEST}).read_bytes()
    assert one == two


def test_nothing_released_is_nothing(tmp_path: Path) -> None:
    assert load_release(tmp_path, "blue", "iris") is None
    assert load_images(tmp_path, "blue") == {}


def test_prefix_is_the_place_in_the_bucket() -> None:
    assert RELEASE.only.key == "mlflow/1/"
    assert PIPELINE.containers["features"].key == "mlflow/2/model.tar.gz"


def test_one_model_in_an_image_of_ours_is_written_without_a_list(tmp_path: Path) -> None:
    text = write_release(tmp_path, "blue", "iris", RELEASE).read_text()
    assert text.splitlines()[1:] == [
        "model: iris",
        "version: 7",
        "source: s3://bucket/mlflow/1/",
        f"digest: {DIGEST}",
        f"image: {DIGEST}",
    ]


def test_several_containers_are_written_by_their_names(tmp_path: Path) -> None:
    path = write_release(tmp_path, "blue", "rings", PIPELINE)
    assert load_release(tmp_path, "blue", "rings") == PIPELINE
    assert "null" not in path.read_text()
    assert PIPELINE.summary == "s3://bucket/mlflow/2/model.tar.gz, rings version 2, iris version 7"


def test_the_longer_form_of_one_container_is_the_same_release(tmp_path: Path) -> None:
    path = write_release(tmp_path, "blue", "iris", RELEASE)
    comment, *lines = path.read_text().splitlines()
    indented = [f"    {line}" for line in lines]
    path.write_text("\n".join([comment, "containers:", "  model:", *indented, ""]))
    assert load_release(tmp_path, "blue", "iris") == RELEASE


def test_every_fault_of_several_containers(tmp_path: Path) -> None:
    path = write_release(tmp_path, "blue", "rings", PIPELINE)
    text = path.read_text().replace("version: 2", "version: two").replace("2/model", "2//model")
    path.write_text(text)
    with pytest.raises(FaultsError) as raised:
        load_release(tmp_path, "blue", "rings")
    assert {fault.path for fault in raised.value.faults} == {
        "containers.features.source",
        "containers.regressor.version",
    }


def test_an_edited_record_is_refused_with_every_fault(tmp_path: Path) -> None:
    path = write_release(tmp_path, "blue", "iris", RELEASE)
    text = path.read_text().replace("version: 7", "version: seven").replace("mlflow/1/", "mlflow/1")
    path.write_text(text.replace(DIGEST, "sha256:short"))
    with pytest.raises(FaultsError) as raised:
        load_release(tmp_path, "blue", "iris")
    assert {fault.path for fault in raised.value.faults} == {
        "version",
        "source",
        "digest",
        "image",
    }


def test_a_write_that_fails_leaves_the_old_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_images(tmp_path, "blue", {"iris": DIGEST})
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("ruamel.yaml.YAML.dump", fail)
    with pytest.raises(OSError, match="disk full"):
        write_images(tmp_path, "blue", {"iris": DIGEST, "mlflow": DIGEST})
    assert path.read_bytes() == before
