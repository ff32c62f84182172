"""Receipts for the tests of `daas::settlement`, `daas::mailbox` and the conservation of SUI."""

import hashlib

from daas_protocol.intents import ReceiptBatch
from daas_protocol.receipt import Intent, MailboxRef, Receipt, SignedMessage, StreamReceipt
from support.move_signing import boot_id, receipt, request_digest, signed

OTHER_SLOT = b"\x77" * 32
ANSWER = b"answer"
LONGEST_DELIVERY = b"\x07" * 8_704


def mailbox(seq: int, delivery: bytes | None = None) -> MailboxRef:
    digest = None if delivery is None else hashlib.sha256(delivery).digest()
    return MailboxRef(seq=seq, round_checkpoint=100, revision=1_001 + seq, delivery_digest=digest)


def single(value: Receipt, *, seed: int = 1) -> SignedMessage:
    return signed(Intent.RECEIPT, value.to_bcs(), seed=seed)


def batch(*values: Receipt, seed: int = 1) -> SignedMessage:
    return signed(Intent.RECEIPT_BATCH, ReceiptBatch(values).to_bcs(), seed=seed)


def frame(value: Receipt) -> SignedMessage:
    """The receipt as the only frame of a stream: the same facts under another intent."""
    stream = StreamReceipt(
        value.enclave_id,
        value.boot_id,
        value.sequence,
        value.request_digest,
        value.requester,
        value.mailbox,
        value.status,
        value.body_digest,
        value.body_length,
        value.log_root,
        index=0,
        offset=0,
        running_digest=value.body_digest,
        last=True,
    )
    return signed(Intent.STREAM_RECEIPT, stream.to_bcs())


SKIPPED = (
    receipt(1),
    receipt(2, enclave_id=OTHER_SLOT),
    receipt(3, boot_id=boot_id(2)),
    receipt(4, mailbox=None),
    receipt(5),
    receipt(1),
    receipt(6),
    receipt(7),
    receipt(8, mailbox=mailbox(99)),
    receipt(9, request_digest=request_digest(99)),
    receipt(10, mailbox=mailbox(9, ANSWER)),
    receipt(11),
)
"""One receipt for each reason to skip it, between two that settle; the test gives the requests the state for it."""

CASES = {
    "receipt_1": single(receipt(1)),
    "receipt_2": single(receipt(2)),
    "receipt_1_of_boot_2": single(receipt(1, boot=2), seed=2),
    "receipt_1_too_late": single(receipt(1, status=504)),
    "receipt_1_forged": single(receipt(1), seed=2),
    "receipt_1_of_other_slot": single(receipt(1, enclave_id=OTHER_SLOT)),
    "receipt_1_of_other_requester": single(receipt(1, requester=bytes(31) + b"\x99")),
    "receipt_1_of_other_sequence": single(receipt(1, mailbox=mailbox(7))),
    "receipt_1_of_other_digest": single(receipt(1, request_digest=request_digest(99))),
    "receipt_1_without_mailbox": single(receipt(1, mailbox=None)),
    "receipt_1_delivering": single(receipt(1, mailbox=mailbox(0, ANSWER))),
    "receipt_1_delivering_longest": single(receipt(1, mailbox=mailbox(0, LONGEST_DELIVERY))),
    "receipt_1_delivering_too_long": single(receipt(1, mailbox=mailbox(0, LONGEST_DELIVERY + b"\x07"))),
    "receipt_1_delivering_nothing": single(receipt(1, mailbox=mailbox(0, b""))),
    "receipt_1_as_frame": frame(receipt(1)),
    "receipt_1_as_drain": signed(Intent.DRAIN, receipt(1).to_bcs()),
    "receipt_1_with_a_byte_more": signed(Intent.RECEIPT, receipt(1).to_bcs() + b"\x00"),
    "batch_1_2_3": batch(receipt(1), receipt(2), receipt(3)),
    "batch_1_2_of_boot_2": batch(receipt(1, boot=2), receipt(2, boot=2), seed=2),
    "batch_1_delivering_2": batch(receipt(1, mailbox=mailbox(0, ANSWER)), receipt(2)),
    "batch_1_2_forged": batch(receipt(1), receipt(2), seed=2),
    # No ReceiptBatch of ours can be empty.
    "batch_of_none": signed(Intent.RECEIPT_BATCH, b"\x00"),
    "batch_with_every_fault": batch(*SKIPPED),
    "batch_of_60": batch(*(receipt(number) for number in range(1, 61))),
} | {f"alone_{number}": batch(receipt(number)) for number in range(1, 9)}
"""`alone_N`: request N in a batch of one, which is skipped where a single receipt would abort."""
