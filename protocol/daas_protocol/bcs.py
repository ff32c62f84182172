"""Binary Canonical Serialization: one byte string for one value.

Invariant: `Reader` accepts exactly what `Writer` can produce, so decoding and encoding again gives the same bytes.
Whatever else the BCS specification forbids (long ULEB128 forms, booleans other than 0 and 1, invalid UTF-8, bytes
left over) raises `BcsError`, and no length is believed before it was compared with the caller's cap.
Source: BCS specification (github.com/diem/bcs, README), which Move follows.
"""

import struct
from collections.abc import Callable, Sequence
from typing import TypeVar

U32_MAX = 2**32 - 1
U64_MAX = 2**64 - 1
MAX_SEQUENCE_LENGTH = 2**31 - 1
"""The specification's own bound on every length."""
MAX_ULEB_BYTES = 5
"""ULEB128 in BCS carries lengths and variant indices, both u32."""

T = TypeVar("T")
_Bytes = bytes  # inside the classes `bytes` and `bool` name methods
_Bool = bool
_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_ONE_BYTE = tuple(bytes((value,)) for value in range(256))


class BcsError(ValueError):
    """Bytes that are not the canonical BCS form of the expected structure, or a value that has no such form."""


def encode_uleb(value: int) -> bytes:
    """The shortest ULEB128 form of 0..2**32-1 (1 to 5 bytes)."""
    if 0 <= value < 0x80:
        return _ONE_BYTE[value]
    if not 0 <= value <= U32_MAX:
        raise BcsError(f"ULEB128 value must be 0..{U32_MAX}, not {value}")
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_bytes(value: bytes) -> bytes:
    """`vector<u8>`: ULEB128 length, then the bytes."""
    if len(value) > MAX_SEQUENCE_LENGTH:
        raise BcsError(f"a sequence has at most {MAX_SEQUENCE_LENGTH} items, not {len(value)}")
    return encode_uleb(len(value)) + value


def require_length(name: str, value: bytes, length: int) -> None:
    """Raise `BcsError` unless `value` has exactly `length` bytes; the content is never shown."""
    if len(value) != length:
        raise BcsError(f"{name} must have {length} bytes, not {len(value)}")


def require_uint(name: str, value: int, bits: int) -> None:
    """Raise `BcsError` unless 0 <= value < 2**bits."""
    if not 0 <= value < 1 << bits:
        raise BcsError(f"{name} must be an unsigned {bits}-bit integer, not {value}")


class Writer:
    """Appends values in order; `finish()` gives the bytes."""

    __slots__ = ("_out",)

    def __init__(self) -> None:
        self._out = bytearray()

    def u8(self, value: int) -> None:
        require_uint("u8", value, 8)
        self._out.append(value)

    def u16(self, value: int) -> None:
        require_uint("u16", value, 16)
        self._out += _U16.pack(value)

    def u32(self, value: int) -> None:
        require_uint("u32", value, 32)
        self._out += _U32.pack(value)

    def u64(self, value: int) -> None:
        require_uint("u64", value, 64)
        self._out += _U64.pack(value)

    def bool(self, value: _Bool) -> None:
        self._out.append(1 if value else 0)

    def uleb(self, value: int) -> None:
        self._out += encode_uleb(value)

    def bytes(self, value: _Bytes) -> None:
        """`vector<u8>`: length, then the bytes."""
        self._out += encode_bytes(value)

    def fixed(self, value: _Bytes) -> None:
        """The bytes alone: an address, an id, or a structure that is encoded already."""
        self._out += value

    def string(self, value: str) -> None:
        """UTF-8 with its length in bytes. A lone surrogate raises `BcsError`."""
        try:
            encoded = value.encode()
        except UnicodeEncodeError as error:
            raise BcsError("string has no UTF-8 form") from error
        self._out += encode_bytes(encoded)

    def option(self, value: T | None, write: Callable[[T], None]) -> None:
        if value is None:
            self._out.append(0)
        else:
            self._out.append(1)
            write(value)

    def vector(self, items: Sequence[T], write: Callable[[T], None]) -> None:
        self.uleb(len(items))
        for item in items:
            write(item)

    def finish(self) -> _Bytes:
        return bytes(self._out)


class Reader:
    """Takes values in order from `data`; `end()` refuses whatever is left.

    Every method raises `BcsError` when the bytes are short, not canonical or above the caller's cap. Nothing is
    copied before its length was checked.
    """

    __slots__ = ("_data", "_position")

    def __init__(self, data: _Bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def remaining(self) -> int:
        return len(self._data) - self._position

    def u8(self) -> int:
        position = self._position
        if position >= len(self._data):
            raise self._short(1)
        self._position = position + 1
        return self._data[position]

    def u16(self) -> int:
        return int.from_bytes(self.fixed(2), "little")

    def u32(self) -> int:
        return int.from_bytes(self.fixed(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self.fixed(8), "little")

    def bool(self) -> _Bool:
        value = self.u8()
        if value > 1:
            raise BcsError(f"a bool is 0 or 1, not {value}")
        return value == 1

    def uleb(self) -> int:
        byte = self.u8()
        if byte < 0x80:
            return byte
        value = byte & 0x7F
        for shift in range(7, 7 * MAX_ULEB_BYTES, 7):
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0:
                    raise BcsError("ULEB128 value is not in its shortest form")
                if value > U32_MAX:
                    raise BcsError(f"ULEB128 value must be at most {U32_MAX}, not {value}")
                return value
        raise BcsError(f"ULEB128 value has more than {MAX_ULEB_BYTES} bytes")

    def bytes(self, max_length: int = MAX_SEQUENCE_LENGTH, exact: int | None = None) -> _Bytes:
        """`vector<u8>` of at most `max_length` bytes, or of exactly `exact` bytes."""
        length = self.uleb()
        if exact is not None:
            if length != exact:
                raise BcsError(f"byte string must have {exact} bytes, not {length}")
        elif length > max_length:
            raise BcsError(f"byte string has at most {max_length} bytes, not {length}")
        return self.fixed(length)

    def fixed(self, length: int) -> _Bytes:
        start = self._position
        end = start + length
        if end > len(self._data):
            raise self._short(length)
        self._position = end
        return self._data[start:end]

    def string(self, max_length: int) -> str:
        """UTF-8 of at most `max_length` bytes."""
        encoded = self.bytes(max_length)
        try:
            return encoded.decode()
        except UnicodeDecodeError as error:
            raise BcsError("string is not valid UTF-8") from error

    def option(self, read: Callable[[], T]) -> T | None:
        present = self.u8()
        if present > 1:
            raise BcsError(f"an option starts with 0 or 1, not {present}")
        return read() if present else None

    def vector(self, read: Callable[[], T], max_items: int) -> list[T]:
        count = self.uleb()
        if count > max_items:
            raise BcsError(f"vector has at most {max_items} items, not {count}")
        return [read() for _ in range(count)]

    def end(self) -> None:
        """Refuse bytes behind the structure."""
        if self._position != len(self._data):
            raise BcsError(f"{self.remaining} bytes after the end of the structure")

    def _short(self, wanted: int) -> BcsError:
        return BcsError(f"{wanted} bytes expected, {self.remaining} left")


def write_text(writer: Writer, name: str, value: str, most: int) -> None:
    """Raises `BcsError` above `most` bytes of UTF-8."""
    length = len(value.encode("utf-8", "surrogatepass"))
    if length > most:
        raise BcsError(f"{name} has at most {most} bytes, not {length}")
    writer.string(value)


def write_bytes(writer: Writer, name: str, value: bytes, most: int) -> None:
    """Raises `BcsError` above `most` bytes."""
    if len(value) > most:
        raise BcsError(f"{name} has at most {most} bytes, not {len(value)}")
    writer.bytes(value)
