"""The article's application: Flask, with what its model needs before and after."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask, request

app = Flask(__name__)
folder = Path(os.environ["MODEL_FOLDER"])


def _diabetes() -> Callable[[Any], Any]:
    import mlflow.sklearn

    model = mlflow.sklearn.load_model(str(folder))
    return lambda inputs: model.predict(np.array(inputs)).tolist()


def _iris() -> Callable[[Any], Any]:
    from iris_model.flavor import CATEGORIES, _load_pyfunc

    regression = _load_pyfunc(str(folder / "data" / "weights.json")).regression

    def predict(inputs: Any) -> Any:
        rows = np.array([inputs["petal_length"], inputs["petal_width"]]).T
        return [CATEGORIES[index] for index in (regression.probability(rows) >= 0.5).astype(int)]

    return predict


predict = {"diabetes": _diabetes, "iris": _iris}[os.environ["MODEL_KIND"]]()


@app.route("/ping", methods=["GET"])  # type: ignore[untyped-decorator]
def ping() -> dict[str, int]:
    """Answer always, as the article's does."""
    return {"status": 200}


@app.route("/invocations", methods=["POST"])  # type: ignore[untyped-decorator]
def invocations() -> dict[str, Any]:
    """Predict."""
    body: Any = request.json
    return {"predictions": predict(body["inputs"])}
