"""What batch transform makes of records: cut, filtered, joined."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.extensions.json_service import RefusedError
from local.extensions.sagemaker.batching import Processing
from local.extensions.sagemaker.json_path import JsonPath


def processing(
    kind: str = "text/csv", split: str = "Line", assemble: str = "Line", **job: Any
) -> Processing:
    data = {
        name: job.pop(name) for name in ("InputFilter", "OutputFilter", "JoinSource") if name in job
    }
    return Processing(
        {
            "TransformInput": {"ContentType": kind, "SplitType": split},
            "TransformOutput": {"AssembleWith": assemble},
            "DataProcessing": data,
            **job,
        }
    )


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "value", "expected"),
        [
            ("$", [1, 2], [1, 2]),
            ("$[0]", [1, 2], 1),
            ("$[-1]", [1, 2], 2),
            ("$[1:]", [1, 2, 3], [2, 3]),
            ("$[0:2]", [1, 2, 3], [1, 2]),
            ("$[:-1]", [1, 2, 3], [1, 2]),
            ("$[0, 2]", [1, 2, 3], [1, 3]),
            ("$.a.b[0]", {"a": {"b": [5]}}, 5),
            ("$['a']", {"a": 1}, 1),
            ("$['a','c']", {"a": 1, "b": 2, "c": 3}, {"a": 1, "c": 3}),
        ],
    )
    def test_let_through(self, path: str, value: Any, expected: Any) -> None:
        assert JsonPath(path).apply(value) == expected

    @pytest.mark.parametrize("path", ["", "a", "$..a", "$[*]", "$[?(@.a)]", "$.a b"])
    def test_others_are_refused(self, path: str) -> None:
        with pytest.raises(RefusedError, match="The filter"):
            JsonPath(path)

    def test_what_is_not_there_is_said(self) -> None:
        with pytest.raises(RefusedError, match="finds nothing"):
            JsonPath("$.a").apply({"b": 1})


class TestRecords:
    def test_of_csv_a_filter_picks_columns(self) -> None:
        job = processing(InputFilter="$[1:]")
        assert job.body([b"7,1,2", b'8,"a,b",4']) == b'1,2\n"a,b",4'

    def test_of_csv_a_join_adds_columns_and_a_filter_picks_of_all(self) -> None:
        job = processing(InputFilter="$[1:]", JoinSource="Input", OutputFilter="$[0,-1]")
        assert job.result([b"7,1,2", b"8,3,4"], b"0.5\n0.6\n") == b"7,0.5\n8,0.6\n"

    def test_of_json_lines_a_join_adds_a_member(self) -> None:
        job = processing("application/jsonlines", InputFilter="$.x", JoinSource="Input")
        records = [b'{"id": 1, "x": [1]}', b'{"id": 2, "x": [2]}']
        assert job.body(records) == b"[1]\n[2]"
        found = [json.loads(line) for line in job.result(records, b"5\n6\n").splitlines()]
        assert found == [
            {"id": 1, "x": [1], "SageMakerOutput": 5},
            {"id": 2, "x": [2], "SageMakerOutput": 6},
        ]

    def test_of_json_that_is_no_object_both_are_members(self) -> None:
        job = processing("application/json", split="None", assemble="None", JoinSource="Input")
        found = json.loads(job.result([b"[1]"], b"5"))
        assert found == {"SageMakerInput": [1], "SageMakerOutput": 5}

    def test_other_numbers_of_records_cannot_be_joined(self) -> None:
        with pytest.raises(RefusedError, match="2 records with 1"):
            processing(JoinSource="Input").result([b"1", b"2"], b"0.5\n")

    def test_without_filters_an_answer_is_left_alone(self) -> None:
        job = processing("image/png", split="None", assemble="None")
        assert list(job.requests(b"\x00\n\x01")) == [[b"\x00\n\x01"]]
        assert job.result([b""], b"\xff\n") == b"\xff\n"

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"kind": "image/png", "InputFilter": "$[0]"}, "not for 'image/png'"),
            ({"split": "RecordIO"}, "RecordIO does not run"),
            ({"assemble": "None", "JoinSource": "Input"}, "needs AssembleWith Line"),
        ],
    )
    def test_refuses(self, settings: dict[str, Any], said: str) -> None:
        with pytest.raises(RefusedError, match=said):
            processing(**settings)

    @given(
        lines=st.lists(st.text("abc,1", min_size=1, max_size=200_000 // 40), max_size=30),
        single=st.booleans(),
    )
    def test_every_line_goes_once_and_no_request_is_too_large(
        self, lines: list[str], single: bool
    ) -> None:
        job = processing(
            MaxPayloadInMB=1, BatchStrategy="SingleRecord" if single else "MultiRecord"
        )
        job.limit = 10_000
        batches = list(job.requests("\n".join(lines).encode()))
        assert [line.decode() for batch in batches for line in batch] == lines
        assert all(len(job.body(batch)) <= job.limit for batch in batches)
        if single:
            assert all(len(batch) == 1 for batch in batches)
