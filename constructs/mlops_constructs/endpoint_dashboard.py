"""What there is to see of one endpoint."""

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from mlops_constructs.dashboards import dashboard

# https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
INVOCATIONS, INSTANCES = "AWS/SageMaker", "/aws/sagemaker/Endpoints"
"""Where SageMaker's metrics of requests and of instances stand."""

MINUTE = Duration.minutes(1)


class EndpointDashboard(Construct):
    """A dashboard of an endpoint's requests, instances, alarms, and of what monitors it.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    endpoint
        Name of the endpoint.
    variants
        Names of its production variants.
    components
        Names of inference components, where models share a fleet: requests are counted by them.
    instances
        Whether the variants have instances of their own: serverless ones have not.
    alarms
        Alarms of the endpoint.
    monitoring
        What monitoring knows of it, by the title of the graph and by name.

    Attributes
    ----------
    dashboard : aws_cdk.aws_cloudwatch.Dashboard
        The dashboard.

    Examples
    --------
    >>> EndpointDashboard(  # doctest: +SKIP
    ...     stack, "Dashboard", endpoint=endpoint.endpoint_name, alarms=schedule.all,
    ...     monitoring={"Data quality": schedule.metrics})
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: str,
        variants: Sequence[str] = ("main",),
        components: Sequence[str] = (),
        instances: bool = True,
        alarms: Sequence[cloudwatch.IAlarm] = (),
        monitoring: Mapping[str, Mapping[str, cloudwatch.IMetric]] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._of_instances = {
            variant: {"EndpointName": endpoint, "VariantName": variant} for variant in variants
        }
        self._of_requests: Mapping[str, Mapping[str, str]] = {
            component: {"InferenceComponentName": component} for component in components
        } or self._of_instances
        graphs = self._requests()
        if instances:
            graphs |= self._instances()
        graphs |= {title: list(metrics.values()) for title, metrics in (monitoring or {}).items()}
        self.dashboard = dashboard(self, "Dashboard", alarms=alarms, graphs=graphs)

    def _requests(self) -> dict[str, list[cloudwatch.IMetric]]:
        latencies = {"half": "p50", "99 percent": "p99"}
        return {
            "Requests in a minute": self._each("Invocations", "Sum"),
            "Errors of clients (4xx)": self._each("Invocation4XXErrors", "Sum"),
            "Errors of the model (5xx)": self._each("Invocation5XXErrors", "Sum"),
            # SageMaker counts microseconds, and CloudWatch shows them as what they are.
            "Time in the model": [
                metric
                for share, statistic in latencies.items()
                for metric in self._each("ModelLatency", statistic, share)
            ],
            "Time in SageMaker": [
                metric
                for share, statistic in latencies.items()
                for metric in self._each("OverheadLatency", statistic, share)
            ],
        }

    def _instances(self) -> dict[str, list[cloudwatch.IMetric]]:
        return {
            "CPU, percent of a core": self._each("CPUUtilization", "Average", space=INSTANCES),
            "Memory, percent": self._each("MemoryUtilization", "Maximum", space=INSTANCES),
            "Disk, percent: from 75 on, less is captured": self._each(
                "DiskUtilization", "Maximum", space=INSTANCES
            ),
            # There is no metric of this: each instance reports its CPU once in a minute.
            "Instances": self._each("CPUUtilization", "SampleCount", space=INSTANCES),
        }

    def _each(
        self, metric: str, statistic: str, share: str = "", space: str = INVOCATIONS
    ) -> list[cloudwatch.IMetric]:
        """A metric of each variant, or of each component."""
        lines = self._of_instances if space == INSTANCES else self._of_requests
        return [
            cloudwatch.Metric(
                namespace=space,
                metric_name=metric,
                dimensions_map=dict(dimensions),
                statistic=statistic,
                period=MINUTE,
                label=f"{name}, {share}" if share else name,
            )
            for name, dimensions in lines.items()
        ]
