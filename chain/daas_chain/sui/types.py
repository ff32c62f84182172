"""Type tags, owners, object references and gas: what every larger structure of Sui is made of.

Invariant: names in type tags are Move identifiers, and nesting is bounded, so that reading one never exhausts the
stack. Source: `type_tag`, `object` and `gas` of MystenLabs/sui-rust-sdk (crates/sui-sdk-types), with ABNF in comments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from daas_protocol.bcs import BcsError, Reader, Writer

from .codec import U64, Codec, fixed, sized, struct, union

DIGEST_BYTES = 32
ADDRESS_BYTES = 32
MAX_TYPE_NESTING = 32
"""Move itself stops at 9 when it writes a tag; the rest is room for a newer protocol, far below Python's stack."""
MAX_TYPE_ARGUMENTS = 255
"""Move counts type parameters of a struct in a u8-like field; the protocol allows 16 in a call."""
MAX_NAME_BYTES = 255
"""The bytecode reader's own bound is 128 (`max_move_identifier_len`); older packages were bounded by 255."""

ADDRESS: Codec[bytes] = fixed(ADDRESS_BYTES)
DIGEST: Codec[bytes] = sized(DIGEST_BYTES)
"""Sui writes a digest as a byte string, so its length is in front."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def _read_name(reader: Reader) -> str:
    name = reader.string(MAX_NAME_BYTES)
    if _NAME.fullmatch(name) is None:
        raise BcsError(f"not a Move identifier: {name!a}")
    return name


def _write_name(writer: Writer, name: str) -> None:
    if len(name) > MAX_NAME_BYTES or _NAME.fullmatch(name) is None:
        raise BcsError(f"not a Move identifier: {name!a}")
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
        return f"vector<{self.element}>"


@dataclass(frozen=True, slots=True)
class StructTag:
    """A struct or enum by the package that first defined it."""

    address: bytes
    module: str
    name: str
    arguments: tuple[TypeTag, ...] = ()

    def __str__(self) -> str:
        text = f"{short_address(self.address)}::{self.module}::{self.name}"
        return f"{text}<{', '.join(map(str, self.arguments))}>" if self.arguments else text


TypeTag = Primitive | VectorTag | StructTag


def short_address(address: bytes) -> str:
    """`0x2` for the framework; leading zeros are dropped."""
    return f"0x{int.from_bytes(address, 'big'):x}"


def _deeper(depth: int) -> int:
    if depth >= MAX_TYPE_NESTING:
        raise BcsError(f"a type is nested deeper than {MAX_TYPE_NESTING}")
    return depth + 1


def _read_type(reader: Reader, depth: int) -> TypeTag:
    tag = reader.uleb()
    primitive = _PRIMITIVES.get(tag)
    if primitive is not None:
        return primitive
    if tag == _VECTOR:
        return VectorTag(_read_type(reader, _deeper(depth)))
    if tag == _STRUCT:
        return _read_struct(reader, _deeper(depth))
    raise BcsError(f"a type tag is 0..10, not {tag}")


def _read_struct(reader: Reader, depth: int) -> StructTag:
    address = reader.fixed(ADDRESS_BYTES)
    module, name = _read_name(reader), _read_name(reader)
    count = reader.uleb()
    if count > MAX_TYPE_ARGUMENTS:
        raise BcsError(f"a type has at most {MAX_TYPE_ARGUMENTS} arguments, not {count}")
    return StructTag(address, module, name, tuple([_read_type(reader, depth) for _ in range(count)]))


def _write_type(writer: Writer, tag: TypeTag, depth: int) -> None:
    match tag:
        case Primitive():
            writer.uleb(tag.value)
        case VectorTag():
            writer.uleb(_VECTOR)
            _write_type(writer, tag.element, _deeper(depth))
        case StructTag():
            writer.uleb(_STRUCT)
            _write_struct(writer, tag, _deeper(depth))


def _write_struct(writer: Writer, tag: StructTag, depth: int) -> None:
    ADDRESS.write(writer, tag.address)
    _write_name(writer, tag.module)
    _write_name(writer, tag.name)
    if len(tag.arguments) > MAX_TYPE_ARGUMENTS:
        raise BcsError(f"a type has at most {MAX_TYPE_ARGUMENTS} arguments, not {len(tag.arguments)}")
    writer.uleb(len(tag.arguments))
    for argument in tag.arguments:
        _write_type(writer, argument, depth)


TYPE_TAG: Codec[TypeTag] = Codec(lambda reader: _read_type(reader, 0), lambda writer, tag: _write_type(writer, tag, 0))
STRUCT_TAG: Codec[StructTag] = Codec(
    lambda reader: _read_struct(reader, 0), lambda writer, tag: _write_struct(writer, tag, 0)
)


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
