"""More instances of an endpoint while there is more to do."""

from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from mlops_constructs.faults import raise_faults
from mlops_constructs.scaling_plan import Scaling

# https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PredefinedMetricSpecification.html
INVOCATIONS = "SageMakerVariantInvocationsPerInstance"
CONCURRENCY = "SageMakerVariantConcurrentRequestsPerModelHighResolution"

INSTANCES = "sagemaker:variant:DesiredInstanceCount"


class EndpointScaling(Construct):
    """Adds instances to a variant of an endpoint, and takes them away again, between two bounds.

    An update keeps the number of instances that there are, as the endpoint retains the properties
    of its variants. It must not change their type while they are scaled: SageMaker refuses that.
    https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    endpoint
        The endpoint; it is there before, and is updated before, its instances are scaled.
    endpoint_name
        Its name.
    variant
        Name of the variant.
    plan
        Bounds, and what instances are added by.

    Attributes
    ----------
    target : aws_cdk.aws_applicationautoscaling.CfnScalableTarget
        What is scaled.

    Raises
    ------
    FaultsError
        With every fault of the plan.

    Examples
    --------
    >>> EndpointScaling(  # doctest: +SKIP
    ...     self, "Scaling", endpoint=endpoint, endpoint_name="mlops-blue-iris", variant="main",
    ...     plan=Scaling(2, 6, invocations=1000))
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: sagemaker.CfnEndpoint,
        endpoint_name: str,
        variant: str,
        plan: Scaling,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_faults(self.node.path, plan.faults("plan"))
        target = scaling.CfnScalableTarget
        self.target = target(
            self,
            "Target",
            service_namespace="sagemaker",
            scalable_dimension=INSTANCES,
            resource_id=f"endpoint/{endpoint_name}/variant/{variant}",
            min_capacity=plan.least,
            max_capacity=plan.most,
            scheduled_actions=[
                target.ScheduledActionProperty(
                    scheduled_action_name=f"Schedule{number}",
                    schedule=entry.at,
                    timezone=entry.timezone,
                    scalable_target_action=target.ScalableTargetActionProperty(
                        min_capacity=entry.least, max_capacity=entry.most
                    ),
                )
                for number, entry in enumerate(plan.schedule)
            ]
            or None,
        )
        self.target.node.add_dependency(endpoint)
        for name, metric, value in (
            ("Invocations", INVOCATIONS, plan.invocations),
            ("Concurrency", CONCURRENCY, plan.concurrency),
        ):
            if value:
                self._track(name, metric, value, plan)

    def _track(self, name: str, metric: str, value: int, plan: Scaling) -> None:
        policy = scaling.CfnScalingPolicy
        policy(
            self,
            name,
            policy_name=name,
            policy_type="TargetTrackingScaling",
            scaling_target_id=self.target.ref,
            target_tracking_scaling_policy_configuration=policy.TargetTrackingScalingPolicyConfigurationProperty(
                predefined_metric_specification=policy.PredefinedMetricSpecificationProperty(
                    predefined_metric_type=metric
                ),
                target_value=value,
                scale_out_cooldown=plan.scale_out,
                scale_in_cooldown=plan.scale_in,
            ),
        )
