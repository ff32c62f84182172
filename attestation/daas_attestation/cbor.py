"""Strict CBOR (RFC 8949): the subset that Nitro documents and the NSM speak.

Invariant: `decode` gives one value for exactly one well-formed item and nothing else. Refused by name: trailing bytes,
duplicate keys, keys other than integers and text, floats, `undefined`, other simple values, invalid UTF-8, reserved
lengths, nesting or counts over the limits, and, unless `minimal=False`, integers and lengths not in their shortest
form. Definite and indefinite lengths are both accepted, because Nitro hardware has sent both.
"""

from dataclasses import dataclass
from typing import TypeAlias

MAX_DEPTH = 8  # a document nests 4 deep; the rest is room for the NSM's envelopes
MAX_ITEMS = 512  # a document with 32 PCRs and 10 certificates has about 110


class CborError(ValueError):
    """Bytes that are not the strict CBOR item asked for; the text says what and at which offset."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tagged item (major type 6)."""

    tag: int
    value: "CborValue"


CborValue: TypeAlias = "None | bool | int | bytes | str | list[CborValue] | dict[int | str, CborValue] | Tagged"

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_FALSE, _TRUE, _NULL = 20, 21, 22
_INDEFINITE = 31
_BREAK = 0xFF
# The smallest value that needs 1, 2, 4 or 8 bytes: anything below it was not in its shortest form.
_WIDTHS = {24: (1, 24), 25: (2, 1 << 8), 26: (4, 1 << 16), 27: (8, 1 << 32)}


class _Decoder:
    __slots__ = ("data", "items", "minimal", "position")

    def __init__(self, data: bytes, minimal: bool) -> None:
        self.data = data
        self.position = 0
        self.items = 0
        self.minimal = minimal

    def head(self) -> tuple[int, int | None]:
        """Major type and argument; None for an indefinite length (or a break, as major type 7)."""
        data, position = self.data, self.position
        if position >= len(data):
            raise CborError(f"cut off at byte {position}")
        first = data[position]
        major, info = first >> 5, first & 31
        if info < 24:
            self.position = position + 1
            return major, info
        if info == _INDEFINITE:
            if major in (_UNSIGNED, _NEGATIVE, _TAG):
                raise CborError(f"reserved length at byte {position}")
            self.position = position + 1
            return major, None
        if info not in _WIDTHS:
            raise CborError(f"reserved length at byte {position}")
        width, smallest = _WIDTHS[info]
        end = position + 1 + width
        if end > len(data):
            raise CborError(f"cut off at byte {position}")
        argument = int.from_bytes(data[position + 1 : end], "big")
        # Simple values and floats share major type 7; neither is accepted with an argument of more bytes.
        if major == _SIMPLE:
            raise CborError(f"float or unknown simple value at byte {position}")
        if self.minimal and argument < smallest:
            raise CborError(f"integer or length not in its shortest form at byte {position}")
        self.position = end
        return major, argument

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise CborError(f"cut off at byte {self.position}: {count} bytes announced")
        piece = self.data[self.position : end]
        self.position = end
        return piece

    def at_break(self) -> bool:
        if self.position < len(self.data) and self.data[self.position] == _BREAK:
            self.position += 1
            return True
        return False

    def string(self, major: int, length: int | None) -> bytes:
        if length is not None:
            return self.take(length)
        pieces = []
        while not self.at_break():
            start = self.position
            inner, size = self.head()
            if inner != major or size is None:
                raise CborError(f"chunk of another type at byte {start}")
            self.count(start)
            pieces.append(self.text(self.take(size), start).encode() if major == _TEXT else self.take(size))
        return b"".join(pieces)

    @staticmethod
    def text(data: bytes, start: int) -> str:
        try:
            return data.decode("utf-8", "strict")
        except UnicodeDecodeError:
            raise CborError(f"text is not UTF-8 at byte {start}") from None

    def count(self, start: int) -> None:
        self.items += 1
        if self.items > MAX_ITEMS:
            raise CborError(f"more than {MAX_ITEMS} items at byte {start}")

    def array(self, length: int | None, depth: int) -> list[CborValue]:
        if length is None:
            values: list[CborValue] = []
            while not self.at_break():
                values.append(self.value(depth))
            return values
        if length > MAX_ITEMS:
            raise CborError(f"array of {length} items at byte {self.position}")
        return [self.value(depth) for _ in range(length)]

    def map(self, length: int | None, depth: int) -> dict[int | str, CborValue]:
        if length is not None and length > MAX_ITEMS:
            raise CborError(f"map of {length} pairs at byte {self.position}")
        pairs: dict[int | str, CborValue] = {}
        while not (self.at_break() if length is None else len(pairs) == length):
            start = self.position
            key = self.value(depth)
            # bool is an int to Python, so True would silently be the key 1.
            if isinstance(key, bool) or not isinstance(key, int | str):
                raise CborError(f"map key is neither integer nor text at byte {start}")
            if key in pairs:
                raise CborError(f"duplicate map key at byte {start}")
            pairs[key] = self.value(depth)
        return pairs

    def value(self, depth: int) -> CborValue:
        start = self.position
        if depth <= 0:
            raise CborError(f"nested deeper than {MAX_DEPTH} at byte {start}")
        self.count(start)
        major, argument = self.head()
        match major:
            case 0 if argument is not None:
                return argument
            case 1 if argument is not None:
                return -1 - argument
            case 2:
                return self.string(_BYTES, argument)
            case 3:
                return self.text(self.string(_TEXT, argument), start)
            case 4:
                return self.array(argument, depth - 1)
            case 5:
                return self.map(argument, depth - 1)
            case 6 if argument is not None:
                return Tagged(argument, self.value(depth - 1))
        match argument:
            case 20:
                return False
            case 21:
                return True
            case 22:
                return None
        raise CborError(f"unexpected break or simple value at byte {start}")


def decode(data: bytes, *, minimal: bool = True) -> CborValue:
    """Decode exactly one item. The caller bounds `len(data)`. Raises `CborError`."""
    decoder = _Decoder(data, minimal)
    value = decoder.value(MAX_DEPTH)
    if decoder.position != len(data):
        raise CborError(f"{len(data) - decoder.position} trailing bytes after byte {decoder.position}")
    return value


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes((major << 5 | argument,))
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * width:
            return bytes((major << 5 | info,)) + argument.to_bytes(width, "big")
    raise CborError("integer beyond 64 bits")


def encode(value: CborValue) -> bytes:
    """Encode with definite lengths and shortest integers; maps keep their insertion order."""
    match value:
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
        case bytes():
            return _head(_BYTES, len(value)) + value
        case str():
            text = value.encode()
            return _head(_TEXT, len(text)) + text
        case list():
            return _head(_ARRAY, len(value)) + b"".join(map(encode, value))
        case dict():
            return _head(_MAP, len(value)) + encode_pairs(value)
        case Tagged():
            return _head(_TAG, value.tag) + encode(value.value)


def encode_pairs(pairs: dict[int | str, CborValue]) -> bytes:
    """The pairs of a map without its head, so that it can stand between 0xbf and 0xff."""
    return b"".join(encode(key) + encode(value) for key, value in pairs.items())
