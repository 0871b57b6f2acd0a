"""What the endpoint `diabetes` has to answer: the registered model, called directly.

`MLFLOW_TRACKING_URI` says where MLflow is.

    python -m examples.diabetes.predict examples/diabetes/request.json
"""

import json
import sys
from pathlib import Path

import mlflow.pyfunc
import pandas as pd

MODEL = "models:/diabetes@champion"


def predict(request: Path) -> list[float]:
    """The prediction for each row of a request.

    Parameters
    ----------
    request
        A file with a table in the form ``dataframe_split``.
    """
    split = json.loads(request.read_text(encoding="utf-8"))["dataframe_split"]
    rows = pd.DataFrame(split["data"], columns=split["columns"])
    predictions: list[float] = mlflow.pyfunc.load_model(MODEL).predict(rows).tolist()
    return predictions


if __name__ == "__main__":
    print(json.dumps(predict(Path(sys.argv[1]))))
