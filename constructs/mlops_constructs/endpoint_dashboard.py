"""What there is to see of one endpoint."""

from collections.abc import Mapping, Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from mlops_constructs.dashboards import dashboard
from mlops_constructs.endpoint_alarms import INSTANCES, INVOCATIONS, MINUTE, of_variant
from mlops_constructs.serving_exclusions import Kind

Lines = Mapping[str, Mapping[str, str]]
"""The dimensions of each line of a graph, by its name."""


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
    kind
        The kind of the endpoint: not each has every metric.
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
        kind: Kind = "realtime",
        alarms: Sequence[cloudwatch.IAlarm] = (),
        monitoring: Mapping[str, Mapping[str, cloudwatch.IMetric]] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        of_instances = {variant: of_variant(endpoint, variant) for variant in variants}
        of_requests = {name: {"InferenceComponentName": name} for name in components}
        graphs = _requests(kind, endpoint, of_requests or of_instances)
        graphs |= _instances(kind, of_instances)
        graphs |= {title: list(metrics.values()) for title, metrics in (monitoring or {}).items()}
        self.dashboard = dashboard(self, "Dashboard", alarms=alarms, graphs=graphs)


def _requests(kind: Kind, endpoint: str, of: Lines) -> dict[str, list[cloudwatch.IMetric]]:
    # SageMaker counts microseconds, and CloudWatch shows them as what they are.
    model, overhead = (
        _each(of, metric, "p50", "half") + _each(of, metric, "p99", "99 percent")
        for metric in ("ModelLatency", "OverheadLatency")
    )
    queued = kind == "async"
    graphs = {
        "Requests in a minute": _each(
            of, "InvocationsProcessed" if queued else "Invocations", "Sum"
        ),
        "Errors of clients (4xx)": _each(of, "Invocation4XXErrors", "Sum"),
        "Errors of the model (5xx)": _each(of, "Invocation5XXErrors", "Sum"),
        "Time in the model": model,
    }
    if queued:
        queue = {endpoint: {"EndpointName": endpoint}}
        return {**graphs, "Requests that wait": _each(queue, "ApproximateBacklogSize", "Maximum")}
    return {**graphs, "Time in SageMaker": overhead}


def _instances(kind: Kind, of: Lines) -> dict[str, list[cloudwatch.IMetric]]:
    memory = _each(of, "MemoryUtilization", "Maximum", space=INSTANCES)
    if kind == "serverless":
        return {"Memory, percent": memory}
    return {
        "CPU, percent of a core": _each(of, "CPUUtilization", "Average", space=INSTANCES),
        "Memory, percent": memory,
        "Disk, percent: from 75 on, less is captured": _each(
            of, "DiskUtilization", "Maximum", space=INSTANCES
        ),
        # There is no metric of this: each instance reports its CPU once in a minute.
        "Instances": _each(of, "CPUUtilization", "SampleCount", space=INSTANCES),
    }


def _each(
    of: Lines, metric: str, statistic: str, share: str = "", space: str = INVOCATIONS
) -> list[cloudwatch.IMetric]:
    """A metric of each of several, such as variants or components."""
    return [
        cloudwatch.Metric(
            namespace=space,
            metric_name=metric,
            dimensions_map=dict(dimensions),
            statistic=statistic,
            period=MINUTE,
            label=f"{name}, {share}" if share else name,
        )
        for name, dimensions in of.items()
    ]
