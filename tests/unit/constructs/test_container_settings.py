import json

import pytest
from botocore.loaders import Loader
from hypothesis import given
from hypothesis import strategies as st

from mlops_constructs.container_settings import (
    LONGEST_ENVIRONMENT,
    LONGEST_NAME,
    LONGEST_VALUE,
    MOST_CONTAINERS,
    MOST_VARIABLES,
    Column,
    ContainerSettings,
    SparkSchema,
    container_faults,
)

API = Loader().load_service_model("sagemaker", "service-2")["shapes"]

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in ("MODEL_DIGEST", "SAGEMAKER_SPARKML_SCHEMA")
)


def paths(*containers: ContainerSettings, invocation: str = "serial") -> list[str]:
    named = {f"containers.{number}": it for number, it in enumerate(containers)}
    return [fault.path for fault in container_faults("containers", named, invocation)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limit", "shape"),
    [
        (MOST_CONTAINERS, "ContainerDefinitionList"),
        (MOST_VARIABLES, "EnvironmentMap"),
        (LONGEST_VALUE, "EnvironmentKey"),
        (LONGEST_VALUE, "EnvironmentValue"),
        (LONGEST_NAME, "ContainerHostname"),
    ],
)
def test_a_limit_is_that_of_the_api(limit: int, shape: str) -> None:
    assert API[shape]["max"] == limit


class TestEnvironment:
    def test_a_schema_is_what_the_container_of_spark_reads(self) -> None:
        columns = [Column("sex", "string"), Column("sizes", "double", "array")]
        schema = SparkSchema(columns, Column("features", "double", "vector"))
        made = ContainerSettings(environment={"A": "1"}, spark_schema=schema).variables
        assert made["A"] == "1"
        assert json.loads(made["SAGEMAKER_SPARKML_SCHEMA"]) == {
            "input": [
                {"name": "sex", "type": "string"},
                {"name": "sizes", "type": "double", "struct": "array"},
            ],
            "output": {"name": "features", "type": "double", "struct": "vector"},
        }

    @given(st.dictionaries(NAMES, st.text(max_size=200), max_size=20))
    def test_whatever_fits_is_passed_on(self, environment: dict[str, str]) -> None:
        settings = ContainerSettings(environment=environment)
        assert settings.variables == environment
        assert paths(settings) == []

    @given(st.text(min_size=LONGEST_VALUE + 1, max_size=2 * LONGEST_VALUE))
    def test_nothing_longer_than_sagemaker_takes(self, value: str) -> None:
        assert paths(ContainerSettings(environment={"A": value})) == ["containers.0.environment.A"]

    def test_bytes_count_and_not_characters(self) -> None:
        settings = ContainerSettings(environment={"A": LONGEST_VALUE // 2 * "é"})
        assert paths(settings) == []
        assert paths(ContainerSettings(environment={"A": LONGEST_VALUE * "é"})) != []

    def test_all_containers_together_have_a_limit(self) -> None:
        each = {f"A{number}": LONGEST_VALUE * "a" for number in range(20)}
        assert 2 * 20 * LONGEST_VALUE > LONGEST_ENVIRONMENT > 20 * LONGEST_VALUE
        one, two = (ContainerSettings(name=name, environment=each) for name in "ab")
        assert paths(one) == []
        assert paths(one, two) == ["containers"]

    def test_a_hundred_variables_with_those_that_are_made(self) -> None:
        many = {f"A{number}": "" for number in range(99)}
        assert paths(ContainerSettings(environment=many)) == ["containers.0.environment"]
        del many["A0"]
        assert paths(ContainerSettings(environment=many)) == []

    @pytest.mark.parametrize("name", ["MODEL_DIGEST", "SAGEMAKER_SPARKML_SCHEMA", "1A", "A-B", ""])
    def test_names_that_are_none_or_are_taken(self, name: str) -> None:
        assert paths(ContainerSettings(environment={name: "x"})) == [
            f"containers.0.environment.{name}"
        ]

    def test_a_schema_is_a_variable_like_others(self) -> None:
        columns = [Column(f"column_{number}", "double") for number in range(40)]
        schema = SparkSchema(columns, Column("features", "double"))
        assert paths(ContainerSettings(spark_schema=schema)) == ["containers.0.spark_schema"]


class TestSeveral:
    @pytest.mark.parametrize("count", [1, 2, 15])
    def test_fifteen_at_most(self, count: int) -> None:
        named = [ContainerSettings(name=f"c{number}") for number in range(count)]
        assert paths(*named) == []

    @pytest.mark.parametrize("count", [0, 16])
    def test_none_or_more(self, count: int) -> None:
        named = [ContainerSettings(name=f"c{number}") for number in range(count)]
        assert paths(*named) == ["containers"]

    def test_each_has_a_name_of_its_own(self) -> None:
        one = ContainerSettings(name="one")
        assert paths(one, one) == ["containers"]
        assert paths(one, ContainerSettings()) == ["containers"]
        assert paths(ContainerSettings()) == []

    def test_one_cannot_be_chosen(self) -> None:
        assert paths(ContainerSettings(name="one"), invocation="direct") == ["containers"]

    @pytest.mark.parametrize("name", ["-a", "a-", "a_b", 64 * "a"])
    def test_a_name_is_a_host_name(self, name: str) -> None:
        assert paths(ContainerSettings(name=name)) == ["containers.0.name"]
