"""Train the three parts of the abalone pipeline, each as the files that its container reads.

    python -m examples.abalone.train build/abalone/abalone.csv build/abalone/models

- `features` is an MLflow model: one-hot of the sex, the sizes scaled to 0..1. On this machine the
  stand-in of SparkML Serving runs it; an account's container runs what `features_spark.py` makes.
- `regressor` holds `xgboost-model`, and nothing else: AWS's XGBoost takes every file for a model.
- `output` is an MLflow model of code alone, for the image `model-server`.

What `features` learned, the bounds of each size, is in its files: no application has to know it.
"""

import json
import sys
from pathlib import Path

import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pandas as pd
import sklearn
import xgboost
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder

from examples.abalone.make_data import LABEL, SEXES, SIZES

COLUMNS = ["sex", *SIZES]
TEST_SHARE = 0.2
PARAMETERS = {
    "objective": "reg:squarederror",
    "max_depth": 4,
    "eta": 0.1,
    "subsample": 0.8,
    "seed": 0,
    "nthread": 1,
}
ROUNDS = 80

Array = NDArray[np.float64]


def feature_transformer() -> ColumnTransformer:
    """Spark's indexer, one-hot encoder, scaler and assembler, in scikit-learn.

    The vector is the one that `features_spark.py` makes: the last category has no column of its
    own, and an unknown one is an error.
    """
    sex = OneHotEncoder(categories=[SEXES], drop=[SEXES[-1]], sparse_output=False)
    return ColumnTransformer([("sex", sex, ["sex"]), ("sizes", MinMaxScaler(), SIZES)])


def train(table: pd.DataFrame, target: Path) -> dict[str, float]:
    """Fit the transformer and the regressor, and write all three models, and what was measured.

    The rows that they learned from are written too, for `features_spark.py` to learn from.

    Parameters
    ----------
    table
        The data, as `make_data` makes it.
    target
        A folder that is new.

    Returns
    -------
    dict of str to float
        The root of the mean squared error in rings, of the test rows and of a guess at the mean.
    """
    target.mkdir(parents=True)
    test = np.random.default_rng(0).random(len(table)) < TEST_SHARE
    learned, measured = table[~test], table[test]
    transformer = feature_transformer().fit(learned[COLUMNS])
    vectors = np.asarray(transformer.transform(learned[COLUMNS]))
    matrix = xgboost.DMatrix(vectors, learned[LABEL])
    booster = xgboost.train(PARAMETERS, matrix, ROUNDS)
    learned.to_csv(target / "learned.csv", index=False)
    save_features(transformer, learned[COLUMNS].head(1), target / "features")
    save_regressor(booster, target / "regressor")
    save_output(target / "output")
    predicted = booster.predict(xgboost.DMatrix(transformer.transform(measured[COLUMNS])))
    rings = measured[LABEL].to_numpy(dtype=np.float64)
    metrics = {
        "test_rmse": _rmse(predicted - rings),
        "mean_rmse": _rmse(rings - learned[LABEL].mean()),
    }
    (target / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    return metrics


def save_features(transformer: ColumnTransformer, example: pd.DataFrame, target: Path) -> None:
    """Write the transformer as an MLflow model of scikit-learn.

    Parameters
    ----------
    transformer
        The fitted transformer.
    example
        A row of what it takes.
    target
        Where to.
    """
    width = np.shape(transformer.transform(example))[1]
    mlflow.sklearn.save_model(
        transformer,
        str(target),
        signature=ModelSignature(
            inputs=Schema(
                [
                    ColSpec(DataType.string, "sex"),
                    *(ColSpec(DataType.double, size) for size in SIZES),
                ]
            ),
            outputs=Schema([TensorSpec(np.dtype(np.float64), (-1, width))]),
        ),
        input_example=example,
        pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
    )


def save_regressor(booster: xgboost.Booster, target: Path) -> None:
    """Write the booster as AWS's container reads it.

    Its loader tells the format by the content, as the file has no ending. JSON is what says to
    anybody how many columns the model was trained on.

    Parameters
    ----------
    booster
        The trained booster.
    target
        Where to.
    """
    target.mkdir()
    (target / "xgboost-model").write_bytes(booster.save_raw("json"))


def save_output(target: Path) -> None:
    """Write the model of code as an MLflow model.

    Parameters
    ----------
    target
        Where to.
    """
    mlflow.pyfunc.save_model(
        str(target),
        python_model=str(Path(__file__).with_name("output_model.py")),
        signature=ModelSignature(
            inputs=Schema([ColSpec(DataType.double, "rings")]),
            outputs=Schema(
                [
                    ColSpec(DataType.double, "rings"),
                    ColSpec(DataType.double, "age"),
                    ColSpec(DataType.string, "group"),
                ]
            ),
        ),
        input_example=pd.DataFrame({"rings": [9.46]}),
        pip_requirements=["pandas"],
    )


def _rmse(errors: Array) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


def main() -> None:
    """Train on the file that the command line names, and write the models."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    metrics = train(pd.read_csv(source), target)
    print(" ".join(f"{name}={value:.3f}" for name, value in metrics.items()))


if __name__ == "__main__":
    main()
