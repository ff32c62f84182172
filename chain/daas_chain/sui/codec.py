"""One definition that both reads and writes a BCS structure.

Invariant: a codec accepts exactly the bytes that it writes, because both directions come from the same description.
An enum variant that this version does not know is refused by name: a guess at its length would shift every field
behind it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any, Generic, TypeVar

from daas_protocol.bcs import BcsError, Reader, Writer

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
E = TypeVar("E", bound=IntEnum)


class UnknownVariantError(BcsError):
    """A variant that is newer than this version, or never existed."""

    def __init__(self, name: str, tag: int, known: int) -> None:
        self.name, self.actual, self.expected = name, tag, f"0..{known - 1}"
        super().__init__(f"{name} has no variant {tag} that this version knows (it knows {self.expected})")


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """Reads and writes a `T` within a larger structure; `decode` and `encode` are for a whole one."""

    read: Callable[[Reader], T]
    write: Callable[[Writer, T], None]

    def decode(self, data: bytes) -> T:
        """The value in `data`, all of it. Raises `BcsError`."""
        reader = Reader(data)
        value = self.read(reader)
        reader.end()
        return value

    def encode(self, value: T) -> bytes:
        writer = Writer()
        self.write(writer, value)
        return writer.finish()


U8: Codec[int] = Codec(Reader.u8, Writer.u8)
U16: Codec[int] = Codec(Reader.u16, Writer.u16)
U32: Codec[int] = Codec(Reader.u32, Writer.u32)
U64: Codec[int] = Codec(Reader.u64, Writer.u64)
BOOL: Codec[bool] = Codec(Reader.bool, Writer.bool)


def fixed(length: int) -> Codec[bytes]:
    """Exactly `length` bytes without a length in front."""

    def write(writer: Writer, value: bytes) -> None:
        if len(value) != length:
            raise BcsError(f"{length} bytes expected, not {len(value)}")
        writer.fixed(value)

    return Codec(lambda reader: reader.fixed(length), write)


def sized(length: int) -> Codec[bytes]:
    """A byte string that always has `length` bytes, with that length in front."""

    def write(writer: Writer, value: bytes) -> None:
        if len(value) != length:
            raise BcsError(f"byte string must have {length} bytes, not {len(value)}")
        writer.bytes(value)

    return Codec(lambda reader: reader.bytes(exact=length), write)


def octets(maximum: int) -> Codec[bytes]:
    """A byte string of at most `maximum` bytes."""

    def write(writer: Writer, value: bytes) -> None:
        if len(value) > maximum:
            raise BcsError(f"byte string has at most {maximum} bytes, not {len(value)}")
        writer.bytes(value)

    return Codec(lambda reader: reader.bytes(maximum), write)


def text(maximum: int) -> Codec[str]:
    """UTF-8 of at most `maximum` bytes."""

    def write(writer: Writer, value: str) -> None:
        if len(value.encode(errors="replace")) > maximum:
            raise BcsError(f"string has at most {maximum} bytes")
        writer.string(value)

    return Codec(lambda reader: reader.string(maximum), write)


def option(inner: Codec[T]) -> Codec[T | None]:
    """Absent or one `inner`."""

    def read(reader: Reader) -> T | None:
        return reader.option(lambda: inner.read(reader))

    def write(writer: Writer, value: T | None) -> None:
        writer.option(value, lambda present: inner.write(writer, present))

    return Codec(read, write)


def vector(inner: Codec[T], maximum: int) -> Codec[tuple[T, ...]]:
    """At most `maximum` times `inner`."""

    def read(reader: Reader) -> tuple[T, ...]:
        return tuple(reader.vector(lambda: inner.read(reader), maximum))

    def write(writer: Writer, value: tuple[T, ...]) -> None:
        if len(value) > maximum:
            raise BcsError(f"vector has at most {maximum} items, not {len(value)}")
        writer.vector(value, lambda item: inner.write(writer, item))

    return Codec(read, write)


def pair(first: Codec[K], second: Codec[V]) -> Codec[tuple[K, V]]:
    """Two values without a name."""

    def read(reader: Reader) -> tuple[K, V]:
        return first.read(reader), second.read(reader)

    def write(writer: Writer, value: tuple[K, V]) -> None:
        first.write(writer, value[0])
        second.write(writer, value[1])

    return Codec(read, write)


def mapping(key: Codec[K], value: Codec[V], maximum: int) -> Codec[tuple[tuple[K, V], ...]]:
    """A BCS map: entries in strictly ascending order of their keys' bytes, so that every map has one form."""
    entries = vector(pair(key, value), maximum)

    def check(found: tuple[tuple[K, V], ...]) -> None:
        keys = [key.encode(name) for name, _ in found]
        if any(later <= earlier for earlier, later in pairwise(keys)):
            raise BcsError("the keys of a map are not in strictly ascending order")

    def read(reader: Reader) -> tuple[tuple[K, V], ...]:
        found = entries.read(reader)
        check(found)
        return found

    def write(writer: Writer, found: tuple[tuple[K, V], ...]) -> None:
        check(found)
        entries.write(writer, found)

    return Codec(read, write)


def struct(cls: type[T], **fields: Codec[Any]) -> Codec[T]:
    """The fields of dataclass `cls`, in its order. Raises `TypeError` when the names are not exactly those."""
    declared = tuple(field.name for field in dataclasses.fields(cls))  # type: ignore[arg-type]
    if declared != tuple(fields):
        raise TypeError(f"{cls.__name__} has the fields {declared}, described are {tuple(fields)}")
    readers = tuple(codec.read for codec in fields.values())
    writers = tuple((name, codec.write) for name, codec in fields.items())

    def read(reader: Reader) -> T:
        return cls(*[read_field(reader) for read_field in readers])

    def write(writer: Writer, value: T) -> None:
        for name, write_field in writers:
            write_field(writer, getattr(value, name))

    return Codec(read, write)


def union(name: str, variants: Mapping[type, Codec[Any]]) -> Codec[Any]:
    """An enum whose variants are classes; the order of `variants` gives their numbers."""
    codecs = tuple(variants.values())
    numbers = {cls: number for number, cls in enumerate(variants)}

    def read(reader: Reader) -> Any:
        tag = reader.uleb()
        if tag >= len(codecs):
            raise UnknownVariantError(name, tag, len(codecs))
        return codecs[tag].read(reader)

    def write(writer: Writer, value: Any) -> None:
        number = numbers.get(type(value))
        if number is None:
            raise BcsError(f"{type(value).__name__} is no variant of {name}")
        writer.uleb(number)
        codecs[number].write(writer, value)

    return Codec(read, write)


def wrapped(cls: Callable[[T], V], unwrap: Callable[[V], T], inner: Codec[T]) -> Codec[V]:
    """A value of another Python type that has the bytes of `inner`."""
    return Codec(lambda reader: cls(inner.read(reader)), lambda writer, value: inner.write(writer, unwrap(value)))


def enumeration(cls: type[E]) -> Codec[E]:
    """An enum without payloads; its members must be 0, 1, 2 ..."""
    known = len(cls)

    def read(reader: Reader) -> E:
        tag = reader.uleb()
        if tag >= known:
            raise UnknownVariantError(cls.__name__, tag, known)
        return cls(tag)

    return Codec(read, lambda writer, value: writer.uleb(int(value)))


def tagged(cls: type[E], payloads: Mapping[E, Codec[Any]]) -> Codec[tuple[E, Any]]:
    """An enum of many variants, few of which carry something: (kind, payload or None)."""
    kind = enumeration(cls)

    def read(reader: Reader) -> tuple[E, Any]:
        found = kind.read(reader)
        payload = payloads.get(found)
        return found, None if payload is None else payload.read(reader)

    def write(writer: Writer, value: tuple[E, Any]) -> None:
        found, detail = value
        kind.write(writer, found)
        payload = payloads.get(found)
        if payload is not None:
            payload.write(writer, detail)
        elif detail is not None:
            raise BcsError(f"{found.name} carries nothing")

    return Codec(read, write)
