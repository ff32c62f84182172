"""The answer as ciphertext, where its requester asked for it on chain (`deliver=chain`).

    info       = "DAAS-L1-DELIVERY-V1\\0" || SHA-256(bcs(EnvelopeInfo))     the request that it answers
    content    = bcs(Delivery)
    ciphertext = HPKE(content, padded to 256 B) to the X25519 key inside the request's plaintext

Invariant: what opens is an answer to that request by somebody who read its plaintext; that it is the enclave's answer
the receipt says, whose `delivery_digest` is the ciphertext's SHA-256. Source: DESIGN.md section 3, docs/protocol.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from daas_protocol.bcs import BcsError, Reader, Writer
from daas_protocol.hpke import X25519_OVERHEAD, X25519Key, padded_length, x25519_seal
from daas_protocol.request_envelope import EnvelopeInfo

DELIVERY_DOMAIN: Final = b"DAAS-L1-DELIVERY-V1\x00"
MAX_DELIVERED_BODY_BYTES: Final = 8_192
"""What an event is let to carry of an answer; a longer one is fetched from the enclave."""
MAX_CONTENT_TYPE_BYTES: Final = 128
MAX_DELIVERY_BYTES: Final = 8_704
"""Of the ciphertext (`settlement.move`): a body of 8,192 B, its head and padding, and what HPKE adds."""


class DeliveryError(ValueError):
    """An answer that cannot be delivered on chain, or content that is no answer. Only subclasses are raised."""


class DeliveryLengthError(DeliveryError):
    def __init__(self, name: str, expected: int, actual: int) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"{name} has at most {expected} bytes where it is delivered on chain, not {actual}")


class DeliveryStructureError(DeliveryError):
    """Not the canonical BCS of a `Delivery`."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer: HTTP status, its `Content-Type` (at most 128 bytes), body (at most 8,192)."""

    status: int
    content_type: str
    body: bytes = field(repr=False)

    def to_bcs(self) -> bytes:
        """Raises `DeliveryLengthError`, `BcsError`."""
        kind = len(self.content_type.encode("utf-8", "surrogatepass"))
        if kind > MAX_CONTENT_TYPE_BYTES:
            raise DeliveryLengthError("content type", MAX_CONTENT_TYPE_BYTES, kind)
        if len(self.body) > MAX_DELIVERED_BODY_BYTES:
            raise DeliveryLengthError("body", MAX_DELIVERED_BODY_BYTES, len(self.body))
        writer = Writer()
        writer.u16(self.status)
        writer.string(self.content_type)
        writer.bytes(self.body)
        return writer.finish()

    @classmethod
    def from_bcs(cls, data: bytes) -> Delivery:
        """Raises `DeliveryStructureError`."""
        reader = Reader(data)
        try:
            value = cls(reader.u16(), reader.string(MAX_CONTENT_TYPE_BYTES), reader.bytes(MAX_DELIVERED_BODY_BYTES))
            reader.end()
        except BcsError as error:
            raise DeliveryStructureError(str(error)) from None
        return value


def delivery_length(content_type: str, body_length: int) -> int:
    """Bytes of the ciphertext for such an answer (the longest form of its lengths)."""
    return X25519_OVERHEAD + padded_length(2 + 2 + len(content_type) + 2 + body_length)


def _info(info: EnvelopeInfo) -> bytes:
    return DELIVERY_DOMAIN + hashlib.sha256(info.to_bcs()).digest()


def seal_delivery(info: EnvelopeInfo, answer: Delivery, response_key: bytes) -> bytes:
    """Encrypted to the `response_key` (32 bytes) of the request that `info` names.

    Raises `DeliveryLengthError` where the answer is too long and `PublicKeyError` where the key is of small order.
    """
    return x25519_seal(response_key, _info(info), answer.to_bcs())


class ResponseKey(X25519Key):
    """A requester's private response key, for one request; from 32 random bytes that its caller wipes."""

    __slots__ = ()


def open_delivery(info: EnvelopeInfo, ciphertext: bytes, key: ResponseKey) -> Delivery:
    """Raises `HpkeError` where it does not open and `DeliveryStructureError` where what opens is no answer."""
    return Delivery.from_bcs(key.decrypt(_info(info), ciphertext, MAX_DELIVERY_BYTES))
