"""What a network remembers besides its objects: transactions, checkpoints, epochs, settings.

Invariant: a record is written once, in the same batch as the objects that go with it, and never changes. Transactions
are numbered in the order of their execution, checkpoints in theirs, both without a gap; checkpoint `n` holds exactly
the transactions after those that the network had at checkpoint `n - 1`. So a transaction is in one checkpoint at most,
and those behind the newest one's total are what waits: nothing but the store is needed to go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from daas_chain.sui.checkpoint import (
    COMMITTEE,
    CONTENTS,
    MAX_CONTENTS_BYTES,
    MAX_SUMMARY_BYTES,
    QUORUM_SIGNATURE,
    SUMMARY,
    CommitteeRecord,
    QuorumSignature,
)
from daas_chain.sui.codec import U64, Codec, octets, option, struct, text
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.effects import EFFECTS, MAX_SYSTEM_EFFECTS_BYTES, EffectsV2
from daas_chain.sui.events import EVENTS, MAX_EVENTS_BYTES, Event
from daas_chain.sui.transaction import MAX_SYSTEM_TRANSACTION_BYTES, SENDER_SIGNED_DATA, SignedTransaction
from daas_chain.sui.types import DIGEST
from daas_localnet.ledger.settle import Outcome
from daas_localnet.ledger.store import Store
from daas_protocol.bcs import BcsError

from .checkpoints import Certified
from .errors import ArchiveError
from .settings import KEPT, KeptSettings

T = TypeVar("T")
Record = tuple[bytes, bytes]
REASON_CHARACTERS_MAX = 2_000
"""Of a failure, for people; it may quote what a transaction has said."""


class Key(Enum):
    """What a record is: the first byte of its key."""

    SETTINGS = b"s"
    TRANSACTION = b"t"
    ORDER = b"o"
    PLACE = b"p"
    CHECKPOINT = b"c"
    CONTENTS = b"k"
    CHECKPOINT_DIGEST = b"d"
    EPOCH = b"e"
    EPOCH_END = b"f"

    def at(self, number: int) -> bytes:
        return self.value + number.to_bytes(8, "big")

    def of(self, id_: bytes) -> bytes:
        return self.value + id_


@dataclass(frozen=True, slots=True)
class Executed:
    """One transaction as the network keeps it; *_bytes are what was hashed."""

    digest: bytes
    signed: SignedTransaction
    effects: EffectsV2
    effects_bytes: bytes
    events: tuple[Event, ...]
    events_bytes: bytes | None
    reason: str
    """Of a failure, for people; "" otherwise."""
    checkpoint: int | None = None
    """None: executed, not yet in a checkpoint."""
    timestamp_ms: int | None = None
    """Of that checkpoint."""


@dataclass(frozen=True, slots=True)
class EpochInfo:
    number: int
    committee: CommitteeRecord
    first_checkpoint: int
    last_checkpoint: int | None
    """None: it goes on."""
    start_ms: int
    end_ms: int | None
    reference_gas_price: int
    protocol_version: int


@dataclass(frozen=True, slots=True)
class _Transaction:
    signed: bytes
    effects: bytes
    events: bytes | None
    reason: str


@dataclass(frozen=True, slots=True)
class _Place:
    checkpoint: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    summary: bytes
    signature: QuorumSignature


@dataclass(frozen=True, slots=True)
class _Epoch:
    committee: CommitteeRecord
    first_checkpoint: int
    start_ms: int
    reference_gas_price: int
    protocol_version: int


_TRANSACTION: Codec[_Transaction] = struct(
    _Transaction,
    signed=octets(MAX_SYSTEM_TRANSACTION_BYTES),
    effects=octets(MAX_SYSTEM_EFFECTS_BYTES),
    events=option(octets(MAX_EVENTS_BYTES)),
    reason=text(4 * REASON_CHARACTERS_MAX),
)
_PLACE: Codec[_Place] = struct(_Place, checkpoint=U64, timestamp_ms=U64)
_CHECKPOINT: Codec[_Checkpoint] = struct(_Checkpoint, summary=octets(MAX_SUMMARY_BYTES), signature=QUORUM_SIGNATURE)
_CONTENTS: Codec[bytes] = octets(MAX_CONTENTS_BYTES)
_EPOCH: Codec[_Epoch] = struct(
    _Epoch, committee=COMMITTEE, first_checkpoint=U64, start_ms=U64, reference_gas_price=U64, protocol_version=U64
)


def executed(signed: SignedTransaction, outcome: Outcome) -> Executed:
    """An outcome as it will be kept."""
    events = EVENTS.encode(outcome.events) if outcome.events else None
    reason = outcome.reason[:REASON_CHARACTERS_MAX].encode(errors="replace").decode()
    return Executed(
        outcome.transaction, signed, outcome.effects, EFFECTS.encode(outcome.effects), outcome.events, events, reason
    )


def transaction_records(number: int, one: Executed) -> tuple[Record, ...]:
    """`number`: of the transaction in the order of execution, from 0."""
    signed = SENDER_SIGNED_DATA.encode((one.signed,))
    data = _TRANSACTION.encode(_Transaction(signed, one.effects_bytes, one.events_bytes, one.reason))
    return (Key.TRANSACTION.of(one.digest), data), (Key.ORDER.at(number), DIGEST.encode(one.digest))


def checkpoint_records(one: Certified) -> tuple[Record, ...]:
    place = _PLACE.encode(_Place(one.number, one.summary.timestamp_ms))
    return (
        (Key.CHECKPOINT.at(one.number), _CHECKPOINT.encode(_Checkpoint(one.summary_bytes, one.signature))),
        (Key.CONTENTS.at(one.number), _CONTENTS.encode(one.contents_bytes)),
        (Key.CHECKPOINT_DIGEST.of(one.digest), U64.encode(one.number)),
        *((Key.PLACE.of(each.transaction), place) for each in one.contents.digests),
    )


def epoch_records(info: EpochInfo) -> tuple[Record, ...]:
    """Of an epoch that begins."""
    data = _Epoch(info.committee, info.first_checkpoint, info.start_ms, info.reference_gas_price, info.protocol_version)
    return ((Key.EPOCH.at(info.number), _EPOCH.encode(data)),)


def epoch_end_records(epoch: int, last: Certified) -> tuple[Record, ...]:
    return ((Key.EPOCH_END.at(epoch), _PLACE.encode(_Place(last.number, last.summary.timestamp_ms))),)


def settings_records(kept: KeptSettings) -> tuple[Record, ...]:
    return ((Key.SETTINGS.value, KEPT.encode(kept)),)


class Archive:
    """Reads the records of a store. What contradicts itself raises ArchiveError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def settings(self) -> KeptSettings | None:
        """None: there is no network in the store yet."""
        return self._read(Key.SETTINGS.value, KEPT)

    def transaction(self, digest_: bytes) -> Executed | None:
        found = self._read(Key.TRANSACTION.of(digest_), _TRANSACTION)
        if found is None:
            return None
        place = self._read(Key.PLACE.of(digest_), _PLACE)
        effects = _decoded(EFFECTS, found.effects)
        if not isinstance(effects, EffectsV2):
            raise ArchiveError("effects of version 2", type(effects).__name__)
        return Executed(
            digest_,
            _decoded(SENDER_SIGNED_DATA, found.signed)[0],
            effects,
            found.effects,
            () if found.events is None else _decoded(EVENTS, found.events),
            found.events,
            found.reason,
            None if place is None else place.checkpoint,
            None if place is None else place.timestamp_ms,
        )

    def digest_at(self, number: int) -> bytes | None:
        """Of the transaction that was executed as number `number`."""
        return self._read(Key.ORDER.at(number), DIGEST)

    def checkpoint(self, number: int) -> Certified | None:
        found = self._read(Key.CHECKPOINT.at(number), _CHECKPOINT)
        contents = self._read(Key.CONTENTS.at(number), _CONTENTS)
        if found is None or contents is None:
            return None
        hash_ = digest(Hashed.SUMMARY, found.summary)
        return Certified(
            _decoded(SUMMARY, found.summary),
            found.summary,
            hash_,
            found.signature,
            _decoded(CONTENTS, contents),
            contents,
        )

    def number_of(self, checkpoint_digest: bytes) -> int | None:
        return self._read(Key.CHECKPOINT_DIGEST.of(checkpoint_digest), U64)

    def epoch(self, number: int) -> EpochInfo | None:
        found = self._read(Key.EPOCH.at(number), _EPOCH)
        if found is None:
            return None
        end = self._read(Key.EPOCH_END.at(number), _PLACE)
        return EpochInfo(
            number,
            found.committee,
            found.first_checkpoint,
            None if end is None else end.checkpoint,
            found.start_ms,
            None if end is None else end.timestamp_ms,
            found.reference_gas_price,
            found.protocol_version,
        )

    def checkpoints(self) -> int:
        """How many there are."""
        return _count(lambda number: self._store.record(Key.CHECKPOINT.at(number)) is not None)

    def transactions(self) -> int:
        """How many were executed."""
        return _count(lambda number: self._store.record(Key.ORDER.at(number)) is not None)

    def waiting(self, latest: Certified) -> Iterator[Executed]:
        """What was executed after the newest checkpoint, in order."""
        sealed, total = latest.summary.network_total_transactions, self.transactions()
        if total < sealed:
            raise ArchiveError(f"at least {sealed} transactions", total)
        for number in range(sealed, total):
            digest_ = self.digest_at(number)
            one = None if digest_ is None else self.transaction(digest_)
            if one is None or one.checkpoint is not None:
                found = "none" if one is None else f"one of checkpoint {one.checkpoint}"
                raise ArchiveError(f"transaction {number}, in no checkpoint yet", found)
            yield one

    def _read(self, key: bytes, codec: Codec[T]) -> T | None:
        data = self._store.record(key)
        return None if data is None else _decoded(codec, data)


def _decoded(codec: Codec[T], data: bytes) -> T:
    try:
        return codec.decode(data)
    except BcsError as problem:
        raise ArchiveError("a record as it was written", str(problem)) from None


def _count(there: Callable[[int], bool]) -> int:
    """How many numbers from 0 on are there, when none follows one that is not: in so many steps as it has digits."""
    step = 1
    while there(step - 1):
        step *= 2
    low, high = step // 2, step - 1
    while low < high:
        middle = (low + high) // 2
        if there(middle):
            low = middle + 1
        else:
            high = middle
    return low
