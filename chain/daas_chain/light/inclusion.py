"""From a verified summary down to single events, and nothing left out on the way.

Invariant: every value returned here is bound to the summary by an unbroken chain of digests: contents, then effects
under their transaction, then events. Whoever hands over the parts can neither change one, nor swap two, nor withhold
the events of a transaction without being noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from daas_chain.sui.checkpoint import CONTENTS, MAX_CONTENTS_BYTES, Contents
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.effects import EFFECTS, MAX_SYSTEM_EFFECTS_BYTES, Effects, EffectsHead, read_head
from daas_chain.sui.events import EVENTS, MAX_EVENTS_BYTES, Event
from daas_chain.sui.status import Success
from daas_chain.sui.types import StructTag
from daas_protocol.bcs import BcsError

from .certificate import VerifiedSummary
from .errors import (
    ContentsDigestError,
    ContentsDuplicateError,
    ContentsStructureError,
    EffectsDigestError,
    EffectsEpochError,
    EffectsStructureError,
    EffectsTransactionError,
    EffectsWithheldError,
    EventIndexError,
    EventsDigestError,
    EventsStructureError,
    EventsUnexpectedError,
    EventsWithheldError,
    EventTypeError,
    FailedTransactionEventsError,
    TransactionMissingError,
    TransactionTotalError,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class VerifiedContents:
    """`effects`: digest of the effects of each transaction, in the checkpoint's order."""

    summary: VerifiedSummary
    contents: Contents
    effects: dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class VerifiedEffects:
    """`data` has the digest that the contents name; `head` is what of it leads to the events."""

    contents: VerifiedContents
    head: EffectsHead
    data: bytes

    def whole(self) -> Effects:
        """Changed objects and all. Raises `EffectsStructureError` where they are newer than this version."""
        return _read_effects(EFFECTS.decode, self.data)


@dataclass(frozen=True, slots=True)
class VerifiedTransaction:
    """A transaction of a checkpoint with all its events."""

    digest: bytes
    effects: VerifiedEffects
    events: tuple[Event, ...]


def read_contents(data: bytes) -> Contents:
    """Unverified. Raises `ContentsStructureError`."""
    if len(data) > MAX_CONTENTS_BYTES:
        raise ContentsStructureError(f"at most {MAX_CONTENTS_BYTES} bytes", str(len(data)))
    try:
        return CONTENTS.decode(data)
    except BcsError as error:
        raise ContentsStructureError("bcs(CheckpointContents)", str(error)) from None


def check_contents_digest(summary: VerifiedSummary, data: bytes) -> None:
    found = digest(Hashed.CONTENTS, data)
    if found != summary.summary.content_digest:
        raise ContentsDigestError(summary.summary.content_digest.hex(), found.hex())


def check_contents_unique(contents: Contents) -> dict[bytes, bytes]:
    effects = {entry.transaction: entry.effects for entry in contents.digests}
    if len(effects) != len(contents.digests):
        raise ContentsDuplicateError("every transaction once", f"{len(contents.digests) - len(effects)} repeated")
    return effects


def check_total(summary: VerifiedSummary, contents: Contents, before: int | None = None) -> None:
    """`before`: the network's total at the checkpoint before, where that one was verified."""
    total, count = summary.summary.network_total_transactions, len(contents.digests)
    if before is not None and before + count != total:
        raise TransactionTotalError(f"{before} and {count} more", str(total))
    if total < count:
        raise TransactionTotalError(f"at least {count}", str(total))


def open_contents(summary: VerifiedSummary, data: bytes, before: int | None = None) -> VerifiedContents:
    """The transactions of a checkpoint. Raises the error of the first check that fails."""
    contents = read_contents(data)
    check_contents_digest(summary, data)
    effects = check_contents_unique(contents)
    check_total(summary, contents, before)
    return VerifiedContents(summary, contents, effects)


def _read_effects(read: Callable[[bytes], T], data: bytes) -> T:
    try:
        return read(data)
    except BcsError as error:
        raise EffectsStructureError("bcs(TransactionEffects)", str(error)) from None


def open_effects(contents: VerifiedContents, transaction: bytes, data: bytes) -> VerifiedEffects:
    """What `transaction` (its digest) did."""
    expected = contents.effects.get(transaction)
    if expected is None:
        raise TransactionMissingError("one of the checkpoint's transactions", transaction.hex())
    if len(data) > MAX_SYSTEM_EFFECTS_BYTES:
        raise EffectsStructureError(f"at most {MAX_SYSTEM_EFFECTS_BYTES} bytes", str(len(data)))
    found = digest(Hashed.EFFECTS, data)
    if found != expected:
        raise EffectsDigestError(expected.hex(), found.hex())
    head = _read_effects(read_head, data)
    if head.transaction_digest != transaction:
        raise EffectsTransactionError(transaction.hex(), head.transaction_digest.hex())
    if head.executed_epoch != contents.summary.summary.epoch:
        raise EffectsEpochError(str(contents.summary.summary.epoch), str(head.executed_epoch))
    return VerifiedEffects(contents, head, data)


def open_events(effects: VerifiedEffects, data: bytes | None) -> tuple[Event, ...]:
    """All events of a transaction; `data` is None when it has none."""
    expected = effects.head.events_digest
    if expected is None:
        if data is not None:
            raise EventsUnexpectedError("no events", f"{len(data)} bytes")
        return ()
    if data is None:
        raise EventsWithheldError(f"events with digest {expected.hex()}", "none")
    if not isinstance(effects.head.status, Success):
        raise FailedTransactionEventsError("no events of a failed transaction", expected.hex())
    if len(data) > MAX_EVENTS_BYTES:
        raise EventsStructureError(f"at most {MAX_EVENTS_BYTES} bytes", str(len(data)))
    found = digest(Hashed.EVENTS, data)
    if found != expected:
        raise EventsDigestError(expected.hex(), found.hex())
    try:
        return EVENTS.decode(data)
    except BcsError as error:
        raise EventsStructureError("bcs(TransactionEvents)", str(error)) from None


def open_event(events: tuple[Event, ...], index: int, expected: StructTag) -> Event:
    """Event `index` of a transaction, which must be of type `expected`."""
    if not 0 <= index < len(events):
        raise EventIndexError(f"0..{len(events) - 1}" if events else "no index", str(index))
    event = events[index]
    if event.type != expected:
        raise EventTypeError(str(expected), str(event.type))
    return event


def of_type(events: tuple[Event, ...], expected: StructTag) -> tuple[Event, ...]:
    """Those that the module which defines `expected` emitted, whoever called it."""
    return tuple(event for event in events if event.type == expected)


def open_all(
    contents: VerifiedContents, parts: Sequence[tuple[bytes, bytes | None]]
) -> tuple[VerifiedTransaction, ...]:
    """Every transaction of a checkpoint from (effects, events or None) in its order: nothing can be withheld."""
    digests = contents.contents.digests
    if len(parts) != len(digests):
        raise EffectsWithheldError(f"effects of {len(digests)} transactions", str(len(parts)))
    opened = []
    for entry, (effects, events) in zip(digests, parts, strict=True):
        verified = open_effects(contents, entry.transaction, effects)
        opened.append(VerifiedTransaction(entry.transaction, verified, open_events(verified, events)))
    return tuple(opened)
