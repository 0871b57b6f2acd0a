"""Two bounds of instances or of copies, and how many there are at first."""

from collections.abc import Iterator

from mlops_constructs.faults import Fault


def bounds_faults(path: str, least: int, most: int, of: str, *, none: bool) -> Iterator[Fault]:
    """What is wrong with two bounds.

    Parameters
    ----------
    path
        What a fault calls the upper one.
    least, most
        The bounds.
    of
        What is bounded, in words.
    none
        Whether there may be none.
    """
    if not (0 if none else 1) <= least <= most or not most:
        yield Fault(
            path,
            f"{least} to {most} {of}",
            "none or more, and one at least at most"
            if none
            else "at least one, and no fewer at most",
            "Raise the upper bound.",
        )


def start_faults(path: str, least: int, most: int, instances: int | None) -> Iterator[Fault]:
    """What is wrong with the instances that an endpoint starts with.

    Parameters
    ----------
    path
        What a fault calls the bound.
    least, most
        The bounds.
    instances
        The instances; anything between the bounds where None.
    """
    if instances is not None and not least <= instances <= most:
        yield Fault(
            path,
            f"{least} to {most}, with {instances} instances at first",
            "bounds that hold them",
            "Set 'instances' between the two.",
        )
