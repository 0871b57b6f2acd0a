"""The contract with the emulator: every private thing of it that we touch, in one place.

ministack has no public way to add a resource type or a service. `verify` says at start what has
changed under us; tests/local/test_emulator_contract.py says it before.
"""

import importlib.metadata
import importlib.util
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

from ministack import app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime, router
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import (
    alb,
    cloudformation,
    cloudwatch,
    ecr,
    ecs,
    eventbridge,
    iam,
    rds,
    s3,
    secretsmanager,
    stepfunctions,
    sts,
)
from ministack.services.cloudformation import handlers, provisioners, stacks

from local.extensions.json_service import RefusedError

PINNED = "1.5.33"

REPLACED = (
    "AWS::CloudWatch::Alarm",
    "AWS::CodeBuild::Project",
    "AWS::EC2::VPCEndpoint",
    "AWS::ECS::Service",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::RDS::DBInstance",
    "AWS::Route53::RecordSet",
)
"""Types that the emulator records, and that we run besides."""

ADDED = (
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::Backup::BackupSelection",
    "AWS::CodePipeline::Pipeline",
    "AWS::EC2::FlowLog",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::Route53Resolver::FirewallDomainList",
    "AWS::Route53Resolver::FirewallRuleGroup",
    "AWS::Route53Resolver::FirewallRuleGroupAssociation",
    "AWS::SSM::Association",
    "AWS::SSM::Document",
    "AWS::EC2::VPCEndpointService",
    "AWS::EC2::VPCEndpointServicePermissions",
    "AWS::SageMaker::DataQualityJobDefinition",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::EndpointConfig",
    "AWS::SageMaker::InferenceComponent",
    "AWS::SageMaker::MlflowApp",
    "AWS::SageMaker::Model",
    "AWS::SageMaker::ModelQualityJobDefinition",
    "AWS::SageMaker::MonitoringSchedule",
    "AWS::SecretsManager::ResourcePolicy",
    "AWS::SecretsManager::RotationSchedule",
)
"""Types that the emulator does not know."""

ECS = ("_ACTION_MAP", "_mark_task_stopped", "_tasks")
"""What of its ECS we reach for."""

CLOUDWATCH = (
    "_alarms",
    "_calc_stats",
    "_cbor_ok",
    "_composite_alarms",
    "_dims_key",
    "_evaluate_alarm",
    "_json_ok",
    "_metric_bucket",
    "_metrics",
    "_put_metric_alarm",
    "_set_alarm_state",
    "_stat_value",
    "cloudformation_put_metric_alarm",
)
"""What of its CloudWatch we reach for."""

STEP_FUNCTIONS = ("_AWS_SDK_SERVICE_MAP", "_ExecutionError", "_SERVICE_DISPATCH")
"""What of its Step Functions we reach for."""

EVENTBRIDGE = (
    "_apply_input_transformer",
    "_dispatch_event",
    "_invoke_target",
    "_pattern_event_view",
    "_put_events",
)
"""What of its EventBridge we reach for."""

S3 = ("_fire_s3_event",)
"""What of its S3 we reach for."""

ECR = ("_find_image", "_layer_blobs", "_put_image", "_repositories")
"""What of its ECR we reach for."""

IAM = (
    (app, ("_dispatch_service_request", "_routing_params")),
    (app, ("detect_service", "extract_access_key_id")),
    (iam, ("_roles",)),
    (iam_actions, ("access_denied_response", "extract_iam_action", "extract_resource_arn")),
    (iam_actions, ("s3_service_context",)),
    (iam_evaluator, ("EvalContext", "EvalResult", "_gather_role_policies", "_resource_policy")),
    (iam_evaluator, ("combine_resource_policy", "evaluate", "evaluate_trust_policy")),
    (sts, ("_caller_identity", "_sessions")),
)
"""What of its IAM `local.extensions.iam` reaches for."""

MOST_POINTS = 20000
"""Values of one metric that are kept; the oldest half goes when there are more."""

Scope = tuple[str, str]
"""Account and region."""

Properties = Mapping[str, Any]
Attributes = dict[str, Any]
Service = Callable[
    [str, str, Mapping[str, str], bytes, Mapping[str, Any]],
    Awaitable[tuple[int, dict[str, str], bytes]],
]


class ContractError(Exception):
    """What of the emulator is no longer as we know it."""


class Created(NamedTuple):
    """What CloudFormation learns of a resource.

    Parameters
    ----------
    physical_id
        Its name in its service: what ``Ref`` gives.
    attributes
        What ``Fn::GetAtt`` gives.
    """

    physical_id: str
    attributes: Attributes


class Resource(Protocol):
    """A resource type that CloudFormation can create here."""

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Create one; raise where it cannot be, and CloudFormation rolls back."""
        ...

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Change one, or create its successor: CloudFormation deletes the old id later."""
        ...

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Delete one."""
        ...


_BLOCKING: set[str] = set()
_VERSION: ContextVar[str | None] = ContextVar("version", default=None)
"""The version of the object that an event of S3's is about."""

log = logging.getLogger(__name__)


def verify() -> None:
    """Make sure that the emulator is as we know it.

    Raises
    ------
    ContractError
        With everything that has changed.
    """
    version = importlib.metadata.version("ministack")
    changes = [] if version == PINNED else [f"its version is {version}, not {PINNED}"]
    types = getattr(provisioners, "_RESOURCE_HANDLERS", {})
    for resource_type in REPLACED:
        missing = {"create", "update", "delete"} - set(types.get(resource_type, ()))
        if missing:
            changes.append(f"{resource_type} has no handler to {' or '.join(sorted(missing))}")
    for resource_type in ADDED:
        if resource_type in types:
            changes.append(f"{resource_type} is now its own: decide whose to use")
    tables = {
        "provisioners._RESOURCE_HANDLERS": getattr(provisioners, "_RESOURCE_HANDLERS", None),
        "app.SERVICE_HANDLERS": getattr(app, "SERVICE_HANDLERS", None),
        "router.SERVICE_PATTERNS": getattr(router, "SERVICE_PATTERNS", None),
    }
    changes += [
        f"{name} is no table" for name, table in tables.items() if not isinstance(table, dict)
    ]
    if not callable(getattr(stacks, "_runs_on_worker_thread", None)):
        changes.append("stacks._runs_on_worker_thread is gone")
    known = [("_instances", rds), ("_lbs", alb), ("_resolve", secretsmanager)]
    known += [("_physical_name", provisioners), ("Worker", lambda_runtime)]
    known += [("_stacks", cloudformation), ("_ACTION_HANDLERS", handlers)]
    parts = [*((name, ecs) for name in ECS), *((name, cloudwatch) for name in CLOUDWATCH)]
    parts += [(name, stepfunctions) for name in STEP_FUNCTIONS]
    parts += [*((name, eventbridge) for name in EVENTBRIDGE), *((name, s3) for name in S3)]
    parts += [(name, ecr) for name in ECR]
    parts += [(name, module) for module, names in IAM for name in names]
    for store, module in [*known, *parts]:
        if not hasattr(module, store):
            changes.append(f"{module.__name__}.{store} is gone")
    if importlib.util.find_spec("docker"):
        changes.append("the package docker is installed: it would start containers of its own")
    if changes:
        raise ContractError(f"ministack is not as this platform knows it: {'; '.join(changes)}")


def add_resource(resource_type: str, resource: Resource) -> None:
    """Have CloudFormation make `resource_type` through `resource`, each call in its own thread.

    Parameters
    ----------
    resource_type
        Such as ``AWS::SageMaker::Endpoint``.
    resource
        What makes it.
    """
    provisioners._RESOURCE_HANDLERS[resource_type] = {
        "create": resource.create,
        "update": resource.update,
        "update_with_logical_id": True,
        "delete": resource.delete,
    }
    _BLOCKING.add(resource_type)


def add_service(name: str, target_prefix: str, handler: Service) -> None:
    """Have the emulator pass a service's requests to `handler`.

    Parameters
    ----------
    name
        The service, as requests are signed for it.
    target_prefix
        What its operations start with in ``X-Amz-Target``.
    handler
        Answers a request.
    """
    router.SERVICE_PATTERNS[name] = {"target_prefixes": [target_prefix]}
    app.SERVICE_HANDLERS[name] = handler


def replace_operation(name: str, operation: str, handler: Service) -> None:
    """Have one operation of a service of the emulator's answered by `handler`.

    Parameters
    ----------
    name
        The service, as requests are signed for it.
    operation
        The operation, as ``X-Amz-Target`` ends.
    handler
        Answers a request.
    """
    original = app.SERVICE_HANDLERS[name]

    async def answer(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]
    ) -> tuple[int, dict[str, str], bytes]:
        asked = headers.get("x-amz-target", "").rpartition(".")[2]
        chosen = handler if asked == operation else original
        return await chosen(method, path, headers, body, query)

    app.SERVICE_HANDLERS[name] = answer


def let_resources_block() -> None:
    """Give each added type a thread of its own, as CloudFormation's custom resources have."""
    original = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda kind: kind in _BLOCKING or original(kind)


def run_tasks(start: Callable[[Properties], None], stop: Callable[[str], None]) -> None:
    """Have each task of ``RunTask`` run besides being recorded. Tasks of services are not run so.

    Parameters
    ----------
    start
        Given each task that was recorded.
    stop
        Given the ARN of each task that ``StopTask`` names.
    """
    record_run, record_stop = ecs._ACTION_MAP["RunTask"], ecs._ACTION_MAP["StopTask"]

    def run(request: Properties) -> Any:
        answer = record_run(request)
        for task in json.loads(answer[2]).get("tasks", []):
            start(task)
        return answer

    def end(request: Properties) -> Any:
        answer = record_stop(request)
        stopped = json.loads(answer[2]).get("task")
        if stopped:
            stop(stopped["taskArn"])
        return answer

    ecs._ACTION_MAP.update(RunTask=run, StopTask=end)


def end_task(arn: str, scope: tuple[str, str], reason: str, code: int | None) -> None:
    """Record that a task has ended, unless it has been stopped before.

    Parameters
    ----------
    arn
        The task.
    scope
        Its account and region.
    reason
        Why.
    code
        The exit code of its container; nothing where that never started.
    """
    with request_scope(*scope):
        stop_code = "TaskFailedToStart" if code is None else "EssentialContainerExited"
        ecs._mark_task_stopped(arn, ecs._tasks[arn], reason, stop_code, exit_code=code)


def account_and_region() -> Scope:
    """Whom the current request is for."""
    return get_account_id(), get_region()


@contextmanager
def scoped(scope: Scope) -> Iterator[None]:
    """Act for an account and a region, outside of any request."""
    with request_scope(*scope):
        yield


class Original:
    """A resource type as the emulator itself makes it: a record, and nothing that runs.

    Parameters
    ----------
    resource_type
        The type, asked for before `add_resource` replaces it.
    """

    def __init__(self, resource_type: str) -> None:
        self._handlers = dict(provisioners._RESOURCE_HANDLERS[resource_type])

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Record one."""
        return Created(*self._handlers["create"](logical_id, properties, stack))

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Record the change of one."""
        named = (logical_id,) if self._handlers.get("update_with_logical_id") else ()
        return Created(*self._handlers["update"](physical_id, old, new, stack, *named))

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Forget one."""
        self._handlers["delete"](physical_id, properties)


def made_name(stack: str, logical_id: str) -> str:
    """The name that CloudFormation gives a resource that has none."""
    return str(provisioners._physical_name(stack, logical_id))


def set_database_address(instance: str, host: str, port: int) -> None:
    """Correct where the emulator says that a database instance answers."""
    rds._instances[instance]["Endpoint"].update({"Address": host, "Port": port})


def set_balancer_name(arn: str, name: str) -> None:
    """Correct by what name the emulator says that a load balancer is reached."""
    alb._lbs[arn]["DNSName"] = name


def image_layers(repository: str) -> dict[str, bytes] | None:
    """The layers of a repository, by their digests; nothing where there is none."""
    if repository not in ecr._repositories:
        return None
    kept: dict[str, bytes] = ecr._layer_blobs.setdefault(repository, {})
    return kept


def pushed_image(repository: str, digest: str) -> dict[str, Any] | None:
    """An image that was pushed; nothing where it was not."""
    found: dict[str, Any] | None = ecr._find_image(repository, {"imageDigest": digest})
    return found


def put_image(request: Properties) -> dict[str, Any]:
    """Keep an image, under its tag; what ECR answers.

    Raises
    ------
    RefusedError
        Where another has the tag.
    """
    status, _, body = ecr._put_image(request)
    answer: dict[str, Any] = json.loads(body)
    if status != 200:
        raise RefusedError(answer["__type"], answer["message"])
    return answer


def describe_secret(secret: str) -> dict[str, Any] | None:
    """What the emulator knows of a secret, but its values; nothing where there is none."""
    _, record = secretsmanager._resolve(secret)
    if record is None:
        return None
    labels = {version: list(of_it["Stages"]) for version, of_it in record["Versions"].items()}
    return {**record, "Versions": None, "VersionIdsToStages": labels}


def set_rotation(secret: str, function: str, rules: Mapping[str, Any]) -> None:
    """Note which function rotates a secret and how often; none where it is empty."""
    record = _secret(secret)
    record["RotationEnabled"] = bool(function)
    record["RotationLambdaARN"] = function or None
    record["RotationRules"] = dict(rules) or None


def add_pending_version(secret: str, version: str) -> None:
    """Give a secret a version that is labelled as pending, and has no value yet."""
    versions = _secret(secret)["Versions"]
    for other in versions.values():
        other["Stages"] = [label for label in other["Stages"] if label != "AWSPENDING"]
    versions[version] = {
        "SecretString": None,
        "SecretBinary": None,
        "CreatedDate": int(time.time()),
        "Stages": ["AWSPENDING"],
    }


def remove_version(secret: str, version: str) -> None:
    """Take a version away from a secret."""
    _secret(secret)["Versions"].pop(version, None)


def _secret(secret: str) -> dict[str, Any]:
    _, record = secretsmanager._resolve(secret)
    found: dict[str, Any] = record
    return found


def add_task(resource: str, work: Callable[[str, Mapping[str, Any]], dict[str, Any]]) -> None:
    """Have a task of state machines done by `work`, in the thread of their execution.

    Parameters
    ----------
    resource
        The task's resource, without ``.sync``.
    work
        Given the whole resource and the task's input; its output.
    """
    stepfunctions._SERVICE_DISPATCH[resource] = work


def task_error(error: str, cause: str) -> Exception:
    """What a task raises that fails."""
    made: Exception = stepfunctions._ExecutionError(error, cause)
    return made


def let_state_machines_call(name: str, target_prefix: str) -> None:
    """Let tasks of ``aws-sdk:<name>`` call a service that was added."""
    stepfunctions._AWS_SDK_SERVICE_MAP[name] = {"target_prefix": target_prefix, "protocol": "json"}


def publish_event(
    scope: Scope, source: str, detail_type: str, detail: Mapping[str, Any], resources: list[str]
) -> None:
    """Give the default bus an event of a service, as only services may.

    Parameters
    ----------
    scope
        Whose bus.
    source
        The service, such as ``aws.codepipeline``.
    detail_type, detail, resources
        What happened, and to what.
    """
    entry = {
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "Resources": resources,
    }
    with request_scope(*scope):
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def add_event_target(service: str, start: Callable[[str, Mapping[str, Any], str], None]) -> None:
    """Have rules start what a service runs: the emulator accepts such targets, and drops events.

    Parameters
    ----------
    service
        The service, as ARNs have it.
    start
        Given the ARN of the target, its input, and the ARN of the rule. What it raises is logged,
        as the failed invocation that it is.
    """
    original = eventbridge._invoke_target

    def invoke(target: Properties, event: Any, rule: Any, view: Any = None) -> None:
        arn = target.get("Arn", "")
        if arn.split(":")[2:3] != [service]:
            original(target, event, rule, view)
            return
        try:
            start(arn, json.loads(_target_input(target, event, rule, view)), rule["Arn"])
        except Exception:
            log.exception("the rule %s could not start %s", rule.get("Name"), arn)

    eventbridge._invoke_target = invoke


def _target_input(target: Properties, event: Any, rule: Any, view: Any) -> str:
    """What a target is given: its own text, what its transformer makes, or the event."""
    if target.get("InputPath"):
        raise ValueError("an InputPath is not read here: give an Input or an InputTransformer")
    view = view or eventbridge._pattern_event_view(event)
    if target.get("InputTransformer"):
        return str(eventbridge._apply_input_transformer(target["InputTransformer"], rule, view))
    return str(target.get("Input") or json.dumps(view.event_with_detail()))


def name_versions_in_events() -> None:
    """Have events of S3 name the version of the object, which the emulator leaves out.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event

    def fire_with_version(*words: Any, version_id: str | None = None, **named: Any) -> None:
        token = _VERSION.set(version_id)
        try:
            fire(*words, version_id=version_id, **named)
        finally:
            _VERSION.reset(token)

    def dispatch_with_version(event: dict[str, Any], view: Any = None) -> None:
        version = _VERSION.get()
        if version and event.get("Source") == "aws.s3":
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version
            event = {**event, "Detail": json.dumps(detail)}
        dispatch(event, view)

    s3._fire_s3_event, eventbridge._dispatch_event = fire_with_version, dispatch_with_version


def describe_stacks_as_declared() -> None:
    """Have stacks described as their templates say: of a change set, the emulator drops that."""
    describe = handlers._ACTION_HANDLERS["DescribeStacks"]

    def describe_all(params: Any) -> Any:
        for stack in cloudformation._stacks.values():
            stack["Description"] = (stack.get("_template") or {}).get("Description", "")
        return describe(params)

    handlers._ACTION_HANDLERS["DescribeStacks"] = describe_all


def let_functions_reach(resolve: Callable[[str], str]) -> None:
    """Give functions the addresses of this machine for those of the network that they are told.

    Parameters
    ----------
    resolve
        Given the value of a variable; what to say in its place.
    """
    spawn = lambda_runtime.Worker._spawn

    def spawn_here(worker: Any) -> Any:
        told = worker.config.get("Environment", {}).get("Variables", {})
        here = {name: resolve(value) for name, value in told.items()}
        worker.config = {**worker.config, "Environment": {"Variables": here}}
        return spawn(worker)

    lambda_runtime.Worker._spawn = spawn_here


def evaluate_no_alarms() -> None:
    """Have the emulator leave the states of metric alarms alone: it looks at no dimension."""
    cloudwatch._evaluate_alarm = lambda _: None


def keep_math_alarms() -> None:
    """Have the emulator keep alarms of metric math, of which it would drop the expressions."""
    original = cloudwatch._put_metric_alarm

    def put(params: Any, asked: Properties, is_cbor: bool, is_json: bool = False) -> Any:
        if not asked.get("Metrics"):
            return original(params, asked, is_cbor, is_json)
        put_math_alarm(asked["AlarmName"], asked)
        return cloudwatch._cbor_ok({}) if is_cbor else cloudwatch._json_ok({})

    cloudwatch._put_metric_alarm = put


def metric_alarms() -> list[tuple[Scope, dict[str, Any]]]:
    """Every alarm of a metric or of metric math, with its account and region."""
    return [((key[0], key[1]), alarm) for key, alarm in list(cloudwatch._alarms._data.items())]


def alarm_state(scope: Scope, name: str) -> str | None:
    """The state of an alarm, composite ones too; nothing where there is none."""
    with request_scope(*scope):
        alarm = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name)
    return str(alarm["StateValue"]) if alarm else None


def set_alarm_state(scope: Scope, name: str, state: str, reason: str) -> None:
    """Change the state of an alarm, and let whoever is to know of it know."""
    change = {"AlarmName": name, "StateValue": state, "StateReason": reason}
    with request_scope(*scope):
        cloudwatch._set_alarm_state({}, change, False, True)


def put_math_alarm(name: str, properties: Properties) -> str:
    """Keep an alarm of metric math; its ARN."""
    placeholder = {**properties, "Metrics": None, "MetricName": "-", "Namespace": "-"}
    alarm = provisioners._cw_metric_alarm_record(name, placeholder)
    for part in ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Unit"):
        del alarm[part]
    alarm["Metrics"] = properties["Metrics"]
    cloudwatch.cloudformation_put_metric_alarm(alarm)
    return str(alarm["AlarmArn"])


def put_alarm(scope: Scope, alarm: Properties, actions: list[str]) -> None:
    """Keep an alarm of a service's own, of a metric or of metric math."""
    with request_scope(*scope):
        if alarm.get("Metrics"):
            put_math_alarm(alarm["AlarmName"], {**alarm, "AlarmActions": actions})
            return
        record = provisioners._cw_metric_alarm_record(alarm["AlarmName"], alarm)
        cloudwatch.cloudformation_put_metric_alarm({**record, "AlarmActions": actions})


def remove_alarm(scope: Scope, name: str) -> None:
    """Forget an alarm of a service's own."""
    with request_scope(*scope):
        cloudwatch.cloudformation_delete_metric_alarm(name)


def find_alarm(scope: Scope, name: str) -> dict[str, Any] | None:
    """An alarm of a metric or of metric math; nothing where there is none."""
    with request_scope(*scope):
        found: dict[str, Any] | None = cloudwatch._alarms.get(name)
    return found


def alarms_that_call(scope: Scope, action: str) -> list[dict[str, Any]]:
    """The alarms that have an action."""
    found = [alarm for where, alarm in metric_alarms() if where == scope]
    return [alarm for alarm in found if action in alarm.get("AlarmActions", [])]


def measures(scope: Scope, namespace: str) -> bool:
    """Whether anything has been measured in a namespace."""
    return any(
        key[:2] == scope and key[2][0] == namespace for key in list(cloudwatch._metrics._data)
    )


def record_metric(
    scope: Scope,
    namespace: str,
    name: str,
    unit: str,
    dimensions: Mapping[str, str],
    counts: Mapping[float, int],
) -> None:
    """Give CloudWatch values of a metric, each with how often it was measured."""
    base = {"Timestamp": time.time(), "Unit": unit, "Dimensions": dict(dimensions)}
    with request_scope(*scope):
        bucket = cloudwatch._metric_bucket(
            (namespace, name, cloudwatch._dims_key(base["Dimensions"]))
        )
    bucket += [{**base, "Value": value, "Count": float(count)} for value, count in counts.items()]
    if len(bucket) > MOST_POINTS:
        del bucket[: MOST_POINTS // 2]


def metric_points(
    scope: Scope, namespace: str, name: str, dimensions: Mapping[str, str], since: float
) -> list[dict[str, Any]]:
    """The values of a metric since a time, the newest first."""
    with request_scope(*scope):
        key = (namespace, name, cloudwatch._dims_key(dict(dimensions)))
        bucket = cloudwatch._metrics.get(key) or []
    found = []
    for point in reversed(list(bucket)):
        if point["Timestamp"] < since:
            break
        found.append(point)
    return found


def statistic(points: list[Mapping[str, Any]], name: str) -> float | None:
    """A statistic of values, such as ``Sum`` or ``p99``; nothing of none."""
    if not points:
        return None
    found: float | None = cloudwatch._stat_value(cloudwatch._calc_stats(points), name, points)
    return found
