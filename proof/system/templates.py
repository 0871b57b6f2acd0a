"""CloudFormation templates as they lie in a folder, checked for form and nothing else."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mlops_constructs.faults import Fault, raise_faults

SUFFIXES = (".template.json", ".json", ".yaml", ".yml", ".template")
MAX_BYTES = 8_000_000  # eight times what CloudFormation takes
MAX_VALUES = 400_000
MAX_DEPTH = 100


@dataclass(frozen=True)
class Template:
    """One template.

    Parameters
    ----------
    file
        Its file name.
    name
        The same without its ending and without dots: the first word of a resource's id.
    sections
        Its sections, as they are written.
    """

    file: str
    name: str
    sections: dict[str, Any] = field(repr=False, hash=False, compare=False)

    def section(self, name: str) -> dict[str, Any]:
        """One section, empty where there is none: ``Parameters``."""
        value = self.sections.get(name)
        return value if isinstance(value, dict) else {}

    @property
    def resources(self) -> "Iterator[Resource]":
        """Its resources, but not loops that would make some."""
        for logical_id, body in self.section("Resources").items():
            if not logical_id.startswith("Fn::"):
                yield Resource(self, logical_id, body)

    @property
    def unseen(self) -> Iterator[tuple[str, str]]:
        """What makes resources that cannot be seen here: where it stands, and what it is."""
        for key in self.section("Resources"):
            if key.startswith("Fn::"):
                yield key, "A loop that CloudFormation unrolls"
        transforms = self.sections.get("Transform", [])
        for transform in transforms if isinstance(transforms, list) else [transforms]:
            if transform != "AWS::LanguageExtensions":
                yield "Transform", f"The macro {transform}, which rewrites the template"


@dataclass(frozen=True)
class Resource:
    """One resource of a template.

    Parameters
    ----------
    template
        Its template.
    logical_id
        Its name there.
    body
        Type, properties and the rest, as they are written.
    """

    template: Template
    logical_id: str
    body: dict[str, Any] = field(repr=False, hash=False, compare=False)

    @property
    def id(self) -> str:
        """``Template.LogicalId``."""
        return f"{self.template.name}.{self.logical_id}"

    @property
    def type(self) -> str:
        """``AWS::EC2::VPC``."""
        return str(self.body["Type"])

    @property
    def metadata(self) -> dict[str, Any]:
        """What is said about it."""
        value = self.body.get("Metadata")
        return value if isinstance(value, dict) else {}


def load_templates(folder: Path) -> tuple[Template, ...]:
    """Read every template of a folder.

    In a cloud assembly only ``*.template.json`` are templates; elsewhere every JSON and YAML
    file has to be one.

    Parameters
    ----------
    folder
        The folder.

    Raises
    ------
    FaultsError
        Where the folder is missing or empty, and for each file that is no template.
    """
    if not folder.is_dir():
        fault = Fault("folder", str(folder), "a folder of templates", "Check the path.")
        raise_faults("templates", [fault])
    files = _files(folder)
    if not files:
        fault = Fault(
            "folder", f"{folder}, without a template", "JSON or YAML templates", "Run synth first."
        )
        raise_faults("templates", [fault])
    faults: list[Fault] = []
    templates: list[Template] = []
    names: set[str] = set()
    for file in files:
        try:
            sections = _read(file)
            _check_size(sections)
        except (ValueError, OSError, YAMLError, RecursionError) as error:
            says = " ".join(str(error).split()) or type(error).__name__
            faults.append(Fault(file.name, says[:300], "JSON or YAML", "Mend or remove the file."))
            continue
        wrong = [*_shape(file.name, sections)]
        faults += wrong
        if not wrong:
            name = _name(file, names)
            names.add(name)
            templates.append(Template(file.name, name, sections))
    raise_faults(str(folder), faults)
    return tuple(templates)


def _files(folder: Path) -> list[Path]:
    if (folder / "manifest.json").is_file() or (folder / "cdk.out").is_file():
        return sorted(folder.rglob("*.template.json"))
    return sorted(
        file for file in folder.iterdir() if file.is_file() and file.name.endswith(SUFFIXES)
    )


def _name(file: Path, taken: set[str]) -> str:
    ending = next(suffix for suffix in SUFFIXES if file.name.endswith(suffix))
    name = file.name.removesuffix(ending).replace(".", "-")
    if name in taken:
        name = f"{name}-{ending.strip('.').replace('.', '-')}"
    number, first = 2, name
    while name in taken:
        name, number = f"{first}-{number}", number + 1
    return name


def _shape(file: str, sections: Any) -> Iterator[Fault]:
    """What makes a document no template."""
    resources = sections.get("Resources") if isinstance(sections, dict) else None
    if not isinstance(resources, dict) or not resources:
        yield Fault(file, "no resources", "a template with Resources", "Remove the file.")
        return
    for name in ("Parameters", "Mappings", "Conditions", "Outputs"):
        if not isinstance(sections.get(name, {}), dict):
            yield Fault(f"{file}: {name}", "not a mapping", "names and values", "Mend it.")
    for logical_id, body in resources.items():
        if str(logical_id).startswith("Fn::"):
            continue
        place = f"{file}: Resources.{logical_id}"
        if not isinstance(body, dict) or not isinstance(body.get("Type"), str):
            yield Fault(place, "no Type", "a mapping with a Type", "Write which resource it is.")
        elif not isinstance(body.get("Properties", {}), dict):
            yield Fault(f"{place}.Properties", "not a mapping", "names and values", "Mend it.")


def _check_size(sections: Any) -> None:
    """Refuse what would never end: nests, and the many copies that YAML's aliases make."""
    count = 0
    rest = [(sections, 0)]
    while rest:
        value, depth = rest.pop()
        count += 1
        if count > MAX_VALUES or depth > MAX_DEPTH:
            raise ValueError("too large or too deep for a template")
        if isinstance(value, dict):
            rest += [(item, depth + 1) for item in value.values()]
        elif isinstance(value, list):
            rest += [(item, depth + 1) for item in value]


def _read(file: Path) -> Any:
    if file.stat().st_size > MAX_BYTES:
        raise ValueError(f"{file.stat().st_size} bytes, too large for a template")
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json" or text.lstrip().startswith("{"):
        return json.loads(text, object_pairs_hook=_once)
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _ShortForms
    return yaml.load(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = sorted({key for key, _ in pairs if [k for k, _ in pairs].count(key) > 1})
        raise ValueError(f"the key {twice[0]} stands twice in one mapping")
    return made


class _ShortForms(SafeConstructor):
    """YAML with ``!Ref`` and the like, and with dates left as they are written."""

    def short_form(self, tag: str, node: Node) -> dict[str, Any]:
        value: Any
        if isinstance(node, ScalarNode):
            value = node.value
        elif isinstance(node, SequenceNode):
            value = self.construct_sequence(node, deep=True)
        else:
            assert isinstance(node, MappingNode)  # noqa: S101 - YAML has no fourth kind
            value = self.construct_mapping(node, deep=True)
        if tag in ("Ref", "Condition"):
            return {tag: value}
        if tag == "GetAtt" and isinstance(value, str):
            value = value.split(".", 1)
        return {f"Fn::{tag}": value}


_ShortForms.add_multi_constructor("!", _ShortForms.short_form)
_ShortForms.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)
