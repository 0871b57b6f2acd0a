"""Ways through names: what a resolver asks outside carries data out in the question."""

from collections.abc import Iterator

from proof.model import Question
from proof.system.system import System, View
from proof.system.values import named, truth
from proof.ways.checks import Register, Sight, broken, lacking, unsure

RULES = Register(Question.WAYS)

Sights = Iterator[Sight]


@RULES.rule(
    "way.dns-firewall",
    "AWS::EC2::VPC",
    says="A DNS firewall answers only for names that are on a list.",
    mend=(
        "Associate a Route 53 Resolver DNS firewall whose last rule blocks '*', and allow only"
        " the names of AWS's services and of your zones."
    ),
)
def dns_firewall(view: View, system: System) -> Sights:
    """A resolver that asks the internet carries data out in the names it is asked for."""
    if truth(view.get("EnableDnsSupport"), True) is False:
        return
    vpc = f"${{{view.id}}}"
    groups = [
        other.get("FirewallRuleGroupId")
        for other in system.views("AWS::Route53Resolver::FirewallRuleGroupAssociation")
        if other.get("VpcId") == vpc and system.always(other.resource)
    ]
    if not groups:
        yield lacking("Names of the whole internet are resolved: no DNS firewall is associated.")
    for group in groups:
        rules = system.view(group, "AWS::Route53Resolver::FirewallRuleGroup")
        if rules is None:
            yield unsure(f"The rules of {named(group)} are not among the templates.")
        elif not blocks_rest(rules, system):
            yield broken("The DNS firewall does not end by blocking every name.", rules.id)


def blocks_rest(group: View, system: System) -> bool:
    """Whether a group of DNS firewall rules blocks what it does not allow."""
    rules = [rule for rule in group.items("FirewallRules") if isinstance(rule, dict)]
    for rule in sorted(rules, key=lambda rule: int(str(rule.get("Priority", 0)))):
        domains = system.view(
            rule.get("FirewallDomainListId"), "AWS::Route53Resolver::FirewallDomainList"
        )
        names = domains.items("Domains") if domains else []
        if {"*", "*."} & {name for name in names if isinstance(name, str)}:
            every_type = rule.get("Qtype") is None
            if every_type or rule.get("Action") == "ALLOW":
                return rule.get("Action") == "BLOCK"
    return False


@RULES.rule(
    "way.dns-forwarding",
    "AWS::Route53Resolver::ResolverEndpoint",
    "AWS::Route53Resolver::ResolverRule",
    says="No names are asked for outside, and nobody outside asks.",
    mend="Remove it, or answer with private hosted zones.",
)
def dns_forwarding(view: View, system: System) -> Sights:
    """Resolver endpoints, and rules that forward."""
    if view.type.endswith("Endpoint"):
        direction = view.get("Direction")
        if direction == "INBOUND":
            yield lacking("Other networks may ask this one's resolver.")
        else:
            yield broken("The resolver asks other networks.")
    elif view.get("RuleType") != "SYSTEM":
        targets = [item.get("Ip") for item in view.items("TargetIps") if isinstance(item, dict)]
        yield broken(
            f"Names are asked for at {', '.join(map(str, targets)) or 'another resolver'}."
        )


@RULES.rule(
    "way.public-zone",
    "AWS::Route53::HostedZone",
    says="Every hosted zone is private.",
    mend="Give the zone the VPCs that it serves.",
)
def public_zone(view: View, system: System) -> Sights:
    """A public zone tells the internet what there is."""
    if not view.items("VPCs"):
        yield lacking("The zone is public.")
