"""DER as Sui's native reads it (`asn1-rs` 0.7, `der-parser` 10, under `x509-parser` 0.17): for the profile `sui` only.

Invariant: these readers are as lenient as that parser and no more. Unlike real DER: the class of a tag is not looked at
unless said, nor, mostly, whether it is constructed; lengths need not be in their shortest form; what follows the
expected fields of a SEQUENCE is ignored; an OBJECT IDENTIFIER may carry any tag.
"""

from collections.abc import Iterator
from dataclasses import dataclass

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING = 1, 2, 3, 4
OBJECT_IDENTIFIER, ENUMERATED, SEQUENCE, SET, UTC_TIME, GENERALIZED_TIME = 6, 10, 16, 17, 23, 24
UNIVERSAL, CONTEXT = 0, 2
_END_OF_CONTENT = 0
_MAX_BER_DEPTH = 50  # MAX_RECURSION of asn1-rs
_MAX_TAG_BYTES = 5
_LONG_TAG = 31
_MAX_U64 = (1 << 64) - 1


class DerError(ValueError):
    """Bytes that the lenient parser refuses as well; the text says why."""


@dataclass(frozen=True, slots=True)
class Element:
    """A tag and its content. `indefinite` can be true for BER only; `end` is the offset after the element."""

    tag_class: int
    constructed: bool
    tag: int
    indefinite: bool
    content: bytes
    end: int


def _tag(data: bytes, position: int) -> tuple[int, bool, int, int]:
    if position >= len(data):
        raise DerError("cut off before a tag")
    first = data[position]
    tag, used = first & 0x1F, 1
    if tag == _LONG_TAG:
        tag, more = 0, True
        while more:
            if position + used >= len(data) or used > _MAX_TAG_BYTES:
                raise DerError("a tag without an end")
            octet = data[position + used]
            # The parser keeps 32 bits and lets the rest go.
            tag, more, used = (tag << 7 | octet & 0x7F) & 0xFFFFFFFF, bool(octet & 0x80), used + 1
    return first >> 6, bool(first & 0x20), tag, position + used


def _length(data: bytes, position: int) -> tuple[int | None, int]:
    if position >= len(data):
        raise DerError("cut off before a length")
    first, position = data[position], position + 1
    if first < 0x80:
        return first, position
    if first == 0x80:
        return None, position
    end = position + (first & 0x7F)
    if first == 0xFF or end > len(data):
        raise DerError("a reserved length, or one that is cut off")
    length = int.from_bytes(data[position:end], "big")
    if length > _MAX_U64:
        raise DerError("a length beyond 64 bits")
    return length, end


def read(data: bytes, position: int = 0) -> Element:
    """The element at `position`, of definite length. Raises `DerError`."""
    tag_class, constructed, tag, after = _tag(data, position)
    length, start = _length(data, after)
    if length is None:
        raise DerError("a length that is not definite")
    return Element(tag_class, constructed, tag, False, *_content(data, start, length))


def _content(data: bytes, start: int, length: int) -> tuple[bytes, int]:
    if start + length > len(data):
        raise DerError(f"{length} bytes announced, {len(data) - start} there")
    return data[start : start + length], start + length


def read_ber(data: bytes, position: int = 0, depth: int = _MAX_BER_DEPTH) -> Element:
    """The element at `position`, whose length may be indefinite. Raises `DerError`."""
    tag_class, constructed, tag, after = _tag(data, position)
    length, start = _length(data, after)
    if length is not None:
        return Element(tag_class, constructed, tag, False, *_content(data, start, length))
    if not constructed or depth <= 1:
        raise DerError("an indefinite length where there can be none")
    end = start
    while True:
        inner = read_ber(data, end, depth - 1)
        if inner.tag == _END_OF_CONTENT and not inner.content and not inner.indefinite:
            return Element(tag_class, constructed, tag, True, data[start:end], inner.end)
        end = inner.end


def header_end(data: bytes, position: int) -> tuple[int, int]:
    """Tag number and offset of the content of a header of definite length, content not looked at."""
    _, _, tag, after = _tag(data, position)
    length, start = _length(data, after)
    if length is None:
        raise DerError("a length that is not definite")
    return tag, start


def expect(data: bytes, position: int, tag: int) -> Element:
    """The element at `position` if its tag number is `tag`, whatever its class. Raises `DerError`."""
    element = read(data, position)
    if element.tag != tag:
        raise DerError(f"tag {tag} expected, not {element.tag}")
    return element


def oid(data: bytes, position: int) -> Element:
    """An object identifier: any primitive element. Raises `DerError`."""
    element = read(data, position)
    if element.constructed:
        raise DerError("an object identifier that is constructed")
    return element


def bit_string(data: bytes, position: int) -> tuple[bytes, int]:
    """The bytes of a BIT STRING, unused bits not masked, and the offset after it. Raises `DerError`."""
    element = expect(data, position, BIT_STRING)
    if element.constructed or not element.content:
        raise DerError("a BIT STRING that is constructed or empty")
    unused, data_bytes = element.content[0], element.content[1:]
    if not data_bytes:
        if unused:
            raise DerError("unused bits of no bytes")
        return data_bytes, element.end
    last = data_bytes[-1]
    zeros = 8 if last == 0 else (last & -last).bit_length() - 1
    if zeros < unused:
        raise DerError("unused bits that are set")
    return data_bytes, element.end


def octet_string(data: bytes, position: int) -> bytes:
    """The content of an OCTET STRING. Raises `DerError`."""
    element = expect(data, position, OCTET_STRING)
    if element.constructed:
        raise DerError("an OCTET STRING that is constructed")
    return element.content


def small_unsigned(data: bytes) -> int:
    """An INTEGER at the start of `data` that fits into 32 bits, in its shortest form. Raises `DerError`."""
    element = expect(data, 0, INTEGER)
    content = element.content
    if element.constructed or not content or content[0] & 0x80:
        raise DerError("no small unsigned integer")
    if len(content) > 1 and content[0] == 0 and content[1] < 0x80:
        raise DerError("an integer with a leading zero")
    if int.from_bytes(content, "big") > 0xFFFFFFFF:
        raise DerError("an integer beyond 32 bits")
    return int.from_bytes(content, "big")


def ber_elements(content: bytes) -> Iterator[Element]:
    """The elements that fill `content`. Raises `DerError`."""
    position = 0
    while position < len(content):
        element = read_ber(content, position)
        yield element
        position = element.end


def ber_boolean(element: Element) -> bool | None:
    """The value of a universal BOOLEAN, where anything but zero is true; None if it is none."""
    if element.tag_class != UNIVERSAL or element.tag != BOOLEAN or element.indefinite or len(element.content) != 1:
        return None
    return element.content != b"\0"


def ber_unsigned(element: Element) -> int | None:
    """The value, within 32 bits, of a universal INTEGER, ENUMERATED or BIT STRING; None if it is none."""
    if element.tag_class != UNIVERSAL:
        return None
    content = element.content
    match element.tag:
        case 2 if not content[:1] >= b"\x80":
            number = int.from_bytes(content, "big")
        case 10 if not element.constructed:
            number = int.from_bytes(content, "big")
        case 3 if content:
            return _bits_as_unsigned(content[0], content[1:])
        case _:
            return None
    return number if number <= 0xFFFFFFFF else None


def _bits_as_unsigned(padding: int, data: bytes) -> int | None:
    bits = len(data) * 8 - padding
    if not 0 <= bits <= 64:
        return None
    number = int.from_bytes(data[: (bits + 7) // 8], "big") >> padding % 8
    return number if number <= 0xFFFFFFFF else None
