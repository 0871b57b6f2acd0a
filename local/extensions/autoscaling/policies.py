"""How much a policy would have: the arithmetic of target tracking and of steps.

https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
and https://docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from local.extensions.metric_names import SAGEMAKER
from operations.errors import OperationError

Config = Mapping[str, Any]

OUT_DATAPOINTS, IN_DATAPOINTS = 3, 15
"""How long a metric is above its target before there is more, and below it before there is less."""

SLACK = 0.9
"""The part of the target that a metric is below before there is less."""

COOLDOWN = 300.0
"""Seconds of a policy that says no other."""


class Predefined(NamedTuple):
    """A metric that a policy names by its type.

    Parameters
    ----------
    metric, statistic
        The metric.
    period
        Its seconds.
    """

    metric: str
    statistic: str
    period: int = 60


PREDEFINED = {
    "SageMakerVariantInvocationsPerInstance": Predefined("InvocationsPerInstance", "Sum"),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": Predefined(
        "ConcurrentRequestsPerModel", "Average", 10
    ),
    "SageMakerVariantProvisionedConcurrencyUtilization": Predefined(
        "ServerlessProvisionedConcurrencyUtilization", "Maximum"
    ),
    "SageMakerInferenceComponentInvocationsPerCopy": Predefined("InvocationsPerCopy", "Sum"),
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": Predefined(
        "ConcurrentRequestsPerCopy", "Average", 10
    ),
}


def metric_of(config: Config, resource: str) -> dict[str, Any]:
    """The part of an alarm that says which metric a policy tracks.

    Parameters
    ----------
    config
        The policy's configuration.
    resource
        What it scales, such as ``endpoint/iris/variant/main``.

    Raises
    ------
    OperationError
        Where the metric is not known here.
    """
    own = config.get("CustomizedMetricSpecification")
    if own and own.get("Metrics"):
        # As an alarm has them, but for a member that is called otherwise.
        return {"Metrics": [dict(query) for query in own["Metrics"]]}
    if own:
        return {
            "Namespace": own["Namespace"],
            "MetricName": own["MetricName"],
            "Statistic": own["Statistic"],
            "Period": 60,
            "Dimensions": own.get("Dimensions", []),
        }
    kind = config["PredefinedMetricSpecification"]["PredefinedMetricType"]
    if kind not in PREDEFINED:
        raise OperationError(
            f"The metric {kind} is not measured here.", f"Use one of {', '.join(PREDEFINED)}."
        )
    found = PREDEFINED[kind]
    return {
        "Namespace": SAGEMAKER,
        "MetricName": found.metric,
        "Statistic": found.statistic,
        "Period": found.period,
        "Dimensions": dimensions_of(resource),
    }


def dimensions_of(resource: str) -> list[dict[str, str]]:
    """What the metrics of a scalable resource are told apart by."""
    parts = resource.split("/")
    if parts[0] == "inference-component":
        return [{"Name": "InferenceComponentName", "Value": parts[1]}]
    return [
        {"Name": "EndpointName", "Value": parts[1]},
        {"Name": "VariantName", "Value": parts[3]},
    ]


def tracking_alarms(config: Config, resource: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two alarms that a target tracking policy makes: of too little, and of too much.

    Parameters
    ----------
    config
        The policy's configuration.
    resource
        What it scales.
    """
    metric, target = metric_of(config, resource), float(config["TargetValue"])
    high = {
        **metric,
        "EvaluationPeriods": OUT_DATAPOINTS,
        "Threshold": target,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    low = {
        **metric,
        "EvaluationPeriods": IN_DATAPOINTS,
        "Threshold": target * SLACK,
        "ComparisonOperator": "LessThanThreshold",
    }
    return high, low


def tracked(capacity: int, value: float, target: float) -> int:
    """How much brings a metric of each to its target.

    Parameters
    ----------
    capacity
        What there is.
    value, target
        The metric, and what it should be.
    """
    return math.ceil(round(max(capacity, 1) * value / target, 9))


def stepped(config: Config, capacity: int, beyond: float) -> int:
    """How much a step scaling policy would have.

    Parameters
    ----------
    config
        Its configuration.
    capacity
        What there is.
    beyond
        How far the metric is beyond the alarm's threshold.
    """
    steps: Sequence[Config] = config["StepAdjustments"]
    bounds = [
        (
            float(step.get("MetricIntervalLowerBound", -math.inf)),
            float(step.get("MetricIntervalUpperBound", math.inf)),
        )
        for step in steps
    ]
    # A bound belongs to the step on the side of it that is away from the threshold.
    above = [lower <= beyond < upper for lower, upper in bounds]
    below = [lower < beyond <= upper for lower, upper in bounds]
    holds = above if beyond >= 0 and any(above) else below
    for step, held in zip(steps, holds, strict=True):
        if held:
            return _adjusted(config, capacity, int(step["ScalingAdjustment"]))
    return capacity


def _adjusted(config: Config, capacity: int, adjustment: int) -> int:
    kind = config.get("AdjustmentType", "ChangeInCapacity")
    if kind == "ExactCapacity":
        return adjustment
    if kind == "ChangeInCapacity":
        return max(0, capacity + adjustment)
    least = int(config.get("MinAdjustmentMagnitude", 1))
    change = max(least, math.floor(abs(capacity * adjustment / 100)))
    return max(0, capacity + int(math.copysign(change, adjustment)))
