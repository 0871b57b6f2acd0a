"""What interface endpoints cost, and what a hub's shared ones would save."""

from dataclasses import dataclass

from proof.model import Proof

HOURS = 730
"""Hours of a month, as AWS's own price pages count them."""

PRICE_UNKNOWN = (
    "Price unknown: set network.endpoint_price, what one interface endpoint costs in one zone for "
    "one hour, and the report says what they cost in a month."
)


@dataclass(frozen=True)
class Bill:
    """The price of the interface endpoints for one month, without traffic.

    Parameters
    ----------
    endpoints
        How many there are.
    places
        In how many zones they stand, added up: each zone of each endpoint is paid for.
    shared
        How many services are reached through endpoints that somebody else pays for.
    price
        Dollars for one endpoint in one zone for one hour; 0 where unknown.
    """

    endpoints: int
    places: int
    shared: int
    price: float

    @property
    def month(self) -> float:
        """Dollars for one month; also what reaching all of them through a hub would save."""
        return self.places * self.price * HOURS

    @property
    def lines(self) -> tuple[str, ...]:
        """What the reports say about it."""
        ways = _count(self.endpoints, "interface endpoint")
        named = f"{ways}, {_count(self.places, 'endpoint zone')}"
        if not self.price:
            return (f"{named}.", PRICE_UNKNOWN)
        sum_up = f"{named} x ${self.price:g} x {HOURS} h = {dollars(self.month)} a month."
        through = "Reached through a hub's shared endpoints, all of them would cost nothing here: "
        saved = f"{through}{dollars(self.month)} a month saved."
        already = f"Reached that way already: {_count(self.shared, 'service')}."
        return (sum_up, saved, *([already] if self.shared else []))


def bill(proof: Proof) -> Bill:
    """The bill of a proof's interface endpoints.

    Parameters
    ----------
    proof
        The proof.
    """
    # Several services may be called through one endpoint, which is paid for once.
    zones = {each.endpoint: each.zones for each in proof.services if each.kind == "interface"}
    shared = {each.service for each in proof.services if each.kind == "shared"}
    return Bill(len(zones), sum(zones.values()), len(shared), proof.expectations.price)


def dollars(amount: float) -> str:
    """An amount for people.

    Parameters
    ----------
    amount
        Dollars.

    Examples
    --------
    >>> dollars(1234.5)
    '$1,234.50'
    """
    return f"${amount:,.2f}"


def monthly(zones: int, price: float) -> str:
    """What one endpoint costs in a month; empty where the price is unknown.

    Parameters
    ----------
    zones
        In how many zones it stands.
    price
        Dollars for one zone and one hour.
    """
    return dollars(zones * price * HOURS) if price else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
