"""Receipts: what the enclave signs for every answer it gives.

Invariant: a receipt has one byte form, and the signature covers exactly that form with its intent and time, so a
signature over one kind of statement can never be shown as another. A log leaf is made of the payload alone.
Source: DESIGN.md section 4; the signed layout is that of Nautilus (`IntentMessage{intent, timestamp_ms, payload}`).
"""

import base64
import binascii
import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from cryptography.exceptions import InvalidSignature

from daas_protocol.bcs import BcsError, Reader, require_length, require_uint
from daas_protocol.ed25519 import VerifyKey

ADDRESS_BYTES = 32
BOOT_ID_BYTES = 16
DIGEST_BYTES = 32
SIGNATURE_BYTES = 64
MAX_SIGNED_MESSAGE_BYTES = 4096
"""The largest payload today (a stream receipt of a mailbox request) has 307 bytes; the rest is for later intents."""
UPGRADE_CLOSE_BYTES = 16
MAX_HEADER_CHARACTERS = 4 * ((MAX_SIGNED_MESSAGE_BYTES + 2) // 3)

_PREFIX = struct.Struct("<BQ")
_HEAD = struct.Struct("<32sB16sQB32s32s")
_TAIL = struct.Struct("<HB32sQB32s")
_MAILBOX = struct.Struct("<QQQ")
_STREAM = struct.Struct("<QQB32sB")
_UPGRADE_CLOSE = struct.Struct("<QQ")


class Intent(IntEnum):
    """What a signature says. Numbers are never reused."""

    RECEIPT = 0
    RECEIPT_BATCH = 1
    STREAM_RECEIPT = 2
    TREE_HEAD = 3
    JOIN_TOKEN = 4
    WORKER_STATUS = 5
    SNAPSHOT = 6
    HANDOFF = 7
    DRAIN = 8
    WORKER_STATEMENT = 9


class ReceiptSignatureError(ValueError):
    """The signature of a signed message does not verify under the expected Ed25519 key."""

    def __init__(self, public_key: VerifyKey) -> None:
        self.expected = public_key.public_bytes_raw()
        super().__init__(f"signature does not verify under public key {self.expected.hex()}")


class IntentError(ValueError):
    """A signed message says something else than what was asked for."""

    def __init__(self, expected: Intent, actual: Intent) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(f"expected a signed {expected.name}, got {actual.name}")


@dataclass(frozen=True, slots=True)
class MailboxRef:
    """Where on chain the request was. `delivery_digest` is 32 bytes, or None when nothing is delivered on chain."""

    seq: int
    round_checkpoint: int
    revision: int
    delivery_digest: bytes | None

    def to_bcs(self) -> bytes:
        try:
            packed = _MAILBOX.pack(self.seq, self.round_checkpoint, self.revision)
        except struct.error as error:
            raise BcsError("a field of MailboxRef is not an unsigned 64-bit integer") from error
        digest = self.delivery_digest
        if digest is None:
            return packed + b"\x00"
        require_length("delivery_digest", digest, DIGEST_BYTES)
        return packed + b"\x01\x20" + digest

    @classmethod
    def read(cls, reader: Reader) -> "MailboxRef":
        return cls(reader.u64(), reader.u64(), reader.u64(), reader.option(lambda: reader.bytes(exact=DIGEST_BYTES)))

    @classmethod
    def from_bcs(cls, data: bytes) -> "MailboxRef":
        reader = Reader(data)
        value = cls.read(reader)
        reader.end()
        return value


@dataclass(frozen=True, slots=True)
class ReceiptFields:
    """What a receipt and a stream receipt share, in the order of the wire.

    `enclave_id`, `requester`: 32 bytes; `boot_id`: 16; `request_digest`, `body_digest` (SHA-256), `log_root`: 32.
    `sequence` is the leaf index in the log of this boot, `log_root` the root of the log before that leaf.
    """

    enclave_id: bytes
    boot_id: bytes
    sequence: int
    request_digest: bytes
    requester: bytes
    mailbox: MailboxRef | None
    status: int
    body_digest: bytes
    body_length: int
    log_root: bytes

    def _common_bcs(self) -> bytes:
        enclave, boot, request, requester = self.enclave_id, self.boot_id, self.request_digest, self.requester
        body, root, mailbox = self.body_digest, self.log_root, self.mailbox
        # struct pads and cuts byte strings without a word, so their lengths are compared first.
        if not len(enclave) == len(request) == len(requester) == len(body) == len(root) == 32 or len(boot) != 16:
            raise self._length_error()
        try:
            return (
                _HEAD.pack(enclave, 16, boot, self.sequence, 32, request, requester)
                + (b"\x00" if mailbox is None else b"\x01" + mailbox.to_bcs())
                + _TAIL.pack(self.status, 32, body, self.body_length, 32, root)
            )
        except struct.error as error:
            raise BcsError(f"an integer of the receipt is out of range: {error}") from error

    def _length_error(self) -> BcsError:
        for name in ("enclave_id", "request_digest", "requester", "body_digest", "log_root"):
            if len(getattr(self, name)) != DIGEST_BYTES:
                return BcsError(f"{name} must have {DIGEST_BYTES} bytes, not {len(getattr(self, name))}")
        return BcsError(f"boot_id must have {BOOT_ID_BYTES} bytes, not {len(self.boot_id)}")


_Common = tuple[bytes, bytes, int, bytes, bytes, MailboxRef | None, int, bytes, int, bytes]


def _read_common(reader: Reader) -> _Common:
    return (
        reader.fixed(ADDRESS_BYTES),
        reader.bytes(exact=BOOT_ID_BYTES),
        reader.u64(),
        reader.bytes(exact=DIGEST_BYTES),
        reader.fixed(ADDRESS_BYTES),
        MailboxRef.read(reader) if reader.bool() else None,
        reader.u16(),
        reader.bytes(exact=DIGEST_BYTES),
        reader.u64(),
        reader.bytes(exact=DIGEST_BYTES),
    )


@dataclass(frozen=True, slots=True)
class Receipt(ReceiptFields):
    """Intent 0: one whole answer. 199 bytes without a mailbox."""

    def to_bcs(self) -> bytes:
        return self._common_bcs()

    @classmethod
    def read(cls, reader: Reader) -> "Receipt":
        return cls(*_read_common(reader))

    @classmethod
    def from_bcs(cls, data: bytes) -> "Receipt":
        reader = Reader(data)
        value = cls.read(reader)
        reader.end()
        return value


@dataclass(frozen=True, slots=True)
class StreamReceipt(ReceiptFields):
    """Intent 2: one frame of a longer answer; `body_digest` and `body_length` are this frame's.

    `index` counts frames from 0, `offset` the body bytes before this frame, `running_digest` is SHA-256 of all body
    bytes up to and with this frame.
    """

    index: int
    offset: int
    running_digest: bytes
    last: bool

    def to_bcs(self) -> bytes:
        require_length("running_digest", self.running_digest, DIGEST_BYTES)
        try:
            tail = _STREAM.pack(self.index, self.offset, 32, self.running_digest, 1 if self.last else 0)
        except struct.error as error:
            raise BcsError(f"an integer of the stream receipt is out of range: {error}") from error
        return self._common_bcs() + tail

    @classmethod
    def from_bcs(cls, data: bytes) -> "StreamReceipt":
        reader = Reader(data)
        common = _read_common(reader)
        value = cls(*common, reader.u64(), reader.u64(), reader.bytes(exact=DIGEST_BYTES), reader.bool())
        reader.end()
        return value


@dataclass(frozen=True, slots=True)
class UpgradeClose:
    """Body of the receipt that closes an upgraded stream: bytes the enclave sent to and received from the client."""

    sent: int
    received: int

    def to_bcs(self) -> bytes:
        require_uint("sent", self.sent, 64)
        require_uint("received", self.received, 64)
        return _UPGRADE_CLOSE.pack(self.sent, self.received)

    @classmethod
    def from_bcs(cls, data: bytes) -> "UpgradeClose":
        reader = Reader(data)
        value = cls(reader.u64(), reader.u64())
        reader.end()
        return value


def leaf_hash(payload: bytes) -> bytes:
    """SHA-256(0x00 || payload), 32 bytes: the leaf of RFC 6962 section 2.1."""
    return hashlib.sha256(b"\x00" + payload).digest()


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """`bcs(IntentMessage) || signature`: what the header `Daas-Receipt` and the RECEIPT file format carry.

    `payload` is the BCS of the structure that `intent` names; `signature` is 64 bytes, Ed25519.
    """

    intent: Intent
    timestamp_ms: int
    payload: bytes
    signature: bytes

    def signing_bytes(self) -> bytes:
        return signing_bytes(self.intent, self.timestamp_ms, self.payload)

    def encode(self) -> bytes:
        """At most `MAX_SIGNED_MESSAGE_BYTES`; more raises `BcsError`."""
        require_length("signature", self.signature, SIGNATURE_BYTES)
        encoded = self.signing_bytes() + self.signature
        if len(encoded) > MAX_SIGNED_MESSAGE_BYTES:
            raise BcsError(f"signed message has at most {MAX_SIGNED_MESSAGE_BYTES} bytes, not {len(encoded)}")
        return encoded

    @classmethod
    def decode(cls, data: bytes) -> "SignedMessage":
        """Raises `BcsError` for a wrong length or an unknown intent. The payload is read by `receipt()` and so on."""
        end = len(data) - SIGNATURE_BYTES
        if not _PREFIX.size <= end <= MAX_SIGNED_MESSAGE_BYTES - SIGNATURE_BYTES:
            least = _PREFIX.size + SIGNATURE_BYTES
            raise BcsError(f"signed message has {least}..{MAX_SIGNED_MESSAGE_BYTES} bytes, not {len(data)}")
        intent, timestamp_ms = _PREFIX.unpack_from(data)
        known = _INTENTS.get(intent)
        if known is None:
            raise BcsError(f"unknown intent {intent}")
        return cls(known, timestamp_ms, data[_PREFIX.size : end], data[end:])

    def leaf_hash(self) -> bytes:
        return leaf_hash(self.payload)

    def receipt(self) -> Receipt:
        """The payload as a Receipt. Raises `IntentError`, `BcsError`."""
        self.require(Intent.RECEIPT)
        return Receipt.from_bcs(self.payload)

    def stream_receipt(self) -> StreamReceipt:
        """The payload as a StreamReceipt. Raises `IntentError`, `BcsError`."""
        self.require(Intent.STREAM_RECEIPT)
        return StreamReceipt.from_bcs(self.payload)

    def require(self, intent: Intent) -> None:
        if self.intent is not intent:
            raise IntentError(intent, self.intent)


_INTENTS = {int(intent): intent for intent in Intent}


def signing_bytes(intent: Intent, timestamp_ms: int, payload: bytes) -> bytes:
    """bcs(IntentMessage): intent u8, timestamp_ms u64, payload inline."""
    try:
        return _PREFIX.pack(intent, timestamp_ms) + payload
    except struct.error as error:
        raise BcsError(f"timestamp_ms must be an unsigned 64-bit integer, not {timestamp_ms}") from error


def sign(intent: Intent, timestamp_ms: int, payload: bytes, sign: Callable[[bytes], bytes]) -> SignedMessage:
    """`sign` gets the signing bytes and returns an Ed25519 signature of 64 bytes."""
    signature = sign(signing_bytes(intent, timestamp_ms, payload))
    require_length("signature", signature, SIGNATURE_BYTES)
    return SignedMessage(intent, timestamp_ms, payload, signature)


def verify(message: SignedMessage, public_key: VerifyKey) -> None:
    """Raises `ReceiptSignatureError`. Says nothing about what the payload means."""
    try:
        public_key.verify(message.signature, message.signing_bytes())
    except InvalidSignature as error:
        raise ReceiptSignatureError(public_key) from error


def to_header(message: SignedMessage) -> str:
    """Standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(message.encode()).decode("ascii")


def from_header(value: str) -> SignedMessage:
    """Strict inverse of `to_header`: another alphabet, spaces, or spare bits raise `BcsError`."""
    return SignedMessage.decode(decode_base64(value, MAX_HEADER_CHARACTERS))


def decode_base64(value: str, max_characters: int) -> bytes:
    """Canonical standard base64 only, so that one byte string has one text. Raises `BcsError`."""
    if len(value) > max_characters:
        raise BcsError(f"base64 text has at most {max_characters} characters, not {len(value)}")
    try:
        decoded = base64.b64decode(value.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise BcsError("not base64 text") from error
    if base64.b64encode(decoded) != value.encode("ascii"):
        raise BcsError("base64 text is not canonical")
    return decoded
