"""Type tags, owners, object references and gas: what every larger structure of Sui is made of.

Invariant: names in type tags are Move identifiers; nesting is bounded by what a network can write, and none of it is on
Python's stack, so a stranger's event with a deep type can neither exhaust the stack nor be unreadable.
Source: `type_tag`, `object` and `gas` of MystenLabs/sui-rust-sdk (crates/sui-sdk-types), with ABNF in comments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from daas_protocol.bcs import BcsError, Reader, Writer

from .codec import U64, Codec, fixed, sized, struct, union

DIGEST_BYTES = 32
ADDRESS_BYTES = 32
MAX_TYPE_NESTING = 500
"""`bcs` in Rust reads and writes no deeper value. Anybody may emit an event with a type as deep as the VM allows (some
hundred nodes), and a tighter bound here would let them stop whoever has to read that checkpoint."""
MAX_TYPE_ARGUMENTS = 255
"""Generic datatypes have at most 32."""
MAX_NAME_BYTES = 65_535
"""The bytecode format's own bound: packages older than `max_move_identifier_len` may have longer names than 128."""

ADDRESS: Codec[bytes] = fixed(ADDRESS_BYTES)
DIGEST: Codec[bytes] = sized(DIGEST_BYTES)
"""Sui writes a digest as a byte string, so its length is in front."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*|_[A-Za-z0-9_]+", re.ASCII)


def _read_name(reader: Reader) -> str:
    name = reader.string(MAX_NAME_BYTES)
    if _NAME.fullmatch(name) is None:
        raise BcsError(f"not a Move identifier: {name[:80]!a}")
    return name


def _write_name(writer: Writer, name: str) -> None:
    if len(name) > MAX_NAME_BYTES or _NAME.fullmatch(name) is None:
        raise BcsError(f"not a Move identifier: {name[:80]!a}")
    writer.string(name)


NAME: Codec[str] = Codec(_read_name, _write_name)


class Primitive(Enum):
    """Types without arguments, by their number in a tag."""

    BOOL = 0
    U8 = 1
    U64 = 2
    U128 = 3
    ADDRESS = 4
    SIGNER = 5
    U16 = 8
    U32 = 9
    U256 = 10

    def __str__(self) -> str:
        return self.name.lower()


_VECTOR = 6
_STRUCT = 7
_PRIMITIVES = {primitive.value: primitive for primitive in Primitive}


@dataclass(frozen=True, slots=True)
class VectorTag:
    """`vector<element>`."""

    element: TypeTag

    def __str__(self) -> str:
        return _text(self)


@dataclass(frozen=True, slots=True)
class StructTag:
    """A struct or enum by the package that first defined it."""

    address: bytes
    module: str
    name: str
    arguments: tuple[TypeTag, ...] = ()

    def __str__(self) -> str:
        return _text(self)


TypeTag = Primitive | VectorTag | StructTag


def short_address(address: bytes) -> str:
    """`0x2` for the framework; leading zeros are dropped."""
    return f"0x{int.from_bytes(address, 'big'):x}"


def _text(tag: TypeTag) -> str:
    parts: list[str] = []
    left: list[TypeTag | str] = [tag]
    while left:
        match left.pop():
            case str() as text:
                parts.append(text)
            case Primitive() as primitive:
                parts.append(str(primitive))
            case VectorTag(element):
                parts.append("vector<")
                left += (">", element)
            case StructTag(address, module, name, arguments):
                parts.append(f"{short_address(address)}::{module}::{name}")
                if arguments:
                    parts.append("<")
                    left.append(">")
                    left += [item for argument in reversed(arguments) for item in (argument, ", ")][:-1]
    return "".join(parts)


@dataclass(slots=True)
class _Open:
    """A type whose arguments are being read; without a name it is a vector."""

    name: tuple[bytes, str, str] | None
    missing: int
    arguments: list[TypeTag]

    def close(self) -> TypeTag:
        if self.name is None:
            return VectorTag(self.arguments[0])
        return StructTag(*self.name, tuple(self.arguments))


def _open_struct(reader: Reader) -> _Open:
    name = (reader.fixed(ADDRESS_BYTES), _read_name(reader), _read_name(reader))
    count = reader.uleb()
    if count > MAX_TYPE_ARGUMENTS:
        raise BcsError(f"a type has at most {MAX_TYPE_ARGUMENTS} arguments, not {count}")
    return _Open(name, count, [])


def _finish(reader: Reader, outermost: _Open) -> TypeTag:
    """Reads the arguments of `outermost`, and theirs."""
    stack = [outermost]
    while True:
        top = stack[-1]
        if not top.missing:
            closed = stack.pop().close()
            if not stack:
                return closed
            stack[-1].arguments.append(closed)
            continue
        top.missing -= 1
        tag = reader.uleb()
        primitive = _PRIMITIVES.get(tag)
        if primitive is not None:
            top.arguments.append(primitive)
            continue
        if len(stack) > MAX_TYPE_NESTING:
            raise BcsError(f"a type is nested deeper than {MAX_TYPE_NESTING}")
        match tag:
            case 6:  # vector
                stack.append(_Open(None, 1, []))
            case 7:  # struct or enum
                stack.append(_open_struct(reader))
            case _:
                raise BcsError(f"a type tag is 0..10, not {tag}")


def _read_type(reader: Reader) -> TypeTag:
    # Read as the element of a vector, so that one loop serves every place where a type may stand.
    held = _finish(reader, _Open(None, 1, []))
    assert isinstance(held, VectorTag)  # an _Open without a name closes to one
    return held.element


def _read_struct(reader: Reader) -> StructTag:
    found = _finish(reader, _open_struct(reader))
    assert isinstance(found, StructTag)
    return found


def _write(writer: Writer, left: list[tuple[TypeTag, int]]) -> None:
    while left:
        tag, depth = left.pop()
        if depth > MAX_TYPE_NESTING:
            raise BcsError(f"a type is nested deeper than {MAX_TYPE_NESTING}")
        match tag:
            case Primitive():
                writer.uleb(tag.value)
            case VectorTag():
                writer.uleb(_VECTOR)
                left.append((tag.element, depth + (tag.element.__class__ is not Primitive)))
            case StructTag():
                writer.uleb(_STRUCT)
                _write_named(writer, tag, left, depth)


def _write_named(writer: Writer, tag: StructTag, left: list[tuple[TypeTag, int]], depth: int) -> None:
    ADDRESS.write(writer, tag.address)
    _write_name(writer, tag.module)
    _write_name(writer, tag.name)
    if len(tag.arguments) > MAX_TYPE_ARGUMENTS:
        raise BcsError(f"a type has at most {MAX_TYPE_ARGUMENTS} arguments, not {len(tag.arguments)}")
    writer.uleb(len(tag.arguments))
    left += [(argument, depth + (argument.__class__ is not Primitive)) for argument in reversed(tag.arguments)]


def _write_struct(writer: Writer, tag: StructTag) -> None:
    left: list[tuple[TypeTag, int]] = []
    _write_named(writer, tag, left, 0)
    _write(writer, left)


TYPE_TAG: Codec[TypeTag] = Codec(
    _read_type, lambda writer, tag: _write(writer, [(tag, int(tag.__class__ is not Primitive))])
)
STRUCT_TAG: Codec[StructTag] = Codec(_read_struct, _write_struct)


@dataclass(frozen=True, slots=True)
class AddressOwner:
    address: bytes


@dataclass(frozen=True, slots=True)
class ObjectOwner:
    """Owned by another object: a dynamic field."""

    object_id: bytes


@dataclass(frozen=True, slots=True)
class SharedOwner:
    initial_version: int


@dataclass(frozen=True, slots=True)
class ImmutableOwner:
    pass


@dataclass(frozen=True, slots=True)
class ConsensusAddressOwner:
    """Owned by an address, but sequenced as a shared object is."""

    start_version: int
    address: bytes


Owner = AddressOwner | ObjectOwner | SharedOwner | ImmutableOwner | ConsensusAddressOwner

OWNER: Codec[Owner] = union(
    "Owner",
    {
        AddressOwner: struct(AddressOwner, address=ADDRESS),
        ObjectOwner: struct(ObjectOwner, object_id=ADDRESS),
        SharedOwner: struct(SharedOwner, initial_version=U64),
        ImmutableOwner: struct(ImmutableOwner),
        ConsensusAddressOwner: struct(ConsensusAddressOwner, start_version=U64, address=ADDRESS),
    },
)


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One version of one object."""

    object_id: bytes
    version: int
    digest: bytes


OBJECT_REF: Codec[ObjectRef] = struct(ObjectRef, object_id=ADDRESS, version=U64, digest=DIGEST)


@dataclass(frozen=True, slots=True)
class GasCost:
    """In MIST."""

    computation: int
    storage: int
    storage_rebate: int
    non_refundable: int


GAS_COST: Codec[GasCost] = struct(GasCost, computation=U64, storage=U64, storage_rebate=U64, non_refundable=U64)
