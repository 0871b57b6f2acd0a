"""What was there before and names something that it did not: a group, a role."""

from collections.abc import Callable, Iterator
from typing import Any

from diffing.model import Change, Section
from diffing.resources import properties
from diffing.sides import Sides, path_of
from diffing.words import listed, noun
from proof.system.system import System
from proof.system.values import named

Named = Callable[[Any, System], Iterator[str]]
"""The ids that the properties of a resource name, of one sort."""


def newly(
    sides: Sides,
    ids: Named,
    *,
    says: str,
    headline: str,
    but: str = "",
) -> Iterator[Change]:
    """Resources that were there before and name something now that they did not.

    Parameters
    ----------
    sides
        What there was, and what there is to be.
    ids
        What a resource names.
    says, headline
        How it is told: of ``{resource}`` and of ``{new}``, what it names now.
    but
        What the types start with that are told of elsewhere; none where empty.
    """
    names = sides.renamed
    for pair in sides.pairs:
        if not (pair.before and pair.after) or (but and pair.after.type.startswith(but)):
            continue
        before = set(ids(properties(sides.before, pair.before), sides.before))
        after = set(ids(properties(sides.after, pair.after), sides.after))
        found = sorted(each for each in after if names.get(each, each) not in before)
        if found:
            new, path = listed([_name(each, sides) for each in found]), path_of(pair.after)
            yield Change(
                Section.WIDENED,
                pair.after.template.name,
                path,
                pair.after.type,
                says.format(new=new),
                True,
                headline.format(resource=f"{noun(pair.after.type)} {path}", new=new),
            )


def _name(each: str, sides: Sides) -> str:
    found = sides.after.resources.get(each)
    return path_of(found) if found else named(each)
