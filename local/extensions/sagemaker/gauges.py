"""Metrics of what is, rather than of what happens: measured regularly.

https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

from collections.abc import Callable

from local.extensions.sagemaker.deployer import in_background
from local.extensions.sagemaker.metrics import Metrics
from local.extensions.sagemaker.serverless import IDLE_SECONDS
from local.extensions.sagemaker.variants import Endpoint
from local.pace import Pace


def measure(endpoints: Callable[[], list[Endpoint]], metrics: Metrics) -> None:
    """Measure the variants of endpoints.

    A variant without traffic has none rather than nothing to tell, so that it is scaled in:
    https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-prerequisites.html

    Parameters
    ----------
    endpoints
        Those that answer.
    metrics
        Where to.
    """
    for endpoint in endpoints():
        for _, side in endpoint.routes:
            for variant in side.variants:
                of = {"EndpointName": endpoint.name, "VariantName": variant.name}
                metrics.add(endpoint.scope, "InvocationsPerInstance", 0.0, "None", of)
                for instance in variant.fleet.ready:
                    at_work = float(instance.in_flight)
                    metrics.add(endpoint.scope, "ConcurrentRequestsPerModel", at_work, "Count", of)


def rest(endpoints: Callable[[], list[Endpoint]], pace: Pace) -> None:
    """Stop the instances of serverless variants that nobody asks.

    Parameters
    ----------
    endpoints
        Those that answer.
    pace
        How fast an idle instance grows old.
    """
    for endpoint in endpoints():
        for variant in endpoint.side.all if endpoint.side else ():
            if variant.gate and variant.gate.idle(pace.seconds(IDLE_SECONDS)):
                in_background(f"rest-{endpoint.name}", variant.gate.rest)
