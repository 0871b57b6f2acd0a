"""The configuration of what is kept of an endpoint's traffic, and of what monitors it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from mlops_constructs.capture_plan import CapturePlan, Mode
from mlops_constructs.monitoring_job import DataQuality, ModelQuality, Problem
from stacks.endpoint_forms import FOLDERS, PERCENT, ContentTypes, InstanceType, Offset
from stacks.fields import Name, Section
from stacks.forms import quantity, text

MODES: Mapping[str, Sequence[Mode]] = {
    "both": ("Input", "Output"),
    "requests": ("Input",),
    "answers": ("Output",),
}
"""What SageMaker calls what is kept."""


class CaptureSettings(Section):
    """What of requests and answers is kept in the artifact bucket."""

    percent: Annotated[int, quantity(PERCENT, minimum="1 %", maximum="100 %")] = 20
    what: Literal["both", "requests", "answers"] = "both"
    csv_types: ContentTypes = ["text/csv"]
    json_types: ContentTypes = ["application/json"]

    @property
    def plan(self) -> CapturePlan:
        """The same for the construct."""
        return CapturePlan(
            percent=self.percent,
            modes=MODES[self.what],
            csv_types=self.csv_types,
            json_types=self.json_types,
        )


class QualitySettings(Section):
    """What every kind of monitoring is told."""

    baseline: Annotated[
        Name | None,
        Field(description="The container whose model has the folder 'baseline': the first."),
    ] = None
    schedule: Annotated[
        str,
        text(
            r"cron\(.+\)",
            allowed="cron(0 * ? * * *), cron(0 <hour> ? * * *), cron(0 <hour>/<hours> ? * * *)",
            fix="Write it so, in UTC: SageMaker knows no other forms.",
        ),
    ] = "cron(0 0 ? * * *)"
    instance: InstanceType = "ml.m5.xlarge"


class DataQualitySettings(QualitySettings):
    """Whether questions are like those of the training."""

    features: Annotated[
        list[str], Field(description="Features whose drift has an alarm of its own.")
    ] = []
    drift: float = 0.1

    def plan(self, baseline: str) -> DataQuality:
        """The same for the construct.

        Parameters
        ----------
        baseline
            Prefix of the baseline's files.
        """
        return DataQuality(
            baseline,
            schedule=self.schedule,
            instance=self.instance,
            features=self.features,
            drift=self.drift,
        )


class ModelQualitySettings(QualitySettings):
    """Whether answers are as good as they were, once labels are known."""

    problem: Problem = "Regression"
    truth: Annotated[
        str,
        text(
            FOLDERS,
            allowed="folders of the artifact bucket",
            fix="Write it such as 'truth/abalone/'.",
        ),
    ]
    inference: Annotated[
        str | None, Field(description="What of an answer is the prediction, such as '0'.")
    ] = None
    probability: str | None = None
    threshold: float | None = None
    start: Offset = "-P1D"
    end: Offset = "-PT0H"
    limits: Annotated[
        dict[str, float],
        Field(description="Metrics that have an alarm, and the last value that is good enough."),
    ] = {}

    def plan(self, baseline: str) -> ModelQuality:
        """The same for the construct.

        Parameters
        ----------
        baseline
            Prefix of the baseline's files.
        """
        return ModelQuality(
            baseline,
            schedule=self.schedule,
            instance=self.instance,
            problem=self.problem,
            truth=self.truth,
            inference=self.inference or "",
            probability=self.probability or "",
            threshold=self.threshold,
            start=self.start,
            end=self.end,
            limits=self.limits,
        )


class MonitoringSettings(Section):
    """What is compared with the training, by the clock."""

    data_quality: DataQualitySettings | None = None
    model_quality: ModelQualitySettings | None = None
