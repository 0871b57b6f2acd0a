"""What a change comes to: the whole of it, for people and for programs."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from diffing import markdown
from diffing.brief import brief
from diffing.costs import costs
from diffing.headline import headline
from diffing.model import Change, Cost, Naming, Section, Served
from diffing.openings import openings
from diffing.outputs import outputs
from diffing.resources import changes, compare
from diffing.safeguards import findings, safeguards
from diffing.sides import Sides
from diffing.widening import widening
from proof.model import Expectations
from proof.system.templates import Template

SERVES = re.compile(r"Endpoint ([\w-]+): model (.+) \(")
"""How the stack of an endpoint describes what it serves (`stacks/endpoint.py`)."""

MODEL = re.compile(r"(\S+)(?: version (\d+))?")
"""One model of a description: of the registry, or by where its files are."""


@dataclass(frozen=True)
class Summary:
    """What a change comes to.

    Parameters
    ----------
    changes
        Every change, what has to be seen first before the others.
    served
        Endpoints that serve another version.
    costs
        What is paid for otherwise.
    naming
        The destructive changes that are meant.
    """

    changes: tuple[Change, ...]
    served: tuple[Served, ...] = ()
    costs: tuple[Cost, ...] = ()
    naming: Naming = field(default_factory=Naming)

    @cached_property
    def headline(self) -> str:
        """One line of at most 100 signs."""
        return headline(self.changes, self.served)

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        return not self.changes and not self.served

    @property
    def destructive(self) -> list[Change]:
        """What loses data or allows more, named or not."""
        return [each for each in self.changes if each.destructive]

    @property
    def refused(self) -> list[Change]:
        """What is destructive, and not named."""
        return [each for each in self.destructive if not self.naming.names(each.path)]

    @property
    def unused(self) -> list[str]:
        """Paths that are named, and that nothing happens to that has to be named."""
        return sorted(self.naming.reasons.keys() - {each.path for each in self.destructive})

    def of(self, section: Section) -> list[Change]:
        """The changes of one section."""
        return [each for each in self.changes if each.section is section]

    def markdown(self) -> str:
        """The summary as a comment; empty where nothing changes."""
        return markdown.comment(self)

    @property
    def brief(self) -> str:
        """The summary in one line, without what it serves; empty where nothing changes."""
        return brief(self)

    def json(self) -> str:
        """The summary for programs."""
        return json.dumps(
            {
                "headline": self.headline,
                "empty": self.empty,
                "changes": [
                    {
                        "section": each.section.name.lower(),
                        "stack": each.stack,
                        "path": each.path,
                        "type": each.type,
                        "says": each.says,
                        "details": list(each.details),
                        "destructive": each.destructive,
                        "reason": self.naming.reasons.get(each.path) if each.destructive else None,
                    }
                    for each in self.changes
                ],
                "served": [
                    {
                        "endpoint": each.endpoint,
                        "before": each.before,
                        "after": each.after,
                    }
                    for each in self.served
                ],
                "costs": [vars(each) for each in self.costs],
                "refused": sorted({each.path for each in self.refused}),
            },
            indent=1,
        )


def summarize(
    before: Path,
    after: Path,
    *,
    naming: Naming | None = None,
    prices: Mapping[str, float] | None = None,
    named: Expectations | None = None,
) -> Summary:
    """What changes from one folder of templates to another.

    Parameters
    ----------
    before
        What is deployed, or the synth of what a branch starts from. An empty folder: nothing.
    after
        The synth.
    naming
        The destructive changes that are meant; none if not given.
    prices
        Dollars for an hour, by what is paid for; nothing is priced if not given.
    named
        What the environment's configuration names on purpose, so that the proof does not find it.

    Raises
    ------
    FaultsError
        Where a folder is missing, or holds a template that cannot be read.

    Examples
    --------
    >>> summarize(Path("base"), Path("build/cdk.out")).headline  # doctest: +SKIP
    '1 stack: endpoint iris serves version 4 (was 3)'
    """
    sides = Sides(before, after, named)
    compared = compare(sides)
    found = [
        *changes(compared, sides),
        *widening(sides),
        *openings(sides),
        *safeguards(compared),
        *findings(sides),
        *outputs(sides),
    ]
    return Summary(
        changes=tuple(sorted(set(found), key=_order)),
        served=tuple(_served(sides)),
        costs=tuple(costs(sides, prices or {})),
        naming=naming or Naming(),
    )


def _order(each: Change) -> tuple[object, ...]:
    return (each.section, not each.destructive, each.stack, each.path, each.says)


def _served(sides: Sides) -> list[Served]:
    before, after = (_serving(side.templates) for side in (sides.before, sides.after))
    return [
        Served(*key, before.get(key, ()), after.get(key, ()))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


def _serving(
    templates: tuple[Template, ...],
) -> dict[tuple[str, str], tuple[tuple[str, str], ...]]:
    found = {}
    for template in templates:
        match = SERVES.match(str(template.sections.get("Description", "")))
        if match:
            key = template.name, match[1]
            models = filter(None, map(MODEL.fullmatch, match[2].split(", ")))
            found[key] = tuple((model[1], model[2] or "") for model in models)
    return found
