"""More of something while there is more to do, and less afterwards."""

from aws_cdk import aws_applicationautoscaling as scaling
from constructs import Construct

_policy = scaling.CfnScalingPolicy
Metric = str | _policy.CustomizedMetricSpecificationProperty
"""A metric: by the name that Application Auto Scaling has for it, or as CloudWatch knows it."""


def track(
    scope: Construct,
    construct_id: str,
    *,
    target: scaling.CfnScalableTarget,
    metric: Metric,
    value: int,
    scale_out: int = 60,
    scale_in: int = 300,
) -> None:
    """Have `target` grow and shrink so that a metric stays near a value.

    https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html

    Parameters
    ----------
    scope, construct_id
        Where the policy stands in the tree; its id is its name.
    target
        What is scaled.
    metric
        What is measured.
    value
        The value.
    scale_out, scale_in
        Seconds to wait after adding, and before taking away.
    """
    known = _policy.PredefinedMetricSpecificationProperty
    _policy(
        scope,
        construct_id,
        policy_name=construct_id,
        policy_type="TargetTrackingScaling",
        scaling_target_id=target.ref,
        target_tracking_scaling_policy_configuration=_policy.TargetTrackingScalingPolicyConfigurationProperty(
            predefined_metric_specification=(
                known(predefined_metric_type=metric) if isinstance(metric, str) else None
            ),
            customized_metric_specification=None if isinstance(metric, str) else metric,
            target_value=value,
            scale_out_cooldown=scale_out,
            scale_in_cooldown=scale_in,
        ),
    )
