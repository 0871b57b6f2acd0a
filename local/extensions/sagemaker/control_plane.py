"""SageMaker's models, endpoint configurations and endpoints: who does what an operation asks for.

An operation that is not here is refused, never pretended.
"""

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.extensions.hooks import account_and_region
from local.extensions.sagemaker.asynchronous import AsyncInference
from local.extensions.sagemaker.chain import CUSTOM_ATTRIBUTES
from local.extensions.sagemaker.components import HEADER, RESOURCE, Components
from local.extensions.sagemaker.deployer import Deployer, in_background
from local.extensions.sagemaker.deployment import RolledBackError
from local.extensions.sagemaker.errors import RefusedError, StartError, invalid
from local.extensions.sagemaker.records import Records, split
from local.extensions.sagemaker.router import Answered, Asked, Router
from local.extensions.sagemaker.transform import TransformJobs
from local.extensions.sagemaker.variants import Endpoint, Record, Side
from local.host import Host

INVOCATION = re.compile(r"/endpoints/(?P<endpoint>[^/]+)/(?P<kind>invocations|async-invocations)")
KEPT = ("Model", "EndpointConfig")
"""Kinds that are records and nothing that runs."""
BUSY = ("Creating", "Updating", "RollingBack")

Answer = tuple[int, dict[str, str], bytes]

log = logging.getLogger(__name__)


class SageMaker:
    """The service.

    Parameters
    ----------
    host
        Where addresses are announced.
    records
        What it keeps.
    deployer
        What deploys endpoints.
    router
        What invocations go through.
    queues
        Where asynchronous ones wait.
    jobs
        The transform jobs.
    components
        The inference components.
    """

    def __init__(
        self,
        host: Host,
        records: Records,
        deployer: Deployer,
        router: Router,
        queues: AsyncInference,
        jobs: TransformJobs,
        components: Components,
    ) -> None:
        self._host = host
        self._records = records
        self._deployer = deployer
        self._router = router
        self._queues = queues
        self.components = components
        self._endpoints: dict[str, Endpoint] = {}
        self._settled: dict[str, threading.Event] = {}
        self._operations: dict[str, Callable[[Mapping[str, Any]], Record]] = {
            "CreateModel": lambda request: self._keep("Model", request),
            "CreateEndpointConfig": self._create_config,
            "CreateEndpoint": self._create_endpoint,
            "UpdateEndpoint": self._update_endpoint,
            "UpdateEndpointWeightsAndCapacities": self._update_capacities,
            "DescribeEndpoint": lambda request: self.endpoint(request["EndpointName"]).describe(),
            "DeleteEndpoint": self._delete_endpoint,
            "CreateTransformJob": jobs.create,
            "DescribeTransformJob": jobs.describe,
            "StopTransformJob": jobs.stop,
            "ListTransformJobs": jobs.all,
            "CreateInferenceComponent": components.create,
            "DescribeInferenceComponent": components.describe,
            "UpdateInferenceComponent": components.update,
            "UpdateInferenceComponentRuntimeConfig": components.update_copies,
            "DeleteInferenceComponent": components.delete,
            "ListInferenceComponents": components.all,
        }

    async def answer(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, Any],
    ) -> Answer:
        """Answer a request to SageMaker or to its runtime."""
        try:
            invocation = INVOCATION.fullmatch(path)
            if invocation:
                return await self._invoke(invocation["endpoint"], invocation["kind"], headers, body)
            operation = headers.get("x-amz-target", "").removeprefix("SageMaker.")
            return _json(200, self.do(operation, json.loads(body or b"{}")))
        except RefusedError as error:
            said = {"__type": error.code, "message": str(error), "Message": str(error)}
            status, given, content = _json(error.status, {**said, **error.further})
            return status, {**given, "x-amzn-errortype": error.code}, content

    def do(self, operation: str, request: Mapping[str, Any]) -> Record:
        """Carry out an operation of the control plane.

        Parameters
        ----------
        operation
            Its name, such as ``CreateModel``.
        request
            Its request.

        Raises
        ------
        RefusedError
            Where it is not served here, or its request does not fit.
        """
        work = self._operations.get(operation) or self._of_records(operation)
        if work is None:
            raise RefusedError(
                "UnknownOperationException",
                f"sagemaker:{operation} does not run on this machine, and nothing pretends that it"
                " did. Deploy to an account to use it.",
            )
        return work(self._records.checked(operation, request))

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name.

        Raises
        ------
        RefusedError
            Where there is none.
        """
        self._records.found("Endpoint", name)
        return self._endpoints[name]

    def in_service(self) -> list[Endpoint]:
        """The endpoints that answer."""
        return [endpoint for endpoint in list(self._endpoints.values()) if endpoint.routes]

    def capacity(self, resource: str) -> int | None:
        """How many instances a variant is to have; nothing while its endpoint moves.

        Parameters
        ----------
        resource
            As Application Auto Scaling calls it: ``endpoint/<name>/variant/<name>``, or
            ``inference-component/<name>`` for its copies.
        """
        if resource.startswith(RESOURCE):
            return self.components.capacity(resource)
        _, name, _, of_variant = resource.split("/")
        endpoint = self._endpoints.get(name)
        if endpoint is None or endpoint.record["EndpointStatus"] != "InService":
            return None
        variant = endpoint.side.variant(of_variant) if endpoint.side else None
        return variant.desired if variant else None

    def scale(self, resource: str, capacity: int) -> None:
        """Give a variant that many instances, and wait for them.

        Raises
        ------
        StartError
            Where they do not start.
        """
        if resource.startswith(RESOURCE):
            self.components.scale(resource, capacity)
            return
        _, name, _, of_variant = resource.split("/")
        change = {"VariantName": of_variant, "DesiredInstanceCount": capacity}
        request = {"EndpointName": name, "DesiredWeightsAndCapacities": [change]}
        self.do("UpdateEndpointWeightsAndCapacities", request)
        reason = self.wait(name).get("FailureReason")
        if reason:
            raise StartError(reason)

    def wait(self, endpoint: str) -> Record:
        """Wait until an endpoint is settled.

        Returns
        -------
        dict
            Its description.
        """
        self._settled[endpoint].wait()
        return self._endpoints[endpoint].describe()

    def accepted(self, operation: str, properties: Mapping[str, Any]) -> Record:
        """Of `properties`, those that an operation takes."""
        return self._records.accepted(operation, properties)

    def _of_records(self, operation: str) -> Callable[[Mapping[str, Any]], Record] | None:
        """What records alone answer, or nothing."""
        verb, kind = split(operation)
        if operation in ("AddTags", "ListTags", "DeleteTags"):
            return lambda request: self._records.change_tags(operation, request)
        if verb == "Describe" and kind in KEPT:
            return lambda request: self._records.found(kind, request[f"{kind}Name"])
        if verb == "Delete" and kind in KEPT:
            return lambda request: self._forget(kind, request)
        if verb == "List" and kind in (*KEPT, "Endpoint"):
            return lambda request: {
                f"{kind}s": self._records.all(kind, request.get("NameContains", ""))
            }
        return None

    def _keep(self, kind: str, request: Mapping[str, Any]) -> Record:
        return {f"{kind}Arn": self._records.add(kind, request)[f"{kind}Arn"]}

    def _forget(self, kind: str, request: Mapping[str, Any]) -> Record:
        self._records.remove(kind, request[f"{kind}Name"])
        return {}

    def _create_config(self, request: Mapping[str, Any]) -> Record:
        for variant in request["ProductionVariants"]:
            if "ModelName" in variant:
                self._records.found("Model", variant["ModelName"])
            elif "ExecutionRoleArn" not in request:
                raise invalid(
                    f"Variant {variant['VariantName']} names no model: that is for inference"
                    " components, whose endpoint configuration has an ExecutionRoleArn."
                )
        return self._keep("EndpointConfig", request)

    def _create_endpoint(self, request: Mapping[str, Any]) -> Record:
        config = self._records.found("EndpointConfig", request["EndpointConfigName"])
        # Refused now, rather than at the update that it is for.
        self._deployer.plan(request.get("DeploymentConfig", {}), config)
        record = self._records.add("Endpoint", request)
        record.pop("DeploymentConfig", None)
        record["EndpointStatus"] = "Creating"
        record["LastModifiedTime"] = time.time()
        endpoint = Endpoint(record, account_and_region())
        self._endpoints[endpoint.name] = endpoint
        self._settle(endpoint, lambda: self._deployer.create(endpoint, config), "Failed")
        return {"EndpointArn": record["EndpointArn"]}

    def _update_endpoint(self, request: Mapping[str, Any]) -> Record:
        endpoint = self._idle(request["EndpointName"])
        config = self._records.found("EndpointConfig", request["EndpointConfigName"])
        deployment = request.get("DeploymentConfig", {})
        if request.get("RetainDeploymentConfig"):
            deployment = endpoint.record.get("LastDeploymentConfig", {})
        way = self._deployer.plan(deployment, config)
        retained = retention(request)

        def work() -> None:
            self._deployer.update(endpoint, config, way, retained)
            endpoint.record["EndpointConfigName"] = config["EndpointConfigName"]

        endpoint.record["EndpointStatus"] = "Updating"
        if deployment:
            endpoint.record["LastDeploymentConfig"] = deployment
        self._settle(endpoint, work, "InService" if endpoint.side else "Failed")
        return {"EndpointArn": endpoint.record["EndpointArn"]}

    def _update_capacities(self, request: Mapping[str, Any]) -> Record:
        endpoint = self._idle(request["EndpointName"])
        side = endpoint.side
        if side is None:
            raise invalid(f"Endpoint {endpoint.name} has never been in service.")
        changes = []
        for change in request["DesiredWeightsAndCapacities"]:
            variant = side.variant(change["VariantName"])
            if variant is None:
                raise invalid(f"Endpoint {endpoint.name} has no variant {change['VariantName']}.")
            changes.append((variant, change))

        def work() -> None:
            for variant, change in changes:
                before = variant.desired
                variant.desired = int(change.get("DesiredInstanceCount", before))
                try:
                    variant.fleet.resize(variant.desired)
                except StartError:
                    variant.desired = before
                    raise
                variant.weight = float(change.get("DesiredWeight", variant.weight))

        endpoint.record["EndpointStatus"] = "Updating"
        self._settle(endpoint, work, "InService")
        return {"EndpointArn": endpoint.record["EndpointArn"]}

    def _delete_endpoint(self, request: Mapping[str, Any]) -> Record:
        endpoint = self._idle(request["EndpointName"])
        used = self.components.all({"EndpointNameEquals": endpoint.name})["InferenceComponents"]
        if used:
            names = ", ".join(each["InferenceComponentName"] for each in used)
            raise invalid(f"Endpoint {endpoint.name} has inference components: {names}.")
        endpoint.record["EndpointStatus"] = "Deleting"
        self._records.remove("Endpoint", endpoint.name)
        del self._endpoints[endpoint.name]
        sides, endpoint.routes = endpoint.routes, ()
        for _, side in sides:
            # Not here: this may be the thread that answers everybody.
            in_background(f"stop-{endpoint.name}", side.stop)
        self._host.withdraw(f"endpoint {endpoint.name}")
        return {}

    def _idle(self, name: str) -> Endpoint:
        endpoint = self.endpoint(name)
        if endpoint.record["EndpointStatus"] in BUSY:
            raise invalid(f'Cannot update in-progress endpoint "{endpoint.record["EndpointArn"]}".')
        return endpoint

    def _settle(self, endpoint: Endpoint, work: Callable[[], None], otherwise: str) -> None:
        """Do work in the background; where it fails, say why, and be `otherwise`."""
        record = endpoint.record
        record.pop("FailureReason", None)

        def run() -> None:
            try:
                work()
                record["EndpointStatus"] = "InService"
            except (StartError, RolledBackError, RefusedError) as error:
                log.error("Endpoint %s: %s", endpoint.name, error)
                record["FailureReason"] = str(error)[:1024]
                record["EndpointStatus"] = otherwise
            except (BotoCoreError, ClientError, OSError) as error:
                log.exception("Endpoint %s", endpoint.name)
                record["FailureReason"] = str(error)[:1024]
                record["EndpointStatus"] = otherwise
            finally:
                record["LastModifiedTime"] = time.time()
                self._announce(endpoint)

        self._settled[endpoint.name] = in_background(f"endpoint-{endpoint.name}", run)

    def _announce(self, endpoint: Endpoint) -> None:
        """Say where the first container of the endpoint listens."""
        side = endpoint.side
        if side is None:
            return
        ports = [
            instance.containers[0].port
            for variant in side.variants
            for instance in variant.fleet.ready
            if instance.containers
        ]
        if ports:
            self._host.announce(f"endpoint {endpoint.name}", f"http://127.0.0.1:{ports[0]}")

    async def _invoke(
        self, name: str, kind: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        endpoint = self._endpoints.get(name)
        if endpoint is None or endpoint.side is None:
            account = account_and_region()[0]
            raise RefusedError(
                "ValidationError", f"Endpoint {name} of account {account} not found."
            )
        if kind == "async-invocations":
            return _accepted(self._queues.accept(endpoint, headers))
        if "AsyncInferenceConfig" in endpoint.side.config:
            raise RefusedError(
                "ValidationError", "The endpoint is asynchronous: use InvokeEndpointAsync."
            )
        asked, component = Asked.read(headers, body), headers.get(HEADER, "")
        if component:
            variant = self.components.variant(endpoint, component)
            return _answer(
                await self._router.invoke_variant(endpoint, endpoint.side, variant, asked)
            )
        if not any(variant.containers for variant in endpoint.side.variants):
            raise RefusedError(
                "ValidationError",
                "Inference Component Name header is required for endpoints to which you plan to"
                " deploy inference components.",
            )
        return _answer(await self._router.invoke(endpoint, asked))


def retention(request: Mapping[str, Any]) -> Callable[[Side, Side], None]:
    """What an update keeps of the variants that there were.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateEndpoint.html
    """
    excluded = {
        each["VariantPropertyType"] for each in request.get("ExcludeRetainedVariantProperties", [])
    }

    def take_over(old: Side, new: Side) -> None:
        if not request.get("RetainAllVariantProperties"):
            return
        for variant in new.variants:
            before = old.variant(variant.name)
            if before and "DesiredInstanceCount" not in excluded:
                variant.desired = before.desired
            if before and "DesiredWeight" not in excluded:
                variant.weight = before.weight
        if "DataCaptureConfig" not in excluded and "DataCaptureConfig" in old.config:
            new.config = {**new.config, "DataCaptureConfig": old.config["DataCaptureConfig"]}

    return take_over


def _answer(answered: Answered) -> Answer:
    given = {
        "Content-Type": answered.payload.content_type,
        "x-Amzn-Invoked-Production-Variant": answered.variant.name,
    }
    if answered.payload.attributes:
        given[CUSTOM_ATTRIBUTES] = answered.payload.attributes
    return 200, given, answered.payload.body


def _accepted(given: Mapping[str, str]) -> Answer:
    status, headers, body = _json(202, {"InferenceId": given["InferenceId"]})
    places = {
        f"X-Amzn-SageMaker-{name}": given[name] for name in ("OutputLocation", "FailureLocation")
    }
    return status, {**headers, **{name: at for name, at in places.items() if at}}, body


def _json(status: int, content: Mapping[str, Any]) -> Answer:
    return (
        status,
        {"Content-Type": "application/x-amz-json-1.1"},
        json.dumps(content).encode(),
    )
