"""Receipts: one sequence, one log, one signature at a time.

Invariant: the receipt with sequence s is leaf s of this boot's RFC 6962 log and names the root over the s leaves
before it. So that no two receipts ever share a sequence, making one is a single synchronous step: nothing can run
between reading the edge and appending to it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from daas_enclave.leaf_buffer import LeafBuffer
from daas_protocol import receipt as wire
from daas_protocol.intents import Drain, ReceiptBatch
from daas_protocol.log import RightEdge, TreeHead

ZERO: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a receipt answers: request digest and requester (32 B each); zero where none could be formed or proven."""

    request_digest: bytes = ZERO
    requester: bytes = ZERO


NOBODY: Final = Subject()


class ReceiptSigner:
    """Signs receipts of one boot and appends them to its log. `sign` makes a 64 B Ed25519 signature."""

    def __init__(
        self, enclave_id: bytes, boot_id: bytes, sign: Callable[[bytes], bytes], now_ms: Callable[[], int]
    ) -> None:
        self._enclave_id = enclave_id
        self._boot_id = boot_id
        self._sign = sign
        self._now_ms = now_ms
        self._edge = RightEdge()
        self.leaves = LeafBuffer()

    @property
    def size(self) -> int:
        """Receipts signed in this boot."""
        return self._edge.size

    def receipt(
        self,
        subject: Subject,
        status: int,
        body_digest: bytes,
        body_length: int,
        mailbox: wire.MailboxRef | None = None,
    ) -> bytes:
        """A signed Receipt (encoded SignedMessage) over a whole body; `mailbox` where the request came through it."""
        edge = self._edge
        payload = wire.Receipt(
            enclave_id=self._enclave_id,
            boot_id=self._boot_id,
            sequence=edge.size,
            request_digest=subject.request_digest,
            requester=subject.requester,
            mailbox=mailbox,
            status=status,
            body_digest=body_digest,
            body_length=body_length,
            log_root=edge.root(),
        ).to_bcs()
        return self._seal(wire.Intent.RECEIPT, payload)

    def stream_receipt(
        self,
        subject: Subject,
        status: int,
        body_digest: bytes,
        body_length: int,
        *,
        index: int,
        offset: int,
        running_digest: bytes,
        last: bool,
    ) -> bytes:
        """A signed StreamReceipt (encoded SignedMessage) over one frame."""
        edge = self._edge
        payload = wire.StreamReceipt(
            enclave_id=self._enclave_id,
            boot_id=self._boot_id,
            sequence=edge.size,
            request_digest=subject.request_digest,
            requester=subject.requester,
            mailbox=None,
            status=status,
            body_digest=body_digest,
            body_length=body_length,
            log_root=edge.root(),
            index=index,
            offset=offset,
            running_digest=running_digest,
            last=last,
        ).to_bcs()
        return self._seal(wire.Intent.STREAM_RECEIPT, payload)

    def _seal(self, intent: wire.Intent, payload: bytes) -> bytes:
        message = wire.sign(intent, self._now_ms(), payload, self._sign)
        leaf = wire.leaf_hash(payload)
        self._edge.append(leaf)
        self.leaves.append(leaf)
        return message.encode()

    def batch(self, receipts: Sequence[wire.Receipt]) -> wire.SignedMessage:
        """Receipts of this boot under one signature; no leaf of its own: each is in the log by its own signature."""
        payload = ReceiptBatch(tuple(receipts)).to_bcs()
        return wire.sign(wire.Intent.RECEIPT_BATCH, self._now_ms(), payload, self._sign)

    def tree_head(self) -> bytes:
        """A signed TreeHead (encoded SignedMessage) of the log as it is; no leaf of its own."""
        payload = TreeHead(
            enclave_id=self._enclave_id, boot_id=self._boot_id, size=self._edge.size, root=self._edge.root()
        ).to_bcs()
        return wire.sign(wire.Intent.TREE_HEAD, self._now_ms(), payload, self._sign).encode()

    def drain(self, revision: int) -> wire.SignedMessage:
        """The boot's last word: nothing may be signed after it. `revision`: of the journal, 0 without one."""
        payload = Drain(self._enclave_id, self._boot_id, self._edge.size, self._edge.root(), revision).to_bcs()
        return wire.sign(wire.Intent.DRAIN, self._now_ms(), payload, self._sign)


def header_value(message: bytes) -> bytes:
    """The value of `Daas-Receipt` for an encoded SignedMessage."""
    return base64.b64encode(message)
