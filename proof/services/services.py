"""The fourth question: whether services and endpoints match, both ways.

A workload in the VPC calls AWS as its role allows, except for what its service does by itself
(:mod:`proof.services.needs`). An environment of ours has no endpoint too few or too many. Elsewhere
a role is often wider than what it does, so that only what the platform needs in any case, and
actions that are written out, are held against the templates.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from proof.model import Finding, Question, Rule, ServiceUse, Verdict
from proof.reach.components import Node, service_of
from proof.reach.reach import Reached
from proof.services.needs import BY_THE_SERVICE, EVERYTHING, MONITORING, calls_of
from proof.system.system import System, View
from proof.system.values import Unknown, as_list, is_unknown

MISSING, UNUSED, UNSEEN = "service.endpoint", "service.caller", "service.policy"
SAYS = {
    MISSING: "Every service that is called has an endpoint.",
    UNUSED: "Every endpoint has a caller.",
    UNSEEN: "The policies of every caller are among the templates.",
}


@dataclass(frozen=True, order=True)
class Call:
    """A service that a component calls.

    Parameters
    ----------
    service
        As endpoints name it.
    caller
        The role, or the component where it has none.
    why
        What it calls it for.
    certain
        Whether it is sure to call it.
    node
        The component.
    """

    service: str
    caller: str
    why: str
    certain: bool
    node: Node = field(compare=False)


@dataclass
class Used:
    """What was found."""

    rules: list[Rule]
    findings: list[Finding]
    services: list[ServiceUse]


def examine(system: System, reached: Reached) -> Used:
    """Compare the services that are called with the endpoints that there are."""
    calls: list[Call] = []
    findings: list[Finding] = []
    for node in reached.nodes:
        if node.opens and node.component.kind != "load balancer":
            calls += _platform_calls(node, system)
            for role in node.roles:
                calls += _role_calls(node, role, reached)
                findings += _unseen(node, role, reached)
    ends = [node for node in reached.nodes if node.component.kind == "endpoint"]
    shared = dict(system.expectations.shared_endpoints)
    by_service: dict[str, list[Node]] = defaultdict(list)
    for end in ends:
        by_service[service_of(end.view)].append(end)
    missing = sorted(
        {
            call
            for call in calls
            if call.service not in (EVERYTHING, *shared)
            and not any(_serves(end, call.node) for end in by_service[call.service])
        }
    )
    findings += [_missing(group, system) for group in _by_need(missing)]
    services = []
    for end in ends:
        service = service_of(end.view)
        callers = _callers(
            call
            for call in calls
            if call.service in (service, EVERYTHING) and _serves(end, call.node)
        )
        callers |= _declared(end.view) | _apis(end, service, reached)
        if not callers:
            findings.append(_unused(end, service, system))
        zones = len(_zones(end, system)) if _kind(end) == "interface" else 0
        services.append(ServiceUse(service, end.id, _kind(end), zones, tuple(sorted(callers))))
    for service, identity in shared.items():
        callers = _callers(call for call in calls if call.service == service)
        services.append(ServiceUse(service, identity, "shared", 0, tuple(sorted(callers))))
    have = {use.service for use in services}
    for service in sorted({call.service for call in missing} - have):
        callers = _callers(call for call in missing if call.service == service)
        services.append(ServiceUse(service, "", "", 0, tuple(sorted(callers))))
    examined = {MISSING: len(set(calls)), UNUSED: len(ends), UNSEEN: len(list(reached.roles))}
    rules = [Rule(Question.SERVICES, name, SAYS[name], examined[name]) for name in SAYS]
    return Used(rules, list(dict.fromkeys(findings)), services)


def _role_calls(node: Node, role: str, reached: Reached) -> Iterable[Call]:
    """What a role may call from within the network."""
    view = node.view
    if _isolated(view):
        return
    by_itself = BY_THE_SERVICE.get(view.type, ())
    for attached in reached.roles.policies(role):
        for statement in attached.statements:
            for service, actions in calls_of(statement, by_itself).items():
                for action in actions:
                    yield Call(service, role, action, "*" not in action, node)


def _isolated(view: View) -> bool:
    """Whether the containers have no network: SageMaker fetches and writes what is theirs."""
    paths = {"AWS::SageMaker::Model": "EnableNetworkIsolation"}
    paths |= dict.fromkeys(MONITORING, "NetworkConfig.EnableNetworkIsolation")
    return view.type in paths and view.get(paths[view.type]) in (True, "true")


def _platform_calls(node: Node, system: System) -> Iterable[Call]:
    """What is called whatever the roles say: images, logs, secrets, model files."""
    view = node.view
    if view.type == "AWS::SageMaker::Model":
        containers = [*view.items("PrimaryContainer"), *view.items("Containers")]
        data = ("ModelDataUrl", "ModelDataSource")
        if any(isinstance(body, dict) and any(key in body for key in data) for body in containers):
            yield Call("s3", node.id, "its model files", True, node)
    if view.type in MONITORING:
        yield Call("s3", node.id, "what was captured", True, node)
    task = system.view(view.get("TaskDefinition"), "AWS::ECS::TaskDefinition")
    for body in task.items("ContainerDefinitions") if task else []:
        if not isinstance(body, dict):
            continue
        image = str(body.get("Image", ""))
        if ".dkr.ecr." in image:
            for service in ("ecr.api", "ecr.dkr", "s3"):
                yield Call(service, node.id, "its image", True, node)
        log = body.get("LogConfiguration")
        if isinstance(log, dict) and log.get("LogDriver") == "awslogs":
            yield Call("logs", node.id, "its log", True, node)
        for secret in as_list(body.get("Secrets")):
            source = str(secret.get("ValueFrom", "")) if isinstance(secret, dict) else ""
            ssm = ":ssm:" in source or source.startswith("/")
            stored = system.mentioned(source, "AWS::SSM::Parameter")
            service = "ssm" if ssm or stored else "secretsmanager"
            yield Call(service, node.id, "a secret of its container", True, node)


def _callers(calls: Iterable[Call]) -> set[str]:
    """Each caller, with all that it calls for."""
    whys: dict[str, dict[str, None]] = defaultdict(dict)
    for call in sorted(calls):
        whys[call.caller][call.why] = None
    return {f"{caller}: {', '.join(why)}" for caller, why in whys.items()}


def _serves(end: Node, node: Node) -> bool:
    return not end.vpc or not node.vpc or end.vpc == node.vpc


def _kind(end: Node) -> str:
    return str(end.view.get("VpcEndpointType", "Gateway")).lower()


def _zones(end: Node, system: System) -> set[str]:
    places = [system.view(subnet, "AWS::EC2::Subnet") for subnet in end.subnets]
    return {
        str(place.get("AvailabilityZone", subnet)) if place else subnet
        for place, subnet in zip(places, end.subnets, strict=True)
    }


def _declared(end: View) -> set[str]:
    """Callers that the endpoint's metadata names: what is no resource of these templates."""
    callers = end.resource.metadata.get("Callers")
    if not isinstance(callers, dict):
        return set()
    return {f"{who}: {why}" for who, why in callers.items()}


def _apis(end: Node, service: str, reached: Reached) -> set[str]:
    """Private APIs that are called through an endpoint."""
    if service != "execute-api":
        return set()
    return {f"{reach.target}: a private API" for reach in reached.reaches if reach.source == end.id}


def _by_need(calls: list[Call]) -> Iterable[list[Call]]:
    """Calls of one service by one component, as one finding."""
    groups: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in calls:
        groups[call.service, call.node.id].append(call)
    return groups.values()


def _missing(calls: list[Call], system: System) -> Finding:
    first = calls[0]
    node = first.node
    why = ", ".join(dict.fromkeys(call.why for call in calls))
    certain = system.ours or any(call.certain for call in calls)
    # Endpoints of a network that is not among the templates may well be there.
    seen = system.view(node.vpc, "AWS::EC2::VPC") is not None
    callers = dict.fromkeys(call.caller for call in calls if call.caller != node.id)
    return Finding(
        Question.SERVICES,
        MISSING,
        node.component.template,
        node.view.resource.logical_id,
        Verdict.VIOLATION if certain and (seen or system.ours) else Verdict.UNDECIDED,
        f"{node.component.label} calls {first.service} ({why}), which has no endpoint.",
        (node.id, *callers, f"aws:{first.service}"),
        f"Add a VPC endpoint for {first.service}, or take away the right to call it.",
    )


def _unused(end: Node, service: str, system: System) -> Finding:
    return Finding(
        Question.SERVICES,
        UNUSED,
        end.component.template,
        end.view.resource.logical_id,
        Verdict.VIOLATION if system.ours else Verdict.UNDECIDED,
        f"Nothing of the templates calls {service}.",
        (end.id,),
        "Remove the endpoint, or name who calls it under Callers in its Metadata.",
    )


def _unseen(node: Node, role: str, reached: Reached) -> Iterable[Finding]:
    """Roles and policies that would say what is called, and are not there."""
    known = role in set(reached.roles)
    whys = [] if known else [f"the role {role} is not among the templates"]
    if is_unknown(role) and not known:
        whys = [f"its role is unknown ({getattr(role, 'why', 'not in the templates')})"]
    for attached in reached.roles.policies(role):
        if isinstance(attached.document, Unknown):
            whys.append(attached.document.why)
    for why in whys:
        yield Finding(
            Question.SERVICES,
            UNSEEN,
            node.component.template,
            node.view.resource.logical_id,
            Verdict.UNDECIDED,
            f"Nobody can tell what it calls: {why}.",
            (node.id, role) if known else (node.id,),
            "Write the role's policies out in the templates.",
        )
