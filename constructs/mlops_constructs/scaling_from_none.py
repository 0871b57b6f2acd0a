"""The first of something that is scaled down to none: no average of none says that it is missed."""

from collections.abc import Mapping

from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

NAMESPACE = "AWS/SageMaker"


class ScalingFromNone(Construct):
    """Adds the first instance or copy when somebody waits for it.

    https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-zero-instances.html
    https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-autoscale.html

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    target
        What is scaled.
    metric, dimensions
        The metric that is 1 or more while there is none, and somebody waits.
    says
        What is the matter then.

    Examples
    --------
    >>> ScalingFromNone(  # doctest: +SKIP
    ...     self, "First", target=target, metric="HasBacklogWithoutCapacity",
    ...     dimensions={"EndpointName": "mlops-blue-iris"}, says="A request waits.")
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        target: scaling.CfnScalableTarget,
        metric: str,
        dimensions: Mapping[str, str],
        says: str,
    ) -> None:
        super().__init__(scope, construct_id)
        policy = scaling.CfnScalingPolicy
        one = policy.StepAdjustmentProperty(metric_interval_lower_bound=0, scaling_adjustment=1)
        first = policy(
            self,
            "Policy",
            policy_name="First",
            policy_type="StepScaling",
            scaling_target_id=target.ref,
            step_scaling_policy_configuration=policy.StepScalingPolicyConfigurationProperty(
                adjustment_type="ChangeInCapacity",
                metric_aggregation_type="Maximum",
                cooldown=60,
                step_adjustments=[one],
            ),
        )
        cloudwatch.CfnAlarm(
            self,
            "Waiting",
            alarm_description=says,
            namespace=NAMESPACE,
            metric_name=metric,
            dimensions=[
                cloudwatch.CfnAlarm.DimensionProperty(name=name, value=value)
                for name, value in dimensions.items()
            ],
            statistic="Maximum",
            period=60,
            evaluation_periods=1,
            threshold=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="missing",
            alarm_actions=[first.ref],
        )
