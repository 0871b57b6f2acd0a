"""The forms that values of the configuration take: what is allowed, in words and in JSON schema.

pydantic parses; these annotations make it say what to do when it cannot.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from ipaddress import IPv4Network
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


@dataclass(frozen=True, eq=False)  # by identity: a schema cannot be hashed
class Form:
    """An annotation for a field: how its text is read, and what to say when it cannot be.

    Parameters
    ----------
    allowed
        What is accepted, in words.
    fix
        What to do about a value that is not.
    json_schema
        The same for editors, as a JSON schema.
    read
        Turns the given value into the field's value; ``ValueError`` where it does not fit.
    """

    allowed: str
    fix: str
    json_schema: Mapping[str, Any]
    read: Callable[[Any], Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"description": self.allowed, **self.json_schema}

    def _validate(self, value: Any) -> Any:
        try:
            return self.read(value)
        except ValueError as error:
            raise PydanticCustomError(
                "form", "{allowed}", {"allowed": self.allowed, "fix": str(error) or self.fix}
            ) from error


def text(pattern: str, *, allowed: str, fix: str) -> Form:
    """Text that matches a regular expression as a whole.

    Parameters
    ----------
    pattern
        Regular expression, without anchors.
    allowed, fix
        What is accepted, and what to do about anything else.
    """

    def read(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return Form(allowed, fix, {"type": "string", "pattern": f"^{pattern}$"}, read)


def resource_id(kind: str) -> Form:
    """The id of a resource of EC2 or Route 53: its kind, a hyphen, a number.

    Parameters
    ----------
    kind
        What the id starts with: ``vpc``.
    """
    return text(
        rf"{kind}-[0-9a-f]{{8,17}}",
        allowed=f"an id that starts with '{kind}-'",
        fix=f"Copy it whole, such as '{kind}-0a1b2c3d4e5f60718'.",
    )


def whole_number(minimum: int, maximum: int) -> Form:
    """A whole number in a range, both ends included."""

    def read(value: Any) -> int:
        if type(value) is not int:
            raise ValueError("Give a whole number, without quotes or a unit.")
        if not minimum <= value <= maximum:
            raise ValueError
        return value

    schema = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return Form(
        f"a whole number from {minimum} to {maximum}", "Choose one in the range.", schema, read
    )


def quantity(units: Mapping[str, float], *, minimum: str, maximum: str) -> Form:
    """A number with its unit, read into a whole number of the smallest unit.

    Parameters
    ----------
    units
        What one of each unit is worth in the smallest; the first is the one to suggest.
    minimum, maximum
        The range, written as a user would: ``"20 GiB"``.

    Examples
    --------
    >>> quantity({"GiB": 1024, "MiB": 1}, minimum="512 MiB", maximum="4 GiB").read("2 GiB")
    2048
    """
    names = "|".join(map(re.escape, units))
    pattern = rf"(\d+(?:\.\d+)?) ?({names})"

    def parse(written: Any) -> Fraction:
        match = re.fullmatch(pattern, written) if isinstance(written, str) else None
        if not match:
            listed = " or ".join(units)
            raise ValueError(f"Write a number and its unit ({listed}), such as '{minimum}'.")
        # As a float, 0.000123 USD would be no whole number of millionths.
        return Fraction(match[1]) * Fraction(units[match[2]])

    low, high = parse(minimum), parse(maximum)

    def read(value: Any) -> int:
        amount = parse(value)
        if not low <= amount <= high or amount.denominator != 1:
            raise ValueError
        return int(amount)

    schema = {"type": "string", "pattern": f"^{pattern}$", "examples": [minimum]}
    return Form(f"{minimum} to {maximum}", "Choose a quantity in the range.", schema, read)


def private_network(widest: int, narrowest: int) -> Form:
    """An IPv4 network in private address space.

    Parameters
    ----------
    widest, narrowest
        Shortest and longest prefix, in bits.
    """
    spaces = [IPv4Network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
    spaces.append(IPv4Network("100.64.0.0/10"))

    def read(value: Any) -> IPv4Network:
        if not isinstance(value, str) or "/" not in value:
            raise ValueError("Write an address and a prefix, such as '10.20.0.0/16'.")
        try:
            network = IPv4Network(value, strict=False)
        except ValueError:
            raise ValueError from None
        if str(network) != value:
            raise ValueError(f"Write the network's first address: '{network}'.")
        if not any(network.subnet_of(space) for space in spaces):
            raise ValueError("Use 10/8, 172.16/12, 192.168/16 or 100.64/10.")
        if not widest <= network.prefixlen <= narrowest:
            raise ValueError(f"Use a prefix from /{widest} to /{narrowest}.")
        return network

    return Form(
        f"a private IPv4 network, /{widest} to /{narrowest}",
        "Write an address and a prefix, such as '10.20.0.0/16'.",
        {"type": "string", "pattern": r"^\d+\.\d+\.\d+\.\d+/\d+$"},
        read,
    )
