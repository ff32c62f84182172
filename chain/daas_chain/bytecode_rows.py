"""One entry of each table of a compiled Move module.

Invariant: each function reads exactly one entry from its cursor, with every length capped and every flag known, or
raises a `BytecodeError`. Whether an index points anywhere is not known here: `bytecode_check` sees all tables.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from .bytecode_code import INSTRUCTIONS_MAX, decode
from .bytecode_cursor import Cursor
from .bytecode_errors import FlagError, IdentifierError, TypeTokenError
from .bytecode_types import (
    Ability,
    Code,
    Constant,
    DatatypeHandle,
    DatatypeParameter,
    EnumDefinition,
    Field,
    FunctionDefinition,
    FunctionHandle,
    Instance,
    JumpTable,
    Kind,
    MemberHandle,
    Metadata,
    ModuleHandle,
    StructDefinition,
    Token,
    VariantDefinition,
    Visibility,
)

SMALL_MAX = 255
"""Of the types of a signature, of type parameters, of fields."""
IDENTIFIER_MAX = 128
"""Bytes of a name (protocol limit max_move_identifier_len)."""
CONSTANT_MAX = 65_535
METADATA_KEY_MAX = 1_023
VARIANTS_MAX = 127
TYPE_DEPTH_MAX = 64
"""Nesting of a type. The virtual machine stops at less in a call; deeper ones would meet Python's own limit here."""
ADDRESS_BYTES = 32
_NAME = re.compile(r"(?:[a-zA-Z][a-zA-Z0-9_]*|_[a-zA-Z0-9_]+)\Z")
_LEAVES = {
    kind.value: Token(kind)
    for kind in Kind
    if kind
    not in (
        Kind.REFERENCE,
        Kind.MUTABLE_REFERENCE,
        Kind.DATATYPE,
        Kind.TYPE_PARAMETER,
        Kind.VECTOR,
        Kind.DATATYPE_INSTANCE,
    )
}
_WRAPPERS = {kind.value: kind for kind in (Kind.REFERENCE, Kind.MUTABLE_REFERENCE, Kind.VECTOR)}
_DECLARED_STRUCT, _NATIVE_STRUCT, _DECLARED_ENUM, _FULL_JUMP_TABLE = 2, 1, 2, 1
_NATIVE_FUNCTION, _ENTRY_FUNCTION = 2, 4
T = TypeVar("T")


def read_module_handle(cursor: Cursor) -> ModuleHandle:
    return ModuleHandle(cursor.uleb(), cursor.uleb())


def read_abilities(cursor: Cursor) -> Ability:
    at = cursor.position
    value = cursor.byte()
    if value > 0xF:
        raise FlagError("a set of four abilities", f"0x{value:02x}", at)
    return Ability(value)


def flag(cursor: Cursor, allowed: tuple[int, ...]) -> int:
    at = cursor.position
    value = cursor.byte()
    if value not in allowed:
        raise FlagError(f"one of {', '.join(map(str, allowed))}", str(value), at)
    return value


def read_datatype_parameter(cursor: Cursor) -> DatatypeParameter:
    return DatatypeParameter(read_abilities(cursor), flag(cursor, (0, 1)) == 1)


def read_datatype_handle(cursor: Cursor) -> DatatypeHandle:
    module, name, abilities = cursor.uleb(), cursor.uleb(), read_abilities(cursor)
    return DatatypeHandle(module, name, abilities, many(cursor, SMALL_MAX, read_datatype_parameter))


def read_function_handle(cursor: Cursor) -> FunctionHandle:
    module, name, parameters, returns = (cursor.uleb() for _ in range(4))
    return FunctionHandle(module, name, parameters, returns, many(cursor, SMALL_MAX, read_abilities))


def many(cursor: Cursor, largest: int, read: Callable[[Cursor], T]) -> tuple[T, ...]:
    return tuple(read(cursor) for _ in range(cursor.uleb(largest)))


def read_instance(cursor: Cursor) -> Instance:
    return Instance(cursor.uleb(), cursor.uleb())


def read_member(cursor: Cursor) -> MemberHandle:
    return MemberHandle(cursor.uleb(), cursor.uleb(SMALL_MAX))


def read_signature(cursor: Cursor) -> tuple[Token, ...]:
    return many(cursor, SMALL_MAX, read_token)


def read_token(cursor: Cursor, depth: int = 0) -> Token:
    at = cursor.position
    if depth >= TYPE_DEPTH_MAX:
        raise TypeTokenError(f"a nesting of at most {TYPE_DEPTH_MAX}", "more", at)
    byte = cursor.byte()
    if byte in _LEAVES:
        return _LEAVES[byte]
    if byte in _WRAPPERS:
        return Token(_WRAPPERS[byte], arguments=(read_token(cursor, depth + 1),))
    if byte == Kind.DATATYPE.value:
        return Token(Kind.DATATYPE, cursor.uleb())
    if byte == Kind.TYPE_PARAMETER.value:
        return Token(Kind.TYPE_PARAMETER, cursor.uleb())
    if byte != Kind.DATATYPE_INSTANCE.value:
        raise TypeTokenError("a type", f"0x{byte:02x}", at)
    index = cursor.uleb()
    arguments = many(cursor, SMALL_MAX, lambda inner: read_token(inner, depth + 1))
    return Token(Kind.DATATYPE_INSTANCE, index, arguments)


def read_constant(cursor: Cursor) -> Constant:
    return Constant(read_token(cursor), cursor.blob(CONSTANT_MAX))


def read_identifier(cursor: Cursor) -> str:
    at = cursor.position
    raw = cursor.blob(IDENTIFIER_MAX)
    text = raw.decode("ascii", errors="replace")
    if not _NAME.match(text):
        raise IdentifierError("a Move name", ascii(text), at)
    return text


def read_address(cursor: Cursor) -> bytes:
    return cursor.take(ADDRESS_BYTES)


def read_field(cursor: Cursor) -> Field:
    return Field(cursor.uleb(), read_token(cursor))


def read_struct(cursor: Cursor) -> StructDefinition:
    handle = cursor.uleb()
    if flag(cursor, (_NATIVE_STRUCT, _DECLARED_STRUCT)) == _NATIVE_STRUCT:
        return StructDefinition(handle, None)
    return StructDefinition(handle, many(cursor, SMALL_MAX, read_field))


def read_enum(cursor: Cursor) -> EnumDefinition:
    handle = cursor.uleb()
    flag(cursor, (_DECLARED_ENUM,))
    return EnumDefinition(handle, many(cursor, VARIANTS_MAX, read_variant))


def read_variant(cursor: Cursor) -> VariantDefinition:
    return VariantDefinition(cursor.uleb(), many(cursor, SMALL_MAX, read_field))


def read_function(cursor: Cursor) -> FunctionDefinition:
    handle = cursor.uleb()
    visibility = Visibility(flag(cursor, tuple(Visibility)))
    flags = flag(cursor, (0, _NATIVE_FUNCTION, _ENTRY_FUNCTION, _NATIVE_FUNCTION | _ENTRY_FUNCTION))
    at = cursor.position
    acquired = cursor.uleb(SMALL_MAX)
    if acquired:
        raise FlagError("a function that acquires nothing: Sui has no global storage", str(acquired), at)
    code = None if flags & _NATIVE_FUNCTION else read_code(cursor)
    return FunctionDefinition(handle, visibility, bool(flags & _ENTRY_FUNCTION), code)


def read_code(cursor: Cursor) -> Code:
    local_types = cursor.uleb()
    count = cursor.uleb(INSTRUCTIONS_MAX)
    start = cursor.position
    for _ in decode(cursor, count):
        pass
    instructions = cursor.since(start)
    return Code(local_types, count, instructions, many(cursor, VARIANTS_MAX, read_jump_table))


def read_jump_table(cursor: Cursor) -> JumpTable:
    enum = cursor.uleb()
    branches = cursor.uleb(VARIANTS_MAX)
    flag(cursor, (_FULL_JUMP_TABLE,))
    return JumpTable(enum, tuple(cursor.uleb() for _ in range(branches)))


def read_metadata(cursor: Cursor) -> Metadata:
    return Metadata(cursor.blob(METADATA_KEY_MAX), cursor.blob(CONSTANT_MAX))
