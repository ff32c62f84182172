"""The hash chains over events, computed as `heads.move` does.

Invariant: head' = SHA-256(head || SHA-256(bcs(body))), the first head is SHA-256(domain || id). Whoever holds a
verified head can check everything before it, with the 32-byte hash of a body in the place of any old body.
"""

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Generic, Self, TypeVar

from daas_protocol.bcs import BcsError, Reader, Writer, require_length

from .layout import HASH_BYTES, ID_BYTES, MAX_STRUCT_BYTES, U64, Hash, Id, MoveStruct, read_struct, write_struct

STATE_DOMAIN = b"DAAS-STATE-V1\x00"
MAILBOX_DOMAIN = b"DAAS-MAILBOX-V1\x00"

Body = TypeVar("Body", bound=MoveStruct)


@dataclass(frozen=True, slots=True)
class BodyHash:
    """SHA-256 of the BCS of an old body, 32 bytes: stands in for it in the chain."""

    value: bytes

    def __post_init__(self) -> None:
        require_length("hash of a body", self.value, HASH_BYTES)


def body_hash(body: MoveStruct | BodyHash) -> bytes:
    """32 bytes. Raises `BcsError` when the body does not encode."""
    return body.value if isinstance(body, BodyHash) else hashlib.sha256(body.encode()).digest()


@dataclass(frozen=True, slots=True)
class ChainHead(MoveStruct):
    """`seq` counts the events before it."""

    MOVE: ClassVar[str] = "heads::ChainHead"
    seq: U64
    head: Hash

    @classmethod
    def of_state(cls, cluster: bytes) -> Self:
        """Before the first event of a cluster (id of 32 bytes)."""
        return cls(0, _first(STATE_DOMAIN, cluster))

    @classmethod
    def of_mailbox(cls, enclave: bytes) -> Self:
        """Before the first event of a slot's mailbox (id of 32 bytes)."""
        return cls(0, _first(MAILBOX_DOMAIN, enclave))

    def advance(self, body: MoveStruct | BodyHash) -> "ChainHead":
        return ChainHead(self.seq + 1, hashlib.sha256(self.head + body_hash(body)).digest())


class SequenceGap(ValueError):
    """An event is missing, or came twice."""

    def __init__(self, expected: int, actual: int) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"event number {expected} of the chain comes next, not {actual}: fetch what is missing")


class WrongHead(ValueError):
    """The body is not the one that the chain has at this place."""

    def __init__(self, expected: bytes, actual: bytes) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"the head after the event is {expected.hex()}, not {actual.hex()}")


def verify_link(before: ChainHead, body: MoveStruct | BodyHash, after: ChainHead) -> None:
    """Raises `SequenceGap` or `WrongHead` unless `body` leads from `before` to `after`."""
    if after.seq != before.seq + 1:
        raise SequenceGap(before.seq + 1, after.seq)
    computed = before.advance(body)
    if computed.head != after.head:
        raise WrongHead(computed.head, after.head)


@dataclass(frozen=True, slots=True)
class Heads(MoveStruct):
    """As they are after the event; `enclave` names the slot of `mailbox`."""

    MOVE: ClassVar[str] = "heads::Heads"
    cluster: Id
    state: ChainHead | None
    enclave: Id | None
    mailbox: ChainHead | None


@dataclass(frozen=True, slots=True)
class Beacon(MoveStruct):
    """In no chain: it only shows both heads."""

    MOVE: ClassVar[str] = "heads::Beacon"
    KIND: ClassVar[int | None] = 0
    timestamp_ms: U64


@dataclass(frozen=True, slots=True)
class Event(Generic[Body]):
    """`heads::Event<Body>`: the type tag of the chain's event names the body, so `decode` takes its class."""

    body: Body
    heads: Heads

    def encode(self) -> bytes:
        writer = Writer()
        write_struct(writer, self.body)
        write_struct(writer, self.heads)
        return writer.finish()

    @classmethod
    def decode(cls, body: type[Body], data: bytes) -> "Event[Body]":
        """At most 256,000 bytes. Raises `BcsError`, as `KindError` when the body is another event's."""
        if len(data) > MAX_STRUCT_BYTES:
            raise BcsError(f"an event has at most {MAX_STRUCT_BYTES} bytes, not {len(data)}")
        reader = Reader(data)
        event = Event(read_struct(reader, body), read_struct(reader, Heads))
        reader.end()
        return event


def _first(domain: bytes, identifier: bytes) -> bytes:
    require_length("id", identifier, ID_BYTES)
    return hashlib.sha256(domain + identifier).digest()
