"""What the instances of endpoints have room for, and how many there are for the copies on them."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.extensions.sagemaker.errors import StartError
from local.extensions.sagemaker.instance_types import Capacity, capacity
from local.extensions.sagemaker.packing import instances
from local.extensions.sagemaker.variants import Endpoint, Variant


class Rooms:
    """The fleets of all endpoints of inference components.

    Where SageMaker scales the instances, there are as many as the copies need; a fleet of a type
    that is not known here holds everything.

    Parameters
    ----------
    find
        Gives an endpoint by its name.
    """

    def __init__(self, find: Callable[[str], Endpoint]) -> None:
        self._find = find
        self._lock = threading.Lock()
        self._held: dict[str, tuple[str, Sequence[Capacity]]] = {}

    def held(self, component: str) -> Sequence[Capacity]:
        """What each copy of a component has."""
        return self._held.get(component, ("", ()))[1]

    def hold(self, component: str, endpoint: str, copies: Sequence[Capacity]) -> None:
        """Have room for the copies of a component, instead of those that it had.

        Parameters
        ----------
        component, endpoint
            Which component, of which endpoint.
        copies
            What each of its copies asks for.

        Raises
        ------
        StartError
            Where they do not fit; then it has what it had.
        """
        with self._lock:
            before, had = self._held.get(component), len(self.held(component))
            self._held[component] = (endpoint, copies)
            try:
                self._fit(component, endpoint, growing=len(copies) > had)
            except StartError:
                if before:
                    self._held[component] = before
                else:
                    del self._held[component]
                raise

    def leave(self, component: str) -> None:
        """Have no room for a component any more."""
        with self._lock:
            found = self._held.pop(component, None)
            if found:
                self._fit(component, found[0], growing=False)

    def _fit(self, component: str, endpoint: str, *, growing: bool) -> None:
        side = self._find(endpoint).side
        if side is None:
            raise StartError(f"Endpoint {endpoint} is not in service: it has no instances.")
        variant = side.variants[0]
        each = capacity(str(variant.settings["InstanceType"]))
        if each is None:
            return
        copies = [copy for of, them in self._held.values() if of == endpoint for copy in them]
        least, most = _bounds(variant)
        count = instances(copies, each)
        if growing and (count is None or count > most):
            raise StartError(_no_room(component, variant, each, self.held(component), most))
        variant.desired = min(most, max(least, count or least))
        variant.fleet.resize(variant.desired)


def _bounds(variant: Variant) -> tuple[int, int]:
    """How many instances there may be."""
    scaled: Mapping[str, Any] = variant.settings.get("ManagedInstanceScaling", {})
    if scaled.get("Status") != "ENABLED":
        return variant.desired, variant.desired
    return int(scaled["MinInstanceCount"]), int(scaled["MaxInstanceCount"])


def _no_room(
    component: str, variant: Variant, each: Capacity, copies: Sequence[Capacity], most: int
) -> str:
    largest = max(copies)
    return (
        f"There is not enough capacity for {component}, each of whose copies ({len(copies)}) asks"
        f" for {largest.memory:.0f} MB of memory and {largest.cores:g} cores: there may be {most}"
        f" instances of {variant.settings['InstanceType']}, each with {each.memory:.0f} MB and"
        f" {each.cores:g} cores, and other components have their part of them."
    )
