"""Exports that other stacks may use, which CloudFormation does not let go while they do."""

from diffing.model import Change, Section
from diffing.sides import IMPORTS, Sides
from diffing.values import differences
from proof.system.system import System


def outputs(sides: Sides) -> list[Change]:
    """The outputs that differ.

    An output follows its resources, so that only what it is called and what it names are
    compared.

    Parameters
    ----------
    sides
        What there was, and what there is to be.
    """
    before, after = _outputs(sides.before), _outputs(sides.after)
    made = []
    for key in sorted(before.keys() | after.keys()):
        stack, name = key
        was, now = before.get(key), after.get(key)
        if was == now:
            continue
        exported = isinstance(was, dict) and "Export" in was
        says = "is new" if was is None else "changes" if now is not None else "is gone"
        if now is None and exported:
            says = "is exported no more, which CloudFormation refuses while a stack imports it"
        details = tuple(map(str, differences(was, now))) if was and now else ()
        section = Section.ADDED if was is None else Section.CHANGED if now else Section.DELETED
        path = f"{stack}/{name}"
        made.append(Change(section, stack, path, "output", says, details=details))
    return made


def _outputs(system: System) -> dict[tuple[str, str], object]:
    return {
        (template.name, name): body
        for template in system.templates
        if template.name != IMPORTS
        for name, body in template.section("Outputs").items()
    }
