"""Where files lie, whatever a call says."""

from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from tracking_server import places
from tracking_server.places import (
    NAME_BYTES,
    PATH_BYTES,
    PlacesError,
    is_files,
    keep_places,
    own_place,
    refuse_archive,
    refuse_place,
    safe_path,
)


def test_a_place_is_never_the_users_choice() -> None:
    with pytest.raises(MlflowException, match="'artifact_location' is 's3://other'") as raised:
        refuse_place("s3://other", "artifact_location")
    assert raised.value.get_http_status_code() == 400


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        *(("runs:/r/model", False), ("models:/m-1", False), ("MODELS:/iris/1", False)),
        *(("s3://bucket/x", True), ("S3://bucket/x", True), ("mlflow-artifacts:/1/r", True)),
        *(("x", True), ("file:///etc", True), ("http://127.0.0.1/x", True)),
    ],
)
def test_every_source_but_the_registrys_is_looked_at(source: str, expected: bool) -> None:
    assert is_files(source) == expected


class TestPaths:
    @pytest.mark.parametrize("path", ["a", "a/b.txt", "a%20b", "a/", "x" * NAME_BYTES])
    def test_one_below_the_run_is_taken(self, path: str) -> None:
        assert safe_path(path)

    @pytest.mark.parametrize(
        "path",
        [
            *("../x", "a/../../x", "%2e%2e/x", "/etc/passwd", "file:///etc/passwd", "http://["),
            *(
                "%" + "25" * 20 + "2e",
                "\ud800",
                "x" * (NAME_BYTES + 1),
                "é" * 200,
                "x/" * PATH_BYTES,
            ),
        ],
        ids=lambda path: ascii(path[:20]),
    )
    def test_any_other_is_refused(self, path: str) -> None:
        with pytest.raises(MlflowException) as raised:
            safe_path(path)
        assert raised.value.get_http_status_code() == 400


class Store:
    """Knows where the files of a trace of one experiment lie."""

    def get_experiment(self, number: str) -> str:
        return f"mlflow-artifacts:/{number}"

    def _get_trace_artifact_location_tag(self, place: str, trace: str) -> Any:
        return SimpleNamespace(value=f"{place}/traces/{trace}/artifacts")


class TestTraces:
    @pytest.mark.parametrize("said", ["file:///etc", "mlflow-artifacts:/2/traces/t/artifacts", ""])
    def test_one_is_read_from_its_own_place(self, said: str) -> None:
        own = "mlflow-artifacts:/1/traces/t/artifacts"
        trace = SimpleNamespace(
            trace_id="t", experiment_id="1", tags={"mlflow.artifactLocation": own}
        )
        assert own_place(Store(), trace) == own
        trace.tags["mlflow.artifactLocation"] = said
        with pytest.raises(MlflowException, match="not its own"):
            own_place(Store(), trace)

    def test_there_is_no_archive(self) -> None:
        with pytest.raises(MlflowException, match="archives none"):
            refuse_archive(SimpleNamespace(trace_id="t"))


def test_a_version_without_what_is_changed_is_refused() -> None:
    handlers = SimpleNamespace(__name__="mlflow.server.handlers")
    with pytest.raises(PlacesError, match=r"has no mlflow\.server\.handlers\._validate_storage"):
        keep_places(handlers, handlers)


def test_mlflow_takes_what_is_ours() -> None:
    names = [
        *("_validate_storage_location_uri", "_is_mlflow_artifact_source", "validate_path_is_safe"),
        *("get_artifact_uri_for_trace", "get_archive_uri_for_trace"),
    ]
    handlers, store = (
        SimpleNamespace(__name__=name, **dict.fromkeys(names, print)) for name in ("h", "s")
    )
    keep_places(handlers, store)
    assert handlers._is_mlflow_artifact_source is places.is_files
    assert store.get_archive_uri_for_trace is places.refuse_archive
