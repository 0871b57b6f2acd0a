"""Ways that security groups open."""

from collections.abc import Iterator

from proof.model import Question
from proof.reach.groups import GroupRule, rules_of
from proof.system.addresses import covers, is_public, network
from proof.system.system import System, View
from proof.system.values import named
from proof.ways.checks import Register, Sight, broken, lacking, unsure, weak
from proof.ways.network import leads_out

RULES = Register(Question.WAYS)

Sights = Iterator[Sight]
GROUP = "AWS::EC2::SecurityGroup"


def _public(rule: GroupRule, system: System) -> bool | None:
    """Whether the other side holds public addresses."""
    if rule.kind == "cidr":
        return is_public(rule.peer, system)
    if rule.kind == "list":
        entries = system.view(rule.peer, "AWS::EC2::PrefixList")
        if entries is None:
            # Only the routes of gateway endpoints name the lists that AWS keeps, so that an
            # outbound rule leads nowhere else. What comes in can be from anybody on the list.
            return None if rule.inbound else False
        blocks = [item.get("Cidr") for item in entries.items("Entries") if isinstance(item, dict)]
        verdicts = [is_public(block, system) for block in blocks]
        return True if True in verdicts else None if None in verdicts else False
    return None if rule.kind == "unknown" else False


def _is_closed(rule: GroupRule, system: System) -> bool:
    """Whether the group's network is among the templates, and nothing leads out of it."""
    group = system.view(f"${{{rule.group}}}", GROUP)
    vpc = group.get("VpcId") if group else None
    if system.find(vpc, "AWS::EC2::VPC") is None:
        return False
    gateways = [
        view
        for view in system.views("AWS::EC2::VPCGatewayAttachment")
        if view.get("VpcId") == vpc or system.find(view.get("VpcId")) is None
    ]
    return not gateways and not leads_out(vpc, system)


def _judged(view: View, system: System, *, inbound: bool) -> Sights:
    word = "from" if inbound else "to"
    for rule in rules_of(view, system):
        if rule.inbound is not inbound:
            continue
        path = [rule.group] if rule.group in system.resources and rule.group != view.id else []
        public = _public(rule, system)
        if public is None:
            yield unsure(f"{rule.ports} is open {word} {named(rule.peer)}.", *path)
        elif public and rule.implied:
            yield lacking("The group lists no outbound rules, so AWS lets everything out.", *path)
        elif public and not inbound and _is_closed(rule, system):
            yield lacking(f"{rule.ports} is open to {rule.peer}; only the routes hold.", *path)
        elif public:
            yield broken(f"{rule.ports} is open {word} {rule.peer}.", *path)


@RULES.rule(
    "way.ingress",
    GROUP,
    "AWS::EC2::SecurityGroupIngress",
    says="No security group lets public addresses in.",
    mend="Name the security group that calls, instead of an address range.",
)
def ingress(view: View, system: System) -> Sights:
    """Inbound rules."""
    yield from _judged(view, system, inbound=True)


@RULES.rule(
    "way.egress",
    GROUP,
    "AWS::EC2::SecurityGroupEgress",
    says="No security group lets traffic out to public addresses.",
    mend="Name the security groups, prefix lists or private ranges that are called.",
)
def egress(view: View, system: System) -> Sights:
    """Outbound rules, and the one that AWS adds where there is none."""
    implied_seen = False
    for sight in _judged(view, system, inbound=False):
        if sight.says.startswith("The group lists no"):
            if implied_seen:
                continue
            implied_seen = True
        yield sight


@RULES.rule(
    "way.foreign-group",
    GROUP,
    "AWS::EC2::SecurityGroupIngress",
    says="No rule names a security group of another account.",
    mend="Name a group of this network.",
)
def foreign_group(view: View, system: System) -> Sights:
    """Groups of peered networks."""
    bodies = view.items("SecurityGroupIngress") if view.type == GROUP else [view.properties]
    for body in bodies:
        owner = body.get("SourceSecurityGroupOwnerId") if isinstance(body, dict) else None
        if owner is None:
            continue
        owned = system.owns(str(owner))
        if owned is False:
            yield broken(f"A group of the account {owner} is let in.")
        elif owned is None:
            yield unsure(f"A group of the account {named(owner)} is let in.")


@RULES.rule(
    "way.whole-network",
    GROUP,
    "AWS::EC2::SecurityGroupIngress",
    says="No group lets a whole network in: groups name each other.",
    mend="Name the security group that calls, instead of the network's range.",
)
def whole_network(view: View, system: System) -> Sights:
    """A private range as wide as a VPC lets everybody in who is anywhere in it."""
    ranges = [network(vpc.get("CidrBlock")) for vpc in system.views("AWS::EC2::VPC")]
    for rule in rules_of(view, system):
        block = network(rule.peer) if rule.inbound and rule.kind == "cidr" else None
        if block is None or is_public(rule.peer, system):
            continue
        if any(covers(block, own) for own in ranges if own) or (block.prefixlen <= 16):
            yield lacking(f"{rule.ports} is open from the whole of {rule.peer}.")


@RULES.rule(
    "way.plain-listener",
    "AWS::ElasticLoadBalancingV2::Listener",
    says="Load balancers encrypt what clients say to them, or a warning names who does not.",
    mend="Give the listener a certificate.",
)
def plain_listener(view: View, system: System) -> Sights:
    """Whether the network is closed does not hang on it: who is in the network could read along."""
    protocol = view.get("Protocol")
    if protocol in ("HTTP", "TCP", "TCP_UDP", "UDP"):
        yield weak(f"The load balancer takes {protocol}, and encrypts nothing itself.")
