"""The two sides of a comparison, and which resource of one is which of the other."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from proof.model import Expectations
from proof.system.system import System
from proof.system.templates import Resource, Template, load_templates

NOISE = frozenset({"AWS::CDK::Metadata"})
"""Types that say which libraries made a template."""

HASHED = re.compile(r"[0-9a-f]{32,}$")
"""What the CDK ends the id of a resource with that never changes in place."""

IMPORTS = "elsewhere"
"""The template that stands for what is exported by stacks that are not compared."""


@dataclass(frozen=True)
class Pair:
    """One resource, before and after.

    Parameters
    ----------
    before, after
        The resource; ``None`` where it is new, or gone.
    """

    before: Resource | None
    after: Resource | None

    @property
    def resource(self) -> Resource:
        """Whichever there is, the later one first."""
        found = self.after or self.before
        assert found  # noqa: S101 - a pair of nothing is never made
        return found

    @property
    def renamed(self) -> bool:
        """Whether only the logical id differs, which for CloudFormation is another resource."""
        return bool(self.before and self.after and self.before.id != self.after.id)


class Sides:
    """What there was, and what there is to be.

    Parameters
    ----------
    before, after
        Folders of templates, or cloud assemblies. An empty folder is one where nothing is
        deployed yet.
    named
        What the environment's configuration names on purpose, for the proof; nothing if not
        given.

    Raises
    ------
    FaultsError
        Where a folder is missing, or holds a template that cannot be read.
    """

    def __init__(self, before: Path, after: Path, named: Expectations | None = None) -> None:
        account, self.region = _target(after) or _target(before) or ("", "")
        sides = [_templates(before), _templates(after)]
        outside = _imports(*sides)
        self.before, self.after = (
            System((*side, outside), named, account=account, region=self.region) for side in sides
        )

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Every resource, in the order of the templates.

        A resource whose logical id changed is known by its construct's path and its type.
        """
        before, after = (_resources(side) for side in (self.before, self.after))
        gone = {key: each for key, each in before.items() if key not in after}
        by_name: dict[tuple[str, str], list[Resource]] = {}
        for each in gone.values():
            by_name.setdefault((_lasting(each), each.type), []).append(each)
        made: list[Pair] = []
        for key, each in after.items():
            found = before.get(key)
            candidates = by_name.get((_lasting(each), each.type), [])
            if not found and candidates:
                found = candidates.pop()
                del gone[found.id]
            made.append(Pair(found, each))
        made += [Pair(each, None) for each in gone.values()]
        return tuple(made)

    @cached_property
    def renamed(self) -> dict[str, str]:
        """The id before of each resource that has another one after."""
        return {
            pair.after.id: pair.before.id
            for pair in self.pairs
            if pair.before and pair.after and pair.renamed
        }

    @cached_property
    def known(self) -> frozenset[str]:
        """Ids of the resources that were there before."""
        return frozenset(_resources(self.before))

    @cached_property
    def unchanged(self) -> frozenset[str]:
        """Ids of the resources whose text is the same on both sides."""
        return frozenset(
            pair.after.id
            for pair in self.pairs
            if pair.before and pair.after and pair.before.body == pair.after.body
        )


def path_of(resource: Resource) -> str:
    """The path of a resource's construct, without the word that stands for the resource itself.

    Parameters
    ----------
    resource
        The resource. Without a path of its own it is named by its logical id.
    """
    path = resource.metadata.get("aws:cdk:path")
    if not isinstance(path, str) or not path:
        return f"{resource.template.name}/{resource.logical_id}"
    return path.removesuffix("/Resource").removesuffix("/Default")


def _lasting(resource: Resource) -> str:
    """What a resource is called whatever it holds: its path, or its id without a hash."""
    if "aws:cdk:path" in resource.metadata:
        return path_of(resource)
    return HASHED.sub("", f"{resource.template.name}/{resource.logical_id}")


def _resources(system: System) -> dict[str, Resource]:
    return {key: each for key, each in system.resources.items() if each.type not in NOISE}


def _templates(folder: Path) -> tuple[Template, ...]:
    if folder.is_dir() and not any(folder.iterdir()):
        return ()
    return load_templates(folder)


def _target(folder: Path) -> tuple[str, str] | None:
    """Account and region of an assembly, where all its stacks have the same."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return None
    artifacts = json.loads(manifest.read_text(encoding="utf-8")).get("artifacts", {}).values()
    targets = {
        each["environment"]
        for each in artifacts
        if each.get("type") == "aws:cloudformation:stack" and "unknown" not in each["environment"]
    }
    if len(targets) != 1:
        return None
    account, _, region = targets.pop().removeprefix("aws://").partition("/")
    return account, region


def _imports(*sides: tuple[Template, ...]) -> Template:
    """What other stacks export, each by its own name, so that two of them are not one."""
    names: set[str] = set()
    exported: set[str] = set()
    for side in sides:
        for template in side:
            _gather(template.sections, names)
            for output in template.section("Outputs").values():
                name = (output.get("Export") or {}).get("Name")
                exported |= {name} if isinstance(name, str) else set()
    outputs = {
        f"Import{number}": {"Export": {"Name": name}, "Value": f"${{{IMPORTS}.{name}}}"}
        for number, name in enumerate(sorted(names - exported))
    }
    return Template(IMPORTS, IMPORTS, {"Resources": {}, "Outputs": outputs})


def _gather(value: Any, names: set[str]) -> None:
    if isinstance(value, dict):
        name = value.get("Fn::ImportValue")
        if isinstance(name, str):
            names.add(name)
        for each in value.values():
            _gather(each, names)
    elif isinstance(value, list):
        for each in value:
            _gather(each, names)
