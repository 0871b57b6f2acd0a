"""Copies of inference components on the instances of a fleet.

https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-deploy-models.html
How SageMaker chooses an instance is not documented: here the largest copies are placed first, each
on the first instance that has room, and what runs is never moved for real.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from local.extensions.sagemaker.instance_types import Capacity


def needed(specification: Mapping[str, Any]) -> Capacity:
    """What a copy asks for, as ``CreateInferenceComponent`` is told; nothing where it is not."""
    asked = specification.get("ComputeResourceRequirements", {})
    return Capacity(
        float(asked.get("MinMemoryRequiredInMb", 0)),
        float(asked.get("NumberOfCpuCoresRequired", 0)),
    )


def instances(copies: Sequence[Capacity], each: Capacity) -> int | None:
    """How many instances hold copies; nothing where one of these is larger than an instance.

    Parameters
    ----------
    copies
        What each copy asks for.
    each
        What an instance has.

    Examples
    --------
    >>> instances([Capacity(6, 1), Capacity(6, 1), Capacity(2, 1)], Capacity(8, 2))
    2
    """
    rooms: list[Capacity] = []
    for copy in sorted(copies, reverse=True):
        if not _fits(copy, each):
            return None
        for number, room in enumerate(rooms):
            if _fits(copy, room):
                rooms[number] = _rest(room, copy)
                break
        else:
            rooms.append(_rest(each, copy))
    return len(rooms)


def _fits(copy: Capacity, room: Capacity) -> bool:
    return copy.memory <= room.memory and copy.cores <= room.cores


def _rest(room: Capacity, copy: Capacity) -> Capacity:
    return Capacity(room.memory - copy.memory, room.cores - copy.cores)
