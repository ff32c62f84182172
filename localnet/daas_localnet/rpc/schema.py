"""What the generated messages are made of, and whether bytes are one of them.

Invariant: bytes that `check` lets through are read by the generated classes in time proportional to their length, with
every value of the type that its field has. Those classes take a number for a text, a cut-off value for a whole one and
groups for nothing, copy unknown fields over and over, and recurse as deep as a client nests.
Source: protobuf.dev, "Encoding".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .limits import NESTING_MAX, REQUEST_FIELDS_MAX, UNKNOWN_FIELDS_MAX

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
_VARINT_BYTES_MAX = 10
_WIRE = {
    **dict.fromkeys(("enum", "bool", "int32", "int64", "uint32", "uint64", "sint32", "sint64"), VARINT),
    **dict.fromkeys(("fixed64", "sfixed64", "double"), FIXED64),
    **dict.fromkeys(("fixed32", "sfixed32", "float"), FIXED32),
    **dict.fromkeys(("string", "bytes", "message", "map"), DELIMITED),
}
_OPAQUE = "google.protobuf"
"""Messages of this package are single values to a field mask."""


class WireError(ValueError):
    """Bytes that are no message, or one that costs too much."""


@dataclass(frozen=True, slots=True)
class Field:
    """`message`: the class of a message field, None for others. `opaque`: a mask does not go into it."""

    name: str
    number: int
    wire: int
    repeated: bool
    message: type[Any] | None
    opaque: bool


@dataclass(frozen=True, slots=True)
class Schema:
    by_name: Mapping[str, Field]
    by_number: Mapping[int, Field]


_KNOWN: dict[type[Any], Schema] = {}


def schema(message: type[Any]) -> Schema:
    """The fields of a generated message class."""
    found = _KNOWN.get(message)
    if found is None:
        found = _KNOWN[message] = _schema(message)
    return found


def _schema(message: type[Any]) -> Schema:
    described: Any = message
    meta = described._betterproto
    found = [_field(meta, one.name, one.metadata["betterproto"]) for one in fields(described)]
    return Schema({one.name: one for one in found}, {one.number: one for one in found})


def _field(meta: Any, name: str, described: Any) -> Field:
    inner: type[Any] | None = None
    if described.proto_type == "message":
        inner = described.unwrap() if described.unwrap else meta.cls_by_field[name]
    elif described.proto_type == "map":
        inner = meta.cls_by_field[name]
    opaque = described.unwrap is not None or described.proto_type == "map" or inner is None
    opaque = opaque or _OPAQUE in getattr(inner, "__module__", "")
    wire = _WIRE[described.proto_type]
    return Field(name.rstrip("_"), described.number, wire, described.repeated, inner, opaque)


def check(message: type[Any], data: bytes) -> None:
    """Raises WireError."""
    left, unknown = REQUEST_FIELDS_MAX, UNKNOWN_FIELDS_MAX
    waiting: list[tuple[type[Any], int, int, int]] = [(message, 0, len(data), 0)]
    while waiting:
        kind, position, end, depth = waiting.pop()
        if depth > NESTING_MAX:
            raise WireError(f"messages are nested deeper than {NESTING_MAX}")
        known = schema(kind).by_number
        while position < end:
            left -= 1
            if left < 0:
                raise WireError(f"more than {REQUEST_FIELDS_MAX} fields")
            key, position = _varint(data, position, end)
            wire = key & 7
            start = position
            if wire == DELIMITED:
                length, start = _varint(data, position, end)
                position = start + length
            elif wire == VARINT:
                _, position = _varint(data, position, end)
            elif wire in (FIXED64, FIXED32):
                position += 8 if wire == FIXED64 else 4
            else:
                raise WireError(f"wire type {wire}")
            if position > end:
                raise WireError("a value is cut off")
            field = known.get(key >> 3)
            if field is None:
                unknown -= 1
                if unknown < 0 or key >> 3 == 0:
                    raise WireError(f"more than {UNKNOWN_FIELDS_MAX} unknown fields")
            elif wire == DELIMITED and field.wire != DELIMITED and field.repeated:
                left -= position - start  # packed: a value may be a single byte
            elif wire != field.wire:
                raise WireError(f"field {field.name} has wire type {wire}, not {field.wire}")
            elif field.message is not None:
                waiting.append((field.message, start, position, depth + 1))


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    if position < end and data[position] < 128:
        return data[position], position + 1
    value = 0
    for index in range(_VARINT_BYTES_MAX):
        if position >= end:
            break
        byte = data[position]
        position += 1
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            return value, position
    raise WireError("a number is cut off or too long")
