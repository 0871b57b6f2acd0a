"""MLflow models are served as MLflow's own server would, without a class of one's own."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pytest
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

from model_server.errors import ModelError
from model_server.pyfunc import MlflowModel
from tests.unit.containers.asking import ask, call, predictor, said

FEATURES, TARGET = load_diabetes(return_X_y=True)
TABLE = load_diabetes(as_frame=True).data
ROW = FEATURES[:1].tolist()
REQUIREMENTS = ["scikit-learn==1.9.1"]


CODE = """
import mlflow

class Python(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        factor = (params or {}).get("factor", 1)
        return [f"{value * factor}" for value in model_input["number"]]

mlflow.models.set_model(Python())
"""


def served(folder: Path) -> MlflowModel:
    model = MlflowModel(folder)
    model.load(folder)
    return model


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> MlflowModel:
    """As the article logs it: numbers, and no signature."""
    folder = tmp_path_factory.mktemp("plain") / "model"
    mlflow.sklearn.save_model(
        Ridge(alpha=0.03).fit(FEATURES, TARGET), folder, pip_requirements=REQUIREMENTS
    )
    return served(folder)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> MlflowModel:
    """With names, a signature and an example."""
    folder = tmp_path_factory.mktemp("named") / "model"
    model = Ridge(alpha=0.03).fit(TABLE, TARGET)
    mlflow.sklearn.save_model(
        model,
        folder,
        signature=infer_signature(TABLE, model.predict(TABLE)),
        input_example=TABLE[:2],
        pip_requirements=REQUIREMENTS,
    )
    return served(folder)


Save = Callable[[ModelSignature | None], MlflowModel]


@pytest.fixture
def python(tmp_path: Path) -> Save:
    def save(signature: ModelSignature | None) -> MlflowModel:
        (tmp_path / "code.py").write_text(CODE)
        mlflow.pyfunc.save_model(
            tmp_path / "model",
            python_model=str(tmp_path / "code.py"),
            signature=signature,
            pip_requirements=["pandas==3.1.1"],
        )
        return served(tmp_path / "model")

    return save


class TestPlain:
    def test_it_predicts_what_its_model_does(self, plain: MlflowModel) -> None:
        answer = ask(plain, json.dumps({"inputs": FEATURES[:3].tolist()}))
        expected = Ridge(alpha=0.03).fit(FEATURES, TARGET).predict(FEATURES[:3])
        np.testing.assert_allclose(said(answer)["predictions"], expected)

    def test_its_rows_may_be_predicted_together(self, plain: MlflowModel) -> None:
        assert plain.batches
        assert plain.shared
        calls = [call(json.dumps({"inputs": [row]})) for row in FEATURES[:5].tolist()]
        together = [said(answer)["predictions"][0] for answer in predictor(plain).run(calls)]
        expected = Ridge(alpha=0.03).fit(FEATURES, TARGET).predict(FEATURES[:5])
        np.testing.assert_allclose(together, expected)

    def test_a_wrong_width_is_the_clients_error(self, plain: MlflowModel) -> None:
        answer = ask(plain, '{"inputs": [[1, 2]]}')
        assert answer.status == 400
        assert said(answer) == "The model takes rows of 10 values, not 1 x 2."

    @pytest.mark.parametrize(("value", "what"), [("null", "contains NaN"), ('"rose"', "numeric")])
    def test_values_that_it_does_not_take_are_the_clients_error(
        self, value: str, what: str, plain: MlflowModel
    ) -> None:
        answer = ask(plain, '{"inputs": [[%s]]}' % ", ".join([value] * 10))  # noqa: UP031
        assert answer.status == 400
        assert what in said(answer)

    def test_json_without_a_form_is_told_the_forms(self, plain: MlflowModel) -> None:
        answer = ask(plain, json.dumps(ROW))
        assert (answer.status, "dataframe_split" in said(answer)) == (400, True)


class TestNamed:
    FORMS = (
        {"inputs": ROW},
        {"instances": ROW},
        {"instances": TABLE[:1].to_dict(orient="records")},
        {"inputs": TABLE[:1].to_dict(orient="list")},
        {"dataframe_split": TABLE[:1].to_dict(orient="split")},
        {"dataframe_records": TABLE[:1].to_dict(orient="records")},
        {"dataframe_records": [dict(reversed(TABLE.iloc[0].to_dict().items()))]},
    )

    def expected(self, named: MlflowModel) -> float:
        return float(Ridge(alpha=0.03).fit(TABLE, TARGET).predict(TABLE[:1])[0])

    @pytest.mark.parametrize("body", FORMS)
    def test_every_form_of_json(self, body: object, named: MlflowModel) -> None:
        (found,) = said(ask(named, json.dumps(body)))["predictions"]
        assert found == pytest.approx(self.expected(named))

    @pytest.mark.parametrize("header", [True, False])
    def test_csv(self, header: bool, named: MlflowModel) -> None:
        body = TABLE[:1].to_csv(index=False, header=header)
        answer = ask(named, body, "text/csv")
        assert float(answer.body) == pytest.approx(self.expected(named))

    def test_parquet_and_npy(self, named: MlflowModel) -> None:
        file = io.BytesIO()
        np.save(file, FEATURES[:1])
        parquet = ask(named, TABLE[:1].to_parquet(), "application/x-parquet", accept="text/csv")
        npy = ask(named, file.getvalue(), "application/x-npy", accept="text/csv")
        assert float(parquet.body) == pytest.approx(self.expected(named))
        assert float(npy.body) == pytest.approx(self.expected(named))

    def test_its_example_is_its_probe(self, named: MlflowModel) -> None:
        assert predictor(named).try_again()

    @pytest.mark.parametrize(
        ("body", "what"),
        [
            ({"inputs": [[1]]}, "not 10: age,sex"),
            ({"dataframe_records": [{"age": 1}]}, "missing inputs"),
            ({"dataframe_records": [{**TABLE.iloc[0].to_dict(), "age": "old"}]}, "age"),
            ({"inputs": {"age": [1, 2], "sex": [1]}}, "no table"),
        ],
    )
    def test_what_the_signature_refuses_is_the_clients_error(
        self, body: object, what: str, named: MlflowModel
    ) -> None:
        answer = ask(named, json.dumps(body))
        assert answer.status == 400
        assert what in said(answer)
        assert "Traceback" not in said(answer)


@pytest.mark.filterwarnings("ignore:.*(input example was not provided|Add type hints)")
class TestSignatures:
    def test_arrays_become_of_its_type(self, tmp_path: Path) -> None:
        mlflow.sklearn.save_model(
            Ridge().fit(FEATURES, TARGET),
            tmp_path / "model",
            signature=ModelSignature(Schema([TensorSpec(np.dtype(np.float32), (-1, 10))])),
            pip_requirements=REQUIREMENTS,
        )
        model = served(tmp_path / "model")
        assert ask(model, json.dumps({"inputs": ROW})).status == 200
        for wrong in ([["a"] * 10], [[1, 2]]):
            assert ask(model, json.dumps({"inputs": wrong})).status == 400

    def test_columns_become_of_their_types(self, python: Save) -> None:
        schema = Schema([ColSpec(DataType.double, "number")])
        model = python(ModelSignature(schema))
        assert said(ask(model, '{"dataframe_records": [{"number": 1}]}')) == {
            "predictions": ["1.0"]
        }

    def test_parameters_are_those_of_the_signature(self, python: Save) -> None:
        signature = ModelSignature(
            Schema([ColSpec(DataType.double, "number")]),
            params=ParamSchema([ParamSpec("factor", DataType.long, 1)]),
        )
        model = python(signature)
        body = {"dataframe_records": [{"number": 2}], "params": {"factor": 3}}
        assert said(ask(model, json.dumps(body))) == {"predictions": ["6.0"]}
        wrong = {**body, "params": {"factor": "rose"}}
        assert ask(model, json.dumps(wrong)).status == 400

    def test_code_is_not_known_to_predict_by_row_or_to_have_no_threads(self, python: Save) -> None:
        model = python(None)
        assert not model.batches
        assert not model.shared

    def test_a_failure_of_its_code_is_the_models(self, python: Save) -> None:
        answer = ask(python(None), '{"dataframe_records": [{"rose": 1}]}')
        assert answer.status == 500
        assert "rose" not in said(answer)
        assert "KeyError" not in said(answer)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no file MLmodel"):
        served(tmp_path)
    (tmp_path / "MLmodel").write_text("rose")
    with pytest.raises(ModelError, match="cannot be read"):
        served(tmp_path)
