"""The endpoints of a file: what they may be, and everything that is wrong at once."""

from pathlib import Path

import pytest

from stacks.config import Environment, load_environment
from stacks.endpoint_parts import unreleased
from stacks.releases import Release, Released
from tests.unit.stacks.test_config import GOOD, faults

BUCKET = "private-mlops-blue-artifacts-123456789012"
DIGEST = f"sha256:{'d' * 64}"

IRIS = """\
endpoints:
  iris:
    image: iris
    model: models:/iris@champion
"""

PIPELINE = f"""\
endpoints:
  abalone:
    containers:
      - name: features
        image: aws:sparkml-serving:3.3
        model: s3://{BUCKET}/abalone/model.tar.gz
        spark_schema:
          input: [{{name: sex, type: string}}, {{name: length, type: double}}]
          output: {{name: features, type: double, struct: vector}}
      - name: regressor
        image: aws:xgboost:1.7-1
        model: s3://{BUCKET}/abalone/
      - name: output
        image: iris
        model: models:/output/3
        environment: {{THREADS: "1"}}
"""


def loaded(folder: Path, text: str) -> Environment:
    (folder / "blue.yaml").write_text(text)
    return load_environment("blue", folder)


class TestContainers:
    def test_one_needs_no_list(self, tmp_path: Path) -> None:
        (part,) = loaded(tmp_path, GOOD + IRIS).endpoints["iris"].parts.values()
        assert (part.image, part.model) == ("iris", "models:/iris@champion")

    def test_several_are_in_their_order(self, tmp_path: Path) -> None:
        endpoint = loaded(tmp_path, GOOD + PIPELINE).endpoints["abalone"]
        assert list(endpoint.parts) == ["features", "regressor", "output"]

    def test_one_form_or_the_other(self, tmp_path: Path) -> None:
        both = PIPELINE + "    image: iris\n    environment: {A: b}\n"
        assert set(faults(tmp_path, GOOD + both)) == {
            "endpoints.abalone.image",
            "endpoints.abalone.environment",
        }
        assert set(faults(tmp_path, GOOD + "endpoints: {iris: {instances: 2}}\n")) == {
            "endpoints.iris.image",
            "endpoints.iris.model",
        }
        assert set(faults(tmp_path, GOOD + "endpoints: {iris: {containers: []}}\n")) == {
            "endpoints.iris.containers"
        }

    def test_every_fault_at_once(self, tmp_path: Path) -> None:
        text = (
            PIPELINE.replace("serving:3.3", "serving:9")
            .replace(f"{BUCKET}/abalone/\n", "other-bucket/abalone/\n")
            .replace("image: iris", "image: rose")
            .replace("type: string", "type: text")
            .replace("name: regressor", "name: output")
        )
        found = faults(tmp_path, GOOD + text.replace('THREADS: "1"', "MODEL_DIGEST: 1"))
        assert set(found) == {
            "endpoints.abalone.containers.0.spark_schema.input.0.type",
            "endpoints.abalone.containers.1.model",
            "endpoints.abalone.containers.2.environment.MODEL_DIGEST",
        }
        found = faults(tmp_path, GOOD + text.replace("type: text", "type: string"))
        assert set(found) == {
            "endpoints.abalone.containers",
            "endpoints.abalone.containers.0.image",
            "endpoints.abalone.containers.1.model",
            "endpoints.abalone.containers.2.image",
        }
        assert BUCKET in found["endpoints.abalone.containers.1.model"]
        assert "Add 'rose' to images" in found["endpoints.abalone.containers.2.image"]

    @pytest.mark.parametrize(
        "model",
        ["iris", "models:/iris", f"s3://{BUCKET}/iris", f"s3://{BUCKET}/iris.zip", "models:/i@1"],
    )
    def test_a_model_that_is_none(self, model: str, tmp_path: Path) -> None:
        text = GOOD + IRIS.replace("models:/iris@champion", model)
        assert set(faults(tmp_path, text)) == {"endpoints.iris.model"}

    def test_an_image_of_aws_is_one_for_the_instance(self, tmp_path: Path) -> None:
        text = IRIS.replace("image: iris", "image: aws:xgboost:1.7-1")
        assert faults(tmp_path, GOOD + text) == {}
        found = faults(tmp_path, GOOD + text + "    instance: ml.c7g.large\n")
        assert set(found) == {"endpoints.iris.image"}

    def test_sixteen_are_too_many(self, tmp_path: Path) -> None:
        listed = "".join(
            f"      - {{name: c{n}, image: iris, model: models:/m@a}}\n" for n in range(16)
        )
        text = f"{GOOD}endpoints:\n  long:\n    containers:\n{listed}"
        assert set(faults(tmp_path, text)) == {"endpoints.long.containers"}

    def test_a_schema_of_the_short_form_has_its_limit(self, tmp_path: Path) -> None:
        columns = ", ".join(f"{{name: column_{n}, type: double}}" for n in range(40))
        schema = f"    spark_schema: {{input: [{columns}], output: {{name: f, type: double}}}}\n"
        found = faults(tmp_path, GOOD + IRIS + schema)
        assert set(found) == {"endpoints.iris.spark_schema"}


class TestReleased:
    def test_what_fits_is_served(self, tmp_path: Path) -> None:
        endpoint = loaded(tmp_path, GOOD + PIPELINE).endpoints["abalone"]
        packed = Released(source=f"s3://{BUCKET}/abalone/model.tar.gz", digest=DIGEST)
        folder = Released(source=f"s3://{BUCKET}/abalone/", digest=DIGEST)
        output = Released(
            model="output", version=3, source=f"s3://{BUCKET}/m/", digest=DIGEST, image=DIGEST
        )
        fits = {"features": packed, "regressor": folder, "output": output}
        assert unreleased(endpoint, Release(fits)) == []
        assert unreleased(endpoint, Release({"features": packed})) == ["regressor", "output"]
        moved = {**fits, "features": folder}
        assert unreleased(endpoint, Release(moved)) == ["features"]
        other = {**fits, "output": output.model_copy(update={"model": "input"})}
        assert unreleased(endpoint, Release(other)) == ["output"]
        without = {**fits, "output": output.model_copy(update={"image": None})}
        assert unreleased(endpoint, Release(without)) == ["output"]
