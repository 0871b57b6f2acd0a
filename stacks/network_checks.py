"""Rules that span fields of the network's configuration."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from mlops_constructs.faults import Fault
from mlops_constructs.service_call import S3
from stacks.validation import Check, Parts


def _network_faults(parts: Parts) -> Iterator[Fault]:
    match parts:
        case {"region": region, "network.zones": zones}:
            for index, zone in enumerate(zones):
                if zone and (not zone.startswith(region) or zone in zones[:index]):
                    yield Fault(
                        f"network.zones.{index}",
                        f"'{zone}'",
                        f"a zone of {region}, each once",
                        f"Write '{region}' and a letter.",
                    )
    match parts:
        case {
            "network.cidr": IPv4Network() as cidr,
            "network.subnet_prefix": prefix,
            "network.zones": zones,
        }:
            room = 2 ** (prefix - cidr.prefixlen) if prefix >= cidr.prefixlen else 0
            if room < len(zones):
                yield Fault(
                    "network.subnet_prefix",
                    f"{prefix}, for {len(zones)} zones in {cidr}",
                    f"subnets that fit: {cidr} holds {room} of /{prefix}",
                    "Use a longer prefix, or a wider network.",
                )
    match parts:
        case {"network.cidr": IPv4Network() as cidr, "network.avoid_cidrs": avoided}:
            for index, other in enumerate(avoided):
                if other and cidr.overlaps(other):
                    yield Fault(
                        f"network.avoid_cidrs.{index}",
                        f"{other}, which overlaps network.cidr {cidr}",
                        "a network apart from network.cidr",
                        "Move network.cidr to addresses nobody else uses.",
                    )


def _vpc_faults(parts: Parts) -> Iterator[Fault]:
    new = [key for key in ("network.cidr", "network.zones") if parts.get(key)]
    match parts:
        case {"network.existing": None, "network.cidr": None}:
            yield Fault(
                "network.cidr",
                "nothing",
                "a network for a new VPC, or network.existing with the ids of one",
                "Add 'cidr:' and 'zones:', or 'existing:'.",
            )
        case {"network.existing": None, "network.zones": []}:
            yield Fault("network.zones", "nothing", "two zones or more", "Add 'zones:'.")
        case {"network.existing.vpc": _}:
            for key in new:
                yield Fault(
                    key,
                    "a key of a new VPC beside network.existing",
                    "one of the two",
                    "Remove it: an existing VPC has its own.",
                )
    match parts:
        case {"network.existing.vpc": vpc, "network.block_public_access": True}:
            yield Fault(
                "network.block_public_access",
                f"true, with {vpc}",
                "false: whoever owns the VPC decides",
                "Remove it.",
            )
    match parts:
        case {"network.existing.subnets": subnets, "network.existing.route_tables": tables}:
            if subnets.keys() != tables.keys():
                yield Fault(
                    "network.existing.route_tables",
                    f"tables for {', '.join(tables) or 'no zone'}",
                    f"one for each zone of the subnets: {', '.join(subnets)}",
                    "Name the route table of each subnet.",
                )
            region = parts.get("region", "")
            for zone in subnets:
                if not zone.startswith(region):
                    yield Fault(
                        f"network.existing.subnets.{zone}",
                        f"'{zone}'",
                        f"a zone of {region}",
                        "Name the subnets of this region.",
                    )


def _shared_faults(parts: Parts) -> Iterator[Fault]:
    key = "network.shared_endpoints"
    match parts:
        case {
            "network.shared_endpoints.services": services,
            "network.shared_endpoints.security_groups": [],
            "network.shared_endpoints.cidrs": [],
        } if set(services) - {S3}:
            yield Fault(
                f"{key}.security_groups",
                "nothing, and no cidrs",
                "the groups that the endpoints belong to, or the networks they stand in",
                "Say where they are: nothing may leave to anywhere else.",
            )
    match parts:
        case {"network.shared_endpoints.transit_gateway": str() as gateway}:
            if not parts.get(f"{key}.cidrs"):
                yield Fault(
                    f"{key}.cidrs",
                    f"nothing, with {gateway}",
                    "the networks that the gateway leads to",
                    "Name the hub's endpoint subnets.",
                )
            if parts.get("network.existing.vpc"):
                yield Fault(
                    f"{key}.transit_gateway",
                    f"{gateway}, with network.existing",
                    "an existing VPC that its owner has attached",
                    "Remove it.",
                )
    match parts:
        case {
            "network.cidr": IPv4Network() as cidr,
            "network.shared_endpoints.cidrs": cidrs,
        }:
            for index, other in enumerate(cidrs):
                if other and cidr.overlaps(other):
                    yield Fault(
                        f"{key}.cidrs.{index}",
                        f"{other}, which overlaps network.cidr {cidr}",
                        "a network apart from network.cidr",
                        "Name the hub's own subnets.",
                    )


NETWORK_CHECKS: tuple[Check, ...] = (_network_faults, _vpc_faults, _shared_faults)
