"""Prices, as an environment's configuration gives them."""

from pathlib import Path

from diffing.costs import ENDPOINT
from proof.report.bill import HOURS
from stacks.config import load_environment

MICRO = 1_000_000
"""Prices are whole numbers of a millionth of a dollar in the configuration: those of endpoints for
an hour, all others for a month."""


def prices_of(name: str, environments: Path) -> dict[str, float]:
    """Dollars for an hour by what is paid for; nothing where no environment is named.

    Parameters
    ----------
    name
        The environment's name; empty where none is meant.
    environments
        Folder of the environments.

    Raises
    ------
    FaultsError
        Where there is no such environment.
    """
    if not name:
        return {}
    environment = load_environment(name, environments)
    prices = {what: price / MICRO / HOURS for what, price in environment.prices.items()}
    if environment.network.endpoint_price:
        prices[ENDPOINT] = environment.network.endpoint_price / MICRO
    return prices
