"""The second question: which component reaches which, on which port, and as whom.

A connection needs a rule out of a group of the one and a rule into a group of the other; a
load balancer only calls its targets; a private API is called through its endpoint; and AWS
itself is reached through an endpoint, as a role whose policies allow something there.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from proof.model import Component, Finding, Question, Reach, Rule
from proof.reach.components import KINDS, Node, listeners, nodes, service_of
from proof.reach.groups import ANY, GroupRule, all_rules
from proof.services.needs import MONITORING, allowed_services
from proof.system.addresses import covers, network
from proof.system.policies import matches
from proof.system.roles import Roles
from proof.system.system import System, View
from proof.system.values import is_unknown
from proof.ways.checks import Register, Sight, unsure

RULES = Register(Question.REACH)


@dataclass
class Reached:
    """What was found: the network's nodes, and what connects them."""

    nodes: list[Node]
    roles: Roles
    reaches: set[Reach] = field(default_factory=set)
    components: set[Component] = field(default_factory=set)
    rules: list[Rule] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


@RULES.rule(
    "reach.groups",
    "AWS::ECS::Service",
    "AWS::Lambda::Function",
    "AWS::SageMaker::Model",
    *MONITORING,
    "AWS::EC2::VPCEndpoint",
    "AWS::RDS::DBInstance",
    says="The security groups of every component are among the templates.",
    mend="Put the template of the group into the folder, or name a group of these templates.",
)
def groups_known(view: View, system: System) -> Iterator[Sight]:
    """What a group lets through is only known where its rules are seen."""
    if view.get("VpcEndpointType", "Interface") != "Interface":
        return
    groups = view.items(KINDS[view.type].groups)
    for group in groups:
        if system.find(group) is None:
            text = group if isinstance(group, str) and not is_unknown(group) else "an unknown group"
            yield unsure(f"Nobody can tell what {text} lets through.")
    if not groups and view.type != "AWS::Lambda::Function":
        yield unsure("It names no security group, so that the default one applies.")


def examine(system: System) -> Reached:
    """Find every connection that the templates allow."""
    roles = Roles(system)
    reached = Reached(nodes(system, roles), roles)
    for check in RULES:
        rule, findings = check.run(system)
        reached.rules.append(rule)
        reached.findings += findings
    by_group: dict[str, list[GroupRule]] = defaultdict(list)
    for found in all_rules(system):
        by_group[found.group].append(found)
    for source in reached.nodes:
        if source.opens:
            for target in reached.nodes:
                if target is not source:
                    reached.reaches |= set(_connections(source, target, by_group, system))
    _through_endpoints(reached, by_group, system)
    _through_api(reached, system)
    used = {end for reach in reached.reaches for end in (reach.source, reach.target)}
    reached.components |= {
        node.component
        for node in reached.nodes
        if node.id in used or node.component.kind not in ("client", "bucket")
    }
    return reached


def _connections(
    source: Node, target: Node, by_group: dict[str, list[GroupRule]], system: System
) -> Iterator[Reach]:
    if not target.groups or (source.vpc and target.vpc and source.vpc != target.vpc):
        return
    route: tuple[str, ...] = ()
    if source.component.kind == "load balancer":
        found = _targets(source, target, system)
        if found is None:
            return
        route = found
    outs = [rule for group in source.groups for rule in by_group[group] if not rule.inbound]
    ins = [rule for group in target.groups for rule in by_group[group] if rule.inbound]
    identity = source.roles[0] if source.roles else ""
    for entry in ins:
        if not _faces(entry, source):
            continue
        for leave in [rule for rule in outs if _faces(rule, target)] if source.groups else [None]:
            for port in _ports(leave, entry, target):
                evidence = [leave.view.id] if leave else []
                yield Reach(
                    source.id, target.id, port, identity, (*evidence, entry.view.id, *route)
                )


def _faces(rule: GroupRule, other: Node) -> bool:
    """Whether a rule's other side means a component."""
    if rule.kind == "group":
        return rule.peer in other.groups
    block = network(rule.peer) if rule.kind == "cidr" else None
    return any(covers(block, place) or covers(place, block) for place in other.ranges)


def _ports(leave: GroupRule | None, entry: GroupRule, target: Node) -> list[str]:
    """What two rules let through together, of what the target listens at."""
    rules = [rule for rule in (leave, entry) if rule]
    named = {rule.protocol for rule in rules} - {ANY}
    if len(named) > 1:
        return []
    protocol = named.pop() if named else ANY
    first = max((rule.first for rule in rules if rule.protocol != ANY), default=0)
    last = min((rule.last for rule in rules if rule.protocol != ANY), default=65535)
    if first > last:
        return []
    if target.ports:
        if protocol not in ("tcp", ANY):
            return []
        return [f"tcp/{port}" for port in sorted(set(target.ports)) if first <= port <= last]
    if protocol == ANY:
        return ["all"]
    bounds = f"{first}" if first == last else f"{first}-{last}"
    return [f"{protocol}/{'all' if (first, last) == (0, 65535) else bounds}"]


def _targets(balancer: Node, target: Node, system: System) -> tuple[str, ...] | None:
    """The listener and the group by which a load balancer calls a component, or ``None``."""
    groups = {
        resource.id
        for body in target.view.items("LoadBalancers")
        if isinstance(body, dict)
        for resource in [system.find(body.get("TargetGroupArn"))]
        if resource
    }
    for listener in listeners(balancer.view, system):
        for group in system.mentioned(
            listener.properties, "AWS::ElasticLoadBalancingV2::TargetGroup"
        ):
            if group.id in groups:
                return (listener.id, group.id)
    return None


def _through_endpoints(
    reached: Reached, by_group: dict[str, list[GroupRule]], system: System
) -> None:
    """What roles may do at the services that endpoints lead to."""
    for endpoint in reached.nodes:
        if endpoint.component.kind != "endpoint":
            continue
        service = service_of(endpoint.view)
        gateway = endpoint.view.get("VpcEndpointType", "Gateway") == "Gateway"
        name = f"aws:{service}"
        for source in reached.nodes:
            if not source.opens:
                continue
            ways = (
                _gateway_rules(source, endpoint, by_group, system)
                if gateway
                else _endpoint_rules(reached, source, endpoint)
            )
            if ways is None:
                continue
            if gateway:
                identity = source.roles[0] if source.roles else ""
                reached.reaches.add(Reach(source.id, endpoint.id, "tcp/443", identity, ways))
            for role in source.roles:
                policies = allowed_services(reached.roles, role).get(service, ())
                if not policies:
                    continue
                evidence = (*ways, endpoint.id, *policies)
                reached.components.add(Component(name, service, "service", ""))
                reached.reaches.add(Reach(source.id, name, "tcp/443", role, evidence))
                if service == "s3":
                    _buckets(reached, source, role, evidence)


def _endpoint_rules(reached: Reached, source: Node, endpoint: Node) -> tuple[str, ...] | None:
    for reach in reached.reaches:
        if (reach.source, reach.target) == (source.id, endpoint.id):
            return reach.evidence
    return None


def _gateway_rules(
    source: Node, endpoint: Node, by_group: dict[str, list[GroupRule]], system: System
) -> tuple[str, ...] | None:
    """The rules by which a component reaches a gateway endpoint, or ``None``."""
    if source.vpc and endpoint.vpc and source.vpc != endpoint.vpc:
        return None
    tables = {resource.id for resource in system.mentioned(endpoint.view.get("RouteTableIds"))}
    routed = [
        view.id
        for view in system.views("AWS::EC2::SubnetRouteTableAssociation")
        if view.get("SubnetId") in source.subnets
        and {resource.id for resource in system.mentioned(view.get("RouteTableId"))} & tables
    ]
    if source.subnets and tables and not routed:
        return None
    for group in source.groups:
        for rule in by_group[group]:
            block = network(rule.peer)
            wide = rule.kind == "cidr" and block is not None and block.prefixlen == 0
            https = rule.protocol in ("tcp", ANY) and rule.first <= 443 <= rule.last
            if not rule.inbound and https and (wide or rule.kind == "list"):
                return (rule.view.id,)
    return None


def _buckets(reached: Reached, source: Node, role: str, evidence: tuple[str, ...]) -> None:
    """The buckets of the templates that a role may use."""
    resources = [
        resource
        for attached in reached.roles.policies(role)
        for statement in attached.statements
        if statement.allows and any(matches("s3:*", action) for action in statement.actions)
        for resource in statement.resources
    ]
    for node in reached.nodes:
        if node.component.kind != "bucket":
            continue
        reference = f"${{{node.id}"
        name = str(node.view.get("BucketName", reference))
        texts = (f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/x")
        for resource in resources:
            plain = any(matches(resource, text) for text in texts)
            if resource == "*" or plain or reference in resource or f":::{name}" in resource:
                reached.reaches.add(Reach(source.id, node.id, "tcp/443", role, evidence))
                break


def _through_api(reached: Reached, system: System) -> None:
    """Endpoints that lead to a private API, and the functions that it calls."""
    for api in reached.nodes:
        if api.component.kind != "api":
            continue
        ends = system.mentioned(api.view.get("EndpointConfiguration"), "AWS::EC2::VPCEndpoint")
        ends += system.mentioned(api.view.get("Policy"), "AWS::EC2::VPCEndpoint")
        for end in {end.id for end in ends}:
            reached.reaches.add(Reach(end, api.id, "tcp/443", "", (api.id,)))
        for method in system.views("AWS::ApiGateway::Method"):
            if system.find(method.get("RestApiId")) == api.view.resource:
                for function in system.mentioned(
                    method.get("Integration.Uri"), "AWS::Lambda::Function"
                ):
                    reached.reaches.add(Reach(api.id, function.id, "tcp/443", "", (method.id,)))
