"""Security groups: every rule of every group, wherever the templates write it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from proof.system.system import System, View
from proof.system.values import PLACEHOLDER, Unknown

ANY = "-1"
PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": ANY}
ENGINE_PORTS = {
    "mysql": 3306,
    "mariadb": 3306,
    "aurora-mysql": 3306,
    "postgres": 5432,
    "aurora-postgresql": 5432,
    "oracle": 1521,
    "sqlserver": 1433,
    "docdb": 27017,
    "neptune": 8182,
    "redis": 6379,
    "valkey": 6379,
    "memcached": 11211,
    "redshift": 5439,
}
"""What a database listens at where nobody says."""


@dataclass(frozen=True)
class GroupRule:
    """One rule of a security group.

    Parameters
    ----------
    group
        The group that it belongs to, as a reference or a literal id.
    inbound
        Whether it lets in, or out.
    protocol
        ``tcp``, ``udp``..., or ``-1`` for all of them.
    first, last
        The ports; from 0 to 65535 where it bounds none.
    kind
        What stands on the other side: ``cidr``, ``group``, ``list`` or ``unknown``.
    peer
        The other side.
    view
        The resource that holds the rule.
    implied
        Whether nobody wrote it: what AWS lets out of a group without outbound rules.
    """

    group: str
    inbound: bool
    protocol: str
    first: int
    last: int
    kind: str
    peer: str
    view: View
    implied: bool = False

    @property
    def ports(self) -> str:
        """``tcp/443``, ``tcp/1024-65535``, ``all``."""
        if self.protocol == ANY:
            return "all"
        if (self.first, self.last) == (0, 65535):
            return f"{self.protocol}/all"
        both = f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.protocol}/{both}"


def group_key(value: Any) -> str:
    """A group as one text, however it is referred to: ``Ref`` and ``GroupId`` mean the same.

    Examples
    --------
    >>> group_key("${Network.Group.GroupId}")
    'Network.Group'
    """
    match = PLACEHOLDER.fullmatch(str(value))
    return f"{match[1]}.{match[2]}" if match and match[3] in (None, "GroupId") else str(value)


def rules_of(view: View, system: System) -> Iterator[GroupRule]:
    """The rules that one resource holds: a group, or a rule apart."""
    if view.type != "AWS::EC2::SecurityGroup":
        inbound = view.type.endswith("Ingress")
        group = view.get("GroupId", view.get("GroupName", Unknown("the group is not named")))
        yield _rule(group_key(group), inbound, view.properties, view, system)
        return
    for inbound, name in ((True, "SecurityGroupIngress"), (False, "SecurityGroupEgress")):
        for body in view.items(name):
            yield _rule(view.id, inbound, body, view, system)
    if not view.items("SecurityGroupEgress") and not _has_rules_apart(view, system):
        for everywhere in ("0.0.0.0/0", "::/0"):
            yield GroupRule(view.id, False, ANY, 0, 65535, "cidr", everywhere, view, True)


def all_rules(system: System) -> list[GroupRule]:
    """Every rule of the system, in every branch."""
    types = (
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::SecurityGroupEgress",
    )
    return [rule for view in system.views(*types) for rule in rules_of(view, system)]


def _has_rules_apart(group: View, system: System) -> bool:
    # CloudFormation takes the rule away that AWS adds, once there is an outbound rule apart.
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-ec2-security-group-egress.html
    return any(
        group_key(view.get("GroupId")) == group.id and system.always(view.resource)
        for view in system.views("AWS::EC2::SecurityGroupEgress")
    )


def _rule(group: str, inbound: bool, body: Any, view: View, system: System) -> GroupRule:
    if not isinstance(body, dict):
        why = getattr(body, "why", "the rule cannot be read")
        return GroupRule(group, inbound, ANY, 0, 65535, "unknown", Unknown(why), view)
    protocol = str(body.get("IpProtocol", ANY)).lower()
    protocol = PROTOCOLS.get(protocol, protocol)
    first = port_of(body.get("FromPort"), system, 0)
    last = port_of(body.get("ToPort"), system, 65535)
    if first < 0 or last < 0:
        first, last = 0, 65535
    kind, peer = _peer(body, inbound)
    return GroupRule(group, inbound, protocol, first, last, kind, peer, view)


def _peer(body: dict[str, Any], inbound: bool) -> tuple[str, str]:
    side = "Source" if inbound else "Destination"
    for name, kind in (
        ("CidrIp", "cidr"),
        ("CidrIpv6", "cidr"),
        (f"{side}SecurityGroupId", "group"),
        (f"{side}SecurityGroupName", "group"),
        (f"{side}PrefixListId", "list"),
    ):
        if name in body:
            value = body[name]
            if isinstance(value, Unknown) and kind != "group":
                return "unknown", value
            return kind, group_key(value) if kind == "group" else str(value)
    return "unknown", Unknown("the rule names no other side")


def port_of(value: Any, system: System, otherwise: int) -> int:
    """A port, which may be asked of a database.

    Parameters
    ----------
    value
        The value of a property.
    system
        The system.
    otherwise
        What is meant where there is no value, or an unknown one.
    """
    if isinstance(value, str) and value.startswith("${"):
        database = system.view(value)
        if database:
            return database_port(database)
    try:
        return int(value)
    except (TypeError, ValueError):
        return otherwise


def database_port(view: View) -> int:
    """What a database listens at."""
    port = view.get("Port")
    if port is not None and str(port).isdigit():
        return int(port)
    engine = str(view.get("Engine", view.type.split("::")[1])).lower()
    best = [name for name in ENGINE_PORTS if engine.startswith(name)]
    return ENGINE_PORTS[max(best, key=len)] if best else 443
