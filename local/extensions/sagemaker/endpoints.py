"""The endpoints: each a record, what runs of it, and how it is changed."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from local.extensions.hooks import account_and_region
from local.extensions.json_service import RefusedError, invalid
from local.extensions.sagemaker.deployer import Deployer, in_background
from local.extensions.sagemaker.deployment import RolledBackError
from local.extensions.sagemaker.errors import StartError
from local.extensions.sagemaker.records import Records
from local.extensions.sagemaker.variants import Endpoint, Record, Side
from local.host import Host

BUSY = ("Creating", "Updating", "RollingBack")

log = logging.getLogger(__name__)


class Endpoints:
    """The endpoints of the service.

    Parameters
    ----------
    host
        Where addresses are announced.
    records
        Where they are kept, and configurations are found.
    deployer
        What deploys them.
    """

    def __init__(self, host: Host, records: Records, deployer: Deployer) -> None:
        self._host = host
        self._records = records
        self._deployer = deployer
        self._endpoints: dict[str, Endpoint] = {}
        self._settled: dict[str, threading.Event] = {}

    def found(self, name: str) -> Endpoint:
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

    def wait(self, name: str) -> Record:
        """Wait until an endpoint is settled; how it is described."""
        self._settled[name].wait()
        return self._endpoints[name].describe()

    def describe(self, request: Mapping[str, Any]) -> Record:
        """An endpoint, as it is."""
        return self.found(request["EndpointName"]).describe()

    def create(self, request: Mapping[str, Any]) -> Record:
        """Begin to bring one up."""
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

    def update(self, request: Mapping[str, Any]) -> Record:
        """Begin to move one to another configuration."""
        endpoint = self._idle(request["EndpointName"])
        config = self._records.found("EndpointConfig", request["EndpointConfigName"])
        deployment = request.get("DeploymentConfig", {})
        if request.get("RetainDeploymentConfig"):
            deployment = endpoint.record.get("LastDeploymentConfig", {})
        way = self._deployer.plan(deployment, config)
        self._deployer.check_alarms(endpoint.scope, way)
        if deployment and endpoint.side:
            check_variants(deployment, endpoint.side.config, config)
        retained = retention(request)

        def work() -> None:
            self._deployer.update(endpoint, config, way, retained)
            endpoint.record["EndpointConfigName"] = config["EndpointConfigName"]

        endpoint.record["EndpointStatus"] = "Updating"
        if deployment:
            endpoint.record["LastDeploymentConfig"] = deployment
        self._settle(endpoint, work, "InService" if endpoint.side else "Failed")
        return {"EndpointArn": endpoint.record["EndpointArn"]}

    def update_capacities(self, request: Mapping[str, Any]) -> Record:
        """Begin to change the weights and the instances of one."""
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

    def delete(self, request: Mapping[str, Any]) -> Record:
        """Stop one, and forget it."""
        endpoint = self._idle(request["EndpointName"])
        endpoint.record["EndpointStatus"] = "Deleting"
        self._records.remove("Endpoint", endpoint.name)
        del self._endpoints[endpoint.name]
        sides, endpoint.routes = endpoint.routes, ()
        for _, side in sides:
            # Not here: this may be the thread that answers everybody.
            in_background(f"stop-{endpoint.name}", side.stop)
        self._host.withdraw(f"endpoint {endpoint.name}")
        return {}

    def capacity(self, resource: str) -> int | None:
        """How many instances a variant is to have; nothing while its endpoint moves.

        Parameters
        ----------
        resource
            As Application Auto Scaling calls it: ``endpoint/<name>/variant/<name>``.
        """
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
        _, name, _, of_variant = resource.split("/")
        change = {"VariantName": of_variant, "DesiredInstanceCount": capacity}
        self.update_capacities({"EndpointName": name, "DesiredWeightsAndCapacities": [change]})
        reason = self.wait(name).get("FailureReason")
        if reason:
            raise StartError(reason)

    def _idle(self, name: str) -> Endpoint:
        endpoint = self.found(name)
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
            except Exception as error:
                # Nobody else is told of what fails in this thread.
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


def check_variants(
    deployment: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]
) -> None:
    """Make sure that guard rails can lead from one configuration to another.

    https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html

    Raises
    ------
    RefusedError
        Where they cannot.
    """
    names = [
        [each["VariantName"] for each in config["ProductionVariants"]] for config in (old, new)
    ]
    if sorted(names[0]) != sorted(names[1]):
        raise invalid(
            f"The new configuration has the variants {', '.join(names[1])}, and the old one"
            f" {', '.join(names[0])}: a deployment needs the same names."
        )
    variants = [*old["ProductionVariants"], *new["ProductionVariants"]]
    serverless = any("ServerlessConfig" in each for each in variants)
    if "RollingUpdatePolicy" in deployment and (serverless or len(names[1]) > 1):
        raise invalid("A rolling deployment is for one variant that is not serverless.")


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
