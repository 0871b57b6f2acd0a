"""What a call says is looked at before MLflow works on it.

MLflow takes apart whatever it is given: a filter of a megabyte for a minute and four gigabytes, a
list in a list until Python gives up. What is no use to anybody is refused here, by a sentence and
the status of a wrong call, and not by that of a broken server.
"""

import functools
import json
import logging
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from flask.json.provider import DefaultJSONProvider
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from tracking_server.limits import BODY_BYTES

DEPTH = 64
"""How deep JSON may nest. What MLflow takes nests less than ten deep."""

ITEMS = 10_000
"""The longest list of a call. MLflow takes a thousand metrics at once."""

WORDS = 64 * 1024
"""The longest filter, clause of an order, and query of GraphQL: a thousand runs by their ids."""

TERMS, ORDERS = 40, 20
"""The most terms of a filter and of an order: each is a table, of which MySQL joins 61."""

FAULTS = (ArithmeticError, AttributeError, LookupError, RecursionError, SyntaxError, TypeError)
"""What MLflow's parsers raise, beside ValueError, for what they did not expect."""

LAST = 2**63 - 1
"""The last place that a page may begin at."""

_STATEMENT = re.compile(r"\[SQL:|\(pymysql\.")
_AND = re.compile(r"\band\b", re.IGNORECASE)


_log = logging.getLogger(__name__)


class GuardError(Exception):
    """What this version of MLflow lacks."""


class Json(DefaultJSONProvider):  # type: ignore[misc,unused-ignore]
    """Flask's JSON, of a depth that all who read it bear, and text that a database takes."""

    def loads(self, s: str | bytes, **options: Any) -> dict[str, Any]:
        """What a body says.

        Parameters
        ----------
        s
            The body.
        options
            Those of `json.loads`.

        Raises
        ------
        ValueError
            Where it is no object.
        """
        try:
            said = super().loads(s, **options)
            if isinstance(said, str):
                # Old clients wrote a body down twice.
                said = super().loads(said, **options)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        if not isinstance(said, dict):
            raise ValueError("no object")  # noqa: TRY004 - what Flask expects of it
        level: list[Any] = [said]
        for _ in range(DEPTH):
            level = [
                value
                for each in level
                for value in (each.values() if type(each) is dict else each)
                if type(value) in (dict, list)
            ]
            if not level:
                break
        else:
            raise ValueError("nested too deeply")
        half = b"\\ud" in s.lower() if isinstance(s, bytes) else "\\ud" in s.lower()
        if half:
            # Half of a letter is refused; a whole one, which takes two, is not.
            json.dumps(said, ensure_ascii=False).encode()
        return said


def guard(flask: Any, modules: dict[str, Any]) -> None:
    """Have MLflow's handlers look at what they are given.

    Parameters
    ----------
    flask
        MLflow's Flask application.
    modules
        MLflow's ``handlers``, ``auth``, ``store`` (of SQL), ``otel``, ``searches`` and ``models``;
        ``sqlparse`` and ``graphql``, which they parse with.

    Raises
    ------
    GuardError
        Where one of them lacks what is changed here.
    """
    handlers, store, auth = modules["handlers"], modules["store"], modules["auth"]
    search = modules["searches"].SearchUtils
    token = modules["searches"].SearchLoggedModelsPaginationToken
    changes: list[tuple[Any, str, Callable[[Any], Any]]] = [
        (handlers, "_get_request_json", lambda ask: lambda *words: ask(*words) or {}),
        (handlers, "parse_dict", short_lists),
        (handlers, "_validate_request_json_with_schema", lambda ask: whole(refusing(ask))),
        (handlers, "_validate_source_run", refusing),
        (handlers, "_validate_source_model", refusing),
        (handlers, "_parse_model_uri", refusing),
        (auth, "_parse_model_uri", refusing),
        (modules["sqlparse"], "parse", short),
        (modules["graphql"], "parse", lambda ask: refusing(short(ask))),
        (modules["models"], "parse_filter_string", lambda ask: known(refusing(ask))),
        (modules["otel"], "decompress_otlp_body", lambda _: unpack),
        (search, "parse_start_offset_from_page_token", lambda ask: counted(refusing(ask))),
        (token, "decode", refusing),
        (store.SqlAlchemyStore, "_apply_order_by_search_logged_models", few),
        (store.SqlAlchemyStore, "deprecated_start_trace_v2", of_an_experiment),
        (MlflowException, "serialize_as_json", quiet),
        *(
            (store, name, few)
            for name in (
                "_get_orderby_clauses",
                "_get_orderby_clauses_for_search_traces",
                "_get_search_experiments_order_by_clauses",
                "_get_search_datasets_order_by_clauses",
            )
        ),
    ]
    for owner, name, change in changes:
        ask = getattr(owner, name, None)
        if not callable(ask):
            raise GuardError(f"this MLflow has no {owner.__name__}.{name}: see guard.py")
        setattr(owner, name, change(ask))
    flask.json = Json(flask)
    # Some of MLflow's handlers leave out what others have around them.
    flask.register_error_handler(MlflowException, answered)
    # A file is to be written where a folder is.
    flask.register_error_handler(IsADirectoryError, lambda _: ("This path names no file.", 400))
    # Whatever else nests: the stack is unwound by now.
    flask.register_error_handler(RecursionError, lambda _: ("This nests too deeply.", 400))


def refusal(message: str) -> MlflowException:
    """What MLflow answers 400 to."""
    return MlflowException(message, INVALID_PARAMETER_VALUE)


def answered(error: MlflowException) -> tuple[str, int, dict[str, str]]:
    """What MLflow answers to a call that it refuses.

    Parameters
    ----------
    error
        Why.
    """
    kind = {"Content-Type": "application/json"}
    return error.serialize_as_json(), error.get_http_status_code(), kind


def refusing(ask: Callable[..., Any]) -> Callable[..., Any]:
    """A parser whose failures are the call's.

    Parameters
    ----------
    ask
        MLflow's, which raises whatever comes.
    """

    @functools.wraps(ask)
    def asked(*words: Any) -> Any:
        try:
            return ask(*words)
        except MlflowException as error:
            if error.error_code != "INTERNAL_ERROR":
                raise
            raise refusal(error.message) from error
        except (*FAULTS, ValueError, _syntax_error()) as error:
            said = f"{type(error).__name__}: {error}"[:200]
            raise refusal(f"This cannot be read: {said}") from error

    return asked


def _syntax_error() -> type[Exception]:
    from graphql import GraphQLError

    return GraphQLError


def short(ask: Callable[..., Any]) -> Callable[..., Any]:
    """A parser of text that is not endless.

    Parameters
    ----------
    ask
        The parser.
    """

    @functools.wraps(ask)
    def asked(text: Any, *words: Any, **options: Any) -> Any:
        if isinstance(text, str):
            if len(text) > WORDS:
                raise refusal(f"This has {len(text)} characters, and {WORDS} are the most.")
            if len(_AND.findall(text)) >= TERMS:
                raise refusal(f"A filter has {TERMS} terms at most.")
        return ask(text, *words, **options)

    return asked


def few(ask: Callable[..., Any]) -> Callable[..., Any]:
    """What orders by so many clauses and no more.

    Parameters
    ----------
    ask
        MLflow's, which joins a table for each.
    """

    @functools.wraps(ask)
    def asked(*words: Any) -> Any:
        # Of what such a function takes, only the clauses are a list.
        if any(isinstance(word, Sequence) and len(word) > ORDERS for word in words):
            raise refusal(f"A search is ordered by {ORDERS} clauses at most.")
        return ask(*words)

    return asked


def counted(ask: Callable[..., int]) -> Callable[..., int]:
    """A reader of the place where a page begins, which counts from nothing on.

    Parameters
    ----------
    ask
        MLflow's, which takes any number.
    """

    @functools.wraps(ask)
    def asked(token: str | None) -> int:
        start = ask(token)
        if not 0 <= start <= LAST:
            raise refusal(f"No page begins at {start}.")
        return start

    return asked


def quiet(ask: Callable[[MlflowException], str]) -> Callable[[MlflowException], str]:
    """What writes an error down for the caller, without the statement that the database refused.

    Parameters
    ----------
    ask
        MLflow's, which says all that SQLAlchemy does.
    """

    @functools.wraps(ask)
    def asked(error: MlflowException) -> str:
        text = ask(error)
        if not _STATEMENT.search(error.message):
            return text
        _log.warning("the database refused what a call asked for: %s", error.message)
        said = {"message": "The database does not take this; the log of the server says why."}
        return json.dumps(json.loads(text) | said)

    return asked


def known(ask: Callable[..., Any]) -> Callable[..., Any]:
    """A parser of filters of logged models, which takes the words that they have.

    Parameters
    ----------
    ask
        MLflow's, which takes any.
    """
    from mlflow.store.tracking.dbmodels.models import SqlLoggedModel

    columns = set(SqlLoggedModel.__table__.columns.keys())

    @functools.wraps(ask)
    def asked(text: str | None) -> Any:
        comparisons = ask(text)
        for comparison in comparisons:
            entity = comparison.entity
            if entity.type.value == "attributes" and entity.key not in columns:
                raise refusal(f"A logged model has no '{entity.key}'.")
        return comparisons

    return asked


def short_lists(ask: Callable[..., Any]) -> Callable[..., Any]:
    """What makes a message of JSON, whose lists are not endless.

    Parameters
    ----------
    ask
        MLflow's, which takes seconds for a long one.
    """

    @functools.wraps(ask)
    def asked(said: Any, message: Any) -> Any:
        values = said.values() if isinstance(said, dict) else ()
        if any(isinstance(value, list) and len(value) > ITEMS for value in values):
            raise refusal(f"A list has {ITEMS} items at most.")
        return ask(said, message)

    return asked


def of_an_experiment(ask: Callable[..., Any]) -> Callable[..., Any]:
    """What starts a trace of the experiment that is named.

    Parameters
    ----------
    ask
        MLflow's, which takes the first experiment where none is, and fails with its number.
    """

    @functools.wraps(ask)
    def asked(store: Any, experiment_id: str, **words: Any) -> Any:
        if not experiment_id:
            raise refusal("A trace is of an experiment: name it as 'experiment_id'.")
        return ask(store, experiment_id, **words)

    return asked


def whole(ask: Callable[..., Any]) -> Callable[..., Any]:
    """What looks at JSON of which a message was made, or half of one.

    Parameters
    ----------
    ask
        MLflow's, which goes on with the half where it finds nothing.
    """

    @functools.wraps(ask)
    def asked(request_json: Any, schema: Any, proto_parsing_succeeded: bool) -> Any:
        ask(request_json, schema, proto_parsing_succeeded)
        if not proto_parsing_succeeded:
            raise refusal("The body has a value of another kind than this call takes.")

    return asked


def unpack(body: bytes, encoding: str) -> bytes:
    """A body of traces that came packed.

    Parameters
    ----------
    body
        What came.
    encoding
        How it is packed.

    Raises
    ------
    HTTPException
        Where it is not, or unpacks to more than a body may be.
    """
    from fastapi import HTTPException

    # 47 finds out whether it is gzip or zlib; some clients send what is neither.
    for bits in (47, -15):
        if encoding not in ("gzip", "deflate"):
            break
        packed = zlib.decompressobj(bits)
        try:
            content = packed.decompress(body, BODY_BYTES + 1)
        except zlib.error:
            continue
        if len(content) > BODY_BYTES:
            raise HTTPException(413, f"The body unpacks to more than {BODY_BYTES} bytes.")
        if packed.eof and not packed.unused_data:
            return content
    raise HTTPException(400, f"The body cannot be unpacked as '{encoding}'.")
