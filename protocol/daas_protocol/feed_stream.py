"""Messages of several kinds in one byte stream, cut by length.

    message = u32 BE length || uleb128 kind || bcs(fields)

Invariant: a length is believed only once the kind is known, and up to that kind's own limit, so nobody can make the
other side hold more than the largest message that is due. Source: docs/protocol.md, "Chain port".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import ClassVar, Final, Generic, Protocol, Self, TypeVar

from daas_protocol.bcs import BcsError, Reader, Writer

_LENGTH: Final = struct.Struct(">I")
MAX_KINDS: Final = 0x80
"""A kind is one byte of ULEB128, so it is known with the first byte behind the length."""


class ChainFeedError(ValueError):
    """Bytes that are no sequence of messages. Only subclasses are raised."""


class FeedLengthError(ChainFeedError):
    def __init__(self, kind: str, expected: int, actual: int) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"{kind} has 1..{expected} bytes, not {actual}")


class FeedKindError(ChainFeedError):
    def __init__(self, expected: int, actual: int) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"the kind of a message is below {expected}, not {actual}")


class FeedMessageError(ChainFeedError):
    """A message of a known kind and length that is not that structure."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")


class Message(Protocol):
    """`MAX_BYTES`: of kind and fields together."""

    KIND: ClassVar[int]
    MAX_BYTES: ClassVar[int]

    def write(self, writer: Writer) -> None:
        """Raises `BcsError` for what is above a limit."""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Raises `BcsError`."""


T = TypeVar("T", bound=Message)


def encode_message(message: Message) -> bytes:
    """Length (u32 BE), kind, BCS. Raises `BcsError` for a message that the other side would refuse."""
    writer = Writer()
    writer.uleb(message.KIND)
    message.write(writer)
    encoded = writer.finish()
    if len(encoded) > message.MAX_BYTES:
        raise BcsError(f"{type(message).__name__} has at most {message.MAX_BYTES} bytes, not {len(encoded)}")
    return _LENGTH.pack(len(encoded)) + encoded


class FeedDecoder(Generic[T]):
    """Cuts a byte stream into messages of `kinds`, whose `KIND` is the place in the list."""

    __slots__ = ("_buffer", "_failure", "_kinds", "_longest")

    def __init__(self, kinds: Sequence[type[T]]) -> None:
        if not 0 < len(kinds) < MAX_KINDS or [kind.KIND for kind in kinds] != list(range(len(kinds))):
            raise ValueError("kinds are numbered from 0 in their order")
        self._kinds = tuple(kinds)
        self._longest = max(kind.MAX_BYTES for kind in kinds)
        self._buffer = bytearray()
        self._failure: ChainFeedError | None = None

    @property
    def pending(self) -> int:
        """Bytes of an incomplete message that are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[T]:
        """Messages completed by `data`. Raises `ChainFeedError`, and the same again on each later call.

        What was complete before the error is returned first; the error comes with the next call.
        """
        if self._failure is not None:
            raise self._failure
        buffer = self._buffer
        buffer += data
        messages: list[T] = []
        position = 0
        try:
            while (end := self._end(position)) is not None and end <= len(buffer):
                messages.append(self._message(position + _LENGTH.size, end))
                position = end
        except ChainFeedError as error:
            self._failure = error
            buffer.clear()
            if messages:
                return messages
            raise
        del buffer[:position]
        return messages

    def _end(self, position: int) -> int | None:
        """Where the message at `position` ends, once its kind is known."""
        if len(self._buffer) - position < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer, position)
        if not 1 <= length <= self._longest:
            raise FeedLengthError("a message", self._longest, length)
        if len(self._buffer) - position == _LENGTH.size:
            return None
        number = self._buffer[position + _LENGTH.size]
        if number >= len(self._kinds):
            raise FeedKindError(len(self._kinds), number)
        kind = self._kinds[number]
        if length > kind.MAX_BYTES:
            raise FeedLengthError(kind.__name__, kind.MAX_BYTES, length)
        return position + _LENGTH.size + int(length)

    def _message(self, start: int, end: int) -> T:
        kind = self._kinds[self._buffer[start]]
        with memoryview(self._buffer) as view:
            reader = Reader(bytes(view[start + 1 : end]))
        try:
            message = kind.read(reader)
            reader.end()
        except BcsError as error:
            raise FeedMessageError(kind.__name__, str(error)) from None
        return message


def require_count(name: str, count: int, most: int) -> None:
    if count > most:
        raise BcsError(f"{name} has at most {most} items, not {count}")


def clipped(text: str, most: int) -> str:
    """`text` without what would not fit into `most` bytes, nor what has no UTF-8 form."""
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")
