from typing import Any

import pytest

from mlops_constructs.capture_plan import CapturePlan
from mlops_constructs.monitor_images import ACCOUNTS, monitor_image
from mlops_constructs.monitoring_job import DataQuality, ModelQuality

BASELINE = "mlflow/1/models/m-1/artifacts/baseline/"


def model_quality(**changes: Any) -> ModelQuality:
    given: dict[str, Any] = {"baseline": BASELINE, "truth": "truth/iris/", "inference": "0"}
    return ModelQuality(**{**given, **changes})


class TestSchedule:
    @pytest.mark.parametrize(
        ("schedule", "hours"),
        [
            ("cron(0 * ? * * *)", 1),
            ("cron(0 0 ? * * *)", 24),
            ("cron(0 23 ? * * *)", 24),
            ("cron(0 0/2 ? * * *)", 2),
            ("cron(0 17/12 ? * * *)", 12),
            ("cron(0 00/24 ? * * *)", 24),
            # At 0, 10 and 20, and at 0 again.
            ("cron(0 0/10 ? * * *)", 4),
            ("cron(0 24 ? * * *)", 0),
            ("cron(0 0/25 ? * * *)", 0),
            ("cron(0 0/0 ? * * *)", 0),
            ("cron(0 */2 ? * * *)", 0),
            ("cron(30 0 ? * * *)", 0),
            ("cron(0 0 ? * MON *)", 0),
            ("rate(1 hour)", 0),
            ("NOW", 0),
        ],
    )
    def test_is_one_that_sagemaker_knows(self, schedule: str, hours: int) -> None:
        assert DataQuality(BASELINE, schedule=schedule).hours == hours

    def test_a_job_ends_before_the_next_one_starts(self) -> None:
        assert DataQuality(BASELINE, schedule="cron(0 * ? * * *)").limit == 3600
        assert model_quality(schedule="cron(0 * ? * * *)").limit == 1800
        assert DataQuality(BASELINE, seconds=600).limit == 600


class TestDefault:
    def test_has_no_fault(self) -> None:
        capture = CapturePlan()
        assert DataQuality(BASELINE).faults(capture) == []
        assert model_quality().faults(capture) == []


class TestBadInput:
    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"baseline": "baseline"}, ["monitoring.baseline"]),
            ({"schedule": "rate(1 hour)"}, ["monitoring.schedule"]),
            ({"schedule": "cron(0 * ? * * *)", "seconds": 3601}, ["monitoring.seconds"]),
            ({"seconds": -1}, ["monitoring.seconds"]),
            (
                {"instance": "m5.large", "instances": 0},
                ["monitoring.instance", "monitoring.instances"],
            ),
            ({"drift": 0}, ["monitoring.data_quality.drift"]),
        ],
    )
    def test_of_data_quality(self, changes: dict[str, Any], expected: list[str]) -> None:
        quality = DataQuality(**{"baseline": BASELINE, **changes})
        assert [fault.path for fault in quality.faults(CapturePlan())] == expected

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"schedule": "cron(0 * ? * * *)", "seconds": 1801}, ["seconds"]),
            ({"truth": ""}, ["model_quality.truth"]),
            ({"inference": ""}, ["model_quality.inference"]),
            ({"inference": "", "probability": "0"}, ["model_quality.inference"]),
            ({"threshold": 0.5}, ["model_quality.threshold"]),
            ({"start": "-1d", "end": "PT1H"}, ["model_quality.start", "model_quality.end"]),
            ({"limits": {"accuracy": 0.9}}, ["model_quality.limits"]),
            ({"problem": "Ranking"}, ["model_quality.problem"]),
        ],
    )
    def test_of_model_quality(self, changes: dict[str, Any], expected: list[str]) -> None:
        faults = model_quality(**changes).faults(CapturePlan())
        assert [fault.path.removeprefix("monitoring.") for fault in faults] == expected

    def test_a_probability_is_a_binary_answer(self) -> None:
        quality = model_quality(
            problem="BinaryClassification", inference="", probability="0", threshold=0.5
        )
        assert quality.faults(CapturePlan()) == []

    @pytest.mark.parametrize("kind", ["serverless", "async", "components", "batch"])
    def test_endpoints_of_other_kinds_are_not_monitored(self, kind: str) -> None:
        (fault,) = DataQuality(BASELINE).faults(CapturePlan(), kind)
        assert fault.given == f"for an endpoint of the kind '{kind}'"

    def test_what_is_not_captured_is_not_monitored(self) -> None:
        answers = CapturePlan(modes=["Output"], csv_types=[], json_types=[])
        assert [fault.path for fault in DataQuality(BASELINE).faults(answers)] == [
            "monitoring",
            "monitoring.data_quality",
        ]
        asked = CapturePlan(modes=["Input"])
        assert [fault.path for fault in model_quality().faults(asked)] == [
            "monitoring.model_quality"
        ]


def test_the_image_is_that_of_the_region() -> None:
    host = "777275614652.dkr.ecr.us-east-2.amazonaws.com"
    assert monitor_image("us-east-2") == f"{host}/sagemaker-model-monitor-analyzer"
    assert all(len(account) == 12 and account.isdigit() for account in ACCOUNTS.values())
    assert len(set(ACCOUNTS.values())) == len(ACCOUNTS)
