"""The chain port: checkpoints, events and ciphertexts from the host to the enclave; what is to be submitted back.

    to the enclave   0 Checkpoint  1 History  2 Payload
    to the host      0 Position  1 Settle  2 Want  3 Attest  4 Drained  5 Refused  6 Notice

Invariant: a message has one form and its kind's own limit. Nothing is believed for coming this way: the enclave
verifies checkpoints and events, the contract verifies statements. Source: docs/protocol.md, "Chain port".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar, Final

from daas_protocol.bcs import BcsError, Reader, Writer, require_length, write_bytes, write_text
from daas_protocol.delivery import MAX_DELIVERY_BYTES
from daas_protocol.feed_stream import FeedDecoder, clipped, require_count
from daas_protocol.intents import MAX_BATCH_RECEIPTS
from daas_protocol.request_envelope import MAX_CIPHERTEXT_BYTES, REQUEST_ID_BYTES, REQUEST_KEY_BYTES

BOOT_ID_BYTES: Final = 16
DIGEST_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
MAX_SUMMARY_BYTES: Final = 262_144
MAX_QUORUM_SIGNATURE_BYTES: Final = 8 + 48 + 2 + 4_096
MAX_CONTENTS_BYTES: Final = 33_554_432
"""These three as in `daas_chain.sui.checkpoint`: the network's own limits, with room."""
MAX_EFFECTS_BYTES: Final = 524_288
"""The network's limit for a transaction that is not the system's; ours never are."""
MAX_EVENTS_BYTES: Final = 4_194_304
"""Of one transaction. Ours repeat what the transaction brought, at most 128 KiB of it. Only a stranger who calls us
between his own events comes near, and the network lets him have 65,536,000."""
MAX_PARTS: Final = 16_384
MAX_PARTS_BYTES: Final = 16_777_216
"""Effects and events of one checkpoint together. What does not fit is left out and comes as History: it counts once a
later verified event shows heads to which it leads. So nobody can make a checkpoint at which the feed has to stop."""
MAX_TYPE_BYTES: Final = 512
"""As `daas_chain.type_tags` reads."""
MAX_EVENT_BYTES: Final = 262_144
"""The network emits at most 256,000 bytes at once."""
MAX_HISTORY_EVENTS: Final = 4_096
MAX_HISTORY_BYTES: Final = 8_388_608
"""32 of the largest events; a longer history is several messages."""
MAX_STATEMENT_BYTES: Final = 16_384
"""A statement is one pure argument of a transaction."""
MAX_DOCUMENT_BYTES: Final = 12_288
"""The response buffer of the NSM driver."""
MAX_CHECK_BYTES: Final = 64
MAX_TEXT_BYTES: Final = 1_024

_HEAD: Final = 64
"""Kind, options, integers and lengths of a message's fixed fields."""
_PART_HEAD: Final = 8 + 5 + 1 + 5
_EVENT_HEAD: Final = 2 + 5


# --- host to enclave ---


@dataclass(frozen=True, slots=True)
class Part:
    """One transaction, by its `index` in the contents; BCS of its effects and, where it emitted any, of its events."""

    index: int
    effects: bytes = field(repr=False)
    events: bytes | None = field(repr=False)

    @property
    def size(self) -> int:
        """What counts towards `MAX_PARTS_BYTES`."""
        return len(self.effects) + len(self.events or b"")

    @property
    def fits(self) -> bool:
        return len(self.effects) <= MAX_EFFECTS_BYTES and len(self.events or b"") <= MAX_EVENTS_BYTES

    def write(self, writer: Writer) -> None:
        writer.u64(self.index)
        write_bytes(writer, "effects", self.effects, MAX_EFFECTS_BYTES)
        writer.option(self.events, lambda events: write_bytes(writer, "events", events, MAX_EVENTS_BYTES))

    @classmethod
    def read(cls, reader: Reader) -> Part:
        return cls(
            index=reader.u64(),
            effects=reader.bytes(MAX_EFFECTS_BYTES),
            events=reader.option(lambda: reader.bytes(MAX_EVENTS_BYTES)),
        )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """BCS of summary, quorum signature and contents; `parts` by growing index, only those that matter."""

    KIND: ClassVar[int] = 0
    MAX_BYTES: ClassVar[int] = (
        _HEAD
        + MAX_SUMMARY_BYTES
        + MAX_QUORUM_SIGNATURE_BYTES
        + MAX_CONTENTS_BYTES
        + MAX_PARTS_BYTES
        + MAX_PARTS * _PART_HEAD
    )
    summary: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    contents: bytes = field(repr=False)
    parts: tuple[Part, ...] = ()

    def write(self, writer: Writer) -> None:
        write_bytes(writer, "summary", self.summary, MAX_SUMMARY_BYTES)
        write_bytes(writer, "signature", self.signature, MAX_QUORUM_SIGNATURE_BYTES)
        write_bytes(writer, "contents", self.contents, MAX_CONTENTS_BYTES)
        require_count("parts", len(self.parts), MAX_PARTS)
        _check_parts(self.parts)
        writer.vector(self.parts, lambda part: part.write(writer))

    @classmethod
    def read(cls, reader: Reader) -> Checkpoint:
        value = cls(
            summary=reader.bytes(MAX_SUMMARY_BYTES),
            signature=reader.bytes(MAX_QUORUM_SIGNATURE_BYTES),
            contents=reader.bytes(MAX_CONTENTS_BYTES),
            parts=tuple(reader.vector(lambda: Part.read(reader), MAX_PARTS)),
        )
        _check_parts(value.parts)
        return value


def _check_parts(parts: tuple[Part, ...]) -> None:
    if any(after.index <= before.index for before, after in pairwise(parts)):
        raise BcsError("the indices of parts do not grow")
    size = sum(part.size for part in parts)
    if size > MAX_PARTS_BYTES:
        raise BcsError(f"parts have at most {MAX_PARTS_BYTES} bytes together, not {size}")


@dataclass(frozen=True, slots=True)
class ChainedEvent:
    """An event of the contract as a full node gives it: Move type as text, contents as BCS."""

    type: str
    contents: bytes = field(repr=False)

    def write(self, writer: Writer) -> None:
        write_text(writer, "type", self.type, MAX_TYPE_BYTES)
        write_bytes(writer, "contents", self.contents, MAX_EVENT_BYTES)

    @classmethod
    def read(cls, reader: Reader) -> ChainedEvent:
        return cls(reader.string(MAX_TYPE_BYTES), reader.bytes(MAX_EVENT_BYTES))

    @property
    def size(self) -> int:
        """At most what it takes in a message, for whoever cuts a history into messages."""
        return len(self.type.encode("utf-8", "surrogatepass")) + len(self.contents) + _EVENT_HEAD


@dataclass(frozen=True, slots=True)
class History:
    """Events in the order of the chains, unproven: they count once a verified event shows heads to which they lead."""

    KIND: ClassVar[int] = 1
    MAX_BYTES: ClassVar[int] = MAX_HISTORY_BYTES
    events: tuple[ChainedEvent, ...]

    def write(self, writer: Writer) -> None:
        require_count("events", len(self.events), MAX_HISTORY_EVENTS)
        writer.vector(self.events, lambda event: event.write(writer))

    @classmethod
    def read(cls, reader: Reader) -> History:
        return cls(tuple(reader.vector(lambda: ChainedEvent.read(reader), MAX_HISTORY_EVENTS)))


@dataclass(frozen=True, slots=True)
class Payload:
    """A ciphertext that is not on chain, with the SHA-256 (32 bytes) by which the contract has it."""

    KIND: ClassVar[int] = 2
    MAX_BYTES: ClassVar[int] = _HEAD + DIGEST_BYTES + MAX_CIPHERTEXT_BYTES
    digest: bytes
    data: bytes = field(repr=False)

    def write(self, writer: Writer) -> None:
        _exact(writer, "digest", self.digest, DIGEST_BYTES)
        write_bytes(writer, "data", self.data, MAX_CIPHERTEXT_BYTES)

    @classmethod
    def read(cls, reader: Reader) -> Payload:
        return cls(reader.bytes(exact=DIGEST_BYTES), reader.bytes(MAX_CIPHERTEXT_BYTES))


ToEnclave = Checkpoint | History | Payload


# --- enclave to host ---


@dataclass(frozen=True, slots=True)
class Position:
    """What the enclave has: its epoch, the newest verified checkpoint, events of the state and of the mailbox chain.

    Sent on connect and after each message, so that the host sends what is missing and nothing else.
    """

    KIND: ClassVar[int] = 0
    MAX_BYTES: ClassVar[int] = _HEAD
    boot_id: bytes
    epoch: int
    checkpoint: int | None
    state_seq: int
    mailbox_seq: int

    def write(self, writer: Writer) -> None:
        _exact(writer, "boot_id", self.boot_id, BOOT_ID_BYTES)
        writer.u64(self.epoch)
        writer.option(self.checkpoint, writer.u64)
        writer.u64(self.state_seq)
        writer.u64(self.mailbox_seq)

    @classmethod
    def read(cls, reader: Reader) -> Position:
        return cls(
            boot_id=reader.bytes(exact=BOOT_ID_BYTES),
            epoch=reader.u64(),
            checkpoint=reader.option(reader.u64),
            state_seq=reader.u64(),
            mailbox_seq=reader.u64(),
        )


@dataclass(frozen=True, slots=True)
class Settle:
    """A signed Receipt or ReceiptBatch to submit; for each request its id (16 bytes) and delivery (empty: none)."""

    KIND: ClassVar[int] = 1
    MAX_BYTES: ClassVar[int] = (
        _HEAD
        + MAX_BATCH_RECEIPTS * (1 + REQUEST_ID_BYTES + 2 + MAX_DELIVERY_BYTES)
        + MAX_STATEMENT_BYTES
        + SIGNATURE_BYTES
    )
    request_ids: tuple[bytes, ...]
    deliveries: tuple[bytes, ...] = field(repr=False)
    message: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def write(self, writer: Writer) -> None:
        self._check()
        writer.vector(self.request_ids, lambda one: _exact(writer, "request_id", one, REQUEST_ID_BYTES))
        writer.vector(self.deliveries, lambda one: write_bytes(writer, "delivery", one, MAX_DELIVERY_BYTES))
        _statement(writer, self.message, self.signature)

    @classmethod
    def read(cls, reader: Reader) -> Settle:
        value = cls(
            tuple(reader.vector(lambda: reader.bytes(exact=REQUEST_ID_BYTES), MAX_BATCH_RECEIPTS)),
            tuple(reader.vector(lambda: reader.bytes(MAX_DELIVERY_BYTES), MAX_BATCH_RECEIPTS)),
            reader.bytes(MAX_STATEMENT_BYTES),
            reader.bytes(exact=SIGNATURE_BYTES),
        )
        value._check()
        return value

    def _check(self) -> None:
        if not 1 <= len(self.request_ids) == len(self.deliveries) <= MAX_BATCH_RECEIPTS:
            raise BcsError(
                f"1..{MAX_BATCH_RECEIPTS} request ids and as many deliveries, "
                f"not {len(self.request_ids)} and {len(self.deliveries)}"
            )


@dataclass(frozen=True, slots=True)
class Want:
    """The off-chain ciphertext with this SHA-256 (32 bytes) is missing."""

    KIND: ClassVar[int] = 2
    MAX_BYTES: ClassVar[int] = _HEAD
    digest: bytes

    def write(self, writer: Writer) -> None:
        _exact(writer, "digest", self.digest, DIGEST_BYTES)

    @classmethod
    def read(cls, reader: Reader) -> Want:
        return cls(reader.bytes(exact=DIGEST_BYTES))


@dataclass(frozen=True, slots=True)
class Attest:
    """A document for a registration or a heartbeat that is due. `request_key`: 1,216 bytes, empty where unchanged."""

    KIND: ClassVar[int] = 3
    MAX_BYTES: ClassVar[int] = _HEAD + MAX_DOCUMENT_BYTES + REQUEST_KEY_BYTES
    document: bytes = field(repr=False)
    request_key: bytes = field(repr=False)

    def write(self, writer: Writer) -> None:
        self._check()
        write_bytes(writer, "document", self.document, MAX_DOCUMENT_BYTES)
        writer.bytes(self.request_key)

    @classmethod
    def read(cls, reader: Reader) -> Attest:
        value = cls(reader.bytes(MAX_DOCUMENT_BYTES), reader.bytes(REQUEST_KEY_BYTES))
        value._check()
        return value

    def _check(self) -> None:
        if self.request_key:
            require_length("request_key", self.request_key, REQUEST_KEY_BYTES)


@dataclass(frozen=True, slots=True)
class Drained:
    """The signed Drain: the last word of a boot."""

    KIND: ClassVar[int] = 4
    MAX_BYTES: ClassVar[int] = _HEAD + MAX_STATEMENT_BYTES + SIGNATURE_BYTES
    message: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def write(self, writer: Writer) -> None:
        _statement(writer, self.message, self.signature)

    @classmethod
    def read(cls, reader: Reader) -> Drained:
        return cls(reader.bytes(MAX_STATEMENT_BYTES), reader.bytes(exact=SIGNATURE_BYTES))


@dataclass(frozen=True, slots=True)
class Refused:
    """A message was not taken: the name of the check, and both sides of it; the checkpoint where it was one."""

    KIND: ClassVar[int] = 5
    MAX_BYTES: ClassVar[int] = _HEAD + MAX_CHECK_BYTES + MAX_TEXT_BYTES
    checkpoint: int | None
    check: str
    detail: str

    @classmethod
    def of(cls, checkpoint: int | None, error: Exception) -> Refused:
        """Named by the error's class; what does not fit of its text is left out."""
        return cls(checkpoint, clipped(type(error).__name__, MAX_CHECK_BYTES), clipped(str(error), MAX_TEXT_BYTES))

    def write(self, writer: Writer) -> None:
        writer.option(self.checkpoint, writer.u64)
        write_text(writer, "check", self.check, MAX_CHECK_BYTES)
        write_text(writer, "detail", self.detail, MAX_TEXT_BYTES)

    @classmethod
    def read(cls, reader: Reader) -> Refused:
        return cls(reader.option(reader.u64), reader.string(MAX_CHECK_BYTES), reader.string(MAX_TEXT_BYTES))


@dataclass(frozen=True, slots=True)
class Notice:
    """For the operator's log."""

    KIND: ClassVar[int] = 6
    MAX_BYTES: ClassVar[int] = _HEAD + MAX_TEXT_BYTES
    text: str

    @classmethod
    def of(cls, text: str) -> Notice:
        return cls(clipped(text, MAX_TEXT_BYTES))

    def write(self, writer: Writer) -> None:
        write_text(writer, "text", self.text, MAX_TEXT_BYTES)

    @classmethod
    def read(cls, reader: Reader) -> Notice:
        return cls(reader.string(MAX_TEXT_BYTES))


ToHost = Position | Settle | Want | Attest | Drained | Refused | Notice


def _exact(writer: Writer, name: str, value: bytes, length: int) -> None:
    require_length(name, value, length)
    writer.bytes(value)


def _statement(writer: Writer, message: bytes, signature: bytes) -> None:
    write_bytes(writer, "message", message, MAX_STATEMENT_BYTES)
    _exact(writer, "signature", signature, SIGNATURE_BYTES)


def to_enclave() -> FeedDecoder[ToEnclave]:
    """The enclave's side."""
    return FeedDecoder[ToEnclave]((Checkpoint, History, Payload))


def to_host() -> FeedDecoder[ToHost]:
    """The host's side."""
    return FeedDecoder[ToHost]((Position, Settle, Want, Attest, Drained, Refused, Notice))
