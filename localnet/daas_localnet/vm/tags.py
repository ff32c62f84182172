"""Types as the chain spells them: BCS of a TypeTag, and names.

Invariant: the address of a datatype is that of the package that first defined it (its defining id), except in
`original_name`; text has 64 digits to each address, no prefix and no blanks.
"""

from __future__ import annotations

from daas_chain.bytecode_types import Kind
from daas_protocol.bcs import encode_bytes, encode_uleb

from .types import Datatype, Type

LEAF_TAGS = {
    Kind.BOOL: 0,
    Kind.U8: 1,
    Kind.U64: 2,
    Kind.U128: 3,
    Kind.ADDRESS: 4,
    Kind.SIGNER: 5,
    Kind.U16: 8,
    Kind.U32: 9,
    Kind.U256: 10,
}
VECTOR_TAG, STRUCT_TAG = 6, 7


def type_tag(type_: Type) -> bytes:
    """BCS of the TypeTag."""
    if type_.tag is None:
        type_.tag = _type_tag(type_)
    return type_.tag


def _type_tag(type_: Type) -> bytes:
    if type_.kind is Kind.VECTOR:
        return bytes((VECTOR_TAG,)) + type_tag(type_.arguments[0])
    if type_.datatype is None:
        return bytes((LEAF_TAGS[type_.kind],))
    return bytes((STRUCT_TAG,)) + _struct_tag(type_)


def struct_tag(type_: Type) -> bytes:
    """BCS of the StructTag of a struct or enum."""
    assert type_.datatype is not None
    return type_tag(type_)[1:]


def _struct_tag(type_: Type) -> bytes:
    datatype = type_.datatype
    assert datatype is not None
    names = encode_bytes(datatype.module.encode()) + encode_bytes(datatype.name.encode())
    arguments = b"".join(type_tag(one) for one in type_.arguments)
    return datatype.defining + names + encode_uleb(len(type_.arguments)) + arguments


def defining_name(type_: Type) -> str:
    """With defining ids, as `type_name::with_defining_ids` has it."""
    return type_.text(_defining, ",")


def original_name(type_: Type) -> str:
    """With original ids, as `type_name::with_original_ids` has it."""
    return type_.text(_original, ",")


def _defining(datatype: Datatype) -> str:
    return datatype.defining.hex()


def _original(datatype: Datatype) -> str:
    return datatype.original.hex()
