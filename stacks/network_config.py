"""The configuration of the network, and of the perimeter around the data."""

from ipaddress import IPv4Network
from typing import Annotated

from pydantic import Field

from stacks.fields import Name, Reason, RolePattern, Section, Service, Zone
from stacks.forms import private_network, quantity, resource_id, text, whole_number


class ExistingVpc(Section):
    """A VPC that is there already, by ids: nothing is looked up, and nothing of it is changed."""

    vpc: Annotated[str, resource_id("vpc")]
    subnets: Annotated[
        dict[Zone, Annotated[str, resource_id("subnet")]], Field(min_length=2, max_length=6)
    ]
    route_tables: Annotated[
        dict[Zone, Annotated[str, resource_id("rtb")]],
        Field(description="The route table of the subnet in each zone."),
    ]
    security_groups: Annotated[
        list[Annotated[str, resource_id("sg")]],
        Field(max_length=5, description="Groups of what may call the platform. They stay as is."),
    ] = []


class Shared(Section):
    """Endpoints that are there already: in the VPC itself, or in a hub's that it reaches."""

    services: Annotated[dict[Service, Annotated[str, resource_id("vpce")]], Field(min_length=1)]
    security_groups: list[Annotated[str, resource_id("sg")]] = []
    cidrs: list[Annotated[IPv4Network, private_network(8, 28)]] = []
    transit_gateway: Annotated[str, resource_id("tgw")] | None = None
    dns_profile: Annotated[str, resource_id("rp")] | None = None


class Network(Section):
    """The VPC, new or existing: isolated subnets only, one in each zone."""

    cidr: Annotated[IPv4Network, private_network(16, 24)] | None = None
    zones: Annotated[list[Zone], Field(min_length=2, max_length=6)] = []
    existing: ExistingVpc | None = None
    shared_endpoints: Shared | None = None
    workloads: Annotated[
        dict[Name, list[Service]],
        Field(description="What else runs inside, and the services that it calls."),
    ] = {}
    neighbours: Annotated[
        dict[RolePattern, Reason],
        Field(description="Roles of others in the VPC, whose requests pass the endpoints."),
    ] = {}
    organization: (
        Annotated[
            str,
            text(
                r"o-[a-z0-9]{10,32}",
                allowed="the id of an organization",
                fix="Ask: aws organizations describe-organization",
            ),
        ]
        | None
    ) = None
    dns_zones: Annotated[
        list[
            Annotated[
                str,
                text(
                    r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}",
                    allowed="a domain",
                    fix="Write it without a dot at its end, such as 'bank.internal'.",
                ),
            ]
        ],
        Field(description="Domains that are answered for, beside AWS's own names."),
    ] = []
    block_public_access: Annotated[
        bool, Field(description="Refuses internet gateways in the whole account and region.")
    ] = False
    endpoint_price: (
        Annotated[int, quantity({"USD/h": 1_000_000.0}, minimum="0.001 USD/h", maximum="1 USD/h")]
        | None
    ) = None
    subnet_prefix: Annotated[int, whole_number(18, 28)] = 24
    avoid_cidrs: Annotated[
        list[Annotated[IPv4Network, private_network(8, 28)]],
        Field(description="Networks used elsewhere that this one must not overlap."),
    ] = []
    s3_prefix_list: Annotated[
        str,
        text(
            r"pl-[0-9a-f]{8,17}",
            allowed="the id of the region's managed prefix list for S3",
            fix="Ask: aws ec2 describe-managed-prefix-lists"
            " --filters Name=prefix-list-name,Values=com.amazonaws.<region>.s3",
        ),
    ]

    @property
    def zone_names(self) -> list[str]:
        """The zones of the subnets."""
        return list(self.existing.subnets) if self.existing else self.zones


class Perimeter(Section):
    """What else may reach the data, beside what runs in the network."""

    roles: dict[RolePattern, Reason] = {}
    endpoints: dict[Annotated[str, resource_id("vpce")], Reason] = {}
