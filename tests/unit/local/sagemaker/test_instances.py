"""Instances and their models: how they start, stop and drain, and where their files come from."""

import io
import tarfile
import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.extensions.sagemaker import fleet as module
from local.extensions.sagemaker.artifacts import fetch_model
from local.extensions.sagemaker.containers import Instance
from local.extensions.sagemaker.errors import StartError
from local.extensions.sagemaker.fleet import Fleet
from tests.unit.local.sagemaker.fakes import FakeLauncher

RANDOM = Random(1)  # noqa: S311


@pytest.fixture
def launcher() -> FakeLauncher:
    return FakeLauncher()


@pytest.fixture
def fleet(launcher: FakeLauncher) -> Fleet:
    return Fleet(launcher.prepare("e", "r", [{"Image": "a"}]))


class TestFleet:
    def test_those_that_stay_are_not_touched(self, launcher: FakeLauncher, fleet: Fleet) -> None:
        fleet.resize(2)
        first = launcher.containers[:2]
        fleet.resize(3)
        fleet.resize(2)
        assert launcher.running("a") == first

    def test_of_those_that_start_together_none_is_left_where_one_fails(
        self, launcher: FakeLauncher, fleet: Fleet
    ) -> None:
        fleet.resize(1)

        def break_at_the_third() -> None:
            if len(launcher.containers) == 3:
                launcher.failures["a"] = "no more room"

        launcher.on_start = break_at_the_third
        with pytest.raises(StartError, match="no more room"):
            fleet.resize(5)
        assert fleet.count == 1
        assert len(launcher.running("a")) == 1

    def test_one_that_is_at_work_is_waited_for(self, launcher: FakeLauncher, fleet: Fleet) -> None:
        fleet.resize(1)
        (instance,) = fleet.ready
        instance.in_flight = 1
        stopping = threading.Thread(target=fleet.stop)
        stopping.start()
        assert fleet.ready == []
        assert len(launcher.running("a")) == 1
        instance.in_flight = 0
        stopping.join(10)
        assert launcher.running("a") == []

    def test_but_not_for_ever(
        self, launcher: FakeLauncher, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "DRAIN_SECONDS", 0.05)
        fleet.resize(1)
        fleet.ready[0].in_flight = 1
        fleet.stop()
        assert launcher.running("a") == []

    def test_one_that_is_stopped_starts_nothing_more(self, fleet: Fleet) -> None:
        fleet.stop()
        with pytest.raises(StartError, match="has been stopped"):
            fleet.resize(1)

    def test_the_least_busy_is_chosen_where_that_is_asked(self, fleet: Fleet) -> None:
        fleet.resize(3)
        for number, instance in enumerate(fleet.ready):
            instance.in_flight = 2 - number
        assert fleet.choose(RANDOM, least_busy=True) is fleet.ready[2]
        assert len({id(fleet.choose(RANDOM, least_busy=False)) for _ in range(50)}) == 3

    def test_an_instance_is_ready_when_all_its_containers_are(self, launcher: FakeLauncher) -> None:
        instance = launcher.prepare("e", "r", [{"Image": "a"}, {"Image": "b"}])()
        assert instance.ready
        launcher.containers[1].port = None
        assert not instance.ready
        assert Instance([]).ready


class FakeS3:
    """Objects of one bucket."""

    def __init__(self, **objects: bytes) -> None:
        self.objects = objects

    def get_paginator(self, operation: str) -> "FakeS3":
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803
        keys = [key for key in self.objects if key.startswith(Prefix)]
        return [{"Contents": [{"Key": key} for key in keys]}]

    def download_file(self, bucket: str, key: str, target: str) -> None:
        if key not in self.objects:
            raise ClientError({"Error": {"Code": "404", "Message": "Not Found"}}, "HeadObject")
        Path(target).write_bytes(self.objects[key])


def source(kind: str, compression: str, key: str) -> dict[str, Any]:
    found = {"S3DataType": kind, "CompressionType": compression, "S3Uri": f"s3://bucket/{key}"}
    return {"ModelDataSource": {"S3DataSource": found}}


def packed(**files: bytes) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, body in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return content.getvalue()


class TestModels:
    def test_a_prefix_is_copied_as_it_is(self, tmp_path: Path) -> None:
        s3 = FakeS3(**{"m/MLmodel": b"1", "m/data/x": b"2", "n": b"3"})
        fetch_model(s3, source("S3Prefix", "None", "m/"), tmp_path / "model")
        assert (tmp_path / "model" / "data" / "x").read_bytes() == b"2"
        assert not (tmp_path / "model" / "n").exists()

    @pytest.mark.parametrize(
        "container",
        [source("S3Object", "Gzip", "m.tar.gz"), {"ModelDataUrl": "s3://bucket/m.tar.gz"}],
    )
    def test_an_archive_is_unpacked(self, container: dict[str, Any], tmp_path: Path) -> None:
        fetch_model(FakeS3(**{"m.tar.gz": packed(model=b"1")}), container, tmp_path / "model")
        assert (tmp_path / "model" / "model").read_bytes() == b"1"
        assert [each.name for each in tmp_path.iterdir()] == ["model"]

    def test_an_object_is_a_file(self, tmp_path: Path) -> None:
        fetch_model(FakeS3(**{"m/x": b"1"}), source("S3Object", "None", "m/x"), tmp_path / "model")
        assert (tmp_path / "model" / "x").read_bytes() == b"1"

    def test_without_a_model_the_folder_is_empty(self, tmp_path: Path) -> None:
        fetch_model(FakeS3(), {"Image": "a"}, tmp_path / "model")
        assert list((tmp_path / "model").iterdir()) == []

    @pytest.mark.parametrize(
        ("container", "said"),
        [
            (source("S3Prefix", "None", "x/"), "no object below"),
            (source("S3Object", "None", "x"), "cannot be read"),
            (source("S3Object", "Gzip", "text"), "no gzip-compressed tar file"),
            (source("S3Object", "Gzip", "evil"), "no gzip-compressed tar file"),
            (source("S3Prefix", "Gzip", "m/"), "is not fetched here"),
        ],
    )
    def test_what_cannot_be_had_is_said(
        self, container: dict[str, Any], said: str, tmp_path: Path
    ) -> None:
        s3 = FakeS3(text=b"no archive", evil=packed(**{"../outside": b"1"}))
        with pytest.raises(StartError, match=said):
            fetch_model(s3, container, tmp_path / "model")
        assert not (tmp_path / "outside").exists()
