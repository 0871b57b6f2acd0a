"""Inference components: several models on the instances of one endpoint, each with its copies.

https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-deploy-models.html
How many copies fit on an instance is not asked for here: this machine is all instances.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from local.extensions.hooks import account_and_region
from local.extensions.json_service import RefusedError, invalid
from local.extensions.sagemaker.deployer import Launches, in_background
from local.extensions.sagemaker.errors import StartError
from local.extensions.sagemaker.fleet import Fleet
from local.extensions.sagemaker.metrics import Metrics
from local.extensions.sagemaker.records import Records
from local.extensions.sagemaker.variants import Endpoint, Record, Variant, containers_of

HEADER = "x-amzn-sagemaker-inference-component"
RESOURCE = "inference-component/"
"""What Application Auto Scaling's names of them begin with."""

log = logging.getLogger(__name__)


class Components:
    """The inference components.

    Parameters
    ----------
    records
        Where they are kept, and models are found.
    launches
        What starts copies.
    metrics
        What is told of them.
    """

    def __init__(self, records: Records, launches: Launches, metrics: Metrics) -> None:
        self._records = records
        self._launches = launches
        self._metrics = metrics
        self._variants: dict[str, Variant] = {}
        self._settled: dict[str, threading.Event] = {}

    def create(self, request: Mapping[str, Any]) -> Record:
        """Begin to run one."""
        endpoint = self._records.found("Endpoint", request["EndpointName"])
        config = self._records.found("EndpointConfig", endpoint["EndpointConfigName"])
        names = [each["VariantName"] for each in config["ProductionVariants"]]
        if request.get("VariantName") not in names:
            raise invalid(f"The variant of a component is one of {', '.join(names)}.")
        containers = self._containers(request)
        record = self._records.add("InferenceComponent", request)
        record["EndpointArn"] = endpoint["EndpointArn"]
        record["InferenceComponentStatus"] = "Creating"
        count = int(request.get("RuntimeConfig", {}).get("CopyCount", 1))
        region = account_and_region()[1]
        self._settle(record, "Failed", lambda: self._start(record, containers, count, region))
        return {"InferenceComponentArn": record["InferenceComponentArn"]}

    def describe(self, request: Mapping[str, Any]) -> Record:
        """One, as it is."""
        record = self._record(request)
        variant = self._variants.get(record["InferenceComponentName"])
        runtime = {
            "DesiredCopyCount": variant.desired if variant else 0,
            "CurrentCopyCount": variant.fleet.count if variant else 0,
        }
        return {**record, "RuntimeConfig": runtime}

    def all(self, request: Mapping[str, Any]) -> Record:
        """Those of an endpoint, or of all."""
        asked = request.get("EndpointNameEquals")
        found = self._records.all("InferenceComponent", request.get("NameContains", ""))
        return {
            "InferenceComponents": [each for each in found if asked in (None, each["EndpointName"])]
        }

    def update(self, request: Mapping[str, Any]) -> Record:
        """Replace its model: new copies start before the old ones stop."""
        record = self._idle(request)
        name = record["InferenceComponentName"]
        wanted = {**record, **request}
        containers = self._containers(wanted)
        before = self._variants.get(name)
        copies = request.get("RuntimeConfig", {}).get("CopyCount")
        count = int(copies if copies is not None else before.desired if before else 1)
        region = account_and_region()[1]

        def work() -> None:
            self._start(record, containers, count, region)
            if "Specification" in request:
                record["Specification"] = request["Specification"]
            if before:
                before.fleet.stop()

        record["InferenceComponentStatus"] = "Updating"
        self._settle(record, "InService" if before else "Failed", work)
        return {"InferenceComponentArn": record["InferenceComponentArn"]}

    def update_copies(self, request: Mapping[str, Any]) -> Record:
        """Have another number of copies."""
        record = self._idle(request)
        count = int(request["DesiredRuntimeConfig"]["CopyCount"])
        variant = self._variants[record["InferenceComponentName"]]

        def work() -> None:
            before, variant.desired = variant.desired, count
            try:
                variant.fleet.resize(count)
            except StartError:
                variant.desired = before
                raise

        record["InferenceComponentStatus"] = "Updating"
        self._settle(record, "InService", work)
        return {"InferenceComponentArn": record["InferenceComponentArn"]}

    def delete(self, request: Mapping[str, Any]) -> Record:
        """Stop one, and forget it."""
        record = self._idle(request)
        name = record["InferenceComponentName"]
        self._records.remove("InferenceComponent", name)
        variant = self._variants.pop(name, None)
        if variant:
            in_background(f"stop-{name}", variant.fleet.stop)
        return {}

    def wait(self, name: str) -> Record:
        """Wait until one is settled; how it is described."""
        self._settled[name].wait()
        return self.describe({"InferenceComponentName": name})

    def variant(self, endpoint: Endpoint, name: str) -> Variant:
        """What a request to a component goes to.

        Raises
        ------
        RefusedError
            Where there is no such component, or it has no copy.
        """
        variant = self._variants.get(name)
        if variant is None or self._record_of(name)["EndpointName"] != endpoint.name:
            raise RefusedError("ValidationError", f"Inference Component {name} not found.")
        of = {"InferenceComponentName": name}
        if not variant.fleet.count:
            self._metrics.add(endpoint.scope, "NoCapacityInvocationFailures", 1.0, "None", of)
            raise RefusedError(
                "ValidationError",
                "Inference Component has no capacity to process this request."
                " ApplicationAutoScaling may be in-progress (if configured) or try to increase the"
                " capacity by invoking UpdateInferenceComponentRuntimeConfig API.",
            )
        per_copy = 1.0 / variant.fleet.count
        self._metrics.add(endpoint.scope, "InvocationsPerCopy", per_copy, "None", of)
        return variant

    def measure(self) -> None:
        """Measure what each copy has to do."""
        for name, variant in list(self._variants.items()):
            of = {"InferenceComponentName": name}
            # An ARN names account and region.
            parts = self._record_of(name)["InferenceComponentArn"].split(":")
            scope = (parts[4], parts[3])
            self._metrics.add(scope, "InvocationsPerCopy", 0.0, "None", of)
            for copy in variant.fleet.ready:
                at_work = float(copy.in_flight)
                self._metrics.add(scope, "ConcurrentRequestsPerCopy", at_work, "Count", of)

    def capacity(self, resource: str) -> int | None:
        """How many copies a component is to have; nothing while it is not settled."""
        name = resource.removeprefix(RESOURCE)
        variant = self._variants.get(name)
        settled = variant and self._record_of(name)["InferenceComponentStatus"] == "InService"
        return variant.desired if variant and settled else None

    def scale(self, resource: str, count: int) -> None:
        """Have that many copies, and wait for them.

        Raises
        ------
        StartError
            Where they do not start.
        """
        name = resource.removeprefix(RESOURCE)
        config = {"CopyCount": count}
        self.update_copies({"InferenceComponentName": name, "DesiredRuntimeConfig": config})
        reason = self.wait(name).get("FailureReason")
        if reason:
            raise StartError(reason)

    def _start(
        self, record: Record, containers: list[Mapping[str, Any]], count: int, region: str
    ) -> None:
        name = record["InferenceComponentName"]
        fleet = Fleet(self._launches.prepare(name, region, containers))
        fleet.resize(count)
        settings = {"VariantName": record["VariantName"], "InitialInstanceCount": count}
        self._variants[name] = Variant(settings, {"Containers": containers}, fleet)

    def _containers(self, request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """What a copy runs."""
        specification = request.get("Specification", {})
        if "ModelName" in specification:
            return list(containers_of(self._records.found("Model", specification["ModelName"])))
        own = specification.get("Container")
        if not own:
            raise invalid(
                "The specification of a component has a ModelName or a Container here, and no"
                " BaseInferenceComponentName."
            )
        container = {"Image": own["Image"], "Environment": own.get("Environment", {})}
        if "ArtifactUrl" in own:
            container["ModelDataUrl"] = own["ArtifactUrl"]
        return [container]

    def _record(self, request: Mapping[str, Any]) -> Record:
        return self._record_of(request["InferenceComponentName"])

    def _record_of(self, name: str) -> Record:
        return self._records.found("InferenceComponent", name)

    def _idle(self, request: Mapping[str, Any]) -> Record:
        record = self._record(request)
        if record["InferenceComponentStatus"] in ("Creating", "Updating"):
            name = record["InferenceComponentName"]
            raise invalid(f"The inference component {name} is being changed: wait for its end.")
        return record

    def _settle(self, record: Record, otherwise: str, work: Callable[[], None]) -> None:
        """Do work in the background; where it fails, say why, and be `otherwise`."""
        record.pop("FailureReason", None)
        record["LastModifiedTime"] = time.time()
        name = record["InferenceComponentName"]

        def run() -> None:
            try:
                work()
                record["InferenceComponentStatus"] = "InService"
            except Exception as error:
                # Nobody else is told of what fails in this thread.
                log.exception("inference component %s", name)
                record["FailureReason"] = str(error)[:1024]
                record["InferenceComponentStatus"] = otherwise

        self._settled[name] = in_background(f"component-{name}", run)
