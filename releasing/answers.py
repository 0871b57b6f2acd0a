"""Whether an answer is of the form that a model's signature says."""

import json
from collections.abc import Mapping
from typing import Any

NUMBERS = ("float", "double", "float16", "float32", "float64")
WHOLE = ("integer", "long")
OTHER_NUMBERS = ("int", "uint")
"""What types of tensors that are whole numbers start with."""


def faults_of(question: str, answer: str, signature: Mapping[str, Any] | None) -> list[str]:
    """What is wrong with an answer.

    Parameters
    ----------
    question
        What was asked, as JSON.
    answer
        What was answered.
    signature
        The signature of the model that answers; nothing where it has none.

    Examples
    --------
    >>> outputs = [{"name": "rings", "type": "double"}]
    >>> faults_of('{"inputs": [[1]]}', '{"predictions": ["a"]}', {"outputs": outputs})
    ["row 1: rings is 'a', which is no double"]
    """
    try:
        said = json.loads(answer)
    except ValueError:
        return [f"the answer is no JSON: {answer[:100]!r}"]
    rows = said.get("predictions") if isinstance(said, dict) else said
    if not isinstance(rows, list):
        return [] if rows else [f"the answer has no predictions: {answer[:100]!r}"]
    asked = _count(json.loads(question))
    if asked is not None and asked != len(rows):
        return [f"{len(rows)} answers to {asked} questions"]
    outputs = (signature or {}).get("outputs") or []
    return [
        f"row {number}: {fault}"
        for number, row in enumerate(rows, 1)
        for fault in _row_faults(row, outputs)
    ]


def _count(question: Any) -> int | None:
    """How many rows a question has; unknown where it is of another form."""
    if not isinstance(question, dict):
        return None
    match question:
        case {"dataframe_split": {"data": [*rows]}}:
            return len(rows)
        case {"dataframe_records": [*rows]} | {"instances": [*rows]} | {"inputs": [*rows]}:
            return len(rows)
        case {"inputs": {**columns}} if columns:
            first = next(iter(columns.values()))
            return len(first) if isinstance(first, list) else None
    return None


def _row_faults(row: Any, outputs: list[dict[str, Any]]) -> list[str]:
    if any(output.get("type") == "tensor" for output in outputs):
        (spec,) = (output["tensor-spec"] for output in outputs[:1])
        return _tensor_faults(row, spec["dtype"], spec["shape"][1:])
    if not outputs:
        return []
    if isinstance(row, dict) and not all("name" in output for output in outputs):
        row = list(row.values())  # as MLflow answers for a series without a name
    if isinstance(row, dict):
        missing = [
            f"{output['name']} is missing"
            for output in outputs
            if output.get("name") not in row and output.get("required", True)
        ]
        pairs = [(it["name"], row[it["name"]], it["type"]) for it in outputs if it["name"] in row]
    else:
        values = row if isinstance(row, list) else [row]
        if len(values) != len(outputs):
            return [f"{len(values)} values, and the signature has {len(outputs)}"]
        missing = []
        pairs = [
            (output.get("name", "the value"), value, output["type"])
            for value, output in zip(values, outputs, strict=True)
        ]
    return missing + [
        f"{name} is {value!r}, which is no {kind}"
        for name, value, kind in pairs
        if not _is(value, kind)
    ]


def _tensor_faults(value: Any, dtype: str, shape: list[int]) -> list[str]:
    if not shape:
        return [] if _is(value, dtype) else [f"{value!r} is no {dtype}"]
    if not isinstance(value, list) or shape[0] not in (-1, len(value)):
        return [f"{value!r} is not of the shape {shape}"]
    return [fault for each in value for fault in _tensor_faults(each, dtype, shape[1:])]


def _is(value: Any, kind: str) -> bool:
    """Whether a value of JSON is one of a type of MLflow's."""
    if kind in NUMBERS:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind in WHOLE or kind.startswith(OTHER_NUMBERS):
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in ("boolean", "bool"):
        return isinstance(value, bool)
    if kind in ("string", "str", "datetime", "binary"):
        return isinstance(value, str)
    return True
