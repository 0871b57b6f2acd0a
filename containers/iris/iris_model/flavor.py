"""The model as MLflow keeps it: a folder with weights as JSON, and no code to be executed.

MLflow loads the folder through `_load_pyfunc`, which it finds by this module's name.
"""

import json
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from iris_model.regression import LogisticRegression

FEATURES = ("petal_length", "petal_width")
"""The features, in centimetres, in the order of the weights."""

CATEGORIES = ("Iris-Setosa", "Iris-Versicolour")
"""The names of the two classes."""

SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.double, feature) for feature in FEATURES]),
    outputs=Schema([ColSpec(DataType.string, "category"), ColSpec(DataType.double, "probability")]),
)


class IrisModel:
    """Names the species of each row.

    Parameters
    ----------
    regression
        Gives the probability of the second category.
    """

    def __init__(self, regression: LogisticRegression) -> None:
        self.regression = regression

    def get_raw_model(self) -> "IrisModel":
        """What MLflow gives to those who ask for the model behind its interface."""
        return self

    def predict(self, rows: pd.DataFrame, params: object = None) -> pd.DataFrame:
        """The category of each row, and its probability.

        Parameters
        ----------
        rows
            One column for each feature, in centimetres.
        params
            Ignored: part of MLflow's interface.
        """
        second = self.regression.probability(rows[list(FEATURES)].to_numpy(dtype=np.float64))
        likely = (second >= 0.5).astype(int)
        return pd.DataFrame(
            {
                "category": [CATEGORIES[index] for index in likely],
                "probability": np.where(likely == 1, second, 1.0 - second),
            },
            index=rows.index,
        )


def save(regression: LogisticRegression, folder: Path) -> None:
    """Write a model as an MLflow model folder.

    Parameters
    ----------
    regression
        What was fitted.
    folder
        The folder; it is created, or must be empty.
    """
    weights = folder.parent / "weights.json"
    content = {"weights": list(regression.weights), "bias": regression.bias}
    weights.write_text(json.dumps(content), encoding="utf-8")
    try:
        mlflow.pyfunc.save_model(
            folder,
            loader_module="iris_model.flavor",
            data_path=str(weights),
            signature=SIGNATURE,
            input_example=pd.DataFrame([[1.4, 0.2], [4.7, 1.4]], columns=list(FEATURES)),
            # The image holds the environment: nothing is inferred, and nothing installed later.
            pip_requirements=["iris-model==0.1.0"],
        )
    finally:
        weights.unlink()


def _load_pyfunc(path: str) -> IrisModel:
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    return IrisModel(LogisticRegression(np.array(content["weights"]), content["bias"]))
