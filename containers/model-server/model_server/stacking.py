"""The rows of several requests as one, and a result of all as one for each."""

import itertools
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from model_server.encoding import is_column, is_table


class NotStackableError(Exception):
    """Why a result cannot be told apart into those of its requests."""


def rows(data: Any) -> int:
    """How many rows there are; 1 for what has none.

    Examples
    --------
    >>> rows(np.zeros((3, 4))), rows({"a": np.zeros(2)}), rows(b"image")
    (3, 2, 1)
    """
    if isinstance(data, np.ndarray):
        return len(data) if data.ndim else 1
    if isinstance(data, dict):
        return max((rows(column) for column in data.values()), default=1)
    if isinstance(data, list | tuple) or is_table(data) or is_column(data):
        return len(data)
    return 1


def kind(data: Any) -> Hashable | None:
    """What two requests must have in common to be stacked; None for what is never.

    Examples
    --------
    >>> kind(np.zeros((3, 4))) == kind(np.zeros((1, 4)))
    True
    >>> kind(np.zeros((3, 4))) == kind(np.zeros((3, 5)))
    False
    """
    if isinstance(data, np.ndarray):
        return (data.dtype.str, data.shape[1:]) if data.ndim else None
    if is_table(data):
        return ("table", tuple(data.columns), tuple(map(str, data.dtypes)))
    if isinstance(data, dict) and data:
        parts = [(name, kind(column)) for name, column in data.items()]
        whole = all(isinstance(column, np.ndarray) for column in data.values())
        even = len({rows(column) for column in data.values()}) == 1
        return tuple(parts) if whole and even and all(part for _, part in parts) else None
    return None


def stack(parts: Sequence[Any]) -> Any:
    """Data of one kind, one below the other."""
    first = parts[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)
    if isinstance(first, dict):
        return {name: np.concatenate([part[name] for part in parts]) for name in first}
    import pandas as pd

    return pd.concat(parts, ignore_index=True)


def split(result: Any, sizes: Sequence[int]) -> list[Any]:
    """The result of each request.

    Parameters
    ----------
    result
        Of all rows.
    sizes
        The rows of each request.

    Raises
    ------
    NotStackableError
        Where the result is not one for each row.

    Examples
    --------
    >>> split(["a", "b", "c"], [1, 2])
    [['a'], ['b', 'c']]
    """
    ends = list(itertools.accumulate(sizes))
    if isinstance(result, dict):
        columns = {name: split(column, sizes) for name, column in result.items()}
        return [{name: columns[name][n] for name in columns} for n in range(len(sizes))]
    plain = isinstance(result, list | tuple) or (isinstance(result, np.ndarray) and result.ndim)
    if not (plain or is_table(result) or is_column(result)) or len(result) != ends[-1]:
        raise NotStackableError(
            f"{ends[-1]} rows gave a {type(result).__name__} that is not one result for each"
        )
    at = result if plain else result.iloc
    return [at[end - size : end] for end, size in zip(ends, sizes, strict=True)]
