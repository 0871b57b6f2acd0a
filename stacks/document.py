"""A YAML file as plain data that remembers its lines, so that a fault can name one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mlops_constructs.faults import Fault, FaultsError


@dataclass(frozen=True)
class Document:
    """A YAML file, read.

    Parameters
    ----------
    data
        Mappings, lists and scalars.
    lines
        Line of each key, by its dotted path.
    duplicates
        A fault for each key that one mapping holds twice.
    """

    data: dict[str, Any]
    lines: dict[str, int]
    duplicates: tuple[Fault, ...]

    def with_name(self, name: str) -> "Document":
        """The same with its ``name``, which the file itself must not hold."""
        faults = self.duplicates
        if "name" in self.data:
            faults += (
                Fault("name", "a key", "the file's own name", "Remove it.", self.lines["name"]),
            )
        return Document({**self.data, "name": name}, self.lines, faults)


def read_document(path: Path) -> Document:
    """Read a YAML file whose root is a mapping.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    FaultsError
        Where the file is not YAML, or its root is not a mapping.
    OSError
        Where it cannot be read.

    Examples
    --------
    >>> read_document(Path("environments/dev.yaml")).lines["network.cidr"]  # doctest: +SKIP
    7
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FaultsError(str(path), [_syntax_fault(error)]) from error
    return parse_document(text, path)


def parse_document(text: str, path: Path) -> Document:
    """Read the text of a YAML file whose root is a mapping.

    Parameters
    ----------
    text
        The text.
    path
        Where it stands, for faults.

    Raises
    ------
    FaultsError
        Where the text is not YAML, or its root is not a mapping.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        raise FaultsError(str(path), [_syntax_fault(error)]) from error
    if not isinstance(root, MappingNode):
        fault = Fault("(root)", "not a mapping", "keys and values", "Start from another file here.")
        raise FaultsError(str(path), [fault])
    lines: dict[str, int] = {}
    duplicates: list[Fault] = []
    for dotted, line in _keys(root):
        inside_another = any(dotted.startswith(f"{fault.path}.") for fault in duplicates)
        if dotted in lines and not inside_another:
            duplicates.append(
                Fault(
                    dotted,
                    f"the key on lines {lines[dotted]} and {line}",
                    "each key once in its mapping",
                    "Rename or remove one of the two.",
                    line,
                )
            )
        lines.setdefault(dotted, line)
    # From what was composed: reading the text again would take as long once more.
    data = yaml.constructor.construct_document(root)
    return Document(data, lines, tuple(duplicates))


def _keys(node: Node, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Every key below `node`, as its dotted path and its line counted from 1."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                dotted = f"{prefix}{key.value}"
                yield dotted, key.start_mark.line + 1
                yield from _keys(value, f"{dotted}.")
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            yield f"{prefix}{index}", value.start_mark.line + 1
            yield from _keys(value, f"{prefix}{index}.")


def _syntax_fault(error: MarkedYAMLError | UnicodeDecodeError) -> Fault:
    if isinstance(error, UnicodeDecodeError):
        return Fault(
            "(file)", f"bytes that are not UTF-8: {error.reason}", "UTF-8 text", "Re-save."
        )
    mark = error.problem_mark
    return Fault(
        "(file)",
        error.problem or "text that is not YAML",
        "YAML",
        "Mend the indentation, quotes or colon there.",
        mark.line + 1 if mark else 0,
    )
