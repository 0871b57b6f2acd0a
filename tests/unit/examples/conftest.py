"""What the abalone example trains, once for every test."""

from pathlib import Path

import pandas as pd
import pytest

from examples.abalone.make_data import make_data
from examples.abalone.train import train


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    return make_data()


@pytest.fixture(scope="session")
def models(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the three models."""
    folder = tmp_path_factory.mktemp("abalone") / "models"
    train(table, folder)
    return folder
