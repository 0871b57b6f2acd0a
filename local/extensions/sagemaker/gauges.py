"""Metrics of what is, rather than of what happens: measured regularly.

https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping

from local.extensions.hooks import Scope
from local.extensions.metric_names import SAGEMAKER_INSTANCES
from local.extensions.sagemaker.components import Components
from local.extensions.sagemaker.containers import Instance
from local.extensions.sagemaker.deployer import in_background
from local.extensions.sagemaker.instance_types import capacity
from local.extensions.sagemaker.metrics import Metrics
from local.extensions.sagemaker.serverless import IDLE_SECONDS
from local.extensions.sagemaker.variants import Endpoint
from local.memory import Memory
from local.pace import Pace

MIB = 1024 * 1024
MEMORY_SECONDS = 30.0
"""How often memory is measured, in declared seconds: twice in an alarm's period."""
LEAST_SECONDS = 0.5
"""The same by this machine's clock, at the most often."""


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


class MemoryGauge:
    """Measures what part of its memory each instance, or copy of a component, has in use.

    An instance has what its type has, and a copy what it was given: this machine limits neither.
    Of types that are not known, nothing is measured.

    Parameters
    ----------
    endpoints
        Those that answer.
    components
        What may share their instances.
    metrics
        Where to.
    pace
        How often.
    measured
        The memory of sessions; see `Memory.of`.
    now
        A clock, in seconds.
    """

    def __init__(
        self,
        endpoints: Callable[[], list[Endpoint]],
        components: Components,
        metrics: Metrics,
        pace: Pace,
        measured: Callable[[Collection[int]], Mapping[int, int]] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoints = endpoints
        self._components = components
        self._metrics = metrics
        self._seconds = max(LEAST_SECONDS, pace.seconds(MEMORY_SECONDS))
        self._measured = measured or Memory().of
        self._now = now
        self._due = now()

    def measure(self) -> None:
        """Measure, when it is time to."""
        if self._now() < self._due:
            return
        self._due = self._now() + self._seconds
        found = [*self._of_instances(), *self._of_copies()]
        sessions = {each.pid for _, _, instance, _ in found for each in instance.containers}
        used = self._measured(sessions) if sessions else {}
        for scope, of, instance, most in found:
            taken = sum(used.get(each.pid, 0) for each in instance.containers)
            percent = 100 * taken / (most * MIB)
            self._metrics.add(
                scope, "MemoryUtilization", percent, "Percent", of, SAGEMAKER_INSTANCES
            )

    def _of_instances(self) -> Iterator[tuple[Scope, Mapping[str, str], Instance, float]]:
        """Each instance that has containers of its own, with what it is called and may have."""
        for endpoint in self._endpoints():
            for _, side in endpoint.routes:
                for variant in side.variants:
                    of = {"EndpointName": endpoint.name, "VariantName": variant.name}
                    size = capacity(str(variant.settings.get("InstanceType", "")))
                    if size and variant.containers:
                        for instance in variant.fleet.ready:
                            yield endpoint.scope, of, instance, size.memory

    def _of_copies(self) -> Iterator[tuple[Scope, Mapping[str, str], Instance, float]]:
        for it in self._components.running():
            for copy in it.copies if it.memory else ():
                yield it.scope, {"InferenceComponentName": it.name}, copy, it.memory


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
