"""More tasks of the tracking server while there is more to do."""

from aws_cdk import Duration
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.tracking_server import TrackingServer

CPU_PERCENT = 60
"""The use of CPU that the tasks are kept at: what is left is for the minutes until one is added."""

OUT, IN = Duration.minutes(1), Duration.minutes(10)
"""How long to wait after adding a task, and before taking one away."""


class TrackingScaling(Construct):
    """Adds tasks to a tracking server, and takes them away again, between two bounds.

    Two policies each want a number of tasks, and the larger one counts: by CPU, and by requests
    for each task. Waiting for the database takes no CPU, and requests queue all the same.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    server
        The server.
    requests
        Its requests in a minute.
    least, most
        Tasks that run in any case, and at most.
    requests_per_task
        Requests in a minute that one task is meant for.

    Raises
    ------
    FaultsError
        Where there is nothing between the two.

    Examples
    --------
    >>> TrackingScaling(  # doctest: +SKIP
    ...     stack, "Scaling", server=server, requests=monitoring.requests, least=2, most=6)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        server: TrackingServer,
        requests: cloudwatch.Metric,
        least: int,
        most: int,
        requests_per_task: int = 6000,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_faults(self.node.path, _faults(least, most, requests_per_task))
        tasks = server.service.auto_scale_task_count(min_capacity=least, max_capacity=most)
        tasks.scale_on_cpu_utilization(
            "Cpu",
            target_utilization_percent=CPU_PERCENT,
            scale_out_cooldown=OUT,
            scale_in_cooldown=IN,
        )
        target = tasks.node.find_child("Target")
        assert isinstance(target, scaling.ScalableTarget)
        # The CDK's own policy takes one metric, and requests for each task are made of two.
        scaling.CfnScalingPolicy(
            self,
            "Requests",
            policy_name="Requests",
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.scalable_target_id,
            target_tracking_scaling_policy_configuration=scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                customized_metric_specification=_for_each_task(requests, server),
                target_value=requests_per_task,
                scale_out_cooldown=OUT.to_seconds(),
                scale_in_cooldown=IN.to_seconds(),
            ),
        )


def _for_each_task(
    requests: cloudwatch.Metric, server: TrackingServer
) -> scaling.CfnScalingPolicy.CustomizedMetricSpecificationProperty:
    """The requests of a minute, divided by the tasks that run.

    https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking-metric-math.html
    """
    policy = scaling.CfnScalingPolicy
    query = policy.TargetTrackingMetricDataQueryProperty
    dimension = policy.TargetTrackingMetricDimensionProperty
    running = {
        "ClusterName": server.service.cluster.cluster_name,
        "ServiceName": server.service.service_name,
    }
    return policy.CustomizedMetricSpecificationProperty(
        metrics=[
            query(
                id="requests",
                return_data=False,
                metric_stat=policy.TargetTrackingMetricStatProperty(
                    stat="Sum",
                    metric=policy.TargetTrackingMetricProperty(
                        namespace=requests.namespace, metric_name=requests.metric_name
                    ),
                ),
            ),
            query(
                id="tasks",
                return_data=False,
                metric_stat=policy.TargetTrackingMetricStatProperty(
                    stat="Average",
                    metric=policy.TargetTrackingMetricProperty(
                        namespace="ECS/ContainerInsights",
                        metric_name="RunningTaskCount",
                        dimensions=[
                            dimension(name=name, value=value) for name, value in running.items()
                        ],
                    ),
                ),
            ),
            query(id="each", expression="requests / tasks", return_data=True),
        ]
    )


def _faults(least: int, most: int, requests_per_task: int) -> list[Fault]:
    faults = []
    if not 1 <= least < most:
        faults.append(
            Fault(
                "most",
                f"{least} to {most} tasks",
                "at least one task, and more at most",
                "Raise the upper bound, or do without scaling.",
            )
        )
    if requests_per_task < 1:
        faults.append(
            Fault("requests_per_task", str(requests_per_task), "1 or more", "Choose more.")
        )
    return faults
