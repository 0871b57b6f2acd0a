"""What stands in the network: components, their groups, subnets, ports and roles."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from proof.model import Component
from proof.reach.groups import database_port, group_key, port_of
from proof.reach.runbooks import run_by_runbooks
from proof.services.needs import MONITORING
from proof.system.addresses import Network, network
from proof.system.roles import Roles, role_of
from proof.system.system import System, View
from proof.system.values import as_list, is_unknown

SOURCES = {"task", "function", "model", "client", "load balancer"}
"""Kinds that open connections; the others answer."""


@dataclass(frozen=True)
class Node:
    """A component, and what decides whom it reaches.

    Parameters
    ----------
    component
        The component.
    view
        Its resource.
    groups
        Its security groups.
    subnets
        Where it stands, as references or ids.
    ranges
        The address ranges of these, as far as they are known.
    vpc
        The network it stands in; empty where nobody can tell.
    ports
        The TCP ports it listens at; empty where it could be any.
    roles
        The roles that it acts as.
    """

    component: Component
    view: View
    groups: tuple[str, ...]
    subnets: tuple[str, ...]
    ranges: tuple[Network, ...]
    vpc: str
    ports: tuple[int, ...] = ()
    roles: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Id of the component."""
        return self.component.id

    @property
    def opens(self) -> bool:
        """Whether it opens connections."""
        return self.component.kind in SOURCES


@dataclass(frozen=True)
class Kind:
    """How a type of resource becomes a component.

    Parameters
    ----------
    kind
        As :class:`proof.model.Component` has it.
    words
        What people call it.
    groups, subnets
        Dotted paths of its security groups and subnets.
    roles
        Dotted paths of its roles.
    ports
        What it listens at.
    """

    kind: str
    words: str
    groups: str = ""
    subnets: str = ""
    roles: tuple[str, ...] = ()
    ports: Callable[[View, System], list[int]] = lambda _view, _system: []


def _database(view: View, _system: System) -> list[int]:
    return [database_port(view)]


def _https(_view: View, _system: System) -> list[int]:
    return [443]


def _task_ports(view: View, system: System) -> list[int]:
    task = system.view(view.get("TaskDefinition"), "AWS::ECS::TaskDefinition")
    return [
        port_of(mapping.get("ContainerPort"), system, 0)
        for container in (task.items("ContainerDefinitions") if task else [])
        if isinstance(container, dict)
        for mapping in as_list(container.get("PortMappings"))
        if isinstance(mapping, dict)
    ]


def _listened(view: View, system: System) -> list[int]:
    return [port_of(listener.get("Port"), system, 0) for listener in listeners(view, system)]


def listeners(balancer: View, system: System) -> list[View]:
    """The listeners of a load balancer."""
    return [
        view
        for view in system.views("AWS::ElasticLoadBalancingV2::Listener")
        if system.find(view.get("LoadBalancerArn")) == balancer.resource
    ]


AWSVPC = "NetworkConfiguration.AwsvpcConfiguration"
TASKS = Kind("task", "tasks", f"{AWSVPC}.SecurityGroups", f"{AWSVPC}.Subnets", (), _task_ports)
KINDS: dict[str, Kind] = {
    "AWS::ECS::Service": TASKS,
    "AWS::Lambda::Function": Kind(
        "function", "function", "VpcConfig.SecurityGroupIds", "VpcConfig.SubnetIds", ("Role",)
    ),
    "AWS::SageMaker::Model": Kind(
        "model",
        "model",
        "VpcConfig.SecurityGroupIds",
        "VpcConfig.Subnets",
        ("ExecutionRoleArn",),
    ),
    **dict.fromkeys(
        MONITORING,
        Kind(
            "model",
            "monitoring job",
            "NetworkConfig.VpcConfig.SecurityGroupIds",
            "NetworkConfig.VpcConfig.Subnets",
            ("RoleArn",),
        ),
    ),
    "AWS::SageMaker::NotebookInstance": Kind(
        "client", "notebook", "SecurityGroupIds", "SubnetId", ("RoleArn",)
    ),
    "AWS::SageMaker::Domain": Kind(
        "client",
        "studio",
        "DefaultUserSettings.SecurityGroups",
        "SubnetIds",
        ("DefaultUserSettings.ExecutionRole",),
    ),
    "AWS::EC2::Instance": Kind("client", "instance", "SecurityGroupIds", "SubnetId", ()),
    "AWS::CodeBuild::Project": Kind(
        "task", "builds", "VpcConfig.SecurityGroupIds", "VpcConfig.Subnets", ("ServiceRole",)
    ),
    "AWS::Glue::Connection": Kind(
        "client",
        "Glue jobs",
        "ConnectionInput.PhysicalConnectionRequirements.SecurityGroupIdList",
        "ConnectionInput.PhysicalConnectionRequirements.SubnetId",
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": Kind(
        "load balancer", "load balancer", "SecurityGroups", "Subnets", (), _listened
    ),
    "AWS::RDS::DBInstance": Kind(
        "database", "database", "VPCSecurityGroups", "DBSubnetGroupName", (), _database
    ),
    "AWS::RDS::DBCluster": Kind(
        "database", "database", "VpcSecurityGroupIds", "DBSubnetGroupName", (), _database
    ),
    "AWS::DocDB::DBCluster": Kind(
        "database", "database", "VpcSecurityGroupIds", "DBSubnetGroupName", (), _database
    ),
    "AWS::Neptune::DBCluster": Kind(
        "database", "database", "VpcSecurityGroupIds", "DBSubnetGroupName", (), _database
    ),
    "AWS::Redshift::Cluster": Kind(
        "database", "warehouse", "VpcSecurityGroupIds", "ClusterSubnetGroupName", (), _database
    ),
    "AWS::ElastiCache::ReplicationGroup": Kind(
        "database", "cache", "SecurityGroupIds", "CacheSubnetGroupName", (), _database
    ),
    "AWS::OpenSearchService::Domain": Kind(
        "database", "search", "VPCOptions.SecurityGroupIds", "VPCOptions.SubnetIds", (), _https
    ),
    "AWS::EFS::MountTarget": Kind(
        "database", "files", "SecurityGroups", "SubnetId", (), lambda _view, _system: [2049]
    ),
    "AWS::EC2::VPCEndpoint": Kind(
        "endpoint", "endpoint", "SecurityGroupIds", "SubnetIds", (), _https
    ),
    "AWS::ApiGateway::RestApi": Kind("api", "API"),
    "AWS::S3::Bucket": Kind("bucket", "bucket"),
}


def nodes(system: System, roles: Roles) -> list[Node]:
    """Every component of the templates, once, as it is deployed by default."""
    found = []
    for resource in system.of(*KINDS):
        branches = system.branches(resource)
        if branches:
            found.append(_node(branches[0], KINDS[resource.type], system, roles))
    found += [_node(view, TASKS, system, roles) for view in run_by_runbooks(system)]
    return [*found, *_callers(found, system)]


def _node(view: View, kind: Kind, system: System, roles: Roles) -> Node:
    subnets = tuple(_subnets(view, kind, system))
    places = [system.view(subnet, "AWS::EC2::Subnet") for subnet in subnets]
    ranges = [network(place.get("CidrBlock")) for place in places if place]
    groups = tuple(group_key(group) for group in (view.items(kind.groups) if kind.groups else []))
    taken = [role_of(view, path, roles) for path in kind.roles]
    if kind is TASKS:
        task = system.view(view.get("TaskDefinition"), "AWS::ECS::TaskDefinition")
        paths = ("TaskRoleArn", "ExecutionRoleArn")
        taken = [role_of(task, path, roles) for path in paths] if task else []
    if view.type == "AWS::EC2::Instance":
        profile = system.view(view.get("IamInstanceProfile"), "AWS::IAM::InstanceProfile")
        taken = [
            name
            for role in (profile.items("Roles") if profile else [])
            for name in roles.named(role)
        ]
    return Node(
        Component(view.id, _label(view, kind), kind.kind, view.resource.template.file),
        view,
        groups,
        subnets,
        tuple(block for block in ranges if block),
        _vpc(view, places, groups, system),
        tuple(port for port in kind.ports(view, system) if port),
        tuple(role for role in taken if role),
    )


def _subnets(view: View, kind: Kind, system: System) -> Iterator[str]:
    for item in view.items(kind.subnets) if kind.subnets else []:
        group = system.view(item)
        if group and group.type.endswith("SubnetGroup"):
            yield from map(str, group.items("SubnetIds"))
        else:
            yield str(item)


def _vpc(view: View, places: list[View | None], groups: tuple[str, ...], system: System) -> str:
    own = view.get("VpcId")
    if own is not None:
        return "" if is_unknown(own) else str(own)
    others = [*places, *(system.view(f"${{{group}}}") for group in groups)]
    found = {str(other.get("VpcId")) for other in others if other and other.get("VpcId")}
    return found.pop() if len(found) == 1 else ""


def _label(view: View, kind: Kind) -> str:
    name = readable(view.resource.logical_id)
    if view.type == "AWS::EC2::VPCEndpoint":
        return (
            name if is_private_service(view.get("ServiceName")) else f"{service_of(view)} endpoint"
        )
    if view.type == "AWS::SageMaker::Model":
        # The constructs of many endpoints are called alike: their templates are not.
        return f"{view.resource.template.name} {kind.words}"
    if view.type in MONITORING:
        checked = view.type.removeprefix("AWS::SageMaker::").removesuffix("JobDefinition")
        return f"{view.resource.template.name} {readable(checked).lower()}"
    engine = view.get("Engine")
    if isinstance(engine, str):
        return f"{name} ({engine})"
    if view.type == "AWS::ECS::Service" and view.get("LaunchType", "FARGATE") == "FARGATE":
        return f"{name} (Fargate)"
    return name


def readable(logical_id: str) -> str:
    """A logical id for people: without the CDK's hash and one of its content, and with spaces.

    Examples
    --------
    >>> readable("MlflowServiceC8B373FD")
    'Mlflow service'
    """
    name = re.sub(r"(?<=[a-z])(?:[0-9A-F]{8}){1,2}$", "", logical_id)
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name) or [name]
    return " ".join([words[0], *(word if word.isupper() else word.lower() for word in words[1:])])


def is_private_service(name: Any) -> bool:
    """Whether the name of an endpoint's service is that of somebody's own, and not of AWS's.

    Examples
    --------
    >>> is_private_service("com.amazonaws.vpce.eu-west-1.vpce-svc-0a1b")
    True
    """
    return str(name).startswith("com.amazonaws.vpce.") or "vpce-svc-" in str(name)


def service_of(endpoint: View) -> str:
    """The service that an endpoint leads to, as endpoints name it: ``ecr.dkr``, ``s3``."""
    name = str(endpoint.get("ServiceName", endpoint.get("ServiceNetworkArn", "")))
    if is_private_service(name):
        return re.sub(
            r"[${}]", "", re.sub(r"com\.amazonaws\.vpce\.(\$\{[^}]*\}|[^.]+)\.", "", name)
        )
    match = re.match(r"(?:cn\.)?com\.amazonaws\.(?:\$\{[^}]*\}|[^.]+)\.(.+)", name)
    if match:
        return match[1]
    match = re.match(r"aws\.([^.]+)\.(?:\$\{[^}]*\}|[^.]+)\.(.+)", name)
    return f"{match[1]}.{match[2]}" if match else name.replace("${", "").replace("}", "")


def _callers(found: list[Node], system: System) -> Iterator[Node]:
    """Groups that nothing of the templates stands in: what is put there later may call."""
    taken = {group for node in found for group in node.groups}
    for resource in system.of("AWS::EC2::SecurityGroup"):
        views = system.branches(resource)
        if resource.id in taken or not views:
            continue
        view = views[0]
        label = view.get("GroupDescription") or readable(resource.logical_id)
        component = Component(view.id, str(label), "client", resource.template.file)
        vpc = str(view.get("VpcId", ""))
        blocks = tuple(
            block
            for place in system.views("AWS::EC2::Subnet")
            if place.get("VpcId") == view.get("VpcId")
            and (block := network(place.get("CidrBlock")))
        )
        yield Node(component, view, (view.id,), (), blocks, vpc)
