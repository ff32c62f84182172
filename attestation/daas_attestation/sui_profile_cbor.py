"""CBOR as Sui's native reads it (`ciborium` 0.2.2), lenient on purpose: only the profile `sui` decodes with this.

Invariant: `decode` accepts what ciborium's `from_reader::<Value>` accepts, and gives an equal value. Unlike the strict
decoder in `cbor`: trailing bytes are ignored, lengths and integers may be longer than they need be, maps keep all pairs
and any kind of key, strings of indefinite length may nest, tags 2 and 3 are integers where they fit into 64 bits.
"""

import struct
from dataclasses import dataclass
from typing import TypeAlias

MAX_DEPTH = 256  # ciborium's default: this many arrays, maps and tags inside one another
_BIG_POSITIVE, _BIG_NEGATIVE = 2, 3
_BIG_BYTES = 16
_MAX_U64 = (1 << 64) - 1


class LenientCborError(ValueError):
    """Bytes that ciborium refuses as well; the text says why and where."""


@dataclass(frozen=True, slots=True)
class CborMap:
    """A map as it stood: pairs in order, nothing merged."""

    pairs: tuple[tuple["LenientValue", "LenientValue"], ...]


@dataclass(frozen=True, slots=True)
class CborTag:
    """A tag that is not an integer in disguise."""

    tag: int
    value: "LenientValue"


LenientValue: TypeAlias = "None | bool | int | float | bytes | str | list[LenientValue] | CborMap | CborTag"

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _OTHER = range(8)
_FALSE, _TRUE, _NULL, _UNDEFINED = 20, 21, 22, 23
_MORE = 31
_WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}
_FLOATS = {2: ">e", 4: ">f", 8: ">d"}


def decode(data: bytes) -> LenientValue:
    """The first item of `data`; what follows it is not looked at. Raises `LenientCborError`."""
    return _Reader(data).value(MAX_DEPTH)


class _Reader:
    __slots__ = ("data", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise LenientCborError(f"cut off at byte {self.position}: {count} bytes announced")
        piece = self.data[self.position : end]
        self.position = end
        return piece

    def head(self) -> tuple[int, int, bytes]:
        """Major type, additional information, argument bytes."""
        first = self.take(1)[0]
        major, info = first >> 5, first & 31
        if info < 24:
            return major, info, bytes((info,))
        if info == _MORE:
            if major in (_UNSIGNED, _NEGATIVE, _TAG):
                raise LenientCborError(f"reserved length at byte {self.position - 1}")
            return major, info, b""
        if info not in _WIDTHS:
            raise LenientCborError(f"reserved length at byte {self.position - 1}")
        return major, info, self.take(_WIDTHS[info])

    def at_break(self) -> bool:
        if self.data[self.position : self.position + 1] == b"\xff":
            self.position += 1
            return True
        return False

    def string(self, major: int, length: int | None) -> bytes:
        if length is not None:
            return self.checked(major, self.take(length))
        pieces, nested = [], 1
        while nested:
            if self.at_break():
                nested -= 1
                continue
            inner, info, argument = self.head()
            if inner != major:
                raise LenientCborError(f"chunk of another type before byte {self.position}")
            if info == _MORE:
                nested += 1
            else:
                pieces.append(self.checked(major, self.take(int.from_bytes(argument, "big"))))
        return b"".join(pieces)

    def checked(self, major: int, piece: bytes) -> bytes:
        # Each chunk of a text must be UTF-8 by itself.
        if major == _TEXT:
            try:
                piece.decode()
            except UnicodeDecodeError:
                raise LenientCborError(f"text is not UTF-8 before byte {self.position}") from None
        return piece

    def value(self, depth: int) -> LenientValue:
        major, info, argument = self.head()
        length = None if info == _MORE else int.from_bytes(argument, "big")
        if major in (_ARRAY, _MAP, _TAG):
            return self.nested(major, length, depth)
        match major:
            case 2:
                return self.string(_BYTES, length)
            case 3:
                return self.string(_TEXT, length).decode()
            case 0 if length is not None:
                return length
            case 1 if length is not None:
                return -1 - length
        return self.other(info, argument, length)

    def other(self, info: int, argument: bytes, length: int | None) -> LenientValue:
        if info in (25, 26, 27):
            number: float = struct.unpack(_FLOATS[len(argument)], argument)[0]
            return number
        match length:
            case 20:
                return False
            case 21:
                return True
            case 22 | 23:
                return None
        raise LenientCborError(f"break or unknown simple value before byte {self.position}")

    def nested(self, major: int, length: int | None, depth: int) -> LenientValue:
        if major == _TAG and length in (_BIG_POSITIVE, _BIG_NEGATIVE):
            number = self.big_integer(length)
            if number is not None:
                return number
        if depth <= 0:
            raise LenientCborError(f"nested deeper than {MAX_DEPTH} before byte {self.position}")
        if major == _TAG and length is not None:
            return CborTag(length, self.value(depth - 1))
        values: list[LenientValue] = []
        pairs: list[tuple[LenientValue, LenientValue]] = []
        count = 0
        while not (self.at_break() if length is None else count == length):
            if major == _ARRAY:
                values.append(self.value(depth - 1))
            else:
                pairs.append((self.value(depth - 1), self.value(depth - 1)))
            count += 1
        return values if major == _ARRAY else CborMap(tuple(pairs))

    def big_integer(self, tag: int) -> LenientValue:
        """The integer in the string of definite length that follows a tag 2 or 3; None if something else follows."""
        start = self.position
        major, info, argument = self.head()
        length = int.from_bytes(argument, "big")
        if major != _BYTES or info == _MORE or length > _BIG_BYTES:
            self.position = start
            return None
        return _big_integer(tag, self.take(length))


def _big_integer(tag: int, magnitude: bytes) -> LenientValue:
    number = int.from_bytes(magnitude, "big")
    if tag == _BIG_NEGATIVE and number >= 1 << 127:
        raise LenientCborError("negative integer beyond 128 bits")
    if number > _MAX_U64:
        return CborTag(tag, magnitude.lstrip(b"\0"))
    return -1 - number if tag == _BIG_NEGATIVE else number


def reread(value: LenientValue) -> LenientValue:
    """`value` as it is after ciborium has written it and read it again. Raises `LenientCborError`.

    The one thing that changes: an integer in a string of indefinite length is one in a string of definite length now.
    """
    match value:
        case CborTag(tag=2 | 3 as tag, value=bytes() as magnitude) if len(magnitude) <= _BIG_BYTES:
            return _big_integer(tag, magnitude)
        case CborTag():
            return CborTag(value.tag, reread(value.value))
        case CborMap():
            return CborMap(tuple((reread(key), reread(inner)) for key, inner in value.pairs))
        case list():
            return [reread(inner) for inner in value]
    return value


def identity(value: LenientValue) -> object:
    """Something hashable that is equal for two values exactly when ciborium's `Value` is: NaN equals nothing."""
    match value:
        case float():
            return (_OTHER, value) if value == value else object()
        case list():
            return (_ARRAY, tuple(map(identity, value)))
        case CborMap():
            return (_MAP, tuple((identity(key), identity(inner)) for key, inner in value.pairs))
        case CborTag():
            return (_TAG, value.tag, identity(value.value))
    return (type(value), value)
