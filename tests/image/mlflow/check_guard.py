"""What a call says, before MLflow works on it."""

import gzip
import json
import zlib
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from fastapi import HTTPException
from flask import Flask
from mlflow.exceptions import MlflowException

from tracking_server import guard as guard_module
from tracking_server.guard import (
    DEPTH,
    ITEMS,
    LAST,
    ORDERS,
    TERMS,
    WORDS,
    GuardError,
    Json,
    counted,
    few,
    guard,
    of_an_experiment,
    quiet,
    refusing,
    short,
    short_lists,
    unpack,
    whole,
)


def refused(error: MlflowException) -> bool:
    return bool(error.get_http_status_code() == 400)


@pytest.fixture
def read() -> Callable[[bytes], Any]:
    return Json(Flask("test")).loads


class TestJson:
    @pytest.mark.parametrize(
        "body",
        [
            b'{"a": [1, {"b": null}]}',
            b"{}",
            json.dumps(json.dumps({"a": 1})).encode(),
            b'{"a":"\\ud83d\\ude00"}',
            b'{"a":' + b"[" * (DEPTH - 1) + b"]" * (DEPTH - 1) + b"}",
        ],
    )
    def test_an_object_is_read(self, body: bytes, read: Callable[[bytes], Any]) -> None:
        assert isinstance(read(body), dict)

    @pytest.mark.parametrize(
        "body",
        [
            *(b"1", b"[1]", b'"x"', b"null", b"{", b"", b"\xff\xfe"),
            *(b'{"a":"\\ud83d"}', b'{"\\uDFFF":1}', b'{"a":["\\ude00"]}'),
            *(b"[" * 100_000, b'{"a":' * 100_000, json.dumps("[" * 100_000).encode()),
            b'{"a":' + b"[" * DEPTH + b"]" * DEPTH + b"}",
            b'{"a":' + b'[{},{"b":' * 40 + b"1" + b"}]" * 40 + b"}",
        ],
        ids=lambda body: str(body[:20]),
    )
    def test_anything_else_is_a_wrong_value(
        self, body: bytes, read: Callable[[bytes], Any]
    ) -> None:
        """It is what Flask takes for a body that cannot be read."""
        with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
            read(body)


class TestSearches:
    def test_text_is_parsed_up_to_a_length(self) -> None:
        parse = short(len)
        assert parse("x" * WORDS) == WORDS
        with pytest.raises(MlflowException, match="are the most"):
            parse("x" * (WORDS + 1))

    @pytest.mark.parametrize("word", [" and ", " AND ", "\tAnd\n"])
    def test_a_filter_has_so_many_terms(self, word: str) -> None:
        parse = short(len)
        assert parse(word.join(["a = 'b'"] * TERMS))
        with pytest.raises(MlflowException, match="terms at most"):
            parse(word.join(["a = 'b'"] * (TERMS + 1)))

    def test_with_the_order_and_itself_mysql_joins_them(self) -> None:
        """https://dev.mysql.com/doc/refman/8.4/en/join.html"""
        assert TERMS + ORDERS + 1 <= 61

    def test_an_order_has_so_many_clauses(self) -> None:
        order = few(lambda clauses, session: (clauses, session))
        assert order(None, 1) == (None, 1)
        assert order(["a"] * ORDERS, 1)
        with pytest.raises(MlflowException, match="clauses at most"):
            order(["a"] * (ORDERS + 1), 1)

    @pytest.mark.parametrize("start", [-1, LAST + 1])
    def test_a_page_begins_where_one_can(self, start: int) -> None:
        assert counted(lambda token: 7)("token") == 7
        with pytest.raises(MlflowException, match="No page begins"):
            counted(lambda token: start)("token")


class TestParsers:
    @pytest.mark.parametrize(
        "error",
        [
            *(ValueError("v"), TypeError("t"), AttributeError("a"), KeyError("k")),
            *(OverflowError("o"), RecursionError("r"), SyntaxError("s")),
            MlflowException("without a code"),
        ],
    )
    def test_what_they_do_not_expect_is_the_calls_fault(self, error: Exception) -> None:
        def parse(text: str) -> None:
            raise error

        with pytest.raises(MlflowException) as raised:
            refusing(parse)("x")
        assert refused(raised.value)

    def test_what_they_refuse_stays(self) -> None:
        error = MlflowException("mine", 1001)

        def parse(text: str) -> None:
            raise error

        with pytest.raises(MlflowException) as raised:
            refusing(parse)("x")
        assert raised.value is error

    def test_what_is_no_fault_of_the_call_is_none(self) -> None:
        def parse(text: str) -> None:
            raise OSError("disk")

        with pytest.raises(OSError, match="disk"):
            refusing(parse)("x")


def test_a_list_has_so_many_items() -> None:
    parse = short_lists(lambda said, message: said)
    said = {"a": [1] * ITEMS}
    assert parse(said, None) is said
    with pytest.raises(MlflowException, match="items at most"):
        parse({"a": [1] * (ITEMS + 1)}, None)


def test_half_a_message_is_none() -> None:
    check = whole(lambda said, schema, parsed: None)
    check({}, None, proto_parsing_succeeded=True)
    with pytest.raises(MlflowException, match="another kind"):
        check({}, None, proto_parsing_succeeded=False)


def test_a_trace_is_of_an_experiment() -> None:
    start = of_an_experiment(lambda store, experiment_id, **words: (experiment_id, words))
    assert start(None, experiment_id="1", tags={}) == ("1", {"tags": {}})
    with pytest.raises(MlflowException, match="name it as 'experiment_id'") as raised:
        start(None, experiment_id="", tags={})
    assert refused(raised.value)


class TestQuiet:
    def test_a_statement_stays_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        error = MlflowException("(pymysql.err.X) (1064, 'bad')\n[SQL: SELECT secret]", 1000)
        text = quiet(MlflowException.serialize_as_json)(error)
        assert "SELECT" not in text
        assert "pymysql" not in text
        assert json.loads(text)["error_code"] == error.error_code
        assert "SELECT secret" in caplog.text

    def test_what_else_is_said_is_said(self) -> None:
        error = MlflowException("no such run", 1000)
        assert quiet(MlflowException.serialize_as_json)(error) == error.serialize_as_json()


class TestUnpack:
    @pytest.mark.parametrize(
        ("packed", "coding"),
        [
            (gzip.compress(b"spans"), "gzip"),
            (zlib.compress(b"spans"), "deflate"),
            (zlib.compress(b"spans", wbits=-15), "deflate"),
        ],
    )
    def test_traces_come_packed(self, packed: bytes, coding: str) -> None:
        assert unpack(packed, coding) == b"spans"

    @pytest.mark.parametrize(
        ("packed", "coding"),
        [
            (b"", "gzip"),
            (b"spans", "gzip"),
            (gzip.compress(b"spans")[:-9], "gzip"),
            (gzip.compress(b"spans") * 2, "gzip"),
            (gzip.compress(b"spans"), "br"),
        ],
    )
    def test_anything_else_is_refused(self, packed: bytes, coding: str) -> None:
        with pytest.raises(HTTPException) as raised:
            unpack(packed, coding)
        assert raised.value.status_code == 400

    def test_they_unpack_to_no_more_than_a_body(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(guard_module, "BODY_BYTES", 1000)
        assert len(unpack(gzip.compress(bytes(1000)), "gzip")) == 1000
        with pytest.raises(HTTPException) as raised:
            unpack(gzip.compress(bytes(1001)), "gzip")
        assert raised.value.status_code == 413


def test_a_version_without_what_is_changed_is_refused() -> None:
    names = ("handlers", "auth", "store", "otel", "searches", "models", "sqlparse", "graphql")
    modules: dict[str, Any] = {name: ModuleType(name) for name in names}
    modules["store"] = SimpleNamespace(SqlAlchemyStore=None)
    modules["searches"] = SimpleNamespace(
        SearchUtils=None, SearchLoggedModelsPaginationToken=None, __name__="searches"
    )
    with pytest.raises(GuardError, match=r"has no handlers\._get_request_json"):
        guard(Flask("test"), modules)
