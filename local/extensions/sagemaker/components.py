"""Inference components: several models on the instances of one endpoint, each with its copies.

https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-deploy-models.html
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from local.extensions.hooks import Scope, account_and_region
from local.extensions.json_service import RefusedError, invalid
from local.extensions.sagemaker.containers import Instance
from local.extensions.sagemaker.deployer import Alarms, Launches, in_background
from local.extensions.sagemaker.deployment import Clock, Deployment, Plan, plan_of_copies
from local.extensions.sagemaker.errors import StartError
from local.extensions.sagemaker.fleet import Fleet
from local.extensions.sagemaker.instance_types import Capacity
from local.extensions.sagemaker.metrics import Metrics
from local.extensions.sagemaker.packing import needed
from local.extensions.sagemaker.records import Records
from local.extensions.sagemaker.rooms import Rooms
from local.extensions.sagemaker.variants import (
    Endpoint,
    Record,
    Variant,
    choose,
    containers_of,
    part,
)

HEADER = "x-amzn-sagemaker-inference-component"
RESOURCE = "inference-component/"
"""What Application Auto Scaling's names of them begin with."""

Routes = tuple[tuple[float, Variant], ...]
"""What has a component's traffic, each with its share: one but while an update goes on."""

log = logging.getLogger(__name__)


class Running(NamedTuple):
    """What runs of a component.

    Parameters
    ----------
    name
        Which component.
    scope
        Its account and region.
    copies
        Those that answer.
    memory
        How many MiB each is given; 0 where it was not said.
    """

    name: str
    scope: Scope
    copies: Sequence[Instance]
    memory: float


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
    rooms
        What instances have room for.
    clock
        What updates wait by.
    alarms
        What turns them back.
    random
        What chances are taken from.
    """

    def __init__(
        self,
        records: Records,
        launches: Launches,
        metrics: Metrics,
        rooms: Rooms,
        clock: Clock,
        alarms: Alarms,
        random: Random | None = None,
    ) -> None:
        self._records = records
        self._launches = launches
        self._metrics = metrics
        self._rooms = rooms
        self._clock = clock
        self._alarms = alarms
        self._random = random or Random()  # noqa: S311 - which copy answers is no secret
        self._routes: dict[str, Routes] = {}
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
        self._settle(record, "Failed", lambda: self._replace(record, containers, count, region))
        return {"InferenceComponentArn": record["InferenceComponentArn"]}

    def describe(self, request: Mapping[str, Any]) -> Record:
        """One, as it is."""
        record = self._record(request)
        variant = self._deployed(record["InferenceComponentName"])
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
        """Replace its model, in the steps that it says; or have another number of copies."""
        record = self._idle(request)
        name, scope = record["InferenceComponentName"], account_and_region()
        before = self._deployed(name)
        copies = request.get("RuntimeConfig", {}).get("CopyCount")
        count = int(copies if copies is not None else before.desired if before else 1)
        specification = request.get("Specification", record["Specification"])
        if before and specification == record["Specification"]:
            return self._change_copies(record, before, count)
        containers = self._containers({**record, **request})
        way = None
        if request.get("DeploymentConfig") and before and count:
            way = plan_of_copies(request["DeploymentConfig"], count)
            missing = self._alarms.missing(scope, way.alarms)
            if missing:
                raise invalid(f"There is no alarm {', '.join(missing)} to turn the update back.")
        changed = {**record, "Specification": specification}

        def work() -> None:
            if way and before:
                self._roll(changed, before, containers, count, way, scope)
            else:
                self._replace(changed, containers, count, scope[1])
            record["Specification"] = specification

        record["InferenceComponentStatus"] = "Updating"
        self._settle(record, "InService" if before else "Failed", work)
        return {"InferenceComponentArn": record["InferenceComponentArn"]}

    def update_copies(self, request: Mapping[str, Any]) -> Record:
        """Have another number of copies."""
        record = self._idle(request)
        variant = self._deployed(record["InferenceComponentName"])
        if variant is None:
            raise invalid("The inference component has never been in service: delete it.")
        count = int(request["DesiredRuntimeConfig"]["CopyCount"])
        return self._change_copies(record, variant, count)

    def _change_copies(self, record: Record, variant: Variant, count: int) -> Record:
        def work() -> None:
            before = variant.desired
            self._hold(record, [needed(record["Specification"])] * count)
            variant.desired = count
            try:
                variant.fleet.resize(count)
            except StartError:
                variant.desired = before
                self._hold(record, [needed(record["Specification"])] * before)
                raise

        record["InferenceComponentStatus"] = "Updating"
        self._settle(record, "InService", work)
        return {"InferenceComponentArn": record["InferenceComponentArn"]}

    def delete(self, request: Mapping[str, Any]) -> Record:
        """Stop one, and forget it."""
        record = self._idle(request)
        name = record["InferenceComponentName"]
        routes = self._routes.pop(name, ())
        self._records.remove("InferenceComponent", name)
        self._rooms.leave(name)
        for _, variant in routes:
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
        routes = self._routes.get(name, ())
        variant = choose(routes, self._random.random())
        if variant is None or self._record_of(name)["EndpointName"] != endpoint.name:
            raise RefusedError("ValidationError", f"Inference Component {name} not found.")
        of = {"InferenceComponentName": name}
        count = sum(each.fleet.count for _, each in routes)
        if not variant.fleet.count:
            self._metrics.add(endpoint.scope, "NoCapacityInvocationFailures", 1.0, "None", of)
            raise RefusedError(
                "ValidationError",
                "Inference Component has no capacity to process this request."
                " ApplicationAutoScaling may be in-progress (if configured) or try to increase the"
                " capacity by invoking UpdateInferenceComponentRuntimeConfig API.",
            )
        self._metrics.add(endpoint.scope, "InvocationsPerCopy", 1.0 / count, "None", of)
        return variant

    def measure(self) -> None:
        """Measure what each copy has to do."""
        for it in self.running():
            of = {"InferenceComponentName": it.name}
            self._metrics.add(it.scope, "InvocationsPerCopy", 0.0, "None", of)
            for copy in it.copies:
                at_work = float(copy.in_flight)
                self._metrics.add(it.scope, "ConcurrentRequestsPerCopy", at_work, "Count", of)

    def running(self) -> Sequence[Running]:
        """What runs of each component."""
        return [
            self._running(name, [copy for _, variant in routes for copy in variant.fleet.ready])
            for name, routes in list(self._routes.items())
        ]

    def _running(self, name: str, copies: Sequence[Instance]) -> Running:
        record = self._record_of(name)
        # An ARN names account and region.
        parts = record["InferenceComponentArn"].split(":")
        return Running(name, (parts[4], parts[3]), copies, needed(record["Specification"]).memory)

    def capacity(self, resource: str) -> int | None:
        """How many copies a component is to have; nothing while it is not settled."""
        name = resource.removeprefix(RESOURCE)
        variant = self._deployed(name)
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

    def _replace(
        self, record: Record, containers: list[Mapping[str, Any]], count: int, region: str
    ) -> None:
        """Start all copies, and stop those that there were."""
        name = record["InferenceComponentName"]
        old = self._routes.get(name, ())
        held = self._rooms.held(name)
        copies = [needed(record["Specification"])] * count
        self._hold(record, [*held, *copies])
        try:
            new = self._prepared(record, containers, count, region)
            new.fleet.resize(count)
        except StartError:
            self._hold(record, held)
            raise
        self._routes[name] = ((1.0, new),)
        for _, variant in old:
            variant.fleet.stop()
        self._hold(record, copies)

    def _roll(
        self,
        record: Record,
        old: Variant,
        containers: list[Mapping[str, Any]],
        count: int,
        way: Plan,
        scope: Scope,
    ) -> None:
        """Replace copies batch after batch, each of which is watched."""
        name = record["InferenceComponentName"]
        new = self._prepared(record, containers, count, scope[1])
        held = self._rooms.held(name)
        each = held[0] if held else needed(record["Specification"])

        def hold(olds: int, news: int) -> None:
            self._hold(record, [each] * olds + [needed(record["Specification"])] * news)

        def route(routes: Routes) -> None:
            self._routes[name] = routes

        def say(_: str, stage: str, message: str) -> None:
            log.info("inference component %s: %s: %s", name, stage, message)

        moves = _Moves(old, new, hold, route)
        alarms = self._alarms
        deployment = Deployment(
            way, moves, self._clock, lambda names: alarms.in_alarm(scope, names), say
        )
        try:
            deployment.run()
        except Exception:
            route(((1.0, old),))
            new.fleet.stop()
            self._hold(record, held)
            old.fleet.resize(old.desired)
            raise
        route(((1.0, new),))
        old.fleet.stop()

    def _prepared(
        self, record: Record, containers: list[Mapping[str, Any]], count: int, region: str
    ) -> Variant:
        """What is to run, and does not yet."""
        fleet = Fleet(self._launches.prepare(record["InferenceComponentName"], region, containers))
        settings = {"VariantName": record["VariantName"], "InitialInstanceCount": count}
        return Variant(settings, {"Containers": containers}, fleet)

    def _hold(self, record: Record, copies: Sequence[Capacity]) -> None:
        self._rooms.hold(record["InferenceComponentName"], record["EndpointName"], copies)

    def _deployed(self, name: str) -> Variant | None:
        """What a component is deployed as; nothing where it never was."""
        routes = self._routes.get(name)
        return routes[0][1] if routes else None

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


class _Moves:
    """What an update does to the copies of a component."""

    def __init__(
        self,
        old: Variant,
        new: Variant,
        hold: Callable[[int, int], None],
        route: Callable[[Routes], None],
    ) -> None:
        self._old = old
        self._new = new
        self._hold = hold
        self._route = route

    def provision(self, share: float) -> None:
        count = part(self._new.desired, share)
        self._hold(self._old.fleet.count, count)
        self._new.fleet.resize(count)

    def shift(self, share: float) -> None:
        # What is deployed is the first: the old, until the update is done.
        self._route(((1.0 - share, self._old), (share, self._new)))

    def retire(self, share: float) -> None:
        count = part(self._old.desired, 1.0 - share)
        self._hold(count, self._new.fleet.count)
        self._old.fleet.resize(count)
