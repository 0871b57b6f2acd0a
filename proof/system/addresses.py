"""Address ranges: which are private, and what a text says about one."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from proof.system.system import System
from proof.system.values import Unknown

Network = IPv4Network | IPv6Network

PRIVATE: tuple[Network, ...] = tuple(
    ip_network(block)
    for block in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "255.255.255.255/32",  # nobody: how the CDK writes a group that lets nothing out
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)
"""What no packet from or to the internet bears."""


def network(text: Any) -> Network | None:
    """The range that a text names, or ``None`` where it names none.

    Examples
    --------
    >>> network("10.0.0.0/16")
    IPv4Network('10.0.0.0/16')
    """
    if text is None or isinstance(text, Unknown):
        return None
    try:
        return ip_network(str(text), strict=False)
    except ValueError:
        return None


def covers(wide: Network | None, narrow: Network | None) -> bool:
    """Whether one range lies within another."""
    if isinstance(wide, IPv4Network) and isinstance(narrow, IPv4Network):
        return narrow.subnet_of(wide)
    if isinstance(wide, IPv6Network) and isinstance(narrow, IPv6Network):
        return narrow.subnet_of(wide)
    return False


def is_public(text: Any, system: System) -> bool | None:
    """Whether a range holds public addresses; ``None`` where it is unknown.

    The ranges of the system's own VPCs are private, whatever addresses they use.
    """
    block = network(text)
    if block is None:
        return None
    own = [network(view.get("CidrBlock")) for view in system.views("AWS::EC2::VPC")]
    return not any(covers(private, block) for private in (*PRIVATE, *own))
