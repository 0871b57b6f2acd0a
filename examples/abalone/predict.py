"""What the abalone pipeline has to answer: its models, called directly, without a container.

python -m examples.abalone.predict build/abalone/models F,0.515,0.425,0.14,0.766,0.304,0.1725,0.255
"""

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import mlflow.sklearn
import pandas as pd
import xgboost

from examples.abalone.make_data import SIZES
from examples.abalone.train import COLUMNS


def regress(models: Path, lines: Sequence[str]) -> list[float]:
    """The rings of each line of CSV: the first two models of the pipeline.

    Parameters
    ----------
    models
        The folder that `train` wrote.
    lines
        The sex and the sizes, in order.
    """
    table = pd.DataFrame(list(csv.reader(lines)), columns=COLUMNS)
    transformer = mlflow.sklearn.load_model(str(models / "features"))
    vectors = transformer.transform(table.astype(dict.fromkeys(SIZES, float)))
    booster = xgboost.Booster(model_file=str(models / "regressor" / "xgboost-model"))
    rings: list[float] = booster.predict(xgboost.DMatrix(vectors)).tolist()
    return rings


def predict(models: Path, lines: Sequence[str]) -> list[dict[str, Any]]:
    """The answer for each line of CSV: all three models.

    Parameters
    ----------
    models
        The folder that `train` wrote.
    lines
        The sex and the sizes, in order.
    """
    output = mlflow.pyfunc.load_model(str(models / "output"))
    answers: list[dict[str, Any]] = output.predict(
        pd.DataFrame({"rings": regress(models, lines)})
    ).to_dict("records")
    return answers


if __name__ == "__main__":
    folder, given = Path(sys.argv[1]), sys.argv[2:]
    for rings, answer in zip(regress(folder, given), predict(folder, given), strict=True):
        print(json.dumps({"regressor": rings, "output": answer}))
