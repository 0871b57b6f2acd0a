"""Metrics of what is, rather than of what happens: measured regularly.

https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

from collections.abc import Callable

from local.extensions.sagemaker.metrics import Metrics
from local.extensions.sagemaker.variants import Endpoint


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
