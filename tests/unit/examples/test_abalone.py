"""The abalone example: its data, its three models, and what they say of the article's line."""

import json
import tarfile
from pathlib import Path

import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
import xgboost
from mlflow.models import Model

from examples.abalone.make_data import LABEL, SEXES, SIZES, make_data
from examples.abalone.output_model import AbaloneOutput
from examples.abalone.pack import pack
from examples.abalone.predict import predict
from examples.abalone.publish import FOR_CONTAINER, as_mlflow_model
from examples.abalone.train import COLUMNS, feature_transformer, train

LINE = "F,0.515,0.425,0.14,0.766,0.304,0.1725,0.255"


class TestData:
    def test_is_the_same_each_time(self, table: pd.DataFrame) -> None:
        pd.testing.assert_frame_equal(make_data(), table)
        assert not make_data(seed=1).equals(table)

    def test_has_the_columns_of_the_real_one(self, table: pd.DataFrame) -> None:
        assert list(table.columns) == [*COLUMNS, LABEL]
        assert set(table["sex"]) == set(SEXES)
        assert table[LABEL].between(1, 29).all()
        assert (table[SIZES] > 0).all(axis=None)

    def test_holds_the_articles_line_well_within(self, table: pd.DataFrame) -> None:
        values = dict(zip(SIZES, map(float, LINE.split(",")[1:]), strict=True))
        for size, value in values.items():
            assert table[size].quantile(0.05) < value < table[size].quantile(0.95), size


class TestFeatures:
    def test_are_what_spark_assembles(self) -> None:
        """Two columns for three sexes, the last without one; each size from 0 to 1."""
        rows = pd.DataFrame(
            [["M", *[1.0] * 7], ["I", *[2.0] * 7], ["F", *[3.0] * 7]], columns=COLUMNS
        )
        vectors = feature_transformer().fit_transform(rows)
        assert vectors.tolist() == [[1, 0, *[0] * 7], [0, 1, *[0.5] * 7], [0, 0, *[1] * 7]]

    def test_an_unknown_sex_is_an_error(self, models: Path) -> None:
        transformer = mlflow.sklearn.load_model(str(models / "features"))
        with pytest.raises(ValueError, match="unknown categories"):
            transformer.transform(pd.DataFrame([["X", *[0.5] * 7]], columns=COLUMNS))


class TestModels:
    def test_learn_more_than_the_mean(self, models: Path) -> None:
        metrics = json.loads((models / "metrics.json").read_text())
        assert metrics["test_rmse"] < 0.6 * metrics["mean_rmse"]

    def test_are_the_same_each_time(
        self, table: pd.DataFrame, models: Path, tmp_path: Path
    ) -> None:
        train(table, tmp_path / "again")
        file = Path("regressor") / "xgboost-model"
        assert (tmp_path / "again" / file).read_bytes() == (models / file).read_bytes()

    def test_the_regressor_is_one_file(self, models: Path) -> None:
        """AWS's container takes every other one for a second model."""
        assert [path.name for path in (models / "regressor").iterdir()] == ["xgboost-model"]

    def test_the_regressor_takes_what_the_transformer_makes(self, models: Path) -> None:
        booster = xgboost.Booster(model_file=str(models / "regressor" / "xgboost-model"))
        signature = Model.load(str(models / "features")).signature
        assert signature is not None
        assert signature.outputs.inputs[0].shape == (-1, booster.num_features())

    def test_the_line_is_predicted(self, models: Path) -> None:
        (answer,) = predict(models, [LINE])
        assert answer["age"] == pytest.approx(answer["rings"] + 1.5)
        assert 7 < answer["rings"] < 15

    def test_mlflow_loads_the_regressor_and_the_container_finds_its_file(
        self, models: Path, tmp_path: Path
    ) -> None:
        folder = as_mlflow_model(models / "regressor", tmp_path / "model")
        rows = np.zeros((2, 9))
        own = xgboost.Booster(model_file=str(folder / FOR_CONTAINER / "xgboost-model"))
        loaded = mlflow.pyfunc.load_model(str(folder))
        np.testing.assert_array_equal(loaded.predict(rows), own.predict(xgboost.DMatrix(rows)))


class TestArchives:
    def test_hold_what_the_containers_read(self, models: Path, tmp_path: Path) -> None:
        archives = pack(models, tmp_path / "archives")
        assert [archive.name for archive in archives] == [
            "features.tar.gz",
            "regressor.tar.gz",
            "output.tar.gz",
        ]
        for archive in archives:
            with tarfile.open(archive) as tar:
                tar.extractall(tmp_path / archive.name, filter="data")
            folder = models / archive.name.removesuffix(".tar.gz")
            for file in folder.iterdir():
                assert (tmp_path / archive.name / file.name).read_bytes() == file.read_bytes()

    def test_are_the_same_for_the_same_files(self, models: Path, tmp_path: Path) -> None:
        first, second = (pack(models, tmp_path / name) for name in ("first", "second"))
        assert [it.read_bytes() for it in first] == [it.read_bytes() for it in second]


class TestOutput:
    @pytest.mark.parametrize(
        ("predicted", "rings", "group"),
        [
            (0.2, 1.0, "1-8"),
            (8.49, 8.49, "1-8"),
            (8.51, 8.51, "9-10"),
            (10.4, 10.4, "9-10"),
            (10.51, 10.51, "11-29"),
            (31.0, 29.0, "11-29"),
        ],
    )
    def test_is_bounded_and_grouped(self, predicted: float, rings: float, group: str) -> None:
        answer = AbaloneOutput().predict(None, pd.DataFrame({"rings": [predicted]}))
        assert answer.to_dict("records") == [
            {"rings": rings, "age": pytest.approx(rings + 1.5), "group": group}
        ]

    def test_takes_predictions_in_one_row_too(self) -> None:
        answer = AbaloneOutput().predict(None, pd.DataFrame([[7.0, 9.0, 12.0]]))
        assert list(answer["group"]) == ["1-8", "9-10", "11-29"]

    def test_what_is_no_number_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="not all are numbers"):
            AbaloneOutput().predict(None, pd.DataFrame({"rings": [float("nan")]}))
