"""What is watched of an endpoint, always and while a new version takes over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from mlops_constructs.alarms import Alarms
from mlops_constructs.deployment import MOST_ALARMS, alarm_faults
from mlops_constructs.endpoint_variants import Variant
from mlops_constructs.faults import raise_faults
from mlops_constructs.serving_exclusions import MAIN

# https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
INVOCATIONS = "AWS/SageMaker"
INSTANCES = "/aws/sagemaker/Endpoints"

MINUTE = Duration.minutes(1)
MICROSECONDS = 1000


@dataclass(frozen=True)
class Limits:
    """The first values that are too much.

    Parameters
    ----------
    errors
        Requests in a minute that the model fails at (5xx).
    refused
        Percent of the requests that it refuses (4xx).
    latency
        Milliseconds that the model takes for 99 percent of requests.
    overhead
        Milliseconds that SageMaker adds to 99 percent of requests.
    memory, disk
        Percent of an instance's memory and disk that are in use.
    """

    errors: int = 5
    refused: int = 50
    latency: int = 5000
    overhead: int = 1000
    memory: int = 90
    disk: int = 90


LIMITS = Limits()
"""What is too much, unless somebody knows better."""


@dataclass(frozen=True)
class Watched:
    """One thing that is watched.

    Parameters
    ----------
    construct_id
        What its alarm is called.
    metric
        The metric, by its dimensions.
    limit
        The first value that is too much.
    says
        What is wrong then.
    periods
        Minutes that it has to last.
    of_instances
        Whether it is known of instances of one's own alone.
    """

    construct_id: str
    metric: Callable[[dict[str, str]], cloudwatch.IMetric]
    limit: Callable[[Limits], float]
    says: str
    periods: int
    of_instances: bool = False


def _metric(
    name: str, statistic: str, namespace: str
) -> Callable[[dict[str, str]], cloudwatch.IMetric]:
    return lambda dimensions: cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=MINUTE,
    )


# In the order of what tells most about a new version: of several variants, there may not be room
# for all of them in one deployment.
WATCHED: Sequence[Watched] = (
    Watched(
        "Errors",
        _metric("Invocation5XXErrors", "Sum", INVOCATIONS),
        lambda limits: limits.errors,
        "The model fails at requests (5xx). Its log has their traces.",
        periods=1,
    ),
    Watched(
        "Latency",
        _metric("ModelLatency", "p99", INVOCATIONS),
        lambda limits: limits.latency * MICROSECONDS,
        "One request in a hundred takes the model too long.",
        periods=3,
    ),
    Watched(
        # Each request counts 0 or 1: their average is the part of those that are refused.
        "Refused",
        _metric("Invocation4XXErrors", "Average", INVOCATIONS),
        lambda limits: limits.refused / 100,
        "The model refuses requests (4xx): its clients, or its version, expect another form.",
        periods=3,
    ),
    Watched(
        "Overhead",
        _metric("OverheadLatency", "p99", INVOCATIONS),
        lambda limits: limits.overhead * MICROSECONDS,
        "SageMaker itself takes long for one request in a hundred: are the requests too large?",
        periods=5,
    ),
    Watched(
        "Memory",
        _metric("MemoryUtilization", "Maximum", INSTANCES),
        lambda limits: limits.memory,
        "An instance of the model is about to run out of memory.",
        periods=5,
    ),
    Watched(
        "Disk",
        _metric("DiskUtilization", "Maximum", INSTANCES),
        lambda limits: limits.disk,
        "The disk of an instance of the model is nearly full.",
        periods=5,
        of_instances=True,
    ),
)


OF_MODELS = WATCHED[:3]
"""What is known of a model that shares its instances with others."""


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
    ) -> None:
        super().__init__(scope, construct_id)
        answering = [variant for variant in variants if not variant.shadow]
        raise_faults(self.node.path, alarm_faults("others", len(answering), len(others)))
        self.all: list[cloudwatch.Alarm] = []
        self.rollback = list(others)
        for watched in WATCHED:
            made = [
                alarms.above(
                    self,
                    f"{_words(variant)}{watched.construct_id}",
                    watched.metric({"EndpointName": endpoint_name, "VariantName": variant.name}),
                    watched.limit(limits),
                    f"{endpoint_name}: {watched.says}",
                    periods=watched.periods,
                )
                for variant in answering
                if not (variant.serverless and watched.of_instances)
            ]
            self.all += made
            if len(self.rollback) + len(made) <= MOST_ALARMS:
                self.rollback += [alarm.alarm_name for alarm in made]


def _words(variant: Variant) -> str:
    return "" if variant.name == MAIN else variant.name.title().replace("-", "")
