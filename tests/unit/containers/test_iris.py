"""The iris container: what it learns, what it writes, what it answers."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_model import paths, training
from iris_model.flavor import CATEGORIES, FEATURES, IrisModel, save
from iris_model.regression import LogisticRegression, fit
from iris_model.serving import Iris
from model_server.serving import ModelError, load
from model_server.settings import Settings
from tests.conftest import ROOT
from tests.unit.containers.asking import ask, call, predictor, said

SAMPLES = ROOT / "examples" / "iris" / "iris.csv"
SETOSA = {"petal_length": 0.4, "petal_width": 1.4}


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """SageMaker's folder, with the samples in the channel ``train``."""
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    paths.training_data().mkdir(parents=True)
    (paths.training_data() / "iris.csv").write_bytes(SAMPLES.read_bytes())
    return tmp_path


@pytest.fixture
def trained(base: Path) -> Path:
    assert training.main() == 0
    return base


class TestRegression:
    def test_separates_what_can_be_separated(self) -> None:
        rows = np.array([[1.0, 0.2], [1.5, 0.3], [4.0, 1.2], [4.8, 1.5]])
        model = fit(rows, np.array([0.0, 0.0, 1.0, 1.0]))
        assert (model.probability(rows) > 0.5).tolist() == [False, False, True, True]

    def test_descends_to_where_the_gradient_is_nothing(self) -> None:
        """At the optimum of overlapping classes, what is predicted balances what is."""
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(200, 2))
        classes = (rows[:, 0] + rng.normal(size=200) > 0).astype(float)
        model = fit(rows, classes, iterations=5000)
        error = model.probability(rows) - classes
        assert np.abs(rows.T @ error / len(rows)).max() < 1e-6
        assert abs(error.mean()) < 1e-6

    def test_is_the_same_in_any_unit(self) -> None:
        rows = np.array([[1.0], [2.0], [3.0], [4.0]])
        classes = np.array([0.0, 1.0, 0.0, 1.0])
        centimetres, millimetres = fit(rows, classes), fit(rows * 10, classes)
        np.testing.assert_allclose(
            centimetres.probability(rows), millimetres.probability(rows * 10)
        )

    @given(st.floats(allow_nan=False, allow_infinity=False, width=32))
    def test_probability_never_overflows(self, value: float) -> None:
        model = LogisticRegression(np.array([1000.0]), 0.0)
        assert 0.0 <= model.probability(np.array([[value]]))[0] <= 1.0

    @pytest.mark.parametrize(
        ("rows", "classes", "said"),
        [
            ([[1.0], [2.0]], [0.0, 0.0], "both classes"),
            ([[1.0], [1.0]], [0.0, 1.0], "more than one value"),
        ],
    )
    def test_nothing_to_learn_is_said(
        self, rows: list[list[float]], classes: list[float], said: str
    ) -> None:
        with pytest.raises(ValueError, match=said):
            fit(np.array(rows), np.array(classes))


class TestTraining:
    def test_writes_a_model_and_what_it_measured(
        self, trained: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert (trained / "model" / "MLmodel").is_file()
        assert json.loads(paths.metrics().read_text()) == {
            "train_accuracy": 1.0,
            "test_accuracy": 1.0,
        }
        assert not paths.failure().exists()

    def test_measures_on_rows_it_did_not_learn_from(self, base: Path) -> None:
        rows = training.read_rows()
        test = training._every_nth(len(rows), 0.3)
        assert test.sum() == 30
        assert set(rows[test]["species"]) == set(CATEGORIES)

    def test_reads_hyperparameters_as_sagemaker_writes_them(self, base: Path) -> None:
        paths.hyperparameters().parent.mkdir(parents=True)
        paths.hyperparameters().write_text('{"iterations": "50", "learning_rate": "0.1"}')
        assert training.Hyperparameters.read() == training.Hyperparameters(0.1, 50, 0.3)

    def fails(self) -> str:
        assert training.main() == 1
        return paths.failure().read_text()

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"depth": "3"}, "'depth' is not known"),
            ({"iterations": "many", "learning_rate": "-1"}, "'many', which is no int"),
            ({"iterations": "0"}, "must be above 0"),
            ({"test_share": "1"}, "less than 1"),
        ],
    )
    def test_wrong_hyperparameters_fail_with_a_reason(
        self, given: dict[str, str], said: str, base: Path
    ) -> None:
        paths.hyperparameters().parent.mkdir(parents=True)
        paths.hyperparameters().write_text(json.dumps(given))
        assert said in self.fails()

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("petal_length,species\n1,Iris-Setosa\n", "lacks the columns petal_width"),
            ("petal_length,petal_width,species\nx,1,Iris-Setosa\n", "'x' in petal_length, row 0"),
            ("petal_length,petal_width,species\n1,1,Rose\n", "Rose"),
            ("petal_length,petal_width,species\n1,1,Iris-Setosa\n", "both classes"),
        ],
    )
    def test_wrong_data_fails_with_a_reason(self, content: str, said: str, base: Path) -> None:
        (paths.training_data() / "iris.csv").write_text(content)
        assert said in self.fails()
        assert not (base / "model" / "MLmodel").exists()

    def test_no_data_fails_with_a_reason(self, base: Path) -> None:
        (paths.training_data() / "iris.csv").unlink()
        assert "No CSV file" in self.fails()

    def test_a_model_is_never_written_over_another(self, trained: Path) -> None:
        assert "holds files already" in self.fails()

    def test_a_mistake_of_ours_leaves_its_trace(
        self, base: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(training, "fit", lambda *_, **__: 1 / 0)
        assert "ZeroDivisionError" in self.fails()


class TestModel:
    def test_mlflow_loads_it_without_any_code_of_its_own(self, trained: Path) -> None:
        import mlflow.pyfunc

        model = mlflow.pyfunc.load_model(str(trained / "model"))
        predicted = model.predict(pd.DataFrame([SETOSA]))
        assert predicted["category"].tolist() == ["Iris-Setosa"]
        files = {path.suffix for path in (trained / "model").rglob("*") if path.is_file()}
        assert files <= {"", ".json", ".yaml", ".txt"}

    def test_probability_is_of_the_category_it_names(self) -> None:
        model = IrisModel(LogisticRegression(np.array([1.0, 0.0]), 0.0))
        table = pd.DataFrame([[-2.0, 0.0], [2.0, 0.0]], columns=list(FEATURES))
        predicted = model.predict(table)
        assert predicted["category"].tolist() == list(CATEGORIES)
        assert predicted["probability"].round(6).nunique() == 1
        assert (predicted["probability"] > 0.5).all()

    def test_a_saved_model_predicts_the_same(self, tmp_path: Path) -> None:
        from iris_model.flavor import _load_pyfunc

        regression = LogisticRegression(np.array([0.1, -0.7]), 0.3)
        save(regression, tmp_path / "model")
        loaded = _load_pyfunc(str(tmp_path / "model" / "data" / "weights.json"))
        assert loaded.regression.bias == regression.bias
        assert loaded.regression.weights.tolist() == regression.weights.tolist()


@pytest.fixture
def model(trained: Path) -> Iris:
    iris = Iris()
    iris.load(paths.model())
    return iris


class TestServing:
    def test_says_that_there_is_no_model(self, base: Path) -> None:
        with pytest.raises(ModelError, match="there is no file MLmodel"):
            load(Iris(), Settings.read())

    def test_says_that_a_model_is_broken(self, trained: Path) -> None:
        (trained / "model" / "data" / "weights.json").write_text("{}")
        with pytest.raises(ModelError, match="cannot be loaded"):
            load(Iris(), Settings.read())

    def test_its_probe_is_a_request_that_it_answers(self, model: Iris) -> None:
        assert predictor(model).try_again()

    def test_one_petal(self, model: Iris) -> None:
        answer = ask(model, json.dumps(SETOSA))
        assert answer.status == 200
        assert said(answer)["category"] == "Iris-Setosa"

    def test_a_list_is_answered_by_a_list(self, model: Iris) -> None:
        answer = ask(model, json.dumps([SETOSA, {"petal_length": 5, "petal_width": 1.5}]))
        assert answer.status == 200
        assert [row["category"] for row in said(answer)] == list(CATEGORIES)

    @pytest.mark.parametrize("head", ["", "petal_length,petal_width\n"])
    def test_csv(self, head: str, model: Iris) -> None:
        answer = ask(model, f"{head}0.4,1.4\n5,1.5\n", "text/csv; charset=utf-8")
        assert (answer.status, answer.kind) == (200, "text/csv")
        lines = answer.body.decode().split()
        assert [line.partition(",")[0] for line in lines] == list(CATEGORIES)

    def test_accept_decides_what_comes_back(self, model: Iris) -> None:
        answer = ask(model, "0.4,1.4", "text/csv", accept="application/json")
        assert said(answer)[0]["category"] == "Iris-Setosa"

    @pytest.mark.parametrize(
        "body",
        [
            {"inputs": [[0.4, 1.4], [5, 1.5]]},
            {"instances": [SETOSA, {"petal_length": 5, "petal_width": 1.5}]},
            {"dataframe_records": [SETOSA, {"petal_length": 5, "petal_width": 1.5}]},
            {"dataframe_split": {"columns": FEATURES[::-1], "data": [[1.4, 0.4], [1.5, 5]]}},
        ],
    )
    def test_the_forms_of_mlflow_mean_the_same(self, body: object, model: Iris) -> None:
        two = [SETOSA, {"petal_length": 5, "petal_width": 1.5}]
        assert said(ask(model, json.dumps(body))) == said(ask(model, json.dumps(two)))

    def test_petals_that_are_predicted_together_are_answered_apart(self, model: Iris) -> None:
        bodies = [json.dumps(SETOSA), json.dumps([SETOSA] * 2), "[]", '{"petal_length": 5}']
        together = predictor(model).run([call(body) for body in bodies])
        alone = [ask(model, body) for body in bodies]
        assert [answer.body for answer in together] == [answer.body for answer in alone]
        assert [answer.status for answer in together] == [200, 200, 400, 400]

    @pytest.mark.parametrize(
        ("body", "kind", "headers", "status", "what"),
        [
            ("{", "application/json", {}, 400, "not JSON"),
            ("[]", "application/json", {}, 400, "empty"),
            ("{}", "application/json", {}, 400, "petal_length: Field required"),
            ('{"petal_length": "1", "petal_width": 1}', "application/json", {}, 400, "number"),
            ('{"petal_length": NaN, "petal_width": 1}', "application/json", {}, 400, "finite"),
            ('[{"petal_length": 1}]', "application/json", {}, 400, "0.petal_width"),
            ('{"petal_length": 1, "petal_width": 1, "x": 1}', "application/json", {}, 400, "x: "),
            ('{"inputs": [[1, 2, 3]]}', "application/json", {}, 400, "two finite numbers"),
            ('{"inputs": {"petal_length": [1]}}', "application/json", {}, 400, "two finite"),
            ("", "text/csv", {}, 400, "no row"),
            ("1", "text/csv", {}, 400, "not 2"),
            ("1,inf", "text/csv", {}, 400, "two finite numbers"),
            ("1,rose", "text/csv", {}, 400, "two finite numbers"),
            (b"\xff\xfe", "text/csv", {}, 400, "not CSV"),
            ("1", "text/plain", {}, 415, "is not served"),
            ("1,1", "text/csv", {"accept": "image/png"}, 406, "is not served"),
        ],
    )
    def test_a_wrong_request_is_told_what_is_right(
        self,
        body: str | bytes,
        kind: str,
        headers: dict[str, str],
        status: int,
        what: str,
        model: Iris,
    ) -> None:
        answer = ask(model, body, kind, **headers)
        assert answer.status == status
        assert what in said(answer)

    @given(st.binary(max_size=200), st.sampled_from(["application/json", "text/csv"]))
    def test_whatever_comes_is_answered(self, body: bytes, kind: str) -> None:
        iris = Iris()
        iris._regression = LogisticRegression(np.array([1.0, 1.0]), 0.0)
        assert ask(iris, body, kind).status in (200, 400)
