"""Brings endpoint configurations up, and moves endpoints from one to another."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from local.extensions.hooks import Scope
from local.extensions.json_service import invalid
from local.extensions.sagemaker.containers import StartInstance
from local.extensions.sagemaker.deployment import (
    Clock,
    Deployment,
    Plan,
    plan,
)
from local.extensions.sagemaker.errors import StartError
from local.extensions.sagemaker.fleet import Fleet
from local.extensions.sagemaker.records import Records
from local.extensions.sagemaker.variants import (
    Endpoint,
    Record,
    Side,
    Variant,
    containers_of,
    pending,
)
from local.pace import Pace

LOOK_SECONDS = 0.1
"""How often, by this machine's clock, alarms are looked at while a deployment bakes."""

log = logging.getLogger(__name__)


class Launches(Protocol):
    """What starts instances."""

    def prepare(
        self, name: str, region: str, containers: Sequence[Mapping[str, Any]]
    ) -> StartInstance:
        """Make ready to start instances of containers."""
        ...


class Alarms(Protocol):
    """What knows of alarms, by account, region and name."""

    def in_alarm(self, scope: Scope, names: Sequence[str]) -> Sequence[str]:
        """Which of these are in ALARM."""
        ...

    def missing(self, scope: Scope, names: Sequence[str]) -> Sequence[str]:
        """Which of these do not exist."""
        ...


class PacedClock:
    """Time as deployments declare it, which here passes faster.

    Parameters
    ----------
    pace
        How fast.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def now(self) -> float:
        """Now, in declared seconds."""
        return time.monotonic() / self._pace.seconds(1)

    def wait(self, seconds: float, until: Callable[[], bool]) -> bool:
        """Wait so many declared seconds, or until something holds; whether it does."""
        end = time.monotonic() + self._pace.seconds(seconds)
        while not until():
            rest = end - time.monotonic()
            if rest <= 0:
                return False
            time.sleep(min(rest, LOOK_SECONDS))
        return True


class Deployer:
    """Deploys endpoints.

    Parameters
    ----------
    records
        Where models and configurations are found.
    launches
        What starts instances.
    clock
        What deployments wait by.
    alarms
        What turns deployments back.
    note
        What `DescribeEndpoint` says of every stage, such as how fast the clock is.
    """

    def __init__(
        self, records: Records, launches: Launches, clock: Clock, alarms: Alarms, note: str
    ) -> None:
        self._records = records
        self._launches = launches
        self._clock = clock
        self._alarms = alarms
        self._note = note

    def plan(self, deployment: Mapping[str, Any], config: Mapping[str, Any]) -> Plan:
        """The way that a deployment of a configuration takes; see `plan`."""
        counts = [
            int(variant.get("InitialInstanceCount", 1)) for variant in config["ProductionVariants"]
        ]
        return plan(deployment, sum(counts))

    def check_alarms(self, scope: Scope, way: Plan) -> None:
        """Make sure that the alarms of a deployment exist: others would guard nothing.

        Raises
        ------
        RefusedError
            Where some do not.
        """
        missing = self._alarms.missing(scope, way.alarms)
        if missing:
            raise invalid(f"There is no alarm {', '.join(missing)} to turn the deployment back.")

    def create(self, endpoint: Endpoint, config: Record) -> None:
        """Bring a new endpoint up.

        Raises
        ------
        StartError
            Where it does not start; then nothing of it runs.
        """
        side = self._side(endpoint, config)
        endpoint.pending = pending(side, 0, "Creating", self._note)
        try:
            side.resize(1.0)
        except StartError:
            side.stop()
            raise
        finally:
            endpoint.pending = None
        endpoint.routes = ((1.0, side),)

    def update(
        self,
        endpoint: Endpoint,
        config: Record,
        way: Plan,
        retained: Callable[[Side, Side], None] = lambda *_: None,
    ) -> None:
        """Move an endpoint to another configuration.

        Parameters
        ----------
        endpoint, config
            Which one, and where to.
        way
            How.
        retained
            Given what is deployed and what is to be: takes over what is to stay as it is.

        Raises
        ------
        StartError, RolledBackError
            Where it did not move: what was deployed before is deployed still.
        """
        old = endpoint.side
        new = self._side(endpoint, config)
        if old is None:
            self.create(endpoint, config)
            return
        retained(old, new)
        moves = _Moves(endpoint, old, new)

        def say(status: str, stage: str, message: str) -> None:
            log.info("endpoint %s: %s: %s (%s)", endpoint.name, stage, message, self._note)
            endpoint.record["EndpointStatus"] = status
            endpoint.pending = pending(new, moves.share, stage, f"{message}; {self._note}")

        deployment = Deployment(
            way, moves, self._clock, lambda names: self._alarms.in_alarm(endpoint.scope, names), say
        )
        try:
            deployment.run()
        except Exception:
            endpoint.routes = ((1.0, old),)
            new.stop()
            raise
        else:
            endpoint.routes = ((1.0, new),)
            old.stop()
        finally:
            endpoint.pending = None

    def _side(self, endpoint: Endpoint, config: Record) -> Side:
        """A configuration of which nothing runs yet."""

        def variant(settings: Mapping[str, Any]) -> Variant:
            name = settings.get("ModelName")
            model = self._records.found("Model", name) if name else {}
            label = f"{endpoint.name}-{settings['VariantName']}"
            start = self._launches.prepare(label, endpoint.scope[1], containers_of(model))
            return Variant(settings, model, Fleet(start))

        return Side(
            config,
            [variant(settings) for settings in config["ProductionVariants"]],
            [variant(settings) for settings in config.get("ShadowProductionVariants", [])],
        )


class _Moves:
    """What a deployment does to the two sides of an endpoint."""

    def __init__(self, endpoint: Endpoint, old: Side, new: Side) -> None:
        self._endpoint = endpoint
        self._old = old
        self._new = new
        self.share = 0.0

    def provision(self, share: float) -> None:
        self._new.resize(share)

    def shift(self, share: float) -> None:
        self.share = share
        # What is deployed is the first: the old, until the deployment is done.
        self._endpoint.routes = ((1.0 - share, self._old), (share, self._new))

    def retire(self, share: float) -> None:
        self._old.resize(1.0 - share)


def in_background(name: str, work: Callable[[], None]) -> threading.Event:
    """Do work in a thread of its own; what is set when it is done."""
    done = threading.Event()

    def run() -> None:
        try:
            work()
        finally:
            done.set()

    threading.Thread(target=run, name=name, daemon=True).start()
    return done
