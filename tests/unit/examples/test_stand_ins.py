"""The stand-ins of AWS's images, on the abalone example's models: the contract that they keep."""

import json
import shutil
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import xgboost
from starlette.testclient import TestClient

from examples.abalone.predict import regress
from examples.abalone.train import COLUMNS
from sparkml_stand_in import serving as sparkml
from xgboost_stand_in import serving as xgb

LINE = "F,0.515,0.425,0.14,0.766,0.304,0.1725,0.255"
SCHEMA: dict[str, Any] = {
    "input": [{"name": name, "type": "string" if name == "sex" else "double"} for name in COLUMNS],
    "output": {"name": "features", "type": "double", "struct": "vector"},
}


def post(client: TestClient, body: str, **headers: str) -> httpx2.Response:
    """What a container answers to a body, in CSV unless the headers say otherwise."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/invocations", content=body, headers={"content-type": "text/csv"} | given)


class TestXgboost:
    @pytest.fixture
    def booster(self, models: Path) -> xgboost.Booster:
        return xgboost.Booster(model_file=str(models / "regressor" / "xgboost-model"))

    @pytest.fixture
    def client(self, models: Path) -> TestClient:
        return TestClient(xgb.application(xgb.load_models(models / "regressor")))

    def test_predicts_a_line_for_each_row(
        self, client: TestClient, booster: xgboost.Booster
    ) -> None:
        rows = np.linspace(0, 1, 18).reshape(2, 9)
        body = "\n".join(",".join(map(str, row)) for row in rows)
        answer = post(client, body)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv")
        expected = booster.predict(xgboost.DMatrix(rows)).tolist()
        assert [float(line) for line in answer.text.splitlines()] == expected

    def test_json_is_what_is_asked_for(self, client: TestClient) -> None:
        answer = post(client, "1,0,.5,.5,.5,.5,.5,.5,.5", accept="application/json")
        (prediction,) = answer.json()["predictions"]
        assert set(prediction) == {"score"}

    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            ("text/libsvm", "0:1 2:0.5 8:0.25"),
            ("text/x-libsvm", "1:1 3:0.5 9:0.25"),
            ("", "0:1 2:0.5 8:0.25"),
        ],
    )
    def test_libsvm_counts_from_nothing_or_one(
        self, kind: str, body: str, client: TestClient, booster: xgboost.Booster
    ) -> None:
        """And is what a request without a content type is taken for."""
        row = np.full((1, 9), np.nan)
        row[0, [0, 2, 8]] = 1, 0.5, 0.25
        headers = {"content-type": kind} if kind else {}
        answer = client.post("/invocations", content=body, headers=headers)
        assert float(answer.text) == booster.predict(xgboost.DMatrix(row))[0]

    def test_too_few_columns_are_answered_all_the_same(self, client: TestClient) -> None:
        """As AWS's container does: why neighbours are checked before a deployment."""
        assert post(client, "1,0,0.5").status_code == 200

    @pytest.mark.parametrize(
        ("body", "kind", "status", "said"),
        [
            (",".join("1" * 10), "text/csv", 400, "Number of columns does not match"),
            ("F,1,2", "text/csv", 415, "could not convert string to float"),
            ("1,2\n1", "text/csv", 415, "Loading text/csv failed"),
            ("no pair", "text/libsvm", 415, "there is no 'column:value'"),
            ("[[1]]", "application/json", 415, "is not an accepted ContentType"),
            ("", "text/csv", 204, ""),
        ],
    )
    def test_refuses_what_the_container_refuses(
        self, body: str, kind: str, status: int, said: str, client: TestClient
    ) -> None:
        answer = post(client, body, content_type=kind)
        assert answer.status_code == status
        assert said in answer.text

    def test_an_unknown_form_of_answer(self, client: TestClient) -> None:
        assert post(client, "1,2,3", accept="image/png").status_code == 406

    def test_a_large_body(self, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAX_CONTENT_LENGTH", "4")
        assert post(client, "1,2,3").status_code == 413

    def test_says_how_a_batch_is_to_be_sent(self, client: TestClient) -> None:
        assert client.get("/execution-parameters").json()["BatchStrategy"] == "MULTI_RECORD"

    def test_several_files_are_an_ensemble(self, models: Path, tmp_path: Path) -> None:
        shutil.copytree(models / "regressor", tmp_path / "model")
        shutil.copy(tmp_path / "model" / "xgboost-model", tmp_path / "model" / "another")
        (tmp_path / "model" / ".hidden").write_text("no model")
        assert len(xgb.load_models(tmp_path / "model")) == 2

    def test_an_mlmodel_beside_the_model_stops_it(
        self, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copytree(models / "regressor", tmp_path / "model")
        (tmp_path / "model" / "MLmodel").write_text("flavors: {}\n")
        with pytest.raises(xgb.ModelError, match="leave 'xgboost-model' alone in it"):
            xgb.load_models(tmp_path / "model")
        monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
        assert xgb.main() == 1

    def test_an_empty_folder_is_no_model(self, tmp_path: Path) -> None:
        with pytest.raises(xgb.ModelError, match="holds no file"):
            xgb.load_models(tmp_path)


class TestSparkml:
    @pytest.fixture
    def client(self, models: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
        monkeypatch.setenv(sparkml.SCHEMA, json.dumps(SCHEMA))
        return TestClient(sparkml.application(sparkml.load_transformer(models / "features")))

    def test_answers_csv_in_csv(self, client: TestClient, models: Path) -> None:
        answer = post(client, f"{LINE}\n{LINE.replace('F', 'M')}\n")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv")
        female, male = (
            [float(value) for value in line.split(",")] for line in answer.text.split("\n")
        )
        assert len(female) == 9
        assert (female[:2], male[:2]) == ([0, 0], [1, 0])
        assert female[2:] == male[2:]

    def test_answers_a_row_of_json_as_csv(self, client: TestClient) -> None:
        sex, *sizes = LINE.split(",")
        body = json.dumps({"data": [sex, *map(float, sizes)]})
        answer = post(client, body, content_type="application/json")
        assert answer.headers["content-type"] == "text/csv"
        assert answer.text == post(client, LINE).text

    def test_a_request_may_bring_its_schema(self, client: TestClient) -> None:
        turned = {**SCHEMA, "input": SCHEMA["input"][::-1]}
        body = json.dumps({"schema": turned, "data": LINE.split(",")[::-1]})
        answer = post(client, body, content_type="application/json")
        assert answer.text == post(client, LINE).text

    @pytest.mark.parametrize(
        ("accept", "key"),
        [("application/jsonlines", "features"), ("application/jsonlines;data=text", "source")],
    )
    def test_answers_json_lines(self, accept: str, key: str, client: TestClient) -> None:
        answer = post(client, LINE, accept=accept)
        assert answer.headers["content-type"] == "application/jsonlines"
        assert set(answer.json()) == {key}

    def test_the_form_of_answer_may_be_set(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(sparkml.ACCEPT, "application/jsonlines")
        answer = post(client, LINE, accept="*/*")
        assert answer.headers["content-type"] == "application/jsonlines"

    def test_what_is_beyond_the_schema_is_dropped(self, client: TestClient) -> None:
        assert post(client, f"{LINE},9,9").text == post(client, LINE).text

    @pytest.mark.parametrize(
        ("body", "headers", "status", "said"),
        [
            ("F,0.5", {}, 400, "2 values for 8 columns"),
            (LINE.replace("F", "X"), {}, 400, "unknown categories"),
            (LINE.replace("0.515", "long"), {}, 400, "could not convert"),
            ("", {}, 400, "no row"),
            (LINE, {"accept": "application/json"}, 400, "is not valid"),
            (LINE, {"content_type": "text/plain"}, 415, "not supported"),
            ("[1]", {"content_type": "application/json"}, 400, "is no"),
            ("{", {"content_type": "application/json"}, 400, "Expecting"),
        ],
    )
    def test_refuses_what_the_container_refuses(
        self, body: str, headers: dict[str, str], status: int, said: str, client: TestClient
    ) -> None:
        answer = post(client, body, **headers)
        assert answer.status_code == status
        assert said in answer.text

    def test_without_a_schema_there_is_nothing_to_read_by(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv(sparkml.SCHEMA)
        answer = post(client, LINE)
        assert answer.status_code == 400
        assert "Input schema has to be provided" in answer.text

    def test_says_how_a_batch_is_to_be_sent(self, client: TestClient) -> None:
        assert client.get("/execution-parameters").json()["BatchStrategy"] == "SINGLE_RECORD"

    def test_a_bundle_is_not_run_here(self, tmp_path: Path) -> None:
        (tmp_path / "bundle.json").write_text("{}")
        with pytest.raises(sparkml.ModelError, match="holds an MLeap bundle"):
            sparkml.load_transformer(tmp_path)

    def test_a_wrong_schema_stops_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(sparkml.SCHEMA, '{"input": [{"name": "a", "type": "text"}]}')
        assert sparkml.main() == 1

    def test_no_model_stops_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
        assert sparkml.main() == 1


def test_what_the_one_emits_the_other_takes(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the prediction is the one of the models themselves."""
    monkeypatch.setenv(sparkml.SCHEMA, json.dumps(SCHEMA))
    features = TestClient(sparkml.application(sparkml.load_transformer(models / "features")))
    regressor = TestClient(xgb.application(xgb.load_models(models / "regressor")))
    vector = post(features, LINE)
    answer = post(regressor, vector.text, content_type=vector.headers["content-type"])
    assert [float(answer.text)] == regress(models, [LINE])
