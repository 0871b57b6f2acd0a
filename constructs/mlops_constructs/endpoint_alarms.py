"""What is watched of an endpoint, always and while a new version takes over."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from mlops_constructs.alarm_limits import LIMITS, Limits
from mlops_constructs.alarms import Alarms
from mlops_constructs.deployment import MOST_ALARMS, alarm_faults
from mlops_constructs.endpoint_variants import Variant
from mlops_constructs.faults import raise_faults
from mlops_constructs.serving_exclusions import MAIN, Kind

# https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
INVOCATIONS = "AWS/SageMaker"
INSTANCES = "/aws/sagemaker/Endpoints"

MINUTE = Duration.minutes(1)
MICROSECONDS = 1000


@dataclass(frozen=True)
class Watched:
    """One thing that is watched.

    Parameters
    ----------
    construct_id
        What its alarm is called.
    name, statistic, namespace
        The metric.
    limit
        The first value that is too much.
    says
        What is wrong then.
    periods
        Minutes that it has to last.
    unknown_to
        Kinds of endpoints that have no such metric.
    """

    construct_id: str
    name: str
    statistic: str
    limit: Callable[[Limits], float]
    says: str
    periods: int
    namespace: str = INVOCATIONS
    unknown_to: Sequence[Kind] = ()

    def alarm(
        self,
        scope: Construct,
        construct_id: str,
        alarms: Alarms,
        limits: Limits,
        dimensions: Mapping[str, str],
        what: str,
    ) -> cloudwatch.Alarm:
        """Its alarm.

        Parameters
        ----------
        scope, construct_id
            Where the alarm stands in the tree.
        alarms
            How alarms are made.
        limits
            What is too much.
        dimensions
            Whose metric it is.
        what
            The same in words.
        """
        metric = cloudwatch.Metric(
            namespace=self.namespace,
            metric_name=self.name,
            dimensions_map=dict(dimensions),
            statistic=self.statistic,
            period=MINUTE,
        )
        return alarms.above(
            scope,
            construct_id,
            metric,
            self.limit(limits),
            f"{what}: {self.says}",
            periods=self.periods,
        )


# In the order of what tells most about a new version: of several variants, there may not be room
# for all of them in one deployment.
WATCHED: Sequence[Watched] = (
    Watched(
        "Errors",
        "Invocation5XXErrors",
        "Sum",
        lambda limits: limits.errors,
        "The model fails at requests (5xx). Its log has their traces.",
        periods=1,
    ),
    Watched(
        "Latency",
        "ModelLatency",
        "p99",
        lambda limits: limits.latency * MICROSECONDS,
        "One request in a hundred takes the model too long.",
        periods=3,
    ),
    Watched(
        # Each request counts 0 or 1: their average is the part of those that are refused.
        "Refused",
        "Invocation4XXErrors",
        "Average",
        lambda limits: limits.refused / 100,
        "The model refuses requests (4xx): its clients, or its version, expect another form.",
        periods=3,
    ),
    Watched(
        "Overhead",
        "OverheadLatency",
        "p99",
        lambda limits: limits.overhead * MICROSECONDS,
        "SageMaker itself takes long for one request in a hundred: are the requests too large?",
        periods=5,
        unknown_to=("async",),
    ),
    Watched(
        "Memory",
        "MemoryUtilization",
        "Maximum",
        lambda limits: limits.memory,
        "An instance of the model is about to run out of memory.",
        periods=5,
        namespace=INSTANCES,
    ),
    Watched(
        "Disk",
        "DiskUtilization",
        "Maximum",
        lambda limits: limits.disk,
        "The disk of an instance of the model is nearly full.",
        periods=5,
        namespace=INSTANCES,
        unknown_to=("serverless",),
    ),
)
"""All that is watched. What a kind of endpoint does not know stands in lists of AWS's:
https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html
https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-monitoring.html
"""

OF_MODELS = WATCHED[:3]
"""What is known of a model that shares its instances with others."""

OF_FLEETS = [it for it in WATCHED if it.namespace == INSTANCES]
"""What is known of the instances that models share."""


class EndpointAlarms(Construct):
    """The alarms of an endpoint: of each variant that answers.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    alarms
        How alarms are made.
    endpoint_name
        Name of the endpoint.
    variants
        Its variants. Shadows answer nobody, and are not watched.
    limits
        What is too much.
    others
        Names of other alarms that roll a deployment back.
    kind
        The kind of the endpoint.

    Attributes
    ----------
    all : list of aws_cdk.aws_cloudwatch.Alarm
        The alarms.
    rollback : list of str
        Names of the alarms that roll a deployment back: at most ten, of each kind of all variants
        or none.

    Raises
    ------
    FaultsError
        Where not even one kind of alarm fits beside the others.

    Examples
    --------
    >>> EndpointAlarms(  # doctest: +SKIP
    ...     self, "Alarms", alarms=alarms, endpoint_name="mlops-blue-iris", variants=variants)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        alarms: Alarms,
        endpoint_name: str,
        variants: Sequence[Variant],
        limits: Limits = LIMITS,
        others: Sequence[str] = (),
        kind: Kind = "realtime",
    ) -> None:
        super().__init__(scope, construct_id)
        answering = [variant for variant in variants if not variant.shadow]
        raise_faults(self.node.path, alarm_faults("others", len(answering), len(others)))
        self.all: list[cloudwatch.Alarm] = []
        self.rollback = list(others)
        for watched in WATCHED:
            made = [
                watched.alarm(
                    self,
                    f"{_words(variant)}{watched.construct_id}",
                    alarms,
                    limits,
                    of_variant(endpoint_name, variant.name),
                    endpoint_name,
                )
                for variant in answering
                if kind not in watched.unknown_to
            ]
            self.all += made
            if len(self.rollback) + len(made) <= MOST_ALARMS:
                self.rollback += [alarm.alarm_name for alarm in made]


def of_variant(endpoint: str, variant: str) -> dict[str, str]:
    """The dimensions of the metrics of a variant.

    Parameters
    ----------
    endpoint, variant
        The names of both.
    """
    return {"EndpointName": endpoint, "VariantName": variant}


def _words(variant: Variant) -> str:
    return "" if variant.name == MAIN else variant.name.title().replace("-", "")
