"""The files of a baseline, against the schemas that Model Monitor documents for them."""

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typer.testing import CliRunner

from operations.__main__ import app
from operations.baseline import (
    SKETCH,
    constraints,
    model_quality,
    statistics,
    write_baseline,
)
from operations.errors import OperationError


class Documented(BaseModel):
    """An object of the documentation: with these fields, and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


# https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-statistics.html
Kind = Literal["Integral", "Fractional", "String", "Unknown"]
Number = float | int
Share = Annotated[float, Field(ge=0, le=1)]


class Common(Documented):
    num_present: int
    num_missing: int


class Bucket(Documented):
    lower_bound: Number
    upper_bound: Number
    count: Number


class Parameters(Documented):
    c: Number
    k: Number


class Sketch(Documented):
    parameters: Parameters
    data: list[list[Number]]


class Kll(Documented):
    buckets: list[Bucket]
    sketch: Sketch


class NumberDistribution(Documented):
    kll: Kll


class Numerical(Documented):
    common: Common
    mean: Number
    sum: Number
    std_dev: Number
    min: Number
    max: Number
    distribution: NumberDistribution


class Value(Documented):
    value: str
    count: int


class Categorical(Documented):
    buckets: list[Value]


class TextDistribution(Documented):
    categorical: Categorical


class Texts(Documented):
    common: Common
    distinct_count: Number
    distribution: TextDistribution


class StatisticsFeature(Documented):
    name: str
    inferred_type: Kind
    numerical_statistics: Numerical | None = None
    string_statistics: Texts | None = None


class Items(Documented):
    item_count: int


class Statistics(Documented):
    version: Literal[0]
    dataset: Items
    features: list[StatisticsFeature]


# https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-constraints.html
Switch = Literal["Enabled", "Disabled"]


class NumberConstraints(Documented):
    is_non_negative: bool


class TextConstraints(Documented):
    domains: list[str]


class ConstraintsFeature(Documented):
    name: str
    inferred_type: Kind
    completeness: Share
    num_constraints: NumberConstraints | None = None
    string_constraints: TextConstraints | None = None


class DistributionConstraints(Documented):
    perform_comparison: Switch
    comparison_threshold: Share
    comparison_method: Literal["Simple", "Robust"]


class Config(Documented):
    evaluate_constraints: Switch
    emit_metrics: Switch
    datatype_check_threshold: Share
    domain_content_threshold: Share
    distribution_constraints: DistributionConstraints


class Constraints(Documented):
    version: Literal[0]
    features: list[ConstraintsFeature]
    monitoring_config: Config


DATA = pd.DataFrame(
    {
        "rings": [7, 9, 10, 7],
        "length": [0.5, None, -0.25, 0.75],
        "whole": [1.0, None, 2.0, 3.0],
        "sex": ["M", "F", None, "F"],
        "adult": [True, False, True, True],
        "empty": [None] * 4,
    }
)


def by_name(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {feature["name"]: feature for feature in made["features"]}


def test_both_are_of_the_documented_schemas() -> None:
    Statistics.model_validate(statistics(DATA))
    Constraints.model_validate(constraints(DATA))


def test_the_schemas_refuse_what_is_missing() -> None:
    made = statistics(DATA)
    del made["features"][0]["numerical_statistics"]["mean"]
    with pytest.raises(ValidationError):
        Statistics.model_validate(made)


class TestTypes:
    @pytest.mark.parametrize("make", [statistics, constraints])
    def test_are_what_the_values_are(self, make: Any) -> None:
        kinds = {name: each["inferred_type"] for name, each in by_name(make(DATA)).items()}
        assert kinds == {
            "rings": "Integral",
            "length": "Fractional",
            "whole": "Integral",
            "sex": "String",
            "adult": "String",
            "empty": "Unknown",
        }

    def test_columns_stand_in_their_order(self) -> None:
        assert list(by_name(statistics(DATA))) == list(DATA.columns)


class TestStatistics:
    def test_numbers_are_those_of_pandas(self) -> None:
        made = by_name(statistics(DATA))["length"]["numerical_statistics"]
        column = DATA["length"]
        assert made["common"] == {"num_present": 3, "num_missing": 1}
        for name, value in {
            "mean": column.mean(),
            "sum": column.sum(),
            "std_dev": column.std(ddof=0),
            "min": column.min(),
            "max": column.max(),
        }.items():
            assert made[name] == pytest.approx(value), name

    def test_buckets_are_ten_and_hold_every_number_once(self) -> None:
        kll = by_name(statistics(DATA))["rings"]["numerical_statistics"]["distribution"]["kll"]
        buckets = kll["buckets"]
        assert len(buckets) == 10
        assert [buckets[0]["lower_bound"], buckets[-1]["upper_bound"]] == [7, 10]
        assert [bucket["count"] for bucket in buckets] == [2, 0, 0, 0, 0, 0, 1, 0, 0, 1]

    def test_one_value_alone_is_one_bucket(self) -> None:
        made = by_name(statistics(pd.DataFrame({"x": [3, 3]})))["x"]["numerical_statistics"]
        counts = [bucket["count"] for bucket in made["distribution"]["kll"]["buckets"]]
        assert counts == [2] + [0] * 9

    def test_values_of_texts_are_counted(self) -> None:
        made = by_name(statistics(DATA))
        assert made["sex"]["string_statistics"]["distribution"]["categorical"]["buckets"] == [
            {"value": "F", "count": 2},
            {"value": "M", "count": 1},
        ]
        assert made["adult"]["string_statistics"]["distinct_count"] == 2


class TestSketch:
    def levels(self, numbers: list[float]) -> list[list[float]]:
        made = statistics(pd.DataFrame({"x": numbers}))["features"][0]["numerical_statistics"]
        found: list[list[float]] = made["distribution"]["kll"]["sketch"]["data"]
        return found

    def test_few_numbers_are_all_kept(self) -> None:
        assert self.levels([3.5, 1.5, 2.5]) == [[1.5, 2.5, 3.5]]
        numbers = [float(number) for number in range(SKETCH)]
        assert self.levels(numbers) == [numbers]

    @pytest.mark.parametrize("count", [SKETCH + 1, 5000, 3 * SKETCH + 7, 20011, 65536])
    def test_many_are_stood_for_once_each(self, count: int) -> None:
        levels = self.levels([float(number) for number in range(count)])
        assert sum(len(level) << place for place, level in enumerate(levels)) == count
        assert max(map(len, levels)) <= SKETCH

    def test_ranks_are_nearly_those_of_the_numbers(self) -> None:
        numbers = [math.tan((number * 7919 % 20011 + 1) / 13000) for number in range(20011)]
        weighted = [
            (value, 1 << place)
            for place, level in enumerate(self.levels(numbers))
            for value in level
        ]
        for limit in (0.1, 0.5, 1, 2, 5):
            exact = sum(number <= limit for number in numbers)
            nearly = sum(weight for value, weight in weighted if value <= limit)
            assert math.isclose(exact, nearly, abs_tol=20011 / SKETCH * 2)

    def test_the_same_numbers_give_the_same_sketch(self) -> None:
        numbers = [float(number % 977) for number in range(9000)]
        assert self.levels(numbers) == self.levels(numbers[::-1])


class TestConstraints:
    def test_are_what_was_there(self) -> None:
        made = by_name(constraints(DATA))
        assert made["length"]["completeness"] == 0.75
        assert made["length"]["num_constraints"] == {"is_non_negative": False}
        assert made["rings"]["num_constraints"] == {"is_non_negative": True}
        assert made["sex"]["string_constraints"] == {"domains": ["F", "M"]}
        assert made["adult"]["string_constraints"] == {"domains": ["false", "true"]}
        assert set(made["empty"]) == {"name", "inferred_type", "completeness"}

    def test_of_many_texts_new_ones_are_expected(self) -> None:
        names = pd.DataFrame({"name": [f"n{number}" for number in range(101)]})
        assert "string_constraints" not in constraints(names)["features"][0]

    def test_a_model_has_to_be_as_good_as_it_was(self) -> None:
        made = model_quality("BinaryClassification", {"f1": 0.9, "false_positive_rate": 0.1})
        assert made["binary_classification_constraints"] == {
            "f1": {"threshold": 0.9, "comparison_operator": "LessThanThreshold"},
            "false_positive_rate": {
                "threshold": 0.1,
                "comparison_operator": "GreaterThanThreshold",
            },
        }


class TestBadInput:
    def test_no_data(self) -> None:
        with pytest.raises(OperationError, match="no data"):
            statistics(pd.DataFrame())

    def test_a_number_without_end(self) -> None:
        with pytest.raises(OperationError, match="'x' has a number without end"):
            statistics(pd.DataFrame({"x": [1.0, float("inf")]}))

    def test_a_problem_and_metrics_that_are_none(self) -> None:
        with pytest.raises(OperationError, match="'Ranking' is no problem"):
            model_quality("Ranking", {"ndcg": 1})
        with pytest.raises(OperationError, match="No metric of Regression: accuracy"):
            model_quality("Regression", {"accuracy": 1, "rmse": 2})
        with pytest.raises(OperationError, match="none is given"):
            model_quality("Regression", {})


class TestCommand:
    def run(self, tmp_path: Path, *options: str, text: str = "a,b\n1,x\n2,y\n") -> Any:
        (tmp_path / "train.csv").write_text(text)
        given = ["baseline", "--data", str(tmp_path / "train.csv")]
        return CliRunner().invoke(app, [*given, "--folder", str(tmp_path / "out"), *options])

    def test_writes_the_files(self, tmp_path: Path) -> None:
        ended = self.run(tmp_path, "--problem", "Regression", "--metric", "rmse=2.2")
        assert ended.exit_code == 0, ended.output
        files = {path.name: json.loads(path.read_text()) for path in (tmp_path / "out").iterdir()}
        assert set(files) == {"statistics.json", "constraints.json", "model_quality.json"}
        Statistics.model_validate(files["statistics.json"])

    def test_writes_nothing_of_a_model_that_it_is_not_told_of(self, tmp_path: Path) -> None:
        write_baseline(DATA, tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {
            "statistics.json",
            "constraints.json",
        }

    @pytest.mark.parametrize(
        ("options", "text", "says"),
        [
            (("--problem", "Regression", "--metric", "rmse"), "a\n1\n", "'rmse' is no metric"),
            ((), "", "cannot be read as CSV"),
            ((), "a,b\n", "There is no data"),
        ],
    )
    def test_says_what_is_wrong(
        self, tmp_path: Path, options: tuple[str, ...], text: str, says: str
    ) -> None:
        ended = self.run(tmp_path, *options, text=text)
        assert ended.exit_code == 1
        assert says in ended.output
