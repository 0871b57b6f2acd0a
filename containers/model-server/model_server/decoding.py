"""What a body holds, by its content type."""

import io
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson

from model_server import content
from model_server.calls import Call
from model_server.errors import CallError, InputError
from model_server.model import Model

FORMS = ("inputs", "instances", "dataframe_split", "dataframe_records")
"""The keys of a body in JSON that MLflow knows.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#json-input
"""


def decode(call: Call, model: Model) -> Any:
    """What a call's body holds, for the model's `preprocess`.

    Parameters
    ----------
    call
        The call; its `form` and `params` are set.
    model
        Says which content types it takes as bytes, and the names of its columns.

    Raises
    ------
    CallError
        415 where the content type is not served.
    InputError
        Where the body is not what its content type says.
    """
    kind = content.media_type(call.content_type)
    if kind == content.JSON:
        return _json(call)
    if any(content.matches(pattern, kind) for pattern in model.raw):
        call.form = "raw"
        return call.body
    reader = READERS.get(kind)
    if reader is None:
        choice = " or ".join([content.JSON, *READERS, *model.raw])
        what = f"'{call.content_type}' is not served; choose {choice}."
        raise CallError(415, "unsupported_media_type", what)
    call.form = reader.__name__.strip("_")
    return _csv(call.body, model.columns) if reader is _csv else reader(call.body)


def _json(call: Call) -> Any:
    given = _loads(call.body)
    if type(given) is not dict:
        return given
    found = [form for form in FORMS if form in given]
    if not found:
        return given
    more = sorted(set(given) - {found[0], "params"})
    if more:
        raise InputError(f"'{found[0]}' stands alone or beside 'params'; found {', '.join(more)}.")
    params = given.get("params")
    if params is not None and not isinstance(params, dict):
        raise InputError("'params' is no object.")
    call.form = found[0]
    call.params = params or None
    return _FORMS[found[0]](given[found[0]])


def _loads(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # JSON has no such numbers, but Python's clients send them for missing values.
        if b"NaN" in body or b"Infinity" in body:
            try:
                return json.loads(body)
            except (ValueError, RecursionError):
                pass
        raise InputError(f"The body is not JSON: {error}.") from error


def _inputs(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _array(column, name) for name, column in value.items()}
    return _array(value, "inputs")


def _instances(value: Any) -> Any:
    if not isinstance(value, list):
        raise InputError("'instances' is no list.")
    if not value or not isinstance(value[0], dict):
        return _array(value, "instances")
    names = list(value[0])
    for row in value:
        if not isinstance(row, dict) or row.keys() != value[0].keys():
            raise InputError(f"Each of 'instances' must have the keys {', '.join(names)}.")
    return {name: _array([row[name] for row in value], name) for name in names}


def _array(value: Any, name: str) -> Any:
    """An array of what is a list; anything else is left as it is."""
    if not isinstance(value, list):
        return value
    try:
        array = np.asarray(value)
    except ValueError:
        raise InputError(f"'{name}' is uneven: all its lists must be of one length.") from None
    except OverflowError:
        raise InputError(f"'{name}' holds a number that is too large.") from None
    if array.dtype == object and _numeric(value):
        return np.asarray(value, dtype=np.float64)
    return array


def _numeric(value: Any) -> bool:
    """Whether there are numbers and nulls alone: a null is a missing number."""
    if isinstance(value, list):
        return all(_numeric(part) for part in value)
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _dataframe_split(value: Any) -> Any:
    import pandas as pd

    if not isinstance(value, dict) or "data" not in value:
        raise InputError("'dataframe_split' is no object with 'columns' and 'data'.")
    more = sorted(set(value) - {"columns", "data", "index"})
    if more:
        raise InputError(f"'dataframe_split' has no {', '.join(more)}.")
    try:
        return pd.DataFrame(value["data"], index=value.get("index"), columns=value.get("columns"))
    except (ValueError, TypeError) as error:
        raise InputError(f"'dataframe_split' is no table: {error}.") from error


def _dataframe_records(value: Any) -> Any:
    import pandas as pd

    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise InputError("'dataframe_records' is no list of objects.")
    return pd.DataFrame.from_records(value)


_FORMS: dict[str, Callable[[Any], Any]] = {
    "inputs": _inputs,
    "instances": _instances,
    "dataframe_split": _dataframe_split,
    "dataframe_records": _dataframe_records,
}


def _csv(body: bytes, columns: Sequence[str] = ()) -> Any:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"The body is not CSV in UTF-8: {error}.") from error
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise InputError("The body is not CSV: there is no row.")
    head = [name.strip() for name in lines[0].split(",")]
    if head == list(columns):
        del lines[0]
        if not lines:
            raise InputError("There is no row below the names of the columns.")
    elif not columns and not all(map(_is_number, head)):
        return _named_csv(text)
    try:
        array = np.array([line.split(",") for line in lines], dtype=np.float64)
    except ValueError:
        # Text, what is missing, or quotes.
        return _named_csv("\n".join(lines), columns or None, header=None)
    return _with_columns(array, columns)


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text or 0))
    except ValueError:
        return text.lower() == "nan"


def _with_columns(array: Any, columns: Sequence[str]) -> Any:
    if not columns:
        return array
    if array.shape[1] != len(columns):
        raise InputError(
            f"A row has {array.shape[1]} values, not {len(columns)}: {','.join(columns)}."
        )
    import pandas as pd

    return pd.DataFrame(array, columns=list(columns))


def _named_csv(text: str, names: Sequence[str] | None = None, header: int | None = 0) -> Any:
    import pandas as pd

    try:
        return pd.read_csv(io.StringIO(text), names=names, header=header, index_col=False)
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"The body is not CSV: {error}.") from error


def _parquet(body: bytes) -> Any:
    import pandas as pd
    import pyarrow

    try:
        return pd.read_parquet(io.BytesIO(body))
    except (ValueError, OSError, pyarrow.ArrowException) as error:
        raise InputError("The body is not Parquet.") from error


def _npy(body: bytes) -> Any:
    try:
        # What is pickled would be executed.
        return np.load(io.BytesIO(body), allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise InputError("The body is not an array of numbers or text in NPY.") from error


def _jsonlines(body: bytes) -> Any:
    return [_loads(line) for line in body.splitlines() if line.strip()]


READERS: dict[str, Callable[[bytes], Any]] = {
    content.CSV: _csv,
    content.PARQUET: _parquet,
    content.NPY: _npy,
    content.JSON_LINES: _jsonlines,
}
