"""What a monitoring job is told: when, against which baseline, and what of an answer is what."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from mlops_constructs.capture_plan import CapturePlan
from mlops_constructs.faults import Fault
from mlops_constructs.prefixes import prefix_faults

STATISTICS, CONSTRAINTS, QUALITY = "statistics.json", "constraints.json", "model_quality.json"
"""The files of a baseline: what the data was like, what it has to be like, and the model."""

HOUR = 3600
LONGEST = 24 * HOUR

# https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-schedule-expression.html
_SCHEDULE = re.compile(
    r"cron\(0 (?P<start>\*|[01]?\d|2[0-3])(/(?P<step>0?[1-9]|1\d|2[0-4]))? \? \* \* \*\)"
)

# https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-schedule.html
_OFFSET = re.compile(r"-P(T\d+H|\d+D)")

Problem = Literal["Regression", "BinaryClassification", "MulticlassClassification"]

# https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html
METRICS: Mapping[str, Mapping[str, bool]] = {
    "Regression": {"mae": False, "mse": False, "rmse": False, "r2": True},
    "BinaryClassification": {
        "recall": True,
        "precision": True,
        "accuracy": True,
        "true_positive_rate": True,
        "true_negative_rate": True,
        "false_positive_rate": False,
        "false_negative_rate": False,
        "auc": True,
        "f0_5": True,
        "f1": True,
        "f2": True,
    },
    "MulticlassClassification": {
        "accuracy": True,
        "weighted_recall": True,
        "weighted_precision": True,
        "weighted_f0_5": True,
        "weighted_f1": True,
        "weighted_f2": True,
    },
}
"""The metrics of each kind of problem, and whether more is better."""

# https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor.html (notes): tabular data of
# endpoints with a single model, or a pipeline as a whole; and batch transform jobs.
MONITORED = ("realtime",)
"""Kinds of endpoints that can be monitored."""


@dataclass(frozen=True)
class Monitoring(ABC):
    """What both kinds of monitoring are told.

    Parameters
    ----------
    baseline
        Prefix of the artifact bucket with the baseline's files, which the training run wrote.
    schedule
        When: hourly, daily or every so many hours, in the form that SageMaker knows, in UTC.
    instance, instances
        SageMaker instance type of the job, and how many.
    volume_gib
        Volume of each instance, in GiB.
    seconds
        Seconds that a job may take; as long as the schedule allows where 0.
    """

    baseline: str
    schedule: str = "cron(0 0 ? * * *)"
    instance: str = "ml.m5.xlarge"
    instances: int = 1
    volume_gib: int = 20
    seconds: int = 0

    PARTS: ClassVar[int] = 1
    """Jobs that an execution consists of, which share its time."""

    @property
    def hours(self) -> int:
        """The least hours between two executions; 0 where the schedule is none.

        Examples
        --------
        >>> DataQuality("b/", schedule="cron(0 17/12 ? * * *)").hours
        12
        """
        match = _SCHEDULE.fullmatch(self.schedule)
        if not match:
            return 0
        if match["start"] == "*":
            return 0 if match["step"] else 1
        runs = range(int(match["start"]), 24, int(match["step"] or 24))
        # The day starts anew: after the last run of a day comes the first of the next.
        return min(runs.step, 24 - runs[-1] + runs[0])

    @property
    def longest(self) -> int:
        """The seconds that a job may take at most.

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_MonitoringStoppingCondition.html
        """
        return min(self.hours * HOUR // self.PARTS, LONGEST)

    @property
    def limit(self) -> int:
        """The seconds that a job may take."""
        return self.seconds or self.longest

    def faults(self, capture: CapturePlan, kind: str = "realtime") -> list[Fault]:
        """What is wrong with it, and with what it is to monitor.

        Parameters
        ----------
        capture
            What is captured of the endpoint.
        kind
            The kind of the endpoint.
        """
        faults = list(prefix_faults("monitoring.baseline", self.baseline))
        if kind not in MONITORED:
            faults.append(
                Fault(
                    "monitoring",
                    f"for an endpoint of the kind '{kind}'",
                    ", ".join(MONITORED),
                    "Remove it: SageMaker monitors endpoints in real time that serve one model.",
                )
            )
        if not capture.csv_types and not capture.json_types:
            faults.append(
                Fault(
                    "monitoring",
                    "of traffic that is kept in base64",
                    "traffic whose content types are named in capture",
                    "Name csv_types or json_types: SageMaker monitors tables alone.",
                )
            )
        if not self.hours:
            faults.append(
                Fault(
                    "monitoring.schedule",
                    f"'{self.schedule}'",
                    "cron(0 * ? * * *), cron(0 <hour> ? * * *), cron(0 <hour>/<hours> ? * * *)",
                    "Write it so: SageMaker knows no other forms, and no minutes.",
                )
            )
        elif not 1 <= self.limit <= self.longest:
            faults.append(
                Fault(
                    "monitoring.seconds",
                    str(self.seconds),
                    f"1 to {self.longest}: a job ends before the next one starts",
                    "Give it less time, or a longer schedule.",
                )
            )
        if not self.instance.startswith("ml."):
            faults.append(
                Fault(
                    "monitoring.instance",
                    f"'{self.instance}'",
                    "a type that starts with 'ml.'",
                    "Add it.",
                )
            )
        if not 1 <= self.instances <= 100:
            faults.append(
                Fault("monitoring.instances", str(self.instances), "1 to 100", "Run one.")
            )
        return [*faults, *self.own_faults(capture)]

    @abstractmethod
    def own_faults(self, capture: CapturePlan) -> list[Fault]:
        """What is wrong with what this kind of monitoring is told.

        Parameters
        ----------
        capture
            What is captured of the endpoint.
        """


@dataclass(frozen=True)
class DataQuality(Monitoring):
    """Whether what the endpoint is asked is like what the model was trained with.

    Parameters
    ----------
    features
        Features whose drift has an alarm of its own.
    drift
        The distance from the baseline that is too much: what the baseline says of all of them.

    Examples
    --------
    >>> DataQuality("mlflow/1/models/m-1/artifacts/baseline/", features=["sex", "length"]).limit
    86400
    """

    features: Sequence[str] = ()
    drift: float = 0.1

    def own_faults(self, capture: CapturePlan) -> list[Fault]:
        """What is wrong with what this kind of monitoring is told."""
        faults = []
        if "Input" not in capture.modes:
            faults.append(
                Fault(
                    "monitoring.data_quality",
                    "without what the endpoint is asked",
                    "capture with Input among its modes",
                    "Capture the input too.",
                )
            )
        if not 0 < self.drift <= 1:
            faults.append(
                Fault(
                    "monitoring.data_quality.drift",
                    str(self.drift),
                    "more than 0, and 1 at most",
                    "Start with 0.1, as the baseline does.",
                )
            )
        return faults


@dataclass(frozen=True)
class ModelQuality(Monitoring):
    """Whether the model is as good as it was, once the truth is known.

    Parameters
    ----------
    problem
        What the model solves.
    truth
        Prefix of the artifact bucket with the labels, in folders ``yyyy/mm/dd/hh``:
        https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-merge.html
    inference
        What of an answer is the prediction: the index of a column, or a name.
    probability
        What of an answer is the probability.
    threshold
        The probability from which on a binary answer is positive.
    start, end
        How long before the execution the examined time starts and ends: labels come late.
    limits
        Metrics that have an alarm of their own, and the last value that is good enough.

    Examples
    --------
    >>> ModelQuality(
    ...     "mlflow/1/models/m-1/artifacts/baseline/", problem="Regression", truth="truth/abalone/",
    ...     inference="0", limits={"rmse": 2.2}).limit
    43200
    """

    problem: Problem = "Regression"
    truth: str = ""
    inference: str = ""
    probability: str = ""
    threshold: float | None = None
    start: str = "-P1D"
    end: str = "-PT0H"
    limits: Mapping[str, float] = field(default_factory=dict)

    PARTS: ClassVar[int] = 2

    def own_faults(self, capture: CapturePlan) -> list[Fault]:
        """What is wrong with what this kind of monitoring is told."""
        where = "monitoring.model_quality"
        faults = list(prefix_faults(f"{where}.truth", self.truth))
        if "Output" not in capture.modes:
            faults.append(
                Fault(
                    where,
                    "without what the endpoint answers",
                    "capture with Output among its modes",
                    "Capture the output too.",
                )
            )
        if not self.inference and not (self.problem == "BinaryClassification" and self.probability):
            faults.append(
                Fault(
                    f"{where}.inference",
                    "nothing",
                    "what of an answer is the prediction; of binary ones, the probability will do",
                    "Name the column's index, or the attribute: '0', or 'predictions[0]'.",
                )
            )
        binary = self.problem == "BinaryClassification" and self.probability
        if self.threshold is not None and not (binary and 0 <= self.threshold <= 1):
            faults.append(
                Fault(
                    f"{where}.threshold",
                    str(self.threshold),
                    "0 to 1, with the probability of a BinaryClassification",
                    "Remove it, or name the probability.",
                )
            )
        faults += [
            Fault(
                f"{where}.{name}",
                f"'{given}'",
                "hours or days before, such as -PT6H or -P1D",
                "Write it so.",
            )
            for name, given in (("start", self.start), ("end", self.end))
            if not _OFFSET.fullmatch(given)
        ]
        known = METRICS.get(self.problem, {})
        if not known:
            faults.append(
                Fault(f"{where}.problem", f"'{self.problem}'", ", ".join(METRICS), "Name one.")
            )
        faults += [
            Fault(f"{where}.limits", f"'{name}'", ", ".join(known), "Name a metric of the problem.")
            for name in self.limits
            if name not in known
        ]
        return faults
