"""Move structs as frozen dataclasses whose fields say how they stand in BCS.

Invariant: one declaration gives the Python type, the codec and the layout that tests compare with the compiled package,
so the three cannot differ. Decoding accepts exactly what encoding produces: a value has one byte string.
Source: BCS specification (github.com/diem/bcs, README); object contents and events of Sui are the BCS of their struct.
"""

import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from daas_protocol.bcs import BcsError, Reader, Writer, require_length

MAX_STRUCT_BYTES = 256_000
"""Sui's own bound on the size of an object (`max_move_object_size`), and about that of an event."""
MAX_ITEMS = 8_192
"""Addresses that fit into an object."""
ID_BYTES = 32
HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Codec:
    """`move` is the type as in the compiled interface: own modules `daas::`, the framework `0x1::` and `0x2::`."""

    move: str
    write: Callable[[Writer, Any], None]
    read: Callable[[Reader], Any]


def _fixed(move: str, length: int) -> Codec:
    def write(writer: Writer, value: bytes) -> None:
        require_length(move, value, length)
        writer.fixed(value)

    return Codec(move, write, lambda reader: reader.fixed(length))


def _exact(length: int) -> Codec:
    def write(writer: Writer, value: bytes) -> None:
        require_length("byte string", value, length)
        writer.bytes(value)

    return Codec("vector<u8>", write, lambda reader: reader.bytes(exact=length))


def _of_kind(kind: int) -> Codec:
    def read(reader: Reader) -> int:
        actual = reader.u8()
        if actual != kind:
            raise KindError(kind, actual)
        return actual

    return Codec("u8", lambda writer, _: writer.u8(kind), read)


class KindError(BcsError):
    """The body is that of another event."""

    def __init__(self, expected: int, actual: int) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"the body of an event of kind {expected} is expected, not of kind {actual}")


U8 = Annotated[int, Codec("u8", Writer.u8, Reader.u8)]
U16 = Annotated[int, Codec("u16", Writer.u16, Reader.u16)]
U64 = Annotated[int, Codec("u64", Writer.u64, Reader.u64)]
Bool = Annotated[bool, Codec("bool", Writer.bool, Reader.bool)]
String = Annotated[str, Codec("0x1::string::String", Writer.string, lambda reader: reader.string(MAX_STRUCT_BYTES))]
Bytes = Annotated[bytes, Codec("vector<u8>", Writer.bytes, lambda reader: reader.bytes(MAX_STRUCT_BYTES))]
Hash = Annotated[bytes, _exact(HASH_BYTES)]
"""`vector<u8>` of 32 bytes: Move checks the length or makes the value."""
BootId = Annotated[bytes, _exact(16)]
RequestId = Annotated[bytes, _exact(16)]
PcrBytes = Annotated[bytes, _exact(48)]
RequestKeyBytes = Annotated[bytes, _exact(1_216)]
Address = Annotated[bytes, _fixed("address", ID_BYTES)]
Id = Annotated[bytes, _fixed("0x2::object::ID", ID_BYTES)]
Uid = Annotated[bytes, _fixed("0x2::object::UID", ID_BYTES)]
Sui = Annotated[int, Codec("0x2::balance::Balance<0x2::sui::SUI>", Writer.u64, Reader.u64)]
"""In MIST."""


@dataclass(frozen=True, slots=True)
class Table:
    """Its entries are dynamic fields of `id` (32 bytes)."""

    id: bytes
    size: int


def table(key: str, value: str) -> Codec:
    """`0x2::table::Table<key, value>`."""

    def write(writer: Writer, value: Table) -> None:
        require_length("id of a table", value.id, ID_BYTES)
        writer.fixed(value.id)
        writer.u64(value.size)

    return Codec(f"0x2::table::Table<{key}, {value}>", write, lambda r: Table(r.fixed(ID_BYTES), r.u64()))


class MoveStruct:
    """Base of every struct. A subclass is a frozen dataclass with fields in Move's order; with `KIND`, Move's first
    field is `kind: u8` and has that value."""

    __slots__ = ()
    MOVE: ClassVar[str]
    KIND: ClassVar[int | None] = None

    def encode(self) -> bytes:
        """The BCS bytes. Raises `BcsError` when a value does not fit its field."""
        writer = Writer()
        write_struct(writer, self)
        return writer.finish()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The struct whose BCS is all of `data`, at most 256,000 bytes. Raises `BcsError`."""
        if len(data) > MAX_STRUCT_BYTES:
            raise BcsError(f"a struct has at most {MAX_STRUCT_BYTES} bytes, not {len(data)}")
        reader = Reader(data)
        value = read_struct(reader, cls)
        reader.end()
        return value

    @classmethod
    def layout(cls) -> tuple[tuple[str, str], ...]:
        """Names and Move types of the fields, in order."""
        own = tuple((name, codec.move) for name, codec in fields_of(cls))
        return own if cls.KIND is None else (("kind", "u8"), *own)


S = TypeVar("S", bound=MoveStruct)
_FIELDS: dict[type[MoveStruct], tuple[tuple[str, Codec], ...]] = {}


def fields_of(cls: type[MoveStruct]) -> tuple[tuple[str, Codec], ...]:
    """Names and codecs of the fields that Python holds: without `kind`."""
    known = _FIELDS.get(cls)
    if known is None:
        hints = get_type_hints(cls, include_extras=True)
        known = tuple((name, codec_of(hint)) for name, hint in hints.items() if get_origin(hint) is not ClassVar)
        _FIELDS[cls] = known
    return known


def write_struct(writer: Writer, value: MoveStruct) -> None:
    if value.KIND is not None:
        writer.u8(value.KIND)
    for name, codec in fields_of(type(value)):
        codec.write(writer, getattr(value, name))


def read_struct(reader: Reader, cls: type[S]) -> S:
    if cls.KIND is not None:
        _of_kind(cls.KIND).read(reader)
    return cls(**{name: codec.read(reader) for name, codec in fields_of(cls)})


def codec_of(hint: Any) -> Codec:
    """Of an annotation: a struct, `tuple[X, ...]` (vector), `tuple[tuple[K, V], ...]` (VecMap), `X | None` (Option)."""
    origin = get_origin(hint)
    if origin is Annotated:
        found = [extra for extra in get_args(hint)[1:] if isinstance(extra, Codec)]
        return found[0]
    if origin is tuple:
        item, ellipsis = get_args(hint)
        if ellipsis is not ...:
            raise TypeError(f"{hint} is no field of a Move struct")
        return _vec_map(*get_args(item)) if get_origin(item) is tuple else _vector(codec_of(item))
    if origin in (types.UnionType, Union):
        (item,) = (arg for arg in get_args(hint) if arg is not type(None))
        return _option(codec_of(item))
    if isinstance(hint, type) and issubclass(hint, MoveStruct):
        struct: type[MoveStruct] = hint
        return Codec(full_name(struct.MOVE), write_struct, lambda reader: read_struct(reader, struct))
    raise TypeError(f"{hint} is no field of a Move struct")


def full_name(name: str) -> str:
    """`module::Struct` of the package as the interface writes it."""
    return name if name.startswith("0x") else f"daas::{name}"


def enum(name: str, **variants: type[MoveStruct]) -> Codec:
    """A Move enum; each variant has the fields of its class."""
    classes = tuple(variants.values())

    def write(writer: Writer, value: MoveStruct) -> None:
        writer.uleb(classes.index(type(value)))
        write_struct(writer, value)

    def read(reader: Reader) -> MoveStruct:
        index = reader.uleb()
        if index >= len(classes):
            raise BcsError(f"{name} has {len(classes)} variants, not number {index}")
        return read_struct(reader, classes[index])

    ENUMS[name] = variants
    return Codec(full_name(name), write, read)


ENUMS: dict[str, dict[str, type[MoveStruct]]] = {}
"""Every declared enum with its variants, in order."""


def _vector(item: Codec) -> Codec:
    def write(writer: Writer, values: tuple[Any, ...]) -> None:
        writer.vector(values, lambda value: item.write(writer, value))

    def read(reader: Reader) -> tuple[Any, ...]:
        return tuple(reader.vector(lambda: item.read(reader), MAX_ITEMS))

    return Codec(f"vector<{item.move}>", write, read)


def _vec_map(key_hint: Any, value_hint: Any) -> Codec:
    key, value = codec_of(key_hint), codec_of(value_hint)

    def write(writer: Writer, pair: tuple[Any, Any]) -> None:
        key.write(writer, pair[0])
        value.write(writer, pair[1])

    pairs = _vector(Codec("", write, lambda reader: (key.read(reader), value.read(reader))))
    return Codec(f"0x2::vec_map::VecMap<{key.move}, {value.move}>", pairs.write, pairs.read)


def _option(item: Codec) -> Codec:
    def write(writer: Writer, value: Any) -> None:
        writer.option(value, lambda present: item.write(writer, present))

    def read(reader: Reader) -> Any:
        return reader.option(lambda: item.read(reader))

    return Codec(f"0x1::option::Option<{item.move}>", write, read)
