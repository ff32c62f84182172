"""The log port: leaves from the enclave to the host's disk, acknowledgements back.

    message = u32 BE length || bcs(LeafBatch)      enclave to host
            | u32 BE length || bcs(LeafAck)        host to enclave

Invariant: a batch is a run of leaf indices of one boot; neither side holds more than one incomplete message.
Source: docs/protocol.md, "Log port".
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from daas_protocol.bcs import U64_MAX, BcsError, Reader, encode_uleb, require_length, require_uint

BOOT_ID_BYTES = 16
HASH_BYTES = 32
MAX_BATCH_LEAVES = 4096
MAX_BATCH_BYTES = 1 + BOOT_ID_BYTES + 8 + 2 + MAX_BATCH_LEAVES * (1 + HASH_BYTES)
ACK_BYTES = 1 + BOOT_ID_BYTES + 8
MAX_UNACKNOWLEDGED_LEAVES = 1_048_576
"""32 MiB of hashes: what the enclave keeps for a host that is away."""

T = TypeVar("T")
_LENGTH = struct.Struct(">I")
_HEAD = struct.Struct("<B16sQ")


class LogStreamError(ValueError):
    """Bytes that are no sequence of log messages."""


class LogMessageLengthError(LogStreamError):
    def __init__(self, expected: int, actual: int) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(f"a log message has 1..{expected} bytes, not {actual}")


class LogMessageError(LogStreamError):
    """A message of right length that is not the expected structure."""


@dataclass(frozen=True, slots=True)
class LeafBatch:
    """At most 4096 leaf hashes of 32 bytes; the first has the index `first_index` in the log of `boot_id` (16 B)."""

    boot_id: bytes
    first_index: int
    leaves: tuple[bytes, ...]

    def __post_init__(self) -> None:
        require_length("boot_id", self.boot_id, BOOT_ID_BYTES)
        require_uint("first_index", self.first_index, 64)
        if len(self.leaves) > MAX_BATCH_LEAVES:
            raise BcsError(f"a batch has at most {MAX_BATCH_LEAVES} leaves, not {len(self.leaves)}")
        if self.first_index + len(self.leaves) > U64_MAX:
            raise BcsError("leaf indices end at 2**64 - 1")
        for leaf in self.leaves:
            require_length("leaf", leaf, HASH_BYTES)

    def to_bcs(self) -> bytes:
        head = _HEAD.pack(BOOT_ID_BYTES, self.boot_id, self.first_index) + encode_uleb(len(self.leaves))
        return head + b"".join([b"\x20" + leaf for leaf in self.leaves])

    @classmethod
    def from_bcs(cls, data: bytes) -> "LeafBatch":
        reader = Reader(data)
        value = cls(
            boot_id=reader.bytes(exact=BOOT_ID_BYTES),
            first_index=reader.u64(),
            leaves=tuple(reader.vector(lambda: reader.bytes(exact=HASH_BYTES), MAX_BATCH_LEAVES)),
        )
        reader.end()
        return value


@dataclass(frozen=True, slots=True)
class LeafAck:
    """The host has every leaf of `boot_id` (16 bytes) below `next_index` on its disk."""

    boot_id: bytes
    next_index: int

    def to_bcs(self) -> bytes:
        require_length("boot_id", self.boot_id, BOOT_ID_BYTES)
        require_uint("next_index", self.next_index, 64)
        return _HEAD.pack(BOOT_ID_BYTES, self.boot_id, self.next_index)

    @classmethod
    def from_bcs(cls, data: bytes) -> "LeafAck":
        reader = Reader(data)
        value = cls(reader.bytes(exact=BOOT_ID_BYTES), reader.u64())
        reader.end()
        return value


def encode_message(message: LeafBatch | LeafAck) -> bytes:
    """Length (u32 BE), then the BCS."""
    encoded = message.to_bcs()
    return _LENGTH.pack(len(encoded)) + encoded


class LogStreamDecoder(Generic[T]):
    """Cuts a byte stream into messages of one kind. Use `leaf_batches()` or `leaf_acks()` to make one."""

    __slots__ = ("_buffer", "_failure", "_max_bytes", "_parse")

    def __init__(self, parse: Callable[[bytes], T], max_bytes: int) -> None:
        self._parse = parse
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._failure: LogStreamError | None = None

    @property
    def pending(self) -> int:
        """Bytes of an incomplete message that are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[T]:
        """Messages completed by `data`. Raises `LogStreamError`, and the same again on each later call."""
        if self._failure is not None:
            raise self._failure
        buffer = self._buffer
        buffer += data
        messages: list[T] = []
        position = 0
        try:
            while len(buffer) - position >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(buffer, position)
                if not 1 <= length <= self._max_bytes:
                    raise LogMessageLengthError(self._max_bytes, length)
                end: int = position + _LENGTH.size + length
                if end > len(buffer):
                    break
                messages.append(self._parsed(bytes(buffer[position + _LENGTH.size : end])))
                position = end
        except LogStreamError as error:
            self._failure = error
            buffer.clear()
            if messages:
                return messages
            raise
        del buffer[:position]
        return messages

    def _parsed(self, data: bytes) -> T:
        try:
            return self._parse(data)
        except BcsError as error:
            raise LogMessageError(str(error)) from error


def leaf_batches() -> LogStreamDecoder[LeafBatch]:
    """The host's side."""
    return LogStreamDecoder(LeafBatch.from_bcs, MAX_BATCH_BYTES)


def leaf_acks() -> LogStreamDecoder[LeafAck]:
    """The enclave's side."""
    return LogStreamDecoder(LeafAck.from_bcs, ACK_BYTES)
