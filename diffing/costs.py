"""What the change costs in a month, by prices that the environment gives."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from diffing.model import Cost
from diffing.sides import NOISE, Sides, path_of
from proof.report.bill import HOURS
from proof.system.system import System, View

ENDPOINT = "vpc-endpoint"
"""The price of an interface endpoint in one zone."""

INSTANCES = {
    "AWS::EC2::Instance": "InstanceType",
    "AWS::SageMaker::NotebookInstance": "InstanceType",
    "AWS::ElastiCache::CacheCluster": "CacheNodeType",
    "AWS::ElastiCache::ReplicationGroup": "CacheNodeType",
    "AWS::SageMaker::MlflowTrackingServer": "TrackingServerSize",
}
"""Types that are paid for by what their size is called."""

EACH = {
    "AWS::EC2::NatGateway": "nat-gateway",
    "AWS::KMS::Key": "kms-key",
    "AWS::WAFv2::WebACL": "web-acl",
}
"""Types that are paid for as long as they are there."""


@dataclass(frozen=True)
class Item:
    """Something that is paid for by the hour.

    Parameters
    ----------
    name
        What its price is called: ``ml.m5.large``.
    quantity
        How many of it.
    """

    name: str
    quantity: float

    def __str__(self) -> str:
        return f"{self.quantity:g} x {self.name}"


def costs(sides: Sides, prices: Mapping[str, float]) -> list[Cost]:
    """What is paid for otherwise than before.

    Parameters
    ----------
    sides
        What there was, and what there is to be.
    prices
        Dollars for an hour, by what is paid for.
    """
    before, after = _items(sides.before), _items(sides.after)
    paths = {each.id: path_of(each) for each in sides.before.resources.values()}
    paths |= {each.id: path_of(each) for each in sides.after.resources.values()}
    for new, old in sides.renamed.items():
        if new in after:
            after[old] = after.pop(new)
    made = []
    for key in before.keys() | after.keys():
        was, now = before.get(key, ()), after.get(key, ())
        if was != now:
            words = [", ".join(map(str, each)) or "nothing" for each in (was, now)]
            what = words[1] if not was else words[0] if not now else f"{words[1]} (was {words[0]})"
            made.append(Cost(paths[key], what, _month(was, prices), _month(now, prices)))
    return sorted(made, key=lambda each: (each.path, each.what))


def _month(items: tuple[Item, ...], prices: Mapping[str, float]) -> float | None:
    if any(each.name not in prices for each in items):
        return None
    return sum(each.quantity * prices[each.name] for each in items) * HOURS


def _items(system: System) -> dict[str, tuple[Item, ...]]:
    found = {}
    for resource in system.resources.values():
        views = () if resource.type in NOISE else system.branches(resource)
        items = tuple(_paid(views[0], system)) if views else ()
        if items:
            found[resource.id] = items
    return found


def _paid(view: View, system: System) -> Iterator[Item]:
    kind = view.type
    if kind == "AWS::SageMaker::EndpointConfig":
        for each in (*view.items("ProductionVariants"), *view.items("ShadowProductionVariants")):
            if isinstance(each, dict) and "InstanceType" in each:
                yield Item(str(each["InstanceType"]), _number(each.get("InitialInstanceCount", 1)))
    elif kind == "AWS::RDS::DBInstance":
        zones = 2 if str(view.get("MultiAZ")).lower() == "true" else 1
        yield Item(str(view.get("DBInstanceClass", "database")), zones)
    elif kind == "AWS::EC2::VPCEndpoint" and view.get("VpcEndpointType") == "Interface":
        yield Item(ENDPOINT, len(view.items("SubnetIds")) or 1)
    elif kind == "AWS::ElasticLoadBalancingV2::LoadBalancer":
        yield Item(f"{view.get('Type', 'application')}-load-balancer", 1)
    elif kind == "AWS::ECS::Service":
        task = system.view(view.get("TaskDefinition"), "AWS::ECS::TaskDefinition")
        if task and view.get("LaunchType", "FARGATE") == "FARGATE":
            count = _number(view.get("DesiredCount", 1))
            yield Item("fargate-vcpu", count * _number(task.get("Cpu", 256)) / 1024)
            yield Item("fargate-gib", count * _number(task.get("Memory", 512)) / 1024)
    elif kind in INSTANCES and view.get(INSTANCES[kind]):
        yield Item(str(view.get(INSTANCES[kind])), 1)
    elif kind in EACH:
        yield Item(EACH[kind], 1)


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 1.0
