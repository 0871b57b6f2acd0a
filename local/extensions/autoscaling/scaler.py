"""What is scaled, by which policies, and the loop that does it."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from local.extensions import hooks
from local.extensions.autoscaling import policies
from local.extensions.autoscaling.schedule import Schedule
from local.extensions.hooks import Scope
from local.pace import Pace
from operations.errors import OperationError

MOST_ACTIVITIES = 200

log = logging.getLogger(__name__)


class Capacity(Protocol):
    """What can be scaled."""

    def capacity(self, resource: str) -> int | None:
        """How much of a resource there is; nothing while it is not settled."""
        ...

    def scale(self, resource: str, capacity: int) -> None:
        """Have so much of it, and wait until it is so."""
        ...


class Watches(Protocol):
    """What knows of alarms."""

    def values(self, scope: Scope, alarm: Mapping[str, Any]) -> Sequence[float | None]:
        """The values that an alarm looks at."""
        ...


@dataclass
class Policy:
    """A scaling policy.

    Parameters
    ----------
    record
        As ``DescribeScalingPolicies`` describes it.
    alarms
        Names of its own alarms: of too little, and of too much; none where others call it.
    out_at, in_at
        When it last had more and less, by the clock of the machine.
    """

    record: dict[str, Any]
    alarms: tuple[str, ...] = ()
    out_at: float = float("-inf")
    in_at: float = float("-inf")


@dataclass
class Target:
    """A scalable target.

    Parameters
    ----------
    record
        As ``DescribeScalableTargets`` describes it.
    scope
        Its account and region.
    policies
        Its policies, by name.
    actions
        Its scheduled actions, by name: each with its schedule, and when it was looked at last.
    """

    record: dict[str, Any]
    scope: Scope
    policies: dict[str, Policy] = field(default_factory=dict)
    actions: dict[str, tuple[dict[str, Any], Schedule, datetime]] = field(default_factory=dict)

    @property
    def resource(self) -> str:
        """What is scaled."""
        return str(self.record["ResourceId"])

    def clamped(self, capacity: int) -> int:
        """A capacity within its bounds."""
        least, most = int(self.record["MinCapacity"]), int(self.record["MaxCapacity"])
        return max(least, min(most, capacity))


class Scaler:
    """Scales the targets of SageMaker.

    Parameters
    ----------
    capacity
        What is scaled.
    alarms
        What the metrics say.
    pace
        How long a cooldown is here.
    now
        The clock of the machine.
    today
        The date and the time.
    """

    def __init__(
        self,
        capacity: Capacity,
        alarms: Watches,
        pace: Pace,
        now: Callable[[], float] = time.monotonic,
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._capacity = capacity
        self._alarms = alarms
        self._pace = pace
        self._now = now
        self._today = today
        self._lock = threading.RLock()
        self.targets: dict[tuple[str, str], Target] = {}
        self.activities: list[dict[str, Any]] = []

    def register(self, request: Mapping[str, Any], scope: Scope) -> Target:
        """Keep a target, or change it."""
        key = (request["ResourceId"], request["ScalableDimension"])
        with self._lock:
            target = self.targets.get(key)
            if target is None:
                target = Target({"CreationTime": time.time(), **request}, scope)
                self.targets[key] = target
            target.record |= request
        return target

    def deregister(self, resource: str, dimension: str) -> None:
        """Forget a target, its policies and their alarms."""
        with self._lock:
            target = self.targets.pop((resource, dimension), None)
            if target:
                for name in list(target.policies):
                    self.remove_policy(target, name)

    def put_policy(self, target: Target, request: Mapping[str, Any]) -> Policy:
        """Keep a policy, and the alarms that it needs."""
        with self._lock:
            name = request["PolicyName"]
            arn = policy_arn(target, name)
            tracking = request.get("TargetTrackingScalingPolicyConfiguration")
            alarms: tuple[str, ...] = ()
            if tracking:
                pair = policies.tracking_alarms(tracking, target.resource)
                alarms = tuple(
                    f"TargetTracking-{target.resource}-Alarm{which}-{name}"
                    for which in ("High", "Low")
                )
                for alarm, called in zip(pair, alarms, strict=True):
                    hooks.put_alarm(target.scope, {**alarm, "AlarmName": called}, [arn])
            elif "StepScalingPolicyConfiguration" not in request:
                raise OperationError(
                    f"The policy {name} is a {request.get('PolicyType')}, which does not run here.",
                    "Use TargetTrackingScaling or StepScaling, or deploy to an account.",
                )
            record = {**request, "PolicyARN": arn, "CreationTime": time.time()}
            record["Alarms"] = [{"AlarmName": called, "AlarmARN": called} for called in alarms]
            target.policies[name] = Policy(record, alarms)
            return target.policies[name]

    def remove_policy(self, target: Target, name: str) -> None:
        """Forget a policy and its alarms."""
        with self._lock:
            policy = target.policies.pop(name, None)
            for alarm in policy.alarms if policy else ():
                hooks.remove_alarm(target.scope, alarm)

    def put_action(self, target: Target, action: Mapping[str, Any]) -> None:
        """Keep a scheduled action."""
        schedule = Schedule(action["Schedule"], action.get("Timezone", "UTC"))
        with self._lock:
            name = action["ScheduledActionName"]
            target.actions[name] = (dict(action), schedule, self._today())

    def evaluate(self) -> None:
        """Do what schedules and policies ask for now."""
        with self._lock:
            for target in list(self.targets.values()):
                if target.record["ServiceNamespace"] == "sagemaker":
                    self._evaluate(target)

    def _evaluate(self, target: Target) -> None:
        for name in list(target.actions):
            self._act(target, name)
        capacity = self._capacity.capacity(target.resource)
        if capacity is None:
            return
        if capacity != target.clamped(capacity):
            self._scale(target, capacity, target.clamped(capacity), "it is outside its bounds")
            return
        # Where policies differ, the one that would have most is heard.
        wanted: list[tuple[int, Policy, str]] = []
        for policy in target.policies.values():
            found = self._wanted(target, policy, capacity)
            if found:
                wanted.append((target.clamped(found[0]), policy, found[1]))
        if not wanted:
            return
        most, policy, cause = max(wanted, key=lambda each: each[0])
        if most > capacity:
            policy.out_at = self._now()
        elif most < capacity:
            policy.in_at = self._now()
        self._scale(target, capacity, most, cause)

    def _wanted(self, target: Target, policy: Policy, capacity: int) -> tuple[int, str] | None:
        """What a policy would have now, and why."""
        tracking = policy.record.get("TargetTrackingScalingPolicyConfiguration")
        if tracking:
            return self._tracked(target, policy, tracking, capacity)
        config = policy.record["StepScalingPolicyConfiguration"]
        wait = self._pace.seconds(float(config.get("Cooldown", policies.COOLDOWN)))
        if self._now() - max(policy.out_at, policy.in_at) < wait:
            return None
        for alarm in hooks.alarms_that_call(target.scope, policy.record["PolicyARN"]):
            value = _last(self._alarms.values(target.scope, alarm))
            if alarm["StateValue"] == "ALARM" and value is not None:
                wanted = policies.stepped(config, capacity, value - float(alarm["Threshold"]))
                return wanted, f"alarm {alarm['AlarmName']} is in ALARM, at {value:g}"
        return None

    def _tracked(
        self, target: Target, policy: Policy, config: Mapping[str, Any], capacity: int
    ) -> tuple[int, str] | None:
        high, low = (hooks.find_alarm(target.scope, name) for name in policy.alarms)
        aim = float(config["TargetValue"])
        for alarm, cooldown, since in (
            (high, config.get("ScaleOutCooldown", policies.COOLDOWN), policy.out_at),
            (low, config.get("ScaleInCooldown", policies.COOLDOWN), policy.in_at),
        ):
            if alarm is None or alarm["StateValue"] != "ALARM":
                continue
            value = _last(self._alarms.values(target.scope, alarm))
            if value is None or self._now() - since < self._pace.seconds(float(cooldown)):
                continue
            if alarm is low and config.get("DisableScaleIn"):
                continue
            wanted = policies.tracked(capacity, value, aim)
            if (wanted > capacity) == (alarm is high):
                return wanted, f"{alarm['AlarmName']} is in ALARM: {value:g}, for {aim:g}"
        return None

    def _act(self, target: Target, name: str) -> None:
        """Do what a scheduled action says, if it is due."""
        action, schedule, looked = target.actions[name]
        now = self._today()
        if schedule.every is not None:
            due = (now - looked).total_seconds() >= self._pace.seconds(schedule.every)
        else:
            due = schedule.due(looked, now)
        if due or schedule.every is None:
            target.actions[name] = (action, schedule, now)
        if due:
            change = action["ScalableTargetAction"]
            target.record |= {key: change[key] for key in change if change[key] is not None}
            log.info("%s: the scheduled action %s is due", target.resource, name)

    def _scale(self, target: Target, before: int, after: int, cause: str) -> None:
        if before == after:
            return
        activity = {
            "ActivityId": str(uuid.uuid4()),
            "ServiceNamespace": "sagemaker",
            "ResourceId": target.resource,
            "ScalableDimension": target.record["ScalableDimension"],
            "Description": f"Setting desired capacity to {after} from {before}.",
            "Cause": cause,
            "StartTime": time.time(),
            "StatusCode": "InProgress",
        }
        self.activities = [activity, *self.activities[: MOST_ACTIVITIES - 1]]
        log.info("%s: from %d to %d: %s", target.resource, before, after, cause)

        def work() -> None:
            try:
                self._capacity.scale(target.resource, after)
                activity["StatusCode"] = "Successful"
            except Exception as error:
                log.exception("%s", target.resource)
                activity["StatusCode"] = "Failed"
                activity["StatusMessage"] = str(error)
            activity["EndTime"] = time.time()

        self.run(work)

    def run(self, work: Callable[[], None]) -> None:
        """Do work that takes its time, beside everything else."""
        threading.Thread(target=work, name="scale", daemon=True).start()


def policy_arn(target: Target, name: str) -> str:
    """The ARN of a policy."""
    account, region = target.scope
    resource = f"{target.record['ServiceNamespace']}/{target.resource}"
    number = uuid.uuid5(uuid.NAMESPACE_URL, f"{resource}/{name}")
    return (
        f"arn:aws:autoscaling:{region}:{account}:scalingPolicy:{number}:resource/{resource}"
        f":policyName/{name}"
    )


def _last(values: Sequence[float | None]) -> float | None:
    """The newest of values, of those that there are."""
    return next((value for value in reversed(values) if value is not None), None)
