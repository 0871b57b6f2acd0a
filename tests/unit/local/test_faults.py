"""The fault that the demo of releases injects is a model's own, and its probe does not find it."""

from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest

from iris_model.flavor import FEATURES, save
from iris_model.regression import LogisticRegression
from local.faults import fragile_copy


def test_a_fragile_model_answers_small_petals_and_fails_at_large_ones(tmp_path: Path) -> None:
    save(LogisticRegression(np.array([1.0, 1.0]), -3.0), tmp_path / "good")
    fragile_copy(tmp_path / "good", tmp_path / "fragile")
    model = mlflow.pyfunc.load_model(str(tmp_path / "fragile"))
    small = pd.DataFrame([[1.0, 1.0]], columns=list(FEATURES))
    assert model.predict(small)["category"].tolist() == ["Iris-Setosa"]
    large = pd.DataFrame([[4.7, 1.4]], columns=list(FEATURES))
    with pytest.raises(ArithmeticError, match="above 4"):
        model.predict(large)
    good = mlflow.pyfunc.load_model(str(tmp_path / "good"))
    assert good.predict(large)["category"].tolist() == ["Iris-Versicolour"]
