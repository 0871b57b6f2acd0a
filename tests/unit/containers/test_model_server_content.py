"""Bodies in and out: content types, codecs, and what is refused."""

import io
import json
from contextlib import suppress
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from model_server import InputError, Model, current
from model_server.content import CSV, JSON, JSON_LINES, NPY, PARQUET, acceptable, media_type
from model_server.decoding import decode
from model_server.errors import CallError
from tests.unit.containers.asking import ask, call, said

OFFERED = (JSON, CSV, NPY)


class Echo(Model):
    """It answers what it was given."""

    raw = ("application/octet-stream", "image/*")

    def predict(self, data: Any) -> Any:
        return data


class Named(Echo):
    columns = ("a", "b")


def read(body: str | bytes, kind: str = JSON, model: Model | None = None) -> Any:
    return decode(call(body, kind), model or Echo())


class TestNegotiation:
    @pytest.mark.parametrize(
        ("accept", "best"),
        [
            ("*/*", JSON),
            ("", JSON),
            ("text/csv", CSV),
            ("TEXT/CSV; charset=utf-8", CSV),
            ("application/csv", CSV),
            ("text/*", CSV),
            ("application/json;q=0.2, text/csv;q=0.4", CSV),
            ("*/*;q=0.1, application/x-npy", NPY),
            ("application/json;q=0, */*", CSV),
            ("image/png, */*;q=0.1", JSON),
            ("text/csv;q=rose, application/x-npy;q=0.1", NPY),
            ("application/json ; q=0.5 , text/csv ; q=0.9", CSV),
        ],
    )
    def test_the_client_chooses(self, accept: str, best: str) -> None:
        assert acceptable(accept, OFFERED)[0] == best

    @pytest.mark.parametrize("accept", ["image/png", "image/*", "*/*;q=0", "text/csv;q=0"])
    def test_who_takes_nothing_is_told_what_there_is(self, accept: str) -> None:
        with pytest.raises(CallError, match="choose application/json or text/csv") as raised:
            acceptable(accept, OFFERED)
        assert raised.value.status == 406

    @given(st.text(max_size=60))
    def test_no_header_breaks_it(self, accept: str) -> None:
        with suppress(CallError):
            assert set(acceptable(accept, OFFERED)) <= set(OFFERED)
        assert media_type(accept) == media_type(accept.upper()) or not accept.isascii()

    @pytest.mark.parametrize("kind", [JSON, CSV, NPY, PARQUET, JSON_LINES])
    def test_what_comes_in_goes_out(self, kind: str) -> None:
        table = pd.DataFrame({"a": [1.5, 2.5], "b": [3.0, 4.0]})
        file = io.BytesIO()
        np.save(file, table.to_numpy())
        bodies = {
            JSON: b'{"inputs": [[1.5, 3.0], [2.5, 4.0]]}',
            CSV: b"1.5,3\n2.5,4\n",
            NPY: file.getvalue(),
            PARQUET: table.to_parquet(),
            JSON_LINES: b"[1.5, 3]\n[2.5, 4]\n",
        }
        answer = ask(Echo(), bodies[kind], kind)
        assert (answer.status, answer.kind) == (200, kind)

    def test_a_result_that_has_no_such_form_takes_the_next(self) -> None:
        body = '{"inputs": {"a": ["x"], "b": ["y"]}}'
        answer = ask(Echo(), body, accept="application/x-npy, application/json;q=0.5")
        assert answer.kind == JSON
        answer = ask(Echo(), '["a", 1, null, {}]', accept="application/x-npy")
        assert (answer.status, "application/x-npy" in said(answer)) == (406, True)


class TestForms:
    @pytest.mark.parametrize("form", ["inputs", "instances"])
    def test_arrays(self, form: str) -> None:
        data = read(json.dumps({form: [[1, 2], [3, 4.5]]}))
        assert data.tolist() == [[1, 2], [3, 4.5]]

    def test_an_array_for_each_name(self) -> None:
        for body in (
            {"inputs": {"a": [1, 2], "b": [3, 4]}},
            {"instances": [{"a": 1, "b": 3}, {"a": 2, "b": 4}]},
        ):
            data = read(json.dumps(body))
            assert {name: column.tolist() for name, column in data.items()} == {
                "a": [1, 2],
                "b": [3, 4],
            }

    def test_tables(self) -> None:
        table = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
        split = {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], [2, None]]}}
        records = {"dataframe_records": [{"a": 1, "b": "x"}, {"a": 2, "b": None}]}
        for body in (split, records):
            pd.testing.assert_frame_equal(read(json.dumps(body)), table)

    @pytest.mark.parametrize("body", ['{"inputs": [[1, null]]}', '{"inputs": [[1, NaN]]}'])
    def test_missing_numbers(self, body: str) -> None:
        data = read(body)
        assert data.dtype == np.float64
        assert np.isnan(data[0, 1])

    def test_any_other_json_is_what_it_says(self) -> None:
        assert read('{"text": ["a"]}') == {"text": ["a"]}
        assert read("[1, 2]") == [1, 2]

    def test_params_are_told(self) -> None:
        class Times(Model):
            def predict(self, data: Any) -> Any:
                params = current().params
                assert params is not None
                return data * params["factor"]

        assert said(ask(Times(), '{"inputs": [2], "params": {"factor": 3}}')) == {
            "predictions": [6]
        }

    @pytest.mark.parametrize(
        ("body", "what"),
        [
            (b"", "not JSON"),
            (b"{", "not JSON"),
            (b"\xff\xfe", "not JSON"),
            (b"[" * 100_000, "not JSON"),
            (b"[" * 100_000 + b"NaN", "not JSON"),
            (b'{"inputs": [1], "instances": [1]}', "stands alone"),
            (b'{"inputs": [1], "rose": 1}', "found rose"),
            (b'{"inputs": [1], "params": 1}', "'params' is no object"),
            (b'{"inputs": [[1], [2, 3]]}', "uneven"),
            (b'{"instances": 1}', "no list"),
            (b'{"instances": [{"a": 1}, {"b": 1}]}', "must have the keys a"),
            (b'{"instances": [{"a": 1}, 2]}', "must have the keys a"),
            (b'{"dataframe_split": []}', "no object"),
            (b'{"dataframe_split": {"data": [[1]], "columns": ["a", "b"]}}', "no table"),
            (b'{"dataframe_split": {"data": [[1]], "rose": 1}}', "has no rose"),
            (b'{"dataframe_records": [1]}', "no list of objects"),
        ],
    )
    def test_what_is_wrong_is_said(self, body: bytes, what: str) -> None:
        answer = ask(Echo(), body)
        assert answer.status == 400
        assert what in said(answer)


class TestCsv:
    def test_numbers(self) -> None:
        assert read("1,2\n3,4.5\n", CSV).tolist() == [[1, 2], [3, 4.5]]

    def test_names(self) -> None:
        table = pd.DataFrame({"a": [1], "b": ["x"]})
        pd.testing.assert_frame_equal(read("a,b\n1,x\n", CSV), table)

    @pytest.mark.parametrize("head", ["", "a,b\n"])
    def test_a_model_that_knows_its_columns(self, head: str) -> None:
        table = read(f"{head}1,2\n", CSV, Named())
        assert (list(table.columns), table.to_numpy().tolist()) == (["a", "b"], [[1, 2]])

    def test_text_and_what_is_missing(self) -> None:
        table = read('1,"x, y"\n,z\n', CSV, Named())
        assert table["b"].tolist() == ["x, y", "z"]
        assert np.isnan(table["a"][1])

    @pytest.mark.parametrize(
        ("body", "what"),
        [(b"", "no row"), (b"\xff", "UTF-8"), (b"1\n", "not 2: a,b"), (b"a,b\n", "no row")],
    )
    def test_what_is_wrong_is_said(self, body: bytes, what: str) -> None:
        with pytest.raises(InputError, match=what):
            read(body, CSV, Named())


class TestBinary:
    def test_raw_bytes_are_the_models(self) -> None:
        assert read(b"\x89PNG", "image/png") == b"\x89PNG"
        answer = ask(Echo(), b"\x00\x01", "application/octet-stream")
        assert (answer.body, answer.kind) == (b"\x00\x01", "application/octet-stream")

    def test_an_array_that_would_execute_is_refused(self) -> None:
        file = io.BytesIO()
        np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
        answer = ask(Echo(), file.getvalue(), NPY)
        assert (answer.status, "not an array" in said(answer)) == (400, True)

    @pytest.mark.parametrize("kind", [NPY, PARQUET, JSON_LINES])
    def test_what_is_no_such_thing_is_refused(self, kind: str) -> None:
        assert ask(Echo(), b"rose \xff", kind).status == 400

    def test_an_unknown_kind_is_told_what_is_known(self) -> None:
        answer = ask(Echo(), b"", "application/xml")
        assert answer.status == 415
        assert "text/csv" in said(answer)


FLOATS = arrays.arrays(
    np.float64,
    arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=5),
    elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
)


class TestRoundTrips:
    @given(FLOATS)
    def test_json(self, array: Any) -> None:
        answer = ask(Echo(), orjson.dumps({"inputs": array.tolist()}))
        np.testing.assert_array_equal(np.array(said(answer)["predictions"]), array)

    @given(FLOATS)
    def test_csv(self, array: Any) -> None:
        body = "\n".join(",".join(map(repr, row)) for row in array.tolist())
        answer = ask(Echo(), body, CSV)
        np.testing.assert_array_equal(read(answer.body, CSV), array)

    @given(FLOATS)
    def test_npy(self, array: Any) -> None:
        file = io.BytesIO()
        np.save(file, array)
        answer = ask(Echo(), file.getvalue(), NPY)
        np.testing.assert_array_equal(np.load(io.BytesIO(answer.body)), array)

    @given(st.lists(st.tuples(st.integers(-(2**40), 2**40), st.text(max_size=5)), min_size=1))
    def test_parquet(self, rows: list[tuple[int, str]]) -> None:
        table = pd.DataFrame(rows, columns=["number", "text"])
        answer = ask(Echo(), table.to_parquet(), PARQUET)
        pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(answer.body)), table)

    @given(st.lists(st.recursive(st.none() | st.booleans() | st.text(), st.lists, max_leaves=5)))
    def test_json_lines(self, values: list[Any]) -> None:
        body = b"".join(orjson.dumps(value) + b"\n" for value in values)
        assert ask(Echo(), body, JSON_LINES).body == body


KINDS = [JSON, CSV, NPY, PARQUET, JSON_LINES, "application/octet-stream", "rose"]


@given(st.binary(max_size=300), st.sampled_from(KINDS), st.sampled_from(KINDS))
def test_whatever_comes_is_answered(body: bytes, kind: str, accept: str) -> None:
    answer = ask(Echo(), body, kind, accept=accept)
    assert answer.status in (200, 400, 406, 415), answer
    if answer.status != 200:
        assert b"Traceback" not in answer.body


@given(
    st.dictionaries(
        st.sampled_from(["inputs", "instances", "dataframe_split", "dataframe_records", "params"]),
        st.recursive(
            st.none() | st.integers() | st.floats() | st.text(max_size=3),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["columns", "data", "index", "a"]), inner, max_size=3
                )
            ),
            max_leaves=8,
        ),
        max_size=2,
    )
)
def test_whatever_json_comes_is_answered(body: dict[str, Any]) -> None:
    answer = ask(Echo(), json.dumps(body))
    assert answer.status in (200, 400, 406), answer
