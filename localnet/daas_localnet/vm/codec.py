"""BCS of Move values, by their types.

Invariant: `decode` accepts exactly what `encode` can produce, decoding and encoding again gives the same bytes, and no
length is believed before so many bytes are there. Work is proportional to the bytes: no type has values of no bytes.
Source: the BCS specification; serialisation in move-vm-runtime/src/execution/values, MystenLabs/sui.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from daas_chain.bytecode_types import Kind
from daas_protocol.bcs import BcsError, Reader, encode_uleb

from .errors import InvariantSignal, TypeSizeSignal, ValueDepthSignal
from .limits import VALUE_DEPTH_MAX, VECTOR_LENGTH_MAX
from .types import WIDTHS, Type, field_types, formula

TYPES_MAX = 512
"""Different types in the layout of one (Sui has this limit for all of its nodes, max_type_to_layout_nodes): generic
types that name each other twice have as many as two to the power of their depth, also where a value is empty.
"""
Encoder = Callable[[Any, bytearray], None]
Decoder = Callable[[Reader], Any]


def encode(type_: Type, value: Any) -> bytes:
    """The BCS of a value of this closed type."""
    out = bytearray()
    _codec(type_)[0](value, out)
    return bytes(out)


def decode(type_: Type, data: bytes) -> Any:
    """The value whose BCS is `data`, whole. Raises BcsError."""
    reader = Reader(data)
    value = _codec(type_)[1](reader)
    reader.end()
    return value


def types_in(type_: Type) -> int:
    """Different types in the layout of one. Raises Signal for one that has no bytes."""
    if type_.layout is None:
        deep = formula(type_)
        if deep.parameters or type_.reference:
            raise InvariantSignal(detail=f"{type_} has no bytes")
        if deep.constant > VALUE_DEPTH_MAX:
            raise ValueDepthSignal(detail=f"values of {deep.constant} levels")
        seen: set[Type] = set()
        _count(type_, seen)
        type_.layout = len(seen)
    return type_.layout


def _codec(type_: Type) -> tuple[Encoder, Decoder]:
    if type_.codec is None:
        types_in(type_)
        type_.codec = _make(type_, {})
    found: tuple[Encoder, Decoder] = type_.codec
    return found


def _count(type_: Type, seen: set[Type]) -> None:
    """Raises TypeSizeSignal for a type of too many. Not by what has a codec already, which differs from run to run."""
    if type_ in seen:
        return
    seen.add(type_)
    if len(seen) > TYPES_MAX:
        raise TypeSizeSignal(detail=f"more than {TYPES_MAX} types in one")
    if type_.datatype is None:
        for one in type_.arguments:
            _count(one, seen)
        return
    for index in range(len(type_.datatype.fields())):
        for one in field_types(type_, index):
            _count(one, seen)


def _make(type_: Type, made: dict[Type, tuple[Encoder, Decoder]]) -> tuple[Encoder, Decoder]:
    if type_.codec is not None:
        found: tuple[Encoder, Decoder] = type_.codec
        return found
    if type_ not in made:
        made[type_] = _new(type_, made)
        type_.codec = made[type_]
    return made[type_]


def _new(type_: Type, made: dict[Type, tuple[Encoder, Decoder]]) -> tuple[Encoder, Decoder]:
    kind = type_.kind
    if kind in WIDTHS:
        return _integer(WIDTHS[kind] // 8)
    match kind:
        case Kind.BOOL:
            return (lambda value, out: out.append(1 if value else 0)), Reader.bool
        case Kind.ADDRESS | Kind.SIGNER:
            return (lambda value, out: out.extend(value)), (lambda reader: reader.fixed(32))
        case Kind.VECTOR:
            if type_.arguments[0].kind is Kind.U8:
                return _encode_bytes, lambda reader: bytearray(reader.bytes(VECTOR_LENGTH_MAX))
            return _vector(*_make(type_.arguments[0], made))
        case _:
            assert type_.datatype is not None
            variants = [
                [_make(one, made) for one in field_types(type_, index)] for index in range(len(type_.datatype.fields()))
            ]
            return _enum(variants) if type_.datatype.is_enum else _struct(variants[0])


def _integer(length: int) -> tuple[Encoder, Decoder]:
    def encode_integer(value: int, out: bytearray) -> None:
        out += value.to_bytes(length, "little")

    if length == 1:
        return (lambda value, out: out.append(value)), Reader.u8
    return encode_integer, lambda reader: int.from_bytes(reader.fixed(length), "little")


def _encode_bytes(value: bytearray, out: bytearray) -> None:
    out += encode_uleb(len(value))
    out += value


def _vector(encode_item: Encoder, decode_item: Decoder) -> tuple[Encoder, Decoder]:
    def encode_vector(value: list[Any], out: bytearray) -> None:
        out += encode_uleb(len(value))
        for item in value:
            encode_item(item, out)

    return encode_vector, lambda reader: reader.vector(lambda: decode_item(reader), VECTOR_LENGTH_MAX)


def _struct(fields: list[tuple[Encoder, Decoder]]) -> tuple[Encoder, Decoder]:
    encoders = [one[0] for one in fields]
    decoders = [one[1] for one in fields]
    if not fields:
        raise InvariantSignal(detail="a struct without fields has no bytes")

    def encode_struct(value: list[Any], out: bytearray) -> None:
        for encoder, item in zip(encoders, value, strict=True):
            encoder(item, out)

    return encode_struct, lambda reader: [decoder(reader) for decoder in decoders]


def _enum(variants: list[list[tuple[Encoder, Decoder]]]) -> tuple[Encoder, Decoder]:
    def encode_enum(value: list[Any], out: bytearray) -> None:
        out += encode_uleb(value[0])
        for (encoder, _), item in zip(variants[value[0]], value[1:], strict=True):
            encoder(item, out)

    def decode_enum(reader: Reader) -> list[Any]:
        tag = reader.uleb()
        if tag >= len(variants):
            raise BcsError(f"the enum has {len(variants)} variants, not {tag + 1}")
        return [tag, *(decoder(reader) for _, decoder in variants[tag])]

    return encode_enum, decode_enum
