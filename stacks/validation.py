"""From a document to a pydantic model, or to every fault of the document at once.

pydantic runs no rule that spans fields where one of the fields failed. So fields are pydantic's,
and rules that span fields are *checks* of ours: functions over the parts that could be read, run
whatever else is wrong.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from mlops_constructs.faults import Fault, FaultsError
from stacks.document import Document

Model = TypeVar("Model", bound=BaseModel)


class Parts(dict[str, Any]):
    """Every part of a document that is valid by itself, defaults too, by its dotted path.

    Attributes
    ----------
    written : frozenset of str
        The paths that the document has, valid or not.
    """

    written: frozenset[str] = frozenset()


Check = Callable[[Parts], Iterator[Fault]]


def validated(model: type[Model], document: Document, path: Path, *checks: Check) -> Model:
    """`document` as a `model`.

    Parameters
    ----------
    model
        What the document should be.
    document
        What was read.
    path
        The file it was read from, to name in the message.
    checks
        Rules that span fields. Each is given every part that is valid by itself, by its dotted
        path: ``match parts: case {"network.cidr": cidr, "network.zones": zones}: ...``. A mapping
        of named sections is one part: its names, each with its own valid parts. A list is one
        part too, with None in the place of an entry that is not valid.

    Raises
    ------
    FaultsError
        With every fault, in the order of the file.
    """
    faults = list(document.duplicates)
    value: Model | None = None
    try:
        value = model.model_validate(document.data)
    except ValidationError as error:
        faults += [_fault(details, model) for details in error.errors(include_url=False)]
    parts = Parts(_valid_parts(model, document.data))
    parts.written = frozenset(document.lines)
    for check in checks:
        faults += check(parts)
    if faults or value is None:
        located = [_located(fault, document) for fault in faults]
        raise FaultsError(str(path), sorted(located, key=lambda fault: fault.line))
    return value


def _valid_parts(model: type[BaseModel], data: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted path and the value of each field below `model` that is valid by itself."""
    given = data if isinstance(data, Mapping) else {}
    for name, field in _fields(model).items():
        section, named = _section_of(field)
        written = given.get(name, {})
        if section and not named and not written and field.default is None:
            yield f"{prefix}{name}", None
        elif section and not named:
            yield from _valid_parts(section, written, f"{prefix}{name}.")
        elif section:
            members = written.items() if isinstance(written, Mapping) else ()
            yield f"{prefix}{name}", {key: dict(_valid_parts(section, v)) for key, v in members}
        elif name in given:
            adapter = _adapter(field)
            if named and isinstance(written, Mapping):
                # Without what is asked of the whole, such as how many there are.
                whole: Any = field.annotation
                single: TypeAdapter[Any] = TypeAdapter(whole)
                entries = {key: _read(single, {key: entry}) for key, entry in written.items()}
                yield f"{prefix}{name}", {key: e[key] for key, e in entries.items() if e}
            elif get_origin(field.annotation) is list and isinstance(written, list):
                entry_adapter: TypeAdapter[Any] = TypeAdapter(get_args(field.annotation)[0])
                yield f"{prefix}{name}", [_read(entry_adapter, entry) for entry in written]
            elif (value := _read(adapter, written)) is not None:
                yield f"{prefix}{name}", value
        elif not field.is_required():
            yield f"{prefix}{name}", field.get_default(call_default_factory=False)


def _read(adapter: TypeAdapter[Any], written: Any) -> Any:
    """The value that was written, or None where it is not valid."""
    try:
        return adapter.validate_python(written)
    except ValidationError:
        return None


def _section_of(field: FieldInfo) -> tuple[type[BaseModel] | None, bool]:
    """The model a field holds, and whether it holds several of it by name."""
    annotation: Any = field.annotation
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(held for held in get_args(annotation) if held is not NoneType)
    named = get_origin(annotation) is dict
    held: Any = get_args(annotation)[1] if named else annotation
    is_model = isinstance(held, type) and issubclass(held, BaseModel)
    return (held if is_model else None), named


def _adapter(field: FieldInfo) -> TypeAdapter[Any]:
    annotation: Any = field.annotation
    for metadata in field.metadata:
        annotation = Annotated[annotation, metadata]
    return TypeAdapter(annotation)


def _located(fault: Fault, document: Document) -> Fault:
    """`fault` with its line; a key that is missing has its section's."""
    path = fault.path
    while path and path not in document.lines:
        path = path.rpartition(".")[0]
    line = fault.line or document.lines.get(path, 1)
    return Fault(fault.path, fault.given, fault.allowed, fault.fix, line)


def _fault(details: ErrorDetails, model: type[BaseModel]) -> Fault:
    """One of pydantic's errors, in our words."""
    location = [str(part) for part in details["loc"] if part != "[key]"]
    path, given = ".".join(location), _written(details["input"])
    context = details.get("ctx", {})
    match details["type"]:
        case "form":
            return Fault(path, given, context["allowed"], context["fix"])
        case "extra_forbidden":
            known = _keys_at(model, location[:-1])
            near = difflib.get_close_matches(location[-1], known, n=1)
            fix = f"Did you mean '{near[0]}'?" if near else "Remove it."
            return Fault(path, "a key that is not known", ", ".join(known), fix)
        case "missing":
            return Fault(path, "nothing", "a value: the key is required", f"Add '{location[-1]}:'.")
        case "literal_error":
            return Fault(path, given, context["expected"], "Choose one of them.")
        case "bool_type" | "bool_parsing":
            return Fault(path, given, "true or false", "Write it without quotes.")
        case "too_short" | "too_long":
            least, most = context.get("min_length"), context.get("max_length")
            allowed = f"at least {least}" if most is None else f"at most {most}"
            return Fault(
                path, f"{context['actual_length']} entries", allowed, "Add or remove some."
            )
        case "model_type" | "dict_type":
            return Fault(path, given, "a mapping of keys and values", "Indent its keys below it.")
        case "list_type":
            return Fault(path, given, "a list", "Write '[a, b]', or a line '- a' for each.")
        case _:
            return Fault(path, given, details["msg"], "Change it to what is allowed.")


def _keys_at(model: type[BaseModel], location: list[str]) -> list[str]:
    """The keys that the section at `location` may have."""
    current = model
    names = iter(location)
    for name in names:
        section, named = _section_of(_fields(current)[name])
        if section is None:
            break
        current = section
        if named:
            next(names, None)
    return [name for name, field in _fields(current).items() if not field.exclude]


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by their keys: a word of Python's, such as 'async', has an alias."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _written(value: Any) -> str:
    """A value as it would stand in the file."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            return f"'{value}'"
        case Mapping():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return str(value)
