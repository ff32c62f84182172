"""A strict reader of compiled Move modules (format version 7, Sui's flavour).

Invariant: `read_module` gives a `Module` in which every index points into its table, every definition belongs to the
module itself and every byte was read exactly once; or it raises a `BytecodeError`. Time and memory are proportional to
the length of the bytes, which is capped. Function bodies are walked to find their end and to check their operands,
and kept as bytes: nothing is executed here, and types are not verified (the chain's verifier does that).
Source: move-binary-format/src/deserializer.rs in MystenLabs/sui; where that accepts more than its own serializer
writes, this does not.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from . import bytecode_check
from .bytecode_code import INSTRUCTIONS_MAX, decode
from .bytecode_cursor import INDEX_MAX, Cursor
from .bytecode_errors import (
    FlagError,
    IdentifierError,
    MagicError,
    ModuleSizeError,
    TableError,
    TrailingBytesError,
    TypeTokenError,
    VersionError,
)
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
    Module,
    ModuleHandle,
    StructDefinition,
    Token,
    VariantDefinition,
    Visibility,
)

MAGIC = bytes.fromhex("a11ceb0b")
VERSION = 7
SUI_FLAVOUR = 0x05
"""The top byte of the version's four."""
MODULE_BYTES_MAX = 102_400
"""No package is longer (protocol limit max_move_package_size), so no module is."""
TABLES_MAX = 20
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


def read_module(data: bytes) -> Module:
    """The module in `data`, at most 102,400 bytes. Raises the BytecodeError of the first check that fails."""
    if len(data) > MODULE_BYTES_MAX:
        raise ModuleSizeError(f"at most {MODULE_BYTES_MAX} bytes", str(len(data)))
    header = Cursor(data, 0, len(data))
    magic = header.take(len(MAGIC))
    if magic != MAGIC:
        raise MagicError(MAGIC.hex(), magic.hex())
    version = int.from_bytes(header.take(4), "little")
    if version != (SUI_FLAVOUR << 24 | VERSION):
        raise VersionError(f"{VERSION} of flavour {SUI_FLAVOUR}", f"{version & 0xFFFFFF} of flavour {version >> 24}", 4)
    tables, end = _table_headers(header, len(data))
    module = Module(
        version=VERSION,
        module_handles=_read(data, tables.get(0x1), _module_handle),
        datatype_handles=_read(data, tables.get(0x2), _datatype_handle),
        function_handles=_read(data, tables.get(0x3), _function_handle),
        function_instances=_read(data, tables.get(0x4), _instance),
        signatures=_read(data, tables.get(0x5), _signature),
        constants=_read(data, tables.get(0x6), _constant),
        identifiers=_read(data, tables.get(0x7), _identifier),
        addresses=_read(data, tables.get(0x8), _address),
        structs=_read(data, tables.get(0xA), _struct),
        struct_instances=_read(data, tables.get(0xB), _instance),
        functions=_read(data, tables.get(0xC), _function),
        field_handles=_read(data, tables.get(0xD), _member),
        field_instances=_read(data, tables.get(0xE), _instance),
        friends=_read(data, tables.get(0xF), _module_handle),
        metadata=_read(data, tables.get(0x10), _metadata),
        enums=_read(data, tables.get(0x11), _enum),
        enum_instances=_read(data, tables.get(0x12), _instance),
        variant_handles=_read(data, tables.get(0x13), _member),
        variant_instances=_read(data, tables.get(0x14), _member),
        self_handle=_self_handle(data, end),
    )
    bytecode_check.check(module)
    return module


@dataclass(frozen=True, slots=True)
class _Table:
    start: int
    end: int


_KINDS = frozenset((*range(0x1, 0x9), *range(0xA, 0x15)))


def _table_headers(header: Cursor, total: int) -> tuple[dict[int, _Table], int]:
    """Where each table is, and where the last one ends. There is no gap between them, as a writer puts them."""
    count = header.uleb(TABLES_MAX)
    announced = [(header.position, header.byte(), header.uleb(total), header.uleb(total)) for _ in range(count)]
    first = header.position
    tables: dict[int, _Table] = {}
    expected = 0
    for at, kind, offset, size in sorted(announced, key=lambda table: (table[2], table[3])):
        if kind not in _KINDS:
            raise TableError("a table of version 7", f"0x{kind:02x}", at)
        if kind in tables:
            raise TableError(f"table 0x{kind:02x} once", "twice", at)
        if size == 0 or offset != expected:
            raise TableError(f"some bytes at offset {expected}", f"{size} at {offset}", at)
        expected += size
        if first + expected > total:
            raise TableError(f"an end before byte {total}", str(first + expected), at)
        tables[kind] = _Table(first + offset, first + expected)
    return tables, first + expected


def _self_handle(data: bytes, start: int) -> int:
    cursor = Cursor(data, start, len(data))
    index = cursor.uleb()
    if not cursor.done:
        raise TrailingBytesError("the end of the module", f"{len(data) - cursor.position} bytes more", cursor.position)
    return index


def _read(data: bytes, table: _Table | None, read: Callable[[Cursor], T]) -> tuple[T, ...]:
    if table is None:
        return ()
    cursor = Cursor(data, table.start, table.end)
    items = []
    while not cursor.done:
        items.append(read(cursor))
    if len(items) > INDEX_MAX + 1:
        raise TableError(f"at most {INDEX_MAX + 1} entries", str(len(items)), table.start)
    return tuple(items)


def _module_handle(cursor: Cursor) -> ModuleHandle:
    return ModuleHandle(cursor.uleb(), cursor.uleb())


def _abilities(cursor: Cursor) -> Ability:
    at = cursor.position
    value = cursor.byte()
    if value > 0xF:
        raise FlagError("a set of four abilities", f"0x{value:02x}", at)
    return Ability(value)


def _flag(cursor: Cursor, allowed: tuple[int, ...]) -> int:
    at = cursor.position
    value = cursor.byte()
    if value not in allowed:
        raise FlagError(f"one of {', '.join(map(str, allowed))}", str(value), at)
    return value


def _datatype_parameter(cursor: Cursor) -> DatatypeParameter:
    return DatatypeParameter(_abilities(cursor), _flag(cursor, (0, 1)) == 1)


def _datatype_handle(cursor: Cursor) -> DatatypeHandle:
    module, name, abilities = cursor.uleb(), cursor.uleb(), _abilities(cursor)
    return DatatypeHandle(module, name, abilities, _many(cursor, SMALL_MAX, _datatype_parameter))


def _function_handle(cursor: Cursor) -> FunctionHandle:
    module, name, parameters, returns = (cursor.uleb() for _ in range(4))
    return FunctionHandle(module, name, parameters, returns, _many(cursor, SMALL_MAX, _abilities))


def _many(cursor: Cursor, largest: int, read: Callable[[Cursor], T]) -> tuple[T, ...]:
    return tuple(read(cursor) for _ in range(cursor.uleb(largest)))


def _instance(cursor: Cursor) -> Instance:
    return Instance(cursor.uleb(), cursor.uleb())


def _member(cursor: Cursor) -> MemberHandle:
    return MemberHandle(cursor.uleb(), cursor.uleb(SMALL_MAX))


def _signature(cursor: Cursor) -> tuple[Token, ...]:
    return _many(cursor, SMALL_MAX, _token)


def _token(cursor: Cursor, depth: int = 0) -> Token:
    at = cursor.position
    if depth >= TYPE_DEPTH_MAX:
        raise TypeTokenError(f"a nesting of at most {TYPE_DEPTH_MAX}", "more", at)
    byte = cursor.byte()
    if byte in _LEAVES:
        return _LEAVES[byte]
    if byte in _WRAPPERS:
        return Token(_WRAPPERS[byte], arguments=(_token(cursor, depth + 1),))
    if byte == Kind.DATATYPE.value:
        return Token(Kind.DATATYPE, cursor.uleb())
    if byte == Kind.TYPE_PARAMETER.value:
        return Token(Kind.TYPE_PARAMETER, cursor.uleb())
    if byte != Kind.DATATYPE_INSTANCE.value:
        raise TypeTokenError("a type", f"0x{byte:02x}", at)
    index = cursor.uleb()
    arguments = _many(cursor, SMALL_MAX, lambda inner: _token(inner, depth + 1))
    return Token(Kind.DATATYPE_INSTANCE, index, arguments)


def _constant(cursor: Cursor) -> Constant:
    return Constant(_token(cursor), cursor.blob(CONSTANT_MAX))


def _identifier(cursor: Cursor) -> str:
    at = cursor.position
    raw = cursor.blob(IDENTIFIER_MAX)
    text = raw.decode("ascii", errors="replace")
    if not _NAME.match(text):
        raise IdentifierError("a Move name", ascii(text), at)
    return text


def _address(cursor: Cursor) -> bytes:
    return cursor.take(ADDRESS_BYTES)


def _field(cursor: Cursor) -> Field:
    return Field(cursor.uleb(), _token(cursor))


def _struct(cursor: Cursor) -> StructDefinition:
    handle = cursor.uleb()
    if _flag(cursor, (_NATIVE_STRUCT, _DECLARED_STRUCT)) == _NATIVE_STRUCT:
        return StructDefinition(handle, None)
    return StructDefinition(handle, _many(cursor, SMALL_MAX, _field))


def _enum(cursor: Cursor) -> EnumDefinition:
    handle = cursor.uleb()
    _flag(cursor, (_DECLARED_ENUM,))
    return EnumDefinition(handle, _many(cursor, VARIANTS_MAX, _variant))


def _variant(cursor: Cursor) -> VariantDefinition:
    return VariantDefinition(cursor.uleb(), _many(cursor, SMALL_MAX, _field))


def _function(cursor: Cursor) -> FunctionDefinition:
    handle = cursor.uleb()
    visibility = Visibility(_flag(cursor, tuple(Visibility)))
    flags = _flag(cursor, (0, _NATIVE_FUNCTION, _ENTRY_FUNCTION, _NATIVE_FUNCTION | _ENTRY_FUNCTION))
    at = cursor.position
    acquired = cursor.uleb(SMALL_MAX)
    if acquired:
        raise FlagError("a function that acquires nothing: Sui has no global storage", str(acquired), at)
    code = None if flags & _NATIVE_FUNCTION else _code(cursor)
    return FunctionDefinition(handle, visibility, bool(flags & _ENTRY_FUNCTION), code)


def _code(cursor: Cursor) -> Code:
    local_types = cursor.uleb()
    count = cursor.uleb(INSTRUCTIONS_MAX)
    start = cursor.position
    for _ in decode(cursor, count):
        pass
    instructions = cursor.since(start)
    return Code(local_types, count, instructions, _many(cursor, VARIANTS_MAX, _jump_table))


def _jump_table(cursor: Cursor) -> JumpTable:
    enum = cursor.uleb()
    branches = cursor.uleb(VARIANTS_MAX)
    _flag(cursor, (_FULL_JUMP_TABLE,))
    return JumpTable(enum, tuple(cursor.uleb() for _ in range(branches)))


def _metadata(cursor: Cursor) -> Metadata:
    return Metadata(cursor.blob(METADATA_KEY_MAX), cursor.blob(CONSTANT_MAX))
