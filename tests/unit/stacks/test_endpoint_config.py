"""The endpoints of a file: what they may be, and everything that is wrong at once."""

from pathlib import Path

import pytest

from mlops_constructs.alarm_limits import Limits
from mlops_constructs.async_plan import AsyncPlan
from mlops_constructs.capture_plan import CapturePlan
from mlops_constructs.component_plan import Share
from mlops_constructs.deployment import Deployment
from mlops_constructs.monitoring_job import DataQuality, ModelQuality
from mlops_constructs.scaling_plan import Scaling, Scheduled
from mlops_constructs.transform_job import TransformJob
from stacks.config import Environment, load_environment
from stacks.endpoint_parts import qualities, queue, unreleased
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


VARIANTS = """\
endpoints:
  iris:
    variants:
      current: {image: iris, model: models:/iris@champion, weight: 9}
      candidate: {image: iris, model: models:/iris@challenger}
"""


class TestVariants:
    def test_each_is_released_by_its_name(self, tmp_path: Path) -> None:
        endpoint = loaded(tmp_path, GOOD + VARIANTS).endpoints["iris"]
        assert list(endpoint.parts) == ["current", "candidate"]
        pair = "containers: [{name: a, image: iris}, {name: b, image: iris}]"
        text = VARIANTS.replace("image: iris, model: models:/iris@challenger", pair)
        endpoint = loaded(tmp_path, GOOD + text).endpoints["iris"]
        assert list(endpoint.parts) == ["current", "candidate.a", "candidate.b"]

    def test_keys_of_a_model_are_the_variants(self, tmp_path: Path) -> None:
        text = VARIANTS + "    instances: 3\n    image: iris\n"
        assert set(faults(tmp_path, GOOD + text)) == {
            "endpoints.iris.instances",
            "endpoints.iris.image",
        }

    def test_every_fault_of_each(self, tmp_path: Path) -> None:
        text = (
            VARIANTS.replace(
                "image: iris, model: models:/iris@ch", "image: rose, model: models:/i@h"
            )
            + "    scaling: {min: 3, max: 4, concurrency: 1}\n"
        )
        found = faults(tmp_path, GOOD + text.replace("weight: 9", "weight: heavy"))
        assert {"endpoints.iris.variants.current.weight"} < set(found)
        assert set(faults(tmp_path, GOOD + text)) == {
            "endpoints.iris.variants.current.image",
            "endpoints.iris.variants.candidate.image",
            "endpoints.iris.scaling.min",
        }

    def test_somebody_answers(self, tmp_path: Path) -> None:
        hidden = VARIANTS.replace("iris@ch", "iris@h").replace("}\n", ", shadow: true}\n")
        assert "endpoints.iris.variants" in faults(tmp_path, GOOD + hidden)
        silent = VARIANTS.replace("weight: 9", "weight: 0").replace("lenger}", "lenger, weight: 0}")
        assert set(faults(tmp_path, GOOD + silent)) == {"endpoints.iris.variants"}
        none = GOOD + "endpoints: {iris: {variants: {}}}\n"
        assert set(faults(tmp_path, none)) == {"endpoints.iris.variants"}

    def test_a_shadow_follows_one(self, tmp_path: Path) -> None:
        shadow = "      next: {image: iris, model: models:/iris/1, shadow: true, instances: 1}\n"
        deployment = "    deployment: {strategy: all_at_once}\n"
        found = faults(tmp_path, GOOD + VARIANTS + shadow + deployment)
        assert "one variant answers" in found["endpoints.iris.variants"]
        one = VARIANTS.replace(
            "      candidate: {image: iris, model: models:/iris@challenger}\n", ""
        )
        assert faults(tmp_path, GOOD + one + shadow) == {}
        assert loaded(tmp_path, GOOD + one + shadow).endpoints["iris"].least_instances == 2

    def test_rolling_is_for_one(self, tmp_path: Path) -> None:
        text = GOOD + VARIANTS + "    deployment: {strategy: rolling}\n"
        assert set(faults(tmp_path, text)) == {"endpoints.iris.deployment.strategy"}

    def test_one_instance_of_one_needs_a_reason(self, tmp_path: Path) -> None:
        text = GOOD + VARIANTS.replace("weight: 9", "instances: 1")
        found = faults(tmp_path, text)
        assert set(found) == {"endpoints.instances"}
        assert "endpoints.iris.variants.current.instances: 1" in found["endpoints.instances"]


ARCHIVE = IRIS.replace("models:/iris@champion", f"s3://{BUCKET}/iris.tar.gz")
SERVERLESS = ARCHIVE + "    kind: serverless\n"
WHY = "opt_outs: {endpoints.serverless: It holds nothing that is ours.}\n"


class TestServerless:
    def test_it_stands_outside_of_the_vpc_which_needs_a_reason(self, tmp_path: Path) -> None:
        found = faults(tmp_path, GOOD + SERVERLESS)
        assert set(found) == {"endpoints.serverless"}
        assert "endpoints.iris.kind: serverless" in found["endpoints.serverless"]
        assert "outside of the VPC" in found["endpoints.serverless"]
        assert faults(tmp_path, GOOD + SERVERLESS + WHY) == {}

    def test_a_reason_for_none_is_a_fault(self, tmp_path: Path) -> None:
        assert set(faults(tmp_path, GOOD + IRIS + WHY)) == {"opt_outs.endpoints.serverless"}

    def test_every_fault_at_once(self, tmp_path: Path) -> None:
        text = (
            SERVERLESS.replace(f"s3://{BUCKET}/iris.tar.gz", "models:/iris@champion")
            + "    instances: 1\n"
            + "    serverless: {memory: 1.5 GiB, concurrency: 2, provisioned: 3}\n"
            + "    deployment: {strategy: rolling}\n"
            + "    scaling: {min: 2, max: 3, concurrency: 1}\n"
            + "    async: {notify: false}\n"
        )
        assert set(faults(tmp_path, GOOD + text + WHY)) == {
            "endpoints.iris.instances",
            "endpoints.iris.serverless.memory",
            "endpoints.iris.serverless.provisioned",
            "endpoints.iris.deployment.strategy",
            "endpoints.iris.scaling",
            "endpoints.iris.async",
            "endpoints.iris.kind",
        }


class TestAsync:
    def test_the_plan_is_what_is_written(self, tmp_path: Path) -> None:
        text = IRIS + "    kind: async\n    async: {concurrency: 2, max_instances: 3}\n"
        made = queue(loaded(tmp_path, GOOD + text).endpoints["iris"])
        assert made == AsyncPlan(concurrency=2, most=3)
        assert queue(loaded(tmp_path, GOOD + IRIS).endpoints["iris"]) is None

    def test_a_queue_waits_for_one_instance(self, tmp_path: Path) -> None:
        assert faults(tmp_path, GOOD + IRIS + "    kind: async\n    instances: 1\n") == {}

    def test_every_fault_at_once(self, tmp_path: Path) -> None:
        text = (
            "    kind: async\n    async: {max_instances: 1, concurrency: 0, wait: 3}\n"
            "    scaling: {min: 2, max: 3, concurrency: 1}\n    serverless: {}\n"
        )
        found = faults(tmp_path, GOOD + IRIS + text)
        assert set(found) == {
            "endpoints.iris.async.max_instances",
            "endpoints.iris.async.concurrency",
            "endpoints.iris.async.wait",
            "endpoints.iris.scaling",
            "endpoints.iris.serverless",
        }
        assert "min_instances" in found["endpoints.iris.async.wait"]

    def test_one_variant_has_the_queue(self, tmp_path: Path) -> None:
        found = faults(tmp_path, GOOD + VARIANTS + "    kind: async\n")
        assert set(found) == {"endpoints.iris.kind"}


FLEET = """\
endpoints:
  small:
    kind: components
    instance: ml.m5.xlarge
    components:
      models:
        iris: {image: iris, model: models:/iris@champion}
        trees: {image: "aws:xgboost:1.7-1", model: models:/trees/2, memory: 2 GiB}
"""


class TestComponents:
    def test_each_is_released_by_its_name(self, tmp_path: Path) -> None:
        endpoint = loaded(tmp_path, GOOD + FLEET).endpoints["small"]
        assert list(endpoint.parts) == ["iris", "trees"]
        assert endpoint.components
        assert endpoint.components.models["trees"].share == Share(memory_mib=2048)

    def test_none_of_a_fleet_needs_a_reason(self, tmp_path: Path) -> None:
        text = FLEET.replace(
            "components:\n      models", "components:\n      min_instances: 0\n      models"
        )
        found = faults(tmp_path, GOOD + text)
        assert set(found) == {"endpoints.instances"}
        assert "endpoints.small.components.min_instances: 0" in found["endpoints.instances"]

    def test_every_fault_at_once(self, tmp_path: Path) -> None:
        text = (
            FLEET.replace("image: iris,", "image: rose, cpus: 0, max_copies: 3,")
            .replace("xgboost:1.7-1", "xgboost:9")
            .replace("models:\n", "max_instances: 1\n      models:\n")
            + "    deployment: {strategy: canary, step: 4 %}\n"
            + "    scaling: {min: 2, max: 3, concurrency: 1}\n"
            + "    instances: 3\n"
        )
        assert set(faults(tmp_path, GOOD + text)) == {
            "endpoints.small.components.max_instances",
            "endpoints.small.components.models.iris.image",
            "endpoints.small.components.models.iris.cpus",
            "endpoints.small.components.models.iris.invocations",
            "endpoints.small.components.models.trees.image",
            "endpoints.small.deployment.strategy",
            "endpoints.small.deployment.step",
            "endpoints.small.scaling",
            "endpoints.small.instances",
        }

    def test_the_section_is_the_kinds(self, tmp_path: Path) -> None:
        found = faults(tmp_path, GOOD + FLEET.replace("    kind: components\n", ""))
        assert set(found) == {"endpoints.small.components"}
        found = faults(tmp_path, GOOD + IRIS + "    kind: components\n")
        assert "endpoints.iris.components" in found

    def test_no_two_of_all_fleets_share_a_name(self, tmp_path: Path) -> None:
        other = FLEET.removeprefix("endpoints:\n").replace("small:", "small-old:")
        fleets = FLEET.replace("trees: {", "old-iris: {") + other
        found = faults(tmp_path, GOOD + fleets)
        assert set(found) == {"endpoints.small-old.components.models.iris"}
        assert "'small-old-iris'" in found["endpoints.small-old.components.models.iris"]


ALARM = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:orders lost: many"


class TestUpdates:
    def test_the_plan_is_what_is_written(self, tmp_path: Path) -> None:
        text = f"    deployment: {{strategy: linear, bake: 1 min, alarms: ['{ALARM}']}}\n"
        settings = loaded(tmp_path, GOOD + IRIS + text).endpoints["iris"].deployment
        assert settings.plan == Deployment("linear", 25, 60, 300)
        assert settings.alarms == [ALARM]

    def test_every_fault_at_once(self, tmp_path: Path) -> None:
        elsewhere = ALARM.replace("eu-west-1", "eu-west-2")
        text = (
            "    instance: ml.inf1.xlarge\n"
            "    deployment:\n"
            f"      {{strategy: linear, step: 5 %, bake: 30 min, alarms: [{elsewhere!r}]}}\n"
            "    limits: {errors: 5, disk: 120 %}\n"
        )
        assert set(faults(tmp_path, GOOD + IRIS + text)) == {
            "endpoints.iris.deployment.step",
            "endpoints.iris.deployment.bake",
            "endpoints.iris.deployment.strategy",
            "endpoints.iris.deployment.alarms.0",
            "endpoints.iris.limits.errors",
            "endpoints.iris.limits.disk",
        }

    def test_ten_alarms_leave_no_room(self, tmp_path: Path) -> None:
        text = f"    deployment: {{alarms: [{', '.join(10 * [repr(ALARM)])}]}}\n"
        assert set(faults(tmp_path, GOOD + IRIS + text)) == {"endpoints.iris.deployment.alarms"}


class TestScaling:
    def scaled(self, folder: Path, settings: str) -> dict[str, str]:
        return faults(folder, GOOD + IRIS + f"    scaling: {{{settings}}}\n")

    def test_the_plan_is_what_is_written(self, tmp_path: Path) -> None:
        night = "{at: cron(0 20 * * ? *), min: 2, max: 3, timezone: Asia/Tokyo}"
        text = f"    scaling: {{min: 2, max: 6, invocations: 10 /min, schedule: [{night}]}}\n"
        scaling = loaded(tmp_path, GOOD + IRIS + text).endpoints["iris"].scaling
        entry = Scheduled("cron(0 20 * * ? *)", 2, 3, "Asia/Tokyo")
        assert scaling
        assert scaling.plan == Scaling(2, 6, 10, schedule=[entry])

    @pytest.mark.parametrize(
        ("settings", "key"),
        [
            ("min: 4, max: 2, concurrency: 1", ".max"),
            ("min: 3, max: 6, concurrency: 1", ".min"),
            ("min: 2, max: 6", ""),
            (
                "min: 2, max: 6, schedule: [{at: cron(0 8 * * ? *), min: 3, max: 2}]",
                ".schedule.0.max",
            ),
            ("min: 2, max: 6, schedule: [{at: monday, min: 2, max: 3}]", ".schedule.0.at"),
            ("max: 6, concurrency: 1", ".min"),
        ],
    )
    def test_a_plan_that_is_none(self, settings: str, key: str, tmp_path: Path) -> None:
        assert set(self.scaled(tmp_path, settings)) == {f"endpoints.iris.scaling{key}"}

    def test_one_in_any_case_needs_a_reason(self, tmp_path: Path) -> None:
        found = self.scaled(tmp_path, "min: 1, max: 6, concurrency: 1")
        assert set(found) == {"endpoints.instances"}
        assert "endpoints.iris.scaling.min: 1" in found["endpoints.instances"]


class TestInstances:
    """A single instance is down while it is replaced: somebody has to want that."""

    ONE = IRIS + "    instances: 1\n"

    def test_one_needs_a_reason(self, tmp_path: Path) -> None:
        found = faults(tmp_path, GOOD + self.ONE)
        assert set(found) == {"endpoints.instances"}
        assert "endpoints.iris.instances: 1" in found["endpoints.instances"]
        reason = "opt_outs: {endpoints.instances: Development may be down for a while.}\n"
        assert faults(tmp_path, GOOD + self.ONE + reason) == {}
        assert set(faults(tmp_path, GOOD + IRIS + reason)) == {"opt_outs.endpoints.instances"}

    def test_a_step_of_one_is_none(self, tmp_path: Path) -> None:
        found = faults(tmp_path, GOOD + self.ONE + "    deployment: {strategy: rolling}\n")
        assert "endpoints.iris.deployment.strategy" in found


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


class TestCapture:
    def test_some_of_both_in_text_is_kept(self, tmp_path: Path) -> None:
        endpoint = loaded(tmp_path, GOOD + IRIS + "    capture: {}\n").endpoints["iris"]
        assert endpoint.capture
        assert endpoint.capture.plan == CapturePlan(
            csv_types=["text/csv"], json_types=["application/json"]
        )

    def test_it_may_be_answers_alone(self, tmp_path: Path) -> None:
        text = IRIS + "    capture: {percent: 5 %, what: answers, csv_types: []}\n"
        endpoint = loaded(tmp_path, GOOD + text).endpoints["iris"]
        assert endpoint.capture
        assert endpoint.capture.plan == CapturePlan(
            percent=5, modes=("Output",), csv_types=[], json_types=["application/json"]
        )

    def test_every_fault_at_once(self, tmp_path: Path) -> None:
        types = ", ".join(f"application/v{number}" for number in range(11))
        text = (
            f"    capture: {{percent: 0 %, what: all, csv_types: [csv], json_types: [{types}]}}\n"
        )
        found = faults(tmp_path, GOOD + IRIS + text + "    kind: async\n")
        assert set(found) == {
            "endpoints.iris.capture",
            "endpoints.iris.capture.percent",
            "endpoints.iris.capture.what",
            "endpoints.iris.capture.csv_types.0",
            "endpoints.iris.capture.json_types",
        }
        assert "Asynchronous endpoints capture nothing" in found["endpoints.iris.capture"]


BATCH = (
    ARCHIVE
    + """\
    kind: batch
    batch:
      input: batch/iris/in/
      output: batch/iris/out/
      content_type: text/csv
      accept: text/csv
      split: line
      assemble: line
      join: input
      input_filter: "$[1:]"
      payload: 2 MB
      timeout: 2 h
"""
)


class TestBatch:
    def test_the_job_is_what_is_written(self, tmp_path: Path) -> None:
        endpoint = loaded(tmp_path, GOOD + BATCH + "    instance: ml.c5.large\n").endpoints["iris"]
        assert endpoint.batch
        assert endpoint.batch.job(endpoint.instance) == TransformJob(
            "batch/iris/in/",
            "batch/iris/out/",
            content_type="text/csv",
            accept="text/csv",
            split="line",
            assemble="line",
            join="input",
            input_filter="$[1:]",
            payload_mb=2,
            instance="ml.c5.large",
            hours=2,
        )

    def test_every_fault_at_once(self, tmp_path: Path) -> None:
        text = (
            BATCH.replace(f"s3://{BUCKET}/iris.tar.gz", "models:/iris@champion")
            .replace("split: line", "strategy: multi")
            .replace("batch/iris/in/", "batch/iris/")
            + "      parallel: 51\n    instances: 1\n    capture: {}\n"
            + "    deployment: {bake: 5 min}\n    scaling: {min: 2, max: 3, concurrency: 1}\n"
        )
        found = faults(tmp_path, GOOD + text)
        assert set(found) == {
            "endpoints.iris.kind",
            "endpoints.iris.batch.output",
            "endpoints.iris.batch.strategy",
            "endpoints.iris.batch.payload",
            "endpoints.iris.batch.split",
            "endpoints.iris.instances",
            "endpoints.iris.capture",
            "endpoints.iris.deployment",
            "endpoints.iris.scaling",
        }
        assert "archives alone" in found["endpoints.iris.kind"]

    def test_the_job_is_everything_that_is_written(self, tmp_path: Path) -> None:
        written = (
            BATCH.replace("payload: 2 MB", "payload: 4 MB")
            + """\
      output_filter: "$[0,-1]"
      compression: gzip
      strategy: single
      parallel: 3
      instances: 5
"""
        )
        endpoint = loaded(tmp_path, GOOD + written).endpoints["iris"]
        assert endpoint.batch
        assert endpoint.batch.job("ml.m5.large") == TransformJob(
            "batch/iris/in/",
            "batch/iris/out/",
            content_type="text/csv",
            accept="text/csv",
            split="line",
            compression="gzip",
            assemble="line",
            strategy="single",
            payload_mb=4,
            parallel=3,
            input_filter="$[1:]",
            output_filter="$[0,-1]",
            join="input",
            instance="ml.m5.large",
            instances=5,
            hours=2,
        )

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("instances", "2"),
            ("invocation", "serial"),
            ("deployment", "{bake: 5 min}"),
            ("limits", "{errors: 1 /min}"),
            ("scaling", "{min: 2, max: 3, concurrency: 1}"),
            ("capture", "{}"),
            ("monitoring", "{}"),
        ],
    )
    def test_it_has_nothing_of_an_endpoint(self, key: str, value: str, tmp_path: Path) -> None:
        found = faults(tmp_path, GOOD + BATCH + f"    {key}: {value}\n")
        assert "a batch has no endpoint" in found[f"endpoints.iris.{key}"]

    def test_it_is_one_model(self, tmp_path: Path) -> None:
        keys = f"    image: iris\n    model: s3://{BUCKET}/iris.tar.gz\n"
        several = BATCH.replace(keys, VARIANTS.partition("  iris:\n")[2])
        found = faults(tmp_path, GOOD + several)
        assert "a batch has no endpoint" in found["endpoints.iris.variants"]

    def test_answers_stand_below_a_folder_of_their_own(self, tmp_path: Path) -> None:
        found = faults(tmp_path, GOOD + BATCH.replace("batch/iris/out/", "mlflow/1/"))
        assert set(found) == {"endpoints.iris.batch.output"}

    def test_the_section_and_the_kind_come_together(self, tmp_path: Path) -> None:
        found = faults(tmp_path, GOOD + ARCHIVE + "    kind: batch\n")
        assert set(found) == {"endpoints.iris.batch"}
        found = faults(tmp_path, GOOD + BATCH.replace("kind: batch", "kind: async"))
        assert set(found) == {"endpoints.iris.batch"}


MONITORED = (
    IRIS
    + """\
    capture: {}
    monitoring:
      data_quality: {features: [length], drift: 0.2}
      model_quality: {truth: truth/iris/, inference: "0", limits: {rmse: 2.2}}
"""
)


class TestMonitoring:
    def test_the_baseline_is_the_released_models(self, tmp_path: Path) -> None:
        endpoint = loaded(tmp_path, GOOD + MONITORED).endpoints["iris"]
        source = f"s3://{BUCKET}/mlflow/1/models/m-1/artifacts/"
        release = Release({"model": Released(model="iris", version=1, source=source)})
        baseline = "mlflow/1/models/m-1/artifacts/baseline/"
        assert qualities(endpoint, release) == {
            "Data quality": DataQuality(baseline, features=["length"], drift=0.2),
            "Model quality": ModelQuality(
                baseline, truth="truth/iris/", inference="0", limits={"rmse": 2.2}
            ),
        }

    def test_every_fault_at_once(self, tmp_path: Path) -> None:
        text = (
            MONITORED.replace("capture: {}", "capture: {what: requests, csv_types: [csv]}")
            .replace("drift: 0.2", "drift: 2, schedule: cron(5 0 ? * * *)")
            .replace("rmse", "recall")
        )
        found = faults(tmp_path, GOOD + text.replace("truth/iris/", "/truth"))
        assert set(found) == {
            "endpoints.iris.capture.csv_types.0",
            "endpoints.iris.monitoring.data_quality.drift",
            "endpoints.iris.monitoring.data_quality.schedule",
            "endpoints.iris.monitoring.model_quality.truth",
        }
        found = faults(tmp_path, GOOD + text.replace("[csv]", "[text/csv]"))
        assert set(found) == {
            "endpoints.iris.monitoring.data_quality.drift",
            "endpoints.iris.monitoring.data_quality.schedule",
            "endpoints.iris.monitoring.model_quality",
            "endpoints.iris.monitoring.model_quality.limits",
        }

    def test_a_schedule_is_everything_that_is_written(self, tmp_path: Path) -> None:
        text = (
            IRIS
            + """\
    capture: {}
    monitoring:
      data_quality: {schedule: cron(0 * ? * * *), instance: ml.m5.large, drift: 0.3}
      model_quality:
        schedule: cron(0 1/6 ? * * *)
        instance: ml.c5.xlarge
        problem: BinaryClassification
        truth: truth/iris/
        inference: label
        probability: "1"
        threshold: 0.7
        start: -PT8H
        end: -PT2H
"""
        )
        monitoring = loaded(tmp_path, GOOD + text).endpoints["iris"].monitoring
        assert monitoring
        assert monitoring.data_quality
        assert monitoring.model_quality
        assert monitoring.data_quality.plan("b/") == DataQuality(
            "b/", schedule="cron(0 * ? * * *)", instance="ml.m5.large", features=[], drift=0.3
        )
        assert monitoring.model_quality.plan("b/") == ModelQuality(
            "b/",
            schedule="cron(0 1/6 ? * * *)",
            instance="ml.c5.xlarge",
            problem="BinaryClassification",
            truth="truth/iris/",
            inference="label",
            probability="1",
            threshold=0.7,
            start="-PT8H",
            end="-PT2H",
        )

    @pytest.mark.parametrize("kind", ["serverless", "components", "async"])
    def test_other_kinds_are_not_monitored(self, kind: str, tmp_path: Path) -> None:
        found = faults(tmp_path, GOOD + MONITORED + f"    kind: {kind}\n")
        for quality in ("data_quality", "model_quality"):
            says = found[f"endpoints.iris.monitoring.{quality}"]
            assert f"for an endpoint of the kind '{kind}'" in says

    def test_a_pipeline_is_monitored_as_a_whole(self, tmp_path: Path) -> None:
        pipeline = GOOD + PIPELINE + MONITORED.partition("@champion\n")[2]
        named = pipeline.replace("quality: {", "quality: {baseline: regressor, ")
        assert faults(tmp_path, named + "    invocation: serial\n") == {}
        (found,) = faults(tmp_path, named + "    invocation: direct\n").items()
        assert found[0] == "endpoints.abalone.monitoring"
        assert "with 'invocation'" in found[1]

    def test_the_container_of_the_baseline_has_a_folder(self, tmp_path: Path) -> None:
        pipeline = GOOD + PIPELINE + MONITORED.partition("@champion\n")[2]
        below = "endpoints.abalone.monitoring"
        both = {f"{below}.data_quality.baseline", f"{below}.model_quality.baseline"}
        # The first has an archive; another is not there; the third may have no model at all.
        assert set(faults(tmp_path, pipeline)) == both
        unknown = pipeline.replace("quality: {", "quality: {baseline: nobody, ")
        assert set(faults(tmp_path, unknown)) == both
        none = pipeline.replace("        model: models:/output/3\n", "").replace(
            "quality: {", "quality: {baseline: output, "
        )
        assert set(faults(tmp_path, none)) == both

    def test_it_needs_capture(self, tmp_path: Path) -> None:
        found = faults(tmp_path, GOOD + MONITORED.replace("    capture: {}\n", ""))
        assert set(found) == {"endpoints.iris.monitoring"}

    def test_an_archive_has_no_folder(self, tmp_path: Path) -> None:
        text = MONITORED.replace("models:/iris@champion", f"s3://{BUCKET}/iris.tar.gz")
        assert set(faults(tmp_path, GOOD + text)) == {
            "endpoints.iris.monitoring.data_quality.baseline",
            "endpoints.iris.monitoring.model_quality.baseline",
        }

    def test_one_model_is_monitored(self, tmp_path: Path) -> None:
        variants = MONITORED.replace(
            "    image: iris\n    model: models:/iris@champion\n",
            VARIANTS.partition("  iris:\n")[2],
        )
        assert "endpoints.iris.monitoring" in faults(tmp_path, GOOD + variants)

    def test_a_region_without_the_image_is_told_with_all_others(self, tmp_path: Path) -> None:
        elsewhere = GOOD.replace("eu-west-1", "ca-west-1")
        found = faults(tmp_path, elsewhere + MONITORED.replace("drift: 0.2", "drift: 2"))
        assert set(found) >= {
            "endpoints.iris.monitoring",
            "endpoints.iris.monitoring.data_quality.drift",
        }
        assert "in 'ca-west-1', where AWS has no image" in found["endpoints.iris.monitoring"]


class TestLimits:
    def test_a_queue_may_wait_longer(self, tmp_path: Path) -> None:
        limits = loaded(tmp_path, GOOD + IRIS).endpoints["iris"].limits
        assert limits.plan("realtime") == Limits()
        assert limits.plan("async") == Limits(latency=15 * 60 * 1000)

    def test_what_is_written_holds_for_every_kind(self, tmp_path: Path) -> None:
        text = GOOD + IRIS + "    limits: {latency: 2 min, disk: 50 %}\n"
        limits = loaded(tmp_path, text).endpoints["iris"].limits
        written = Limits(latency=120_000, disk=50)
        assert (limits.plan("realtime"), limits.plan("async")) == (written, written)
