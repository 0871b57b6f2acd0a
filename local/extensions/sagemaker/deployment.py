"""How an endpoint moves from one configuration to another, and back where an alarm says so.

The guard rails of SageMaker, as a plan of steps and what carries it out. The steps are
https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-rolling.html;
alarms are looked at while a step bakes:
https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from local.extensions.json_service import invalid
from local.extensions.sagemaker.errors import StartError

Config = Mapping[str, Any]

LARGEST_CANARY = 0.5
SMALLEST_LINEAR, LARGEST_LINEAR = 0.1, 0.5
SMALLEST_BATCH, LARGEST_BATCH = 0.05, 0.5
LONGEST_DEPLOYMENT = 28800
"""Seconds that a deployment may take where it does not say less."""


class Step(NamedTuple):
    """A part of the way.

    Parameters
    ----------
    share
        The part of the traffic, of 1, that the new configuration then has.
    wait
        Seconds that it bakes for.
    """

    share: float
    wait: float


class Plan(NamedTuple):
    """The way from one configuration to another.

    Parameters
    ----------
    steps
        Its parts; with the last, the new configuration has all traffic.
    rolling
        Whether the old instances make room for the new, step by step.
    seconds
        How long it may take.
    alarms
        Names of the alarms that turn it back.
    back
        The part of the instances that a way back takes at once.
    """

    steps: Sequence[Step]
    rolling: bool = False
    seconds: float = LONGEST_DEPLOYMENT
    alarms: Sequence[str] = ()
    back: float = 1.0


class Moves(Protocol):
    """What a deployment does to the two sides of an endpoint."""

    def provision(self, share: float) -> None:
        """Have that part of the new instances."""
        ...

    def shift(self, share: float) -> None:
        """Have the new configuration take that part of the traffic."""
        ...

    def retire(self, share: float) -> None:
        """Have that part of the old instances gone."""
        ...


class Clock(Protocol):
    """The time, in the seconds that a deployment declares."""

    def now(self) -> float:
        """Now."""
        ...

    def wait(self, seconds: float, until: Callable[[], bool]) -> bool:
        """Wait, or until something holds; whether it does."""
        ...


class RolledBackError(Exception):
    """Why a deployment went back to where it came from."""


def plan(config: Config, instances: int) -> Plan:
    """The way that a deployment takes.

    Parameters
    ----------
    config
        Its configuration, as ``UpdateEndpoint`` takes it; without one all moves at once.
    instances
        How many instances the new configuration has.

    Raises
    ------
    RefusedError
        Where a size or a time is not one that SageMaker takes.
    """
    blue_green, rolling = config.get("BlueGreenUpdatePolicy"), config.get("RollingUpdatePolicy")
    if blue_green and rolling:
        raise invalid("A deployment has BlueGreenUpdatePolicy or RollingUpdatePolicy, not both.")
    rollback = config.get("AutoRollbackConfiguration", {})
    alarms = tuple(alarm["AlarmName"] for alarm in rollback.get("Alarms", []))
    policy = blue_green or rolling or {}
    made = _rolling(rolling, instances) if rolling else Plan(_blue_green(policy, instances))
    seconds = float(policy.get("MaximumExecutionTimeoutInSeconds", LONGEST_DEPLOYMENT))
    declared = sum(step.wait for step in made.steps)
    if declared > seconds:
        raise invalid(
            f"MaximumExecutionTimeoutInSeconds is {seconds:.0f}: it must be larger than the waits,"
            f" which are {declared:.0f} s together."
        )
    return made._replace(seconds=seconds, alarms=alarms)


def plan_of_copies(config: Config, copies: int) -> Plan:
    """The way that an update of an inference component takes: copies go in whole batches.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_InferenceComponentDeploymentConfig.html

    Parameters
    ----------
    config
        Its configuration, as ``UpdateInferenceComponent`` takes it.
    copies
        How many copies it has.

    Raises
    ------
    RefusedError
        Where a size or a time is not one that SageMaker takes.
    """
    if "RollingUpdatePolicy" not in config:
        raise invalid("DeploymentConfig has no RollingUpdatePolicy: say how copies are replaced.")
    made = plan(config, copies)
    policy = config["RollingUpdatePolicy"]
    batch = max(1, int(copies * _batch(policy, copies)))
    wait = made.steps[-1].wait
    steps = [Step(share, wait) for share in _linear(batch / copies)]
    return made._replace(steps=[*steps, Step(1.0, wait)])


def _blue_green(policy: Config, instances: int) -> Sequence[Step]:
    routing = policy.get("TrafficRoutingConfiguration", {"Type": "ALL_AT_ONCE"})
    wait = float(routing.get("WaitIntervalInSeconds", 0))
    last = Step(1.0, float(policy.get("TerminationWaitInSeconds", 0)))
    kind = routing["Type"]
    if kind == "ALL_AT_ONCE":
        return [last]
    if kind == "CANARY":
        canary = _share(routing, "CanarySize", instances, 0.0, LARGEST_CANARY)
        return [Step(canary, wait), last]
    if kind == "LINEAR":
        size = _share(routing, "LinearStepSize", instances, SMALLEST_LINEAR, LARGEST_LINEAR)
        return [*(Step(share, wait) for share in _linear(size)), last]
    raise invalid(f"Traffic is routed ALL_AT_ONCE, CANARY or LINEAR, not '{kind}'.")


def _rolling(policy: Config, instances: int) -> Plan:
    size = _batch(policy, instances)
    wait = float(policy["WaitIntervalInSeconds"])
    steps = [*(Step(share, wait) for share in _linear(size)), Step(1.0, wait)]
    back = 1.0
    if "RollbackMaximumBatchSize" in policy:
        back = _share(policy, "RollbackMaximumBatchSize", instances, SMALLEST_BATCH, 1.0)
    return Plan(steps, rolling=True, back=back)


def _batch(policy: Config, instances: int) -> float:
    return _share(policy, "MaximumBatchSize", instances, SMALLEST_BATCH, LARGEST_BATCH)


def _linear(size: float) -> Sequence[float]:
    """The shares of equal steps, but the last."""
    count = 1
    shares = []
    while count * size < 1 - 1e-9:
        shares.append(count * size)
        count += 1
    return shares


def _share(policy: Config, name: str, instances: int, smallest: float, largest: float) -> float:
    size = policy.get(name)
    if size is None:
        raise invalid(f"{name} is missing: say how much moves in a step.")
    value = size["Value"]
    counted = size["Type"] in ("INSTANCE_COUNT", "COPY_COUNT")
    share = value / instances if counted else value / 100
    if not smallest <= share <= largest:
        raise invalid(
            f"{name} is {value} ({size['Type']}), {share:.0%} of {instances} instances: it must be"
            f" from {smallest:.0%} to {largest:.0%}."
        )
    return float(share)


class Deployment:
    """Carries a plan out: to its end, or back to where it began.

    Parameters
    ----------
    plan
        The way.
    moves
        What is done to the two sides.
    clock
        What it waits by.
    alarms
        Which of the named alarms are in ALARM.
    say
        Told where it is: a status of the endpoint, a stage of the variants, and a sentence.
    """

    def __init__(
        self,
        plan: Plan,
        moves: Moves,
        clock: Clock,
        alarms: Callable[[Sequence[str]], Sequence[str]],
        say: Callable[[str, str, str], None] = lambda *_: None,
    ) -> None:
        self._plan = plan
        self._moves = moves
        self._clock = clock
        self._alarms = alarms
        self._say = say
        self._share = 0.0

    def run(self) -> None:
        """Move.

        Raises
        ------
        RolledBackError
            Where the old configuration has all traffic again.
        """
        deadline = self._clock.now() + self._plan.seconds
        try:
            if not self._plan.rolling:
                self._say("Updating", "Creating", "the new instances start")
                self._moves.provision(1.0)
            for step in self._plan.steps:
                self._take(step, deadline)
        except StartError as error:
            self._go_back(str(error))
        except _TurnError as error:
            self._go_back(str(error))

    def _take(self, step: Step, deadline: float) -> None:
        if self._plan.rolling:
            self._say("Updating", "Creating", f"{step.share:.0%} of the new instances start")
            self._moves.provision(step.share)
        percent = f"{step.share:.0%} of the traffic"
        self._say("Updating", "ActivatingTraffic", f"{percent} goes to the new instances")
        self._moves.shift(step.share)
        self._share = step.share
        self._say("Updating", "Baking", f"{percent} bakes for {step.wait:.0f} s")
        wait = min(step.wait, deadline - self._clock.now())
        if self._clock.wait(wait, self._has_alarm) or self._has_alarm():
            names = ", ".join(self._alarms(self._plan.alarms))
            raise _TurnError(f"One or more alarms are in ALARM: {names}.")
        if self._clock.now() >= deadline and step != self._plan.steps[-1]:
            raise _TurnError(f"The deployment took longer than its {self._plan.seconds:.0f} s.")
        if self._plan.rolling:
            self._moves.retire(step.share)

    def _has_alarm(self) -> bool:
        return bool(self._plan.alarms and self._alarms(self._plan.alarms))

    def _go_back(self, reason: str) -> None:
        self._say("RollingBack", "ActivatingTraffic", "all traffic goes to the old instances")
        share = self._share
        while self._plan.rolling and share > 0:
            # The old instances come back before the new ones lose their traffic.
            share = max(0.0, share - self._plan.back)
            self._moves.retire(share)
            self._moves.shift(share)
        self._moves.shift(0.0)
        self._moves.provision(0.0)
        raise RolledBackError(reason)


class _TurnError(Exception):
    """Why a deployment must go back."""
