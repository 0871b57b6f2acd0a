"""`train`: reads the channel ``train``, fits, measures, and writes an MLflow model folder."""

import json
import sys
import traceback
from dataclasses import dataclass

import numpy as np
import pandas as pd

from iris_model import paths
from iris_model.flavor import CATEGORIES, FEATURES, IrisModel, save
from iris_model.regression import fit

LABEL = "species"


class TrainingError(Exception):
    """What is wrong with the job's input, and what to do about it."""


@dataclass(frozen=True)
class Hyperparameters:
    """How to fit; SageMaker passes each as text.

    Parameters
    ----------
    learning_rate
        Length of a step of the descent, above 0.
    iterations
        Number of steps, at least 1.
    test_share
        Share of the rows, from 0 to less than 1, that is kept apart to measure on.
    """

    learning_rate: float = 0.5
    iterations: int = 2000
    test_share: float = 0.3

    @classmethod
    def read(cls) -> "Hyperparameters":
        """Read the job's hyperparameters, or the defaults where there are none.

        Raises
        ------
        TrainingError
            With every fault of them.
        """
        path = paths.hyperparameters()
        given = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        faults = [f"'{name}' is not known" for name in given if name not in cls.__annotations__]
        values: dict[str, float] = {}
        for name, kind in cls.__annotations__.items():
            try:
                values[name] = kind(given[name]) if name in given else getattr(cls, name)
            except (TypeError, ValueError):
                faults.append(f"'{name}' is '{given[name]}', which is no {kind.__name__}")
        if values.get("learning_rate", 1) <= 0 or values.get("iterations", 1) < 1:
            faults.append("'learning_rate' and 'iterations' must be above 0")
        if not 0 <= values.get("test_share", 0) < 1:
            faults.append("'test_share' must be from 0 to less than 1")
        if faults:
            known = ", ".join(cls.__annotations__)
            raise TrainingError(f"Hyperparameters: {'; '.join(faults)}. Known are: {known}.")
        return cls(values["learning_rate"], int(values["iterations"]), values["test_share"])


def main() -> int:
    """Run the training job.

    Returns
    -------
    int
        Exit status: 0, or 1 with the reason in ``/opt/ml/output/failure``.
    """
    try:
        measured = train(Hyperparameters.read(), read_rows())
    except Exception as error:
        reason = str(error) if isinstance(error, TrainingError) else traceback.format_exc()
        paths.failure().parent.mkdir(parents=True, exist_ok=True)
        paths.failure().write_text(reason, encoding="utf-8")
        print(reason, file=sys.stderr)
        return 1
    # SageMaker finds metrics in the log by a pattern.
    print(" ".join(f"{name}={value};" for name, value in measured.items()))
    return 0


def read_rows() -> pd.DataFrame:
    """The rows of every CSV file of the channel ``train``.

    Raises
    ------
    TrainingError
        Where there is no file, a column is missing, or a value is no number or no category.
    """
    folder = paths.training_data()
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise TrainingError(f"No CSV file in {folder}: give the channel 'train' one.")
    columns = [*FEATURES, LABEL]
    tables = []
    for file in files:
        table = pd.read_csv(file)
        missing = [column for column in columns if column not in table.columns]
        if missing:
            raise TrainingError(f"{file.name} lacks the columns {', '.join(missing)}.")
        tables.append(table[columns])
    rows = pd.concat(tables, ignore_index=True)
    for feature in FEATURES:
        numbers = pd.to_numeric(rows[feature], errors="coerce")
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers))[0])
            raise TrainingError(f"'{rows[feature][row]}' in {feature}, row {row}, is no number.")
        rows[feature] = numbers
    unknown = sorted(set(rows[LABEL]) - set(CATEGORIES), key=str)
    if unknown:
        raise TrainingError(f"Species {unknown} are not among {', '.join(CATEGORIES)}.")
    return rows


def train(hyperparameters: Hyperparameters, rows: pd.DataFrame) -> dict[str, float]:
    """Fit on most of the rows, measure on the rest, and write model and metrics.

    Parameters
    ----------
    hyperparameters
        How to fit.
    rows
        The features and the species.

    Returns
    -------
    dict of str to float
        ``train_accuracy`` and ``test_accuracy``, from 0 to 1.

    Raises
    ------
    TrainingError
        Where the rows hold one species alone, or the model folder is not empty.
    """
    test = _every_nth(len(rows), hyperparameters.test_share)
    train_rows, test_rows = rows[~test], rows[test] if test.any() else rows
    classes = train_rows[LABEL].map(CATEGORIES.index).to_numpy(dtype=np.float64)
    try:
        regression = fit(
            train_rows[list(FEATURES)].to_numpy(dtype=np.float64),
            classes,
            learning_rate=hyperparameters.learning_rate,
            iterations=hyperparameters.iterations,
        )
    except ValueError as error:
        raise TrainingError(f"Cannot learn from {len(train_rows)} rows: {error}.") from error
    model = IrisModel(regression)
    measured = {
        "train_accuracy": _accuracy(model, train_rows),
        "test_accuracy": _accuracy(model, test_rows),
    }
    paths.model().mkdir(parents=True, exist_ok=True)
    if any(paths.model().iterdir()):
        raise TrainingError(f"{paths.model()} holds files already: start with an empty folder.")
    save(regression, paths.model())
    paths.metrics().parent.mkdir(parents=True, exist_ok=True)
    paths.metrics().write_text(json.dumps(measured), encoding="utf-8")
    return measured


def _every_nth(count: int, share: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """A mask that spreads `share` of `count` rows evenly: the same rows each time."""
    steps = np.floor(np.arange(count + 1) * share)
    return np.asarray(np.diff(steps) > 0)


def _accuracy(model: IrisModel, rows: pd.DataFrame) -> float:
    return float((model.predict(rows)["category"] == rows[LABEL]).mean())
