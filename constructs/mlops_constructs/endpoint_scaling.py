"""More instances of an endpoint while there is more to do."""

from collections.abc import Sequence

from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from mlops_constructs.faults import raise_faults
from mlops_constructs.scaling_plan import Scaling, Scheduled
from mlops_constructs.target_tracking import track

# https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PredefinedMetricSpecification.html
INVOCATIONS = "SageMakerVariantInvocationsPerInstance"
CONCURRENCY = "SageMakerVariantConcurrentRequestsPerModelHighResolution"


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
        self.target = instances(
            self,
            endpoint=endpoint,
            endpoint_name=endpoint_name,
            variant=variant,
            least=plan.least,
            most=plan.most,
            schedule=plan.schedule,
        )
        for name, metric, value in (
            ("Invocations", INVOCATIONS, plan.invocations),
            ("Concurrency", CONCURRENCY, plan.concurrency),
        ):
            if value:
                track(
                    self,
                    name,
                    target=self.target,
                    metric=metric,
                    value=value,
                    scale_out=plan.scale_out,
                    scale_in=plan.scale_in,
                )


def instances(
    scope: Construct,
    *,
    endpoint: sagemaker.CfnEndpoint,
    endpoint_name: str,
    variant: str,
    least: int,
    most: int,
    schedule: Sequence[Scheduled] = (),
) -> scaling.CfnScalableTarget:
    """The instances of a variant, as something that is scaled.

    Parameters
    ----------
    scope
        Who scales them.
    endpoint
        The endpoint; it is there before.
    endpoint_name, variant
        Its name, and its variant's.
    least, most
        Instances that run in any case, and at most.
    schedule
        Other bounds, by the clock.
    """
    target = scaling.CfnScalableTarget
    made = target(
        scope,
        "Target",
        service_namespace="sagemaker",
        scalable_dimension="sagemaker:variant:DesiredInstanceCount",
        resource_id=f"endpoint/{endpoint_name}/variant/{variant}",
        min_capacity=least,
        max_capacity=most,
        scheduled_actions=[
            target.ScheduledActionProperty(
                scheduled_action_name=f"Schedule{number}",
                schedule=entry.at,
                timezone=entry.timezone,
                scalable_target_action=target.ScalableTargetActionProperty(
                    min_capacity=entry.least, max_capacity=entry.most
                ),
            )
            for number, entry in enumerate(schedule)
        ]
        or None,
    )
    made.node.add_dependency(endpoint)
    return made
