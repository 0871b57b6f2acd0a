"""How a result is written, by what the client takes."""

import io
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import orjson

from model_server import content
from model_server.calls import Answer, Call
from model_server.errors import CallError
from model_server.model import Model

STRUCTURED = (content.JSON, content.CSV, content.JSON_LINES, content.NPY, content.PARQUET)
PLAIN = (content.BYTES, content.TEXT, "text/event-stream")
"""What text, bytes and streams are sent as."""

Offer = tuple[str, ...]


class CannotWriteError(Exception):
    """Why a result has no such form."""


def choose(call: Call, model: Model) -> Offer:
    """The content types that a call may be answered in, the best first.

    Raises
    ------
    CallError
        406 where there is none.
    """
    return _choose(call.content_type, call.accept, tuple(model.produces))


@lru_cache(256)
def _choose(content_type: str, accept: str, produces: Offer) -> Offer:
    """What comes in is what goes out, where nothing else is asked for."""
    kind = content.media_type(content_type)
    first = kind if kind in (*STRUCTURED, *produces) else content.JSON
    others = (other for other in (*STRUCTURED, *produces) if other != first)
    return content.acceptable(accept, (first, *others))


def encode(result: Any, kinds: Offer, model: Model) -> Answer:
    """The answer that a result makes.

    Parameters
    ----------
    result
        What `postprocess` returned.
    kinds
        What the client takes, the best first.
    model
        Says what JSON is wrapped in, and what bytes may be.

    Raises
    ------
    CallError
        406 where the result has none of these forms.
    """
    if type(result) is np.ndarray and kinds[0] == content.JSON:
        # What most models answer.
        return Answer(200, _json(result, model.key))
    if isinstance(result, bytes | bytearray | memoryview):
        return Answer(200, bytes(result), _plain(kinds, model, content.BYTES))
    if isinstance(result, Iterator | AsyncIterator):
        return Answer(200, result, _plain(kinds, model, content.BYTES))
    if isinstance(result, str) and (kinds[0] not in STRUCTURED):
        return Answer(200, result.encode(), _plain(kinds, model, content.TEXT))
    why = ""
    for kind in kinds:
        if kind in _WRITERS:
            try:
                return Answer(200, _WRITERS[kind](result, model.key), kind)
            except CannotWriteError as error:
                why = why or f"The result is no {kind}: {error}."
    raise CallError(406, "not_acceptable", why or f"The result is none of {', '.join(kinds)}.")


def _plain(kinds: Offer, model: Model, preferred: str) -> str:
    plain = [kind for kind in kinds if kind in model.produces]
    if not plain:
        choice = " or ".join(model.produces)
        raise CallError(406, "not_acceptable", f"The answer is {choice}; accept one of these.")
    return preferred if plain[0] in PLAIN and preferred in plain else plain[0]


def _json(result: Any, key: str | None) -> bytes:
    value = result if type(result) is np.ndarray else _simple(result)
    return _dumps(value if key is None else {key: value})


def _dumps(value: Any) -> bytes:
    try:
        return orjson.dumps(value, _default, orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        raise CannotWriteError(str(error)) from error


def _default(value: Any) -> Any:
    """What orjson does not know: arrays that it cannot read in place, and tables within."""
    simple = _simple(value)
    if simple is value:
        if isinstance(value, np.ndarray | np.generic):
            return value.tolist()
        if isinstance(value, bytes):
            import base64

            return base64.b64encode(value).decode("ascii")
        raise TypeError(f"{type(value).__name__} has no form in JSON")
    return simple


def _simple(result: Any) -> Any:
    """A table as a list of records, a column as a list."""
    if is_table(result):
        return result.to_dict(orient="records")
    if is_column(result):
        return result.tolist()
    return result


def is_table(value: Any) -> bool:
    """Whether it is a DataFrame; pandas is not loaded to know."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def is_column(value: Any) -> bool:
    """Whether it is a Series."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.Series)


def _csv(result: Any, _: str | None) -> bytes:
    if not is_table(result) and not is_column(result):
        import pandas as pd

        try:
            result = pd.DataFrame(_flat(result))
        except (ValueError, TypeError) as error:
            raise CannotWriteError("it has no rows") from error
    return str(result.to_csv(index=False, header=False)).encode()


def _flat(result: Any) -> Any:
    if isinstance(result, dict):
        return {name: np.asarray(column).tolist() for name, column in result.items()}
    array = result if isinstance(result, list | tuple) else np.asarray(result)
    if isinstance(array, np.ndarray) and array.ndim > 2:
        raise CannotWriteError("it has more than two dimensions")
    return array


def _jsonlines(result: Any, _: str | None) -> bytes:
    value = _simple(result)
    if not isinstance(value, list | np.ndarray):
        raise CannotWriteError("it has no rows")
    return b"".join(_dumps(row) + b"\n" for row in value)


def _npy(result: Any, _: str | None) -> bytes:
    try:
        array = np.asarray(result)
    except ValueError as error:
        raise CannotWriteError("it is uneven") from error
    if array.dtype.hasobject:
        raise CannotWriteError("it holds more than numbers of one kind")
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _parquet(result: Any, _: str | None) -> bytes:
    import pandas as pd
    import pyarrow

    try:
        table = result if is_table(result) else pd.DataFrame(_flat(result))
        table = table.rename(columns=str)
        return bytes(table.to_parquet(index=False))
    except (ValueError, TypeError, pyarrow.ArrowException) as error:
        raise CannotWriteError("it is no table") from error


_WRITERS: dict[str, Callable[[Any, str | None], bytes]] = {
    content.JSON: _json,
    content.CSV: _csv,
    content.JSON_LINES: _jsonlines,
    content.NPY: _npy,
    content.PARQUET: _parquet,
}
