"""What a deployment decides, and the question for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Open:
    """Something that a deployment decides.

    Parameters
    ----------
    template
        Name of the template.
    name
        What is decided: ``parameter Scheme``, or a comparison as text.
    options
        What it can be; what it is unless somebody says otherwise stands first.
    has_default
        Whether the first option is what it is by default.
    """

    template: str
    name: str
    options: tuple[Any, ...]
    has_default: bool


class ChoiceNeeded(Exception):  # noqa: N818 - a question, not an error
    """What has to be chosen before resolving can go on."""

    def __init__(self, what: Open) -> None:
        super().__init__(what.name)
        self.what = what


Choices = Mapping[Open, Any]
"""What was chosen, of what is open."""
