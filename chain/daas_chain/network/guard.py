"""A look at protobuf bytes before they are decoded, because decoding trusts them.

Invariant: whatever passes is well formed to the last byte, each field has the wire type of its declaration, and the
number of messages and the depth are bounded. The decoder behind it takes a truncated field for a short one, a number
where a text is declared for a text, and copies unknown fields once for each of them.
Driven by the generated classes' own description, so that there is no second schema.
"""

from __future__ import annotations

from typing import Any

from .errors import AnswerTooLargeError, MalformedAnswerError

MAX_DEPTH = 32
MAX_UNKNOWN_FIELDS = 1_000
VALUES_PER_MESSAGE = 8
"""Numbers and texts, on average; one costs far less than a message."""
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_WIRE_TYPES = {
    "enum": _VARINT,
    "bool": _VARINT,
    "int32": _VARINT,
    "int64": _VARINT,
    "uint32": _VARINT,
    "uint64": _VARINT,
    "sint32": _VARINT,
    "sint64": _VARINT,
    "float": _FIXED32,
    "fixed32": _FIXED32,
    "sfixed32": _FIXED32,
    "double": _FIXED64,
    "fixed64": _FIXED64,
    "sfixed64": _FIXED64,
}
_MAX_VARINT_BYTES = 10


class _Budget:
    __slots__ = ("messages", "unknown", "values")

    def __init__(self, messages: int) -> None:
        self.messages, self.values, self.unknown = messages, VALUES_PER_MESSAGE * messages, MAX_UNKNOWN_FIELDS


def check(data: bytes, message: Any, max_messages: int) -> None:
    """`message`: the generated class. Raises `MalformedAnswerError`, `AnswerTooLargeError`."""
    budget = _Budget(max_messages)
    left: list[tuple[int, int, Any, int]] = [(0, len(data), message, 0)]
    while left:
        start, end, kind, depth = left.pop()
        if depth > MAX_DEPTH:
            raise MalformedAnswerError(f"messages at most {MAX_DEPTH} deep", "deeper ones")
        for inner_start, inner_end, inner in _fields(data, start, end, kind, budget):
            budget.messages -= 1
            if budget.messages < 0:
                raise AnswerTooLargeError(f"at most {max_messages} messages", "more")
            left.append((inner_start, inner_end, inner, depth + 1))


def _fields(data: bytes, position: int, end: int, kind: Any, budget: _Budget) -> list[tuple[int, int, Any]]:
    """The message-typed fields: where they are, and their classes."""
    schema = kind._betterproto
    found: list[tuple[int, int, Any]] = []
    while position < end:
        key, position = _varint(data, position, end)
        wire, name = key & 7, schema.field_name_by_number.get(key >> 3)
        start = position
        match wire:
            case 0:
                _, position = _varint(data, position, end)
            case 1:
                position += 8
            case 2:
                length, start = _varint(data, position, end)
                position = start + length
            case 5:
                position += 4
            case _:
                raise MalformedAnswerError("wire type 0, 1, 2 or 5", str(wire))
        if position > end:
            raise MalformedAnswerError(f"a field that ends by byte {end}", f"one that ends at {position}")
        if name is None:
            budget.unknown -= 1
            if budget.unknown < 0:
                raise AnswerTooLargeError(f"at most {MAX_UNKNOWN_FIELDS} unknown fields", "more")
            continue
        declared = schema.meta_by_field_name[name]
        expected = _WIRE_TYPES.get(declared.proto_type, _LENGTH)
        packed = declared.repeated and wire == _LENGTH and expected != _LENGTH
        if wire != expected and not packed:
            raise MalformedAnswerError(f"wire type {expected} for {name}", str(wire))
        if declared.proto_type in ("message", "map"):
            inner = declared.unwrap() if declared.unwrap else schema.cls_by_field[name]
            found.append((start, position, inner))
            continue
        budget.values -= position - start if packed else 1
        if budget.values < 0:
            raise AnswerTooLargeError("a bounded number of values", "more")
    return found


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    value = 0
    for place in range(_MAX_VARINT_BYTES):
        if position >= end:
            raise MalformedAnswerError("a whole number", "the end of the message")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, position
    raise MalformedAnswerError(f"a number of at most {_MAX_VARINT_BYTES} bytes", "a longer one")
