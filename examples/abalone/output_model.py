"""The last container's model: what the regressor says, as an answer that an application can use.

A model of code alone, which MLflow logs as this file: nothing is pickled. It gets the predictions
of the container before it, and answers with the rings, bounded by what was ever counted, the age
in years, and the group of ages that the data set's own description sorts them into.
"""

from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

FEWEST, MOST = 1.0, 29.0
GROUPS = {8: "1-8", 10: "9-10", 29: "11-29"}
"""The group of an abalone, by the most rings that it has."""


class AbaloneOutput(PythonModel):
    """Rings, age and group of each prediction.

    Examples
    --------
    >>> AbaloneOutput().predict(None, pd.DataFrame({"rings": [9.46]})).iloc[0].to_dict()
    {'rings': 9.46, 'age': 10.96, 'group': '9-10'}
    """

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Answer for each number that comes in, whether in rows or in one row.

        Parameters
        ----------
        context
            MLflow's own; there is nothing in it.
        model_input
            The predictions of the container before.
        params
            None are taken.

        Raises
        ------
        ValueError
            Where something is no finite number.
        """
        predicted = np.asarray(model_input, dtype=np.float64).ravel()
        if not np.isfinite(predicted).all():
            raise ValueError(f"The regressor said {predicted.tolist()}: not all are numbers.")
        rings = np.clip(predicted, FEWEST, MOST).round(2)
        edges = list(GROUPS)
        groups = list(GROUPS.values())
        return pd.DataFrame(
            {
                "rings": rings,
                "age": (rings + 1.5).round(2),
                "group": [groups[place] for place in np.searchsorted(edges, rings.round())],
            }
        )


set_model(AbaloneOutput())
