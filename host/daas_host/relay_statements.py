"""From what the enclave hands over to what waits for the chain.

Invariant: a statement that the contract could not even read is refused here, by name. Its signature is not checked:
the contract does that, and a host has nobody to lie to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from daas_host.relay_outbox import Kind, Statement
from daas_protocol.bcs import BcsError, Reader
from daas_protocol.chain_feed import Drained, Settle
from daas_protocol.intents import ReceiptBatch
from daas_protocol.receipt import Intent, Receipt

PREFIX_BYTES: Final = 1 + 8
"""Intent and time of a signed message."""
MAX_SEQ: Final = 2**63 - 1
"""A database's integers end there; a mailbox that takes a million requests a second gets there in 300,000 years."""
DRAIN_OPEN_MS: Final = 3_600_000
"""How long a drain is worth submitting: a boot that is gone for an hour is superseded or expired soon."""
UNKNOWN_OPEN_MS: Final = 3_600_000
"""For receipts of requests that the relay has not seen yet: its journal is behind the enclave. The contract says when
it is too late."""


class StatementError(ValueError):
    """The enclave has handed over what is no statement for the contract."""

    def __init__(self, expected: str, actual: str) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"a statement to submit: expected {expected}, found {actual}")


@dataclass(frozen=True, slots=True)
class Receipts:
    """What the contract will read of a Settle."""

    single: bool
    seqs: tuple[int, ...]


def receipts(settle: Settle) -> Receipts:
    """Raises `StatementError`."""
    intent, payload = _opened(settle.message)
    try:
        if intent == Intent.RECEIPT:
            found: tuple[Receipt, ...] = (Receipt.from_bcs(payload),)
        elif intent == Intent.RECEIPT_BATCH:
            found = ReceiptBatch.from_bcs(payload).receipts
        else:
            raise StatementError("a Receipt or a ReceiptBatch", f"intent {intent}")
    except BcsError as problem:
        raise StatementError("a Receipt or a ReceiptBatch", str(problem)) from None
    if len(found) != len(settle.request_ids):
        raise StatementError(f"{len(found)} request ids", str(len(settle.request_ids)))
    seqs = tuple(one.mailbox.seq for one in found if one.mailbox is not None)
    if len(seqs) != len(found):
        raise StatementError("receipts of requests in the mailbox", "one without")
    if max(seqs) > MAX_SEQ:
        raise StatementError(f"a number in the mailbox of at most {MAX_SEQ}", str(max(seqs)))
    return Receipts(intent == Intent.RECEIPT, seqs)


def settlement(settle: Settle, read: Receipts, closes_ms: int) -> Statement:
    return Statement(
        Kind.SETTLE, read.seqs, settle.request_ids, settle.deliveries, settle.message, settle.signature, closes_ms
    )


def drain(drained: Drained, now_ms: int) -> Statement:
    """Raises `StatementError`."""
    intent, _ = _opened(drained.message)
    if intent != Intent.DRAIN:
        raise StatementError("a Drain", f"intent {intent}")
    return Statement(Kind.DRAIN, (), (), (), drained.message, drained.signature, now_ms + DRAIN_OPEN_MS)


def _opened(message: bytes) -> tuple[int, bytes]:
    reader = Reader(message)
    try:
        intent = reader.u8()
        reader.u64()
    except BcsError as problem:
        raise StatementError("a signed message", str(problem)) from None
    return intent, message[PREFIX_BYTES:]
