"""A strict reader of compiled Move modules (format version 7, Sui's flavour).

Invariant: `read_module` gives a `Module` in which every index points into its table, every definition belongs to the
module itself and every byte was read exactly once; or it raises a `BytecodeError`. Time and memory are proportional to
the length of the bytes, which is capped. Function bodies are walked to find their end and to check their operands,
and kept as bytes: nothing is executed here, and types are not verified (the chain's verifier does that).
Source: move-binary-format/src/deserializer.rs in MystenLabs/sui; where that accepts more than its own serializer
writes, this does not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from . import bytecode_check, bytecode_rows
from .bytecode_cursor import INDEX_MAX, Cursor
from .bytecode_errors import MagicError, ModuleSizeError, TableError, TrailingBytesError, VersionError
from .bytecode_types import Module

MAGIC = bytes.fromhex("a11ceb0b")
VERSION = 7
SUI_FLAVOUR = 0x05
"""The top byte of the version's four."""
MODULE_BYTES_MAX = 102_400
"""No package is longer (protocol limit max_move_package_size), so no module is."""
TABLES_MAX = 20
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
        module_handles=_read(data, tables.get(0x1), bytecode_rows.read_module_handle),
        datatype_handles=_read(data, tables.get(0x2), bytecode_rows.read_datatype_handle),
        function_handles=_read(data, tables.get(0x3), bytecode_rows.read_function_handle),
        function_instances=_read(data, tables.get(0x4), bytecode_rows.read_instance),
        signatures=_read(data, tables.get(0x5), bytecode_rows.read_signature),
        constants=_read(data, tables.get(0x6), bytecode_rows.read_constant),
        identifiers=_read(data, tables.get(0x7), bytecode_rows.read_identifier),
        addresses=_read(data, tables.get(0x8), bytecode_rows.read_address),
        structs=_read(data, tables.get(0xA), bytecode_rows.read_struct),
        struct_instances=_read(data, tables.get(0xB), bytecode_rows.read_instance),
        functions=_read(data, tables.get(0xC), bytecode_rows.read_function),
        field_handles=_read(data, tables.get(0xD), bytecode_rows.read_member),
        field_instances=_read(data, tables.get(0xE), bytecode_rows.read_instance),
        friends=_read(data, tables.get(0xF), bytecode_rows.read_module_handle),
        metadata=_read(data, tables.get(0x10), bytecode_rows.read_metadata),
        enums=_read(data, tables.get(0x11), bytecode_rows.read_enum),
        enum_instances=_read(data, tables.get(0x12), bytecode_rows.read_instance),
        variant_handles=_read(data, tables.get(0x13), bytecode_rows.read_member),
        variant_instances=_read(data, tables.get(0x14), bytecode_rows.read_member),
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
