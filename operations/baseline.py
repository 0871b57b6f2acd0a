"""What the data of a training was like, and has to be like: the baseline of monitoring.

The files are those that SageMaker's Model Monitor compares captured data with, in its schemas:
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-statistics.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-constraints.html
"""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_constructs.monitoring_job import CONSTRAINTS, METRICS, QUALITY, STATISTICS
from operations.errors import OperationError

BUCKETS = 10
"""Buckets of a distribution."""

SKETCH, SHRINKING = 2048, 0.64
"""How many values a sketch keeps of a level, and how fast higher levels get fewer."""

DOMAIN = 100
"""Values that a text may have to be one of, at most: of more, new ones are expected."""

DRIFT = 0.1
"""The distance between two distributions that is too much."""

_SETS = {
    "Regression": "regression_constraints",
    "BinaryClassification": "binary_classification_constraints",
    "MulticlassClassification": "multiclass_classification_constraints",
}


def statistics(data: pd.DataFrame) -> dict[str, Any]:
    """What the columns of some data are like.

    Parameters
    ----------
    data
        A row for each record. What is captured has the columns of the answer first, and then
        those of the question, and is compared with these by their order.

    Raises
    ------
    OperationError
        Where there is no data, or a number that no file can hold.

    Examples
    --------
    >>> made = statistics(pd.DataFrame({"sex": ["M", "F", "F"], "length": [0.4, 0.5, None]}))
    >>> [(each["name"], each["inferred_type"]) for each in made["features"]]
    [('sex', 'String'), ('length', 'Fractional')]
    """
    if data.empty:
        raise OperationError("There is no data to make a baseline of.", "Give it the training's.")
    features = [_feature(str(name), data[name]) for name in data.columns]
    return {"version": 0, "dataset": {"item_count": len(data)}, "features": features}


def constraints(data: pd.DataFrame) -> dict[str, Any]:
    """What data has to be like to be like this: types, completeness, signs, values.

    Parameters
    ----------
    data
        A row for each record.

    Examples
    --------
    >>> made = constraints(pd.DataFrame({"length": [0.4, 0.5]}))
    >>> made["features"][0]["num_constraints"]
    {'is_non_negative': True}
    """
    features = []
    for name in data.columns:
        column = data[name]
        present = column.dropna()
        kind = _kind(column)
        feature: dict[str, Any] = {
            "name": str(name),
            "inferred_type": kind,
            "completeness": len(present) / len(column) if len(column) else 0.0,
        }
        if kind in ("Integral", "Fractional"):
            feature["num_constraints"] = {"is_non_negative": bool((present >= 0).all())}
        elif kind == "String":
            values = sorted(set(map(_text, present)))
            if len(values) <= DOMAIN:
                feature["string_constraints"] = {"domains": values}
        features.append(feature)
    return {
        "version": 0,
        "features": features,
        "monitoring_config": {
            "evaluate_constraints": "Enabled",
            "emit_metrics": "Enabled",
            "datatype_check_threshold": 1.0,
            "domain_content_threshold": 1.0,
            "distribution_constraints": {
                "perform_comparison": "Enabled",
                "comparison_threshold": DRIFT,
                "comparison_method": "Robust",
            },
        },
    }


def model_quality(problem: str, metrics: Mapping[str, float]) -> dict[str, Any]:
    """What a model has to be like: as good as it was.

    Parameters
    ----------
    problem
        What it solves: ``Regression``, ``BinaryClassification``, ``MulticlassClassification``.
    metrics
        How good it was, by the names that Model Monitor has for it.

    Raises
    ------
    OperationError
        Where a problem or a metric is not known.

    Examples
    --------
    >>> model_quality("Regression", {"rmse": 2.2})["regression_constraints"]["rmse"]
    {'threshold': 2.2, 'comparison_operator': 'GreaterThanThreshold'}
    """
    known = METRICS.get(problem)
    if known is None:
        raise OperationError(f"'{problem}' is no problem.", f"Name one of {', '.join(METRICS)}.")
    unknown = [name for name in metrics if name not in known]
    if unknown or not metrics:
        raise OperationError(
            f"No metric of {problem}: {', '.join(unknown) or 'none is given'}.",
            f"Name some of {', '.join(known)}.",
        )
    return {
        "version": 0,
        _SETS[problem]: {
            name: {
                "threshold": float(value),
                "comparison_operator": (
                    "LessThanThreshold" if known[name] else "GreaterThanThreshold"
                ),
            }
            for name, value in metrics.items()
        },
    }


def write_baseline(
    data: pd.DataFrame,
    folder: Path,
    *,
    problem: str = "",
    metrics: Mapping[str, float] | None = None,
) -> list[Path]:
    """Write the files of a baseline: into the model's folder, before it is logged.

    Parameters
    ----------
    data
        What the model was trained with.
    folder
        Where to: ``baseline`` in the folder of the model.
    problem, metrics
        What the model solves, and how good it is; nothing is written of it if not given.

    Returns
    -------
    list of pathlib.Path
        The files.

    Examples
    --------
    >>> write_baseline(train, Path("model/baseline"))  # doctest: +SKIP
    """
    files = {STATISTICS: statistics(data), CONSTRAINTS: constraints(data)}
    if problem or metrics:
        files[QUALITY] = model_quality(problem, metrics or {})
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        # A number that is none would be written as a word that is no JSON.
        text = json.dumps(content, indent=2, allow_nan=False)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    return [folder / name for name in files]


def read_table(path: Path) -> pd.DataFrame:
    """The rows of a CSV file with a header.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    OperationError
        Where it is none.
    """
    try:
        return pd.read_csv(path)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise OperationError(
            f"{path} cannot be read as CSV: {error}.", "Give a file with a header and a row each."
        ) from error


def read_metrics(given: Iterable[str]) -> dict[str, float]:
    """Metrics from ``NAME=value``.

    Parameters
    ----------
    given
        The texts.

    Raises
    ------
    OperationError
        Where one is no number with a name.

    Examples
    --------
    >>> read_metrics(["rmse=2.2"])
    {'rmse': 2.2}
    """
    metrics = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            metrics[name] = float(value)
        except ValueError:
            raise OperationError(
                f"'{text}' is no metric.", "Write it as NAME=value, such as rmse=2.2."
            ) from None
    return metrics


def _feature(name: str, column: "pd.Series[Any]") -> dict[str, Any]:
    present = column.dropna()
    kind = _kind(column)
    common = {"num_present": len(present), "num_missing": len(column) - len(present)}
    feature: dict[str, Any] = {"name": name, "inferred_type": kind}
    if kind in ("Integral", "Fractional"):
        numbers = sorted(map(float, present))
        if not all(map(math.isfinite, numbers)):
            raise OperationError(
                f"The column '{name}' has a number without end.", "Remove the row, or mend it."
            )
        feature["numerical_statistics"] = {"common": common, **_numbers(numbers)}
    elif kind == "String":
        counts = present.map(_text).value_counts().sort_index()
        feature["string_statistics"] = {
            "common": common,
            "distinct_count": float(len(counts)),
            "distribution": {
                "categorical": {
                    "buckets": [
                        {"value": value, "count": int(count)} for value, count in counts.items()
                    ]
                }
            },
        }
    return feature


def _kind(column: "pd.Series[Any]") -> str:
    """The type of a column, as the values that are there show it."""
    present = column.dropna()
    if present.empty:
        return "Unknown"
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        return "String"
    # A column of whole numbers becomes one of fractions as soon as one is missing.
    return "Integral" if (present % 1 == 0).all() else "Fractional"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _numbers(numbers: list[float]) -> dict[str, Any]:
    """Sums and the distribution of sorted numbers."""
    count, total = len(numbers), math.fsum(numbers)
    mean = total / count
    return {
        "mean": mean,
        "sum": total,
        "std_dev": math.sqrt(math.fsum((each - mean) ** 2 for each in numbers) / count),
        "min": numbers[0],
        "max": numbers[-1],
        "distribution": {
            "kll": {
                "buckets": _buckets(numbers),
                "sketch": {
                    "parameters": {"c": SHRINKING, "k": float(SKETCH)},
                    "data": _sketch(numbers),
                },
            }
        },
    }


def _buckets(numbers: list[float]) -> list[dict[str, float]]:
    """Equal parts of the range, each with how many numbers lie in it; the last has its end."""
    low, high = numbers[0], numbers[-1]
    bounds = [low + (high - low) * part / BUCKETS for part in range(BUCKETS)] + [high]
    counts = [0] * BUCKETS
    for number in numbers:
        part = int((number - low) / (high - low) * BUCKETS) if high > low else 0
        counts[min(part, BUCKETS - 1)] += 1
    return [
        {"lower_bound": bounds[part], "upper_bound": bounds[part + 1], "count": float(count)}
        for part, count in enumerate(counts)
    ]


def _sketch(numbers: list[float]) -> list[list[float]]:
    """Levels of a sketch: a value of the level n stands for 2ⁿ numbers.

    https://datasketches.apache.org/docs/KLL/KLLSketch.html. Up to `SKETCH` numbers are all kept.
    Of more, one level has every so many, and the levels below have the rest, so that the
    levels together stand for each number once. The same data gives the same sketch.
    """
    level = 0
    while len(numbers) >> level > SKETCH:
        level += 1
    step = 1 << level
    whole, rest = divmod(len(numbers), step)
    # The rest is taken out evenly, not from one end.
    taken = {(2 * part + 1) * len(numbers) // (2 * rest) for part in range(rest)} if rest else set()
    kept = [number for place, number in enumerate(numbers) if place not in taken]
    others = [numbers[place] for place in sorted(taken)]
    levels: list[list[float]] = []
    for lower in range(level):
        size = 1 << lower
        chosen = bool(rest & size)
        levels.append([others[size // 2]] if chosen else [])
        others = others[size:] if chosen else others
    levels.append([kept[part * step + step // 2] for part in range(whole)])
    return levels
