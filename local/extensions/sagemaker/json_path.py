"""The part of JSONPath that filters of batch transform may use.

https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from local.extensions.json_service import invalid

STEP = re.compile(
    r"\.(?P<name>[A-Za-z_][\w-]*)"
    r"|\[(?P<quoted>'[^']*'(?:\s*,\s*'[^']*')*)\]"
    r"|\[(?P<slice>-?\d*:-?\d*)\]"
    r"|\[(?P<indices>-?\d+(?:\s*,\s*-?\d+)*)\]"
)

Step = Callable[[Any], Any]


class JsonPath:
    """A filter.

    Parameters
    ----------
    path
        Such as ``$[0:8]`` or ``$['features']``.

    Raises
    ------
    RefusedError
        Where it is none of those that SageMaker takes.

    Examples
    --------
    >>> JsonPath("$[0,-1]").apply([1, 2, 3])
    [1, 3]
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._steps: list[Step] = []
        rest = path.removeprefix("$")
        if rest == path:
            raise invalid(f"The filter '{path}' does not begin with '$'.")
        while rest:
            found = STEP.match(rest)
            if not found:
                raise invalid(
                    f"The filter '{path}' cannot be read at '{rest}': use names, indices, lists of"
                    " them, and slices."
                )
            self._steps.append(_step(found))
            rest = rest[found.end() :]

    @property
    def everything(self) -> bool:
        """Whether it leaves all as it is."""
        return not self._steps

    def apply(self, value: Any) -> Any:
        """What of a value it lets through.

        Raises
        ------
        RefusedError
            Where the value has no such part.
        """
        for step in self._steps:
            try:
                value = step(value)
            except (KeyError, IndexError, TypeError) as error:
                raise invalid(f"The filter '{self._path}' finds nothing in {value!r}.") from error
        return value


def _step(found: re.Match[str]) -> Step:
    if found["name"]:
        name = found["name"]
        return lambda value: value[name]
    if found["quoted"]:
        names = [word.strip().strip("'") for word in found["quoted"].split(",")]
        if len(names) == 1:
            return lambda value: value[names[0]]
        return lambda value: {name: value[name] for name in names}
    if found["slice"]:
        begin, end = (int(word) if word else None for word in found["slice"].split(":"))
        return lambda value: value[begin:end]
    indices = [int(word) for word in found["indices"].split(",")]
    if len(indices) == 1:
        return lambda value: value[indices[0]]
    return lambda value: _picked(value, indices)


def _picked(value: Sequence[Any], indices: Sequence[int]) -> list[Any]:
    return [value[index] for index in indices]
