"""Answers as the text that MLflow makes of them, in one pass.

MLflow turns a message into dictionaries, walks it again for its whole numbers, merges the two, and
writes them with Python's own encoder: two thirds of what a page of runs costs the server. Here a
writer is made once for each kind of message. Kinds with maps, or of Google's own, are MLflow's.
"""

import base64
import math
from collections.abc import Callable
from functools import cache, partial
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from mlflow.utils.proto_json_utils import message_to_json as mlflow_message_to_json

INDENT = "  "

Writer = Callable[[Any, str], str]
"""Writes a value, given what each of its further lines begins with."""

_WHOLE = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}


def message_to_json(message: Message, **options: Any) -> str:
    """A message as JSON, letter by letter as MLflow's function of this name writes it.

    Parameters
    ----------
    message
        The message.
    options
        Those of MLflow's function, which writes whatever is asked for with any.
    """
    if not options and _is_plain(message.DESCRIPTOR):
        return _writer(message.DESCRIPTOR)(message, "\n")
    text: str = mlflow_message_to_json(message, **options)
    return text


@cache
def _is_plain(descriptor: Descriptor) -> bool:
    """Whether a kind of message, and all that it may hold, can be written here."""
    found, left = {descriptor.full_name}, [descriptor]
    while left:
        kind = left.pop()
        if (
            kind.full_name.startswith("google.protobuf.")
            or kind.GetOptions().map_entry
            or kind.is_extendable
            or any(field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT for field in kind.fields)
        ):
            return False
        for field in kind.fields:
            if field.message_type and field.message_type.full_name not in found:
                found.add(field.message_type.full_name)
                left.append(field.message_type)
    return True


@cache
def _writer(_: Descriptor) -> Writer:
    """Writes messages of a kind."""
    writers: dict[int, tuple[str, Writer]] = {}

    def write(message: Any, line: str) -> str:
        inner = line + INDENT
        parts = []
        for field, value in message.ListFields():
            if field.number not in writers:
                # Not before: a kind of message may hold itself.
                writers[field.number] = (quoted(field.name), _field_writer(field))
            name, writer = writers[field.number]
            parts.append(f"{inner}{name}: {writer(value, inner)}")
        return f"{{{','.join(parts)}{line}}}" if parts else "{}"

    return write


def _field_writer(field: FieldDescriptor) -> Writer:
    one = _value_writer(field)
    return partial(_list, one) if field.is_repeated else one


def _list(one: Writer, values: Any, line: str) -> str:
    inner = line + INDENT
    return f"[{','.join([inner + one(value, inner) for value in values])}{line}]"


def _value_writer(field: FieldDescriptor) -> Writer:
    if field.message_type:
        return _writer(field.message_type)
    if field.enum_type:
        names = _names(field.enum_type)
        return lambda value, _: names[value]
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value, _: quoted(base64.b64encode(value).decode())
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return lambda value, _: "true" if value else "false"
    if field.cpp_type in _WHOLE:
        return lambda value, _: str(value)
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        return _double
    return lambda value, _: quoted(value)


def _names(enum: EnumDescriptor) -> dict[int, str]:
    return {number: quoted(value.name) for number, value in enum.values_by_number.items()}


def _double(value: float, _: str) -> str:
    if math.isfinite(value):
        return repr(value)
    if math.isnan(value):
        return '"NaN"'
    return '"Infinity"' if value > 0 else '"-Infinity"'
