from pathlib import Path

import pytest

from mlops_constructs.faults import FaultsError
from operations.records import write_images, write_release
from stacks.releases import Release, load_images, load_release

DIGEST = f"sha256:{'d' * 64}"
RELEASE = Release(
    model="iris", version=7, source="s3://bucket/mlflow/1/", digest=DIGEST, image=DIGEST
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
    assert RELEASE.prefix == "mlflow/1/"


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
