"""What the chain says of a request beside the receipts that this machine keeps of it. Pure.

Invariant: a difference in what was answered is never passed over; another boot may have signed the same outcome again,
with a sequence of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from daas_chain.values import Settled
from daas_gateway.store import KeptReceipt
from daas_protocol.receipt import Intent, SignedMessage


@dataclass(frozen=True, slots=True)
class Comparison:
    """`differences`: field, what was kept, what the chain says; empty where both agree."""

    receipt: int
    boot_id: bytes
    sequence: int
    method: str
    target: str
    differences: tuple[tuple[str, str, str], ...]


def compare(number: int, kept: KeptReceipt, settled: Settled) -> Comparison | None:
    """`number`: of the kept receipt. None for a frame of a stream: it settles nothing."""
    if kept.intent != Intent.RECEIPT:
        return None
    found: list[tuple[str, str, str]] = []

    def same(name: str, own: object, on_chain: object) -> None:
        if own != on_chain:
            found.append((name, _text(own), _text(on_chain)))

    same("status", kept.status, settled.status)
    same("body digest", kept.body_digest, settled.body_digest)
    same("body length", kept.body_length, settled.body_length)
    if kept.boot_id == settled.boot_id:
        same("sequence", kept.sequence, settled.sequence)
    try:
        mailbox = SignedMessage.decode(kept.message).receipt().mailbox
    except ValueError:
        found.append(("signed message", "unreadable", "a receipt"))
    else:
        same("mailbox sequence", None if mailbox is None else mailbox.seq, settled.seq)
        same("revision", None if mailbox is None else mailbox.revision, settled.revision)
    return Comparison(number, kept.boot_id, kept.sequence, kept.method, kept.target, tuple(found))


def _text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
