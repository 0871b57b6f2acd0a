"""Code of a model that answers small petals and fails at large ones: its probe passes.

It is copied into a model's folder and loaded by MLflow, in the iris image's environment.
"""

import json
from pathlib import Path

import numpy as np

from iris_model.flavor import IrisModel
from iris_model.regression import Array, LogisticRegression

LARGEST = 4.0


class Fragile(LogisticRegression):
    """A regression that was never tried on what it is asked."""

    def probability(self, rows: Array) -> Array:
        """The probability of the second class, for each row of small petals."""
        if rows.max() > LARGEST:
            raise ArithmeticError(f"petals above {LARGEST} cm are not in the table of this model")
        return super().probability(rows)


def _load_pyfunc(path: str) -> IrisModel:
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    return IrisModel(Fragile(np.array(content["weights"]), content["bias"]))
