"""`serve`: answers ``GET /ping`` and ``POST /invocations``, through the library `model_server`."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from iris_model.flavor import CATEGORIES, FEATURES, IrisModel
from iris_model.regression import Array
from model_server import InputError, Model, current, serve

WANTED = (
    "Send {" + ", ".join(f'"{feature}": <centimetres>' for feature in FEATURES) + "},"
    " or a list of those."
)


class Petal(BaseModel):
    """One row of a request.

    Parameters
    ----------
    petal_length, petal_width
        In centimetres.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    petal_length: FiniteFloat
    petal_width: FiniteFloat


PETALS = TypeAdapter(Annotated[list[Petal], Field(min_length=1)])


class Iris(Model):
    """Names the species of petals: of one, of a list, or of a table of MLflow's forms."""

    batches = True
    key = None
    columns = FEATURES
    probe = json.dumps(dict.fromkeys(FEATURES, 1.0)).encode()

    def load(self, folder: Path) -> None:
        """Load the MLflow model folder that training wrote."""
        if not (folder / "MLmodel").is_file():
            raise FileNotFoundError("there is no file MLmodel")
        import mlflow.pyfunc

        model = mlflow.pyfunc.load_model(str(folder)).get_raw_model()
        if not isinstance(model, IrisModel):
            raise TypeError(f"it is a {type(model).__name__}, and not of this image")
        self._regression = model.regression

    def preprocess(self, data: Any) -> Array:
        """The petals' measures, as rows."""
        if isinstance(data, list):
            return _measures(data)
        if current().form is None:
            current().note = "single"
            return _measures([data])
        return _table(data)

    def predict(self, data: Array) -> dict[str, Any]:
        """The category of each row, and its probability."""
        second = self._regression.probability(data)
        likely = second >= 0.5
        return {
            "category": [CATEGORIES[index] for index in likely.astype(int)],
            "probability": np.where(likely, second, 1.0 - second),
        }

    def postprocess(self, result: dict[str, Any]) -> Any:
        """A record for each petal; one alone where one came alone."""
        records = [
            {"category": category, "probability": probability}
            for category, probability in zip(
                result["category"], result["probability"].tolist(), strict=True
            )
        ]
        return records[0] if current().note == "single" else records


def _measures(given: list[Any]) -> Array:
    try:
        petals = PETALS.validate_python(given)
    except ValidationError as error:
        raise InputError(f"{_faults(error)}. {WANTED}") from error
    return np.array([[petal.petal_length, petal.petal_width] for petal in petals])


def _faults(error: ValidationError) -> str:
    single = current().note == "single"
    found = []
    for detail in error.errors(include_url=False):
        place = ".".join(str(part) for part in detail["loc"][single:])
        what = "The list is empty" if detail["type"] == "too_short" else detail["msg"]
        found.append(f"{place}: {what}" if place else what)
    return "; ".join(found)


def _table(data: Any) -> Array:
    """The measures of a table, an array, or an array for each feature."""
    try:
        if isinstance(data, np.ndarray):
            rows = data.astype(np.float64)
        else:
            columns = [np.asarray(data[name], dtype=np.float64) for name in FEATURES]
            rows = np.stack(columns, axis=1)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"Send two finite numbers a row: {','.join(FEATURES)}.") from error
    if rows.ndim != 2 or rows.shape[1] != len(FEATURES) or not np.isfinite(rows).all():
        raise InputError(f"Send two finite numbers a row: {','.join(FEATURES)}.")
    return rows


def main() -> int:
    """Serve the model until SIGTERM.

    Returns
    -------
    int
        Exit status: 1 where the model cannot be loaded, or is not the one that was released.
    """
    return serve(Iris)


if __name__ == "__main__":
    sys.exit(main())
