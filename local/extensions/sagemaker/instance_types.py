"""What instances hold: types of a few families, whose sizes follow rules.

https://aws.amazon.com/ec2/instance-types/
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

GIB = 1024
"""In MiB."""

PER_CORE: Mapping[str, int] = {"c": 2, "m": 4, "r": 8}
"""GiB of memory for each core, by what a family starts with."""

LARGE = 2
"""Cores of the size ``large``; ``xlarge`` has twice as many, and ``4xlarge`` four times those."""


class Capacity(NamedTuple):
    """What an instance has, or a copy asks for.

    Parameters
    ----------
    memory
        MiB of memory.
    cores
        Cores.
    """

    memory: float
    cores: float


def capacity(instance_type: str) -> Capacity | None:
    """What an instance of a type has; nothing where this table does not know.

    Examples
    --------
    >>> capacity("ml.m5.xlarge")
    Capacity(memory=16384, cores=4)
    >>> capacity("ml.g5.xlarge") is None
    True
    """
    known = re.fullmatch(r"ml\.([cmr])[5-9][adgi]*\.(?:(\d*)x)?large", instance_type)
    if not known:
        return None
    family, times = known[1], known[2]
    cores = LARGE if times is None else 2 * LARGE * int(times or 1)
    return Capacity(cores * PER_CORE[family] * GIB, cores)
