"""What follows from the class of a database instance: memory, connections, insights."""

import re

# GiB of memory of the smallest size that a family has:
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html
SIZES = {
    "t": {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32},
    "m": {"large": 8},
    "r": {"large": 16},
}
FAMILY = re.compile(r"db\.(?P<family>[tmr])\d[a-z]*\.(?P<size>\w+)")
TIMES = re.compile(r"(?P<times>\d*)xlarge")

CONNECTION = 12_582_880
"""Bytes of memory for each connection that MySQL accepts, as RDS sets ``max_connections``.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.MaxConnections
"""

GIB = 1024**3


def memory(instance: str) -> int | None:
    """The memory of an instance class, in GiB.

    Parameters
    ----------
    instance
        The class, with its ``db.``.

    Returns
    -------
    int or None
        GiB; nothing for a class of another family than t, m or r.

    Examples
    --------
    >>> memory("db.t4g.medium"), memory("db.r7g.4xlarge"), memory("db.x2g.large")
    (4, 128, None)
    """
    match = FAMILY.fullmatch(instance)
    if not match:
        return None
    sizes = SIZES[match["family"]]
    known = sizes.get(match["size"])
    times = TIMES.fullmatch(match["size"])
    if known is None and times:
        return 2 * sizes["large"] * int(times["times"] or 1)
    return known


def connections(memory_gib: int) -> int:
    """The connections that RDS for MySQL accepts at least, on an instance of so much memory.

    RDS divides what its own processes and the operating system leave, and does not publish it. Of
    1 to 16 GiB, users have found at most 0.25 GiB and 5 percent gone.

    Parameters
    ----------
    memory_gib
        Memory of the instance class, in GiB.

    Examples
    --------
    >>> connections(1), connections(4), connections(8)
    (59, 302, 627)
    """
    return int((0.95 * memory_gib - 0.25) * GIB / CONNECTION)


def has_insights(instance: str) -> bool:
    """Whether RDS for MySQL can say what an instance of a class waits for.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PerfInsights.Overview.Engines.html

    Parameters
    ----------
    instance
        The class, with its ``db.``.

    Examples
    --------
    >>> has_insights("db.t4g.small"), has_insights("db.t4g.medium")
    (False, True)
    """
    return re.fullmatch(r"db\.t\d[a-z]*\.(micro|small)", instance) is None
