"""Decides whether an answer is the enclave's answer to this very request. Pure: the clock is an argument.

Invariant: nothing here returns normally unless every check passed, and the caller hands on no byte before it returned.
The order of checks is fixed: encoding, signature, intent, enclave, boot, request digest, requester, mailbox, status,
freshness, sequence, body. The signature comes before any field is believed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from daas_gateway import errors, l1_errors
from daas_protocol.ed25519 import VerifyKey
from daas_protocol.frames import split_close
from daas_protocol.receipt import (
    MAX_HEADER_CHARACTERS,
    Intent,
    Receipt,
    ReceiptSignatureError,
    SignedMessage,
    StreamReceipt,
    decode_base64,
    verify,
)

FRESH_MS: Final = 30_000
"""A live receipt may be this far off the own clock, either way (design, section 2)."""
ZERO_32: Final = bytes(32)
SEQUENCE_LIMIT: Final = 2**63
"""SQLite's integers are signed; a boot that signed a million answers a second would take 292,000 years to get here."""
UNAUTHORIZED: Final = 401
BAD_REQUEST: Final = 400
SWITCHING: Final = 101


@dataclass(frozen=True, slots=True)
class Expected:
    """What the answer to one request must say. All of it is the gateway's own knowledge or attested.

    `may_be_nobody`: the answer may name no requester, as a refused session post does; it is then never handed on.
    """

    enclave_id: bytes
    boot_id: bytes
    public_key: VerifyKey
    request_digest: bytes
    requester: bytes
    may_be_nobody: bool = False


R = TypeVar("R", Receipt, StreamReceipt)


@dataclass(frozen=True, slots=True)
class Checked(Generic[R]):
    """A receipt that passed: its fields, the signed message around it, and that message's bytes."""

    receipt: R
    message: SignedMessage
    raw: bytes


def _signed(raw: bytes, expected: Expected, intent: Intent) -> SignedMessage:
    try:
        message = SignedMessage.decode(raw)
    except ValueError as problem:
        raise errors.ReceiptMalformed("a signed message", problem) from None
    try:
        verify(message, expected.public_key)
    except ReceiptSignatureError:
        key = expected.public_key.public_bytes_raw()
        raise errors.ReceiptSignatureInvalid(f"a signature by {key.hex()}", message.signature) from None
    if message.intent is not intent:
        raise errors.ReceiptIntentWrong(intent.name, message.intent.name)
    return message


def _stream_receipt(message: SignedMessage) -> StreamReceipt:
    try:
        return StreamReceipt.from_bcs(message.payload)
    except ValueError as problem:
        raise errors.ReceiptMalformed("a StreamReceipt", problem) from None


def _fields(
    receipt: Receipt | StreamReceipt,
    expected: Expected,
    status: int,
    timestamp_ms: int,
    now_ms: int,
    held_ms: int,
) -> None:
    if receipt.enclave_id != expected.enclave_id:
        raise errors.ReceiptEnclaveWrong(expected.enclave_id, receipt.enclave_id)
    if receipt.boot_id != expected.boot_id:
        raise errors.ReceiptBootWrong(expected.boot_id, receipt.boot_id)
    if receipt.request_digest != expected.request_digest:
        if receipt.request_digest == ZERO_32:
            raise errors.ReceiptUnbound(expected.request_digest, "zero: the enclave could not read the request")
        raise errors.ReceiptOfAnotherRequest(expected.request_digest, receipt.request_digest)
    if receipt.requester != expected.requester and not (
        receipt.requester == ZERO_32 and (status == UNAUTHORIZED or (expected.may_be_nobody and status >= BAD_REQUEST))
    ):
        raise errors.ReceiptRequesterWrong(expected.requester, receipt.requester)
    if receipt.mailbox is not None:
        raise errors.ReceiptMailboxUnexpected("none", receipt.mailbox)
    if receipt.status != status:
        raise errors.ReceiptStatusWrong(receipt.status, status)
    if not now_ms - FRESH_MS - held_ms <= timestamp_ms <= now_ms + FRESH_MS:
        raise errors.ReceiptStale(f"{now_ms} +- {FRESH_MS + held_ms}", timestamp_ms)
    if receipt.sequence >= SEQUENCE_LIMIT:
        raise errors.SequenceOutOfRange(f"below {SEQUENCE_LIMIT}", receipt.sequence)


def _body(receipt: Receipt | StreamReceipt, body: bytes) -> None:
    if receipt.body_length != len(body):
        raise errors.BodyLengthWrong(receipt.body_length, len(body))
    digest = hashlib.sha256(body).digest()
    if receipt.body_digest != digest:
        raise errors.BodyDigestWrong(receipt.body_digest, digest)


def _header(header: bytes | None, expected: Expected) -> tuple[SignedMessage, bytes]:
    if header is None:
        raise errors.ReceiptMissing("a Daas-Receipt header", "none")
    try:
        raw = decode_base64(header.decode("ascii"), MAX_HEADER_CHARACTERS)
    except ValueError as problem:
        raise errors.ReceiptMalformed("base64 of a signed message", problem) from None
    return _signed(raw, expected, Intent.RECEIPT), raw


def _receipt(message: SignedMessage) -> Receipt:
    try:
        return Receipt.from_bcs(message.payload)
    except ValueError as problem:
        raise errors.ReceiptMalformed("a Receipt", problem) from None


def check_unary(header: bytes | None, expected: Expected, status: int, body: bytes, now_ms: int) -> Checked[Receipt]:
    """Checks a whole answer: `header` is the value of Daas-Receipt. Raises subclasses of CheckFailed."""
    message, raw = _header(header, expected)
    receipt = _receipt(message)
    _fields(receipt, expected, status, message.timestamp_ms, now_ms, 0)
    _body(receipt, body)
    return Checked(receipt, message, raw)


def check_on_chain(
    raw: bytes,
    expected: Expected,
    body: bytes | None,
    mailbox_seq: int | None,
    deliver: bool,
) -> Checked[Receipt]:
    """As `check_unary`, for the signed message of a request through the contract, which is judged at any age.

    `body` None: the enclave no longer has it.     `mailbox_seq` None: not known here (the digest alone then says whose
    answer it is); `deliver`: whether delivery on chain was asked for. Raises subclasses of CheckFailed.
    """
    message = _signed(raw, expected, Intent.RECEIPT)
    receipt = _receipt(message)
    mailbox = receipt.mailbox
    if receipt.enclave_id != expected.enclave_id:
        raise errors.ReceiptEnclaveWrong(expected.enclave_id, receipt.enclave_id)
    if receipt.boot_id != expected.boot_id:
        raise errors.ReceiptBootWrong(expected.boot_id, receipt.boot_id)
    if receipt.request_digest != expected.request_digest:
        raise errors.ReceiptOfAnotherRequest(expected.request_digest, receipt.request_digest)
    if receipt.requester != expected.requester:
        raise errors.ReceiptRequesterWrong(expected.requester, receipt.requester)
    if mailbox is None:
        raise l1_errors.ReceiptMailboxMissing(mailbox_seq, "none")
    if mailbox_seq is not None and mailbox.seq != mailbox_seq:
        raise l1_errors.ReceiptMailboxWrong(mailbox_seq, mailbox.seq)
    if mailbox.delivery_digest is not None and not deliver:
        raise l1_errors.DeliveryDigestWrong("none: delivery was not asked for", mailbox.delivery_digest)
    if receipt.sequence >= SEQUENCE_LIMIT:
        raise errors.SequenceOutOfRange(f"below {SEQUENCE_LIMIT}", receipt.sequence)
    if body is not None:
        _body(receipt, body)
    return Checked(receipt, message, raw)


class StreamVerifier:
    """Follows one framed answer. `accept` returns only for the next genuine frame; `end` only after the last one."""

    __slots__ = ("_digest", "_expected", "_index", "_offset", "_status", "finished")

    def __init__(self, expected: Expected, status: int) -> None:
        self._expected = expected
        self._status = status
        self._index = 0
        self._offset = 0
        self._digest = hashlib.sha256()
        self.finished = False

    def accept(self, data: bytes, raw: bytes, now_ms: int, held_ms: int) -> Checked[StreamReceipt]:
        """Checks one frame: its data and signed StreamReceipt.

        `held_ms` is how long this gateway itself kept the stream waiting for a slow client: frames that were signed
        meanwhile are older by as much. Raises subclasses of CheckFailed.
        """
        message = _signed(raw, self._expected, Intent.STREAM_RECEIPT)
        receipt = _stream_receipt(message)
        if self.finished:
            raise errors.FrameAfterLast("nothing", f"frame {receipt.index}")
        _fields(receipt, self._expected, self._status, message.timestamp_ms, now_ms, held_ms)
        if receipt.requester != self._expected.requester:
            # A whole answer may name nobody (401) and is then never handed on; frames are handed on.
            raise errors.ReceiptRequesterWrong(self._expected.requester, receipt.requester)
        if receipt.index != self._index:
            raise errors.FrameIndexWrong(self._index, receipt.index)
        if receipt.offset != self._offset:
            raise errors.FrameOffsetWrong(self._offset, receipt.offset)
        if not data and receipt.index and not receipt.last:
            raise errors.FrameEmpty("at least 1 byte", 0)
        _body(receipt, data)
        self._digest.update(data)
        running = self._digest.digest()
        if receipt.running_digest != running:
            raise errors.FrameRunningDigestWrong(receipt.running_digest, running)
        self._index += 1
        self._offset += len(data)
        self.finished = receipt.last
        return Checked(receipt, message, raw)

    def end(self) -> None:
        """To be called when the body ends. Raises StreamCut."""
        if not self.finished:
            raise errors.StreamCut("a last frame", f"the end after {self._index} frames, {self._offset} bytes")


def check_opening(header: bytes | None, expected: Expected, now_ms: int) -> Checked[Receipt]:
    """Checks the opening receipt of an upgraded connection. Raises subclasses of CheckFailed."""
    return check_unary(header, expected, SWITCHING, b"", now_ms)


def check_closing(
    payload: bytes, expected: Expected, to_enclave: int, from_enclave: int, now_ms: int, held_ms: int
) -> Checked[StreamReceipt]:
    """Checks the payload of the enclave's closing pipe frame: bcs(UpgradeClose), 16 bytes, and its signed receipt.

    `to_enclave` and `from_enclave` are this gateway's counts of bytes. The enclave must have sent exactly what arrived
    here, and cannot have received more than was sent to it. Raises subclasses of CheckFailed.
    """
    try:
        counts, raw = split_close(payload)
    except ValueError as problem:
        raise errors.ReceiptMalformed("counts and a receipt in the closing frame", problem) from None
    body = counts.to_bcs()
    message = _signed(raw, expected, Intent.STREAM_RECEIPT)
    receipt = _stream_receipt(message)
    _fields(receipt, expected, SWITCHING, message.timestamp_ms, now_ms, held_ms)
    _body(receipt, body)
    shape = (receipt.index, receipt.offset, receipt.last)
    if shape != (1, 0, True):
        raise errors.CloseReceiptWrong("index 1, offset 0, last", shape)
    if receipt.running_digest != receipt.body_digest:
        raise errors.CloseReceiptWrong(receipt.body_digest, receipt.running_digest)
    if counts.sent != from_enclave:
        raise errors.CloseReceiptWrong(f"{from_enclave} bytes sent by the enclave", counts.sent)
    if counts.received > to_enclave:
        raise errors.CloseReceiptWrong(f"at most {to_enclave} bytes received by the enclave", counts.received)
    return Checked(receipt, message, raw)
