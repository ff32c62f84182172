"""Who has signed a transaction.

Invariant: a transaction is accepted with exactly one good signature of its sender and, where somebody else pays, one of
the gas owner, in any order, and no other. Ed25519 only: other schemes are refused by name.
"""

from __future__ import annotations

import hashlib
from typing import ClassVar

from cryptography.exceptions import InvalidSignature

from daas_chain.sui.transaction import INTENT, TRANSACTION_DATA, TransactionData
from daas_protocol.ed25519 import FastVerifyKey
from daas_protocol.sui import ED25519_FLAG, PUBLIC_KEY_BYTES, SCHEME_NAMES, SIGNATURE_BYTES, address_of


class SignatureError(Exception):
    """A transaction without the signatures that it needs."""

    check: ClassVar[str] = "signature"

    def __init__(self, expected: object, actual: object) -> None:
        super().__init__(f"{self.check}: expected {expected}, got {actual}")
        self.expected = expected
        self.actual = actual


class SchemeError(SignatureError):
    """A signature of another scheme."""

    check = "signature-scheme"


class LengthError(SignatureError):
    check = "signature-length"


class SignerError(SignatureError):
    """A signature is missing, is there twice, or is of somebody whom nobody asked."""

    check = "signer"


class InvalidError(SignatureError):
    """The signature is not one of this transaction by its key."""

    check = "signature-invalid"


def signing_digest(data: TransactionData) -> bytes:
    """What a key signs: 32 bytes."""
    return hashlib.blake2b(INTENT + TRANSACTION_DATA.encode(data), digest_size=32).digest()


def check_signatures(data: TransactionData, signatures: tuple[bytes, ...]) -> None:
    """Raises SignatureError."""
    wanted = {data.sender, data.gas.owner}
    if len(signatures) != len(wanted):
        raise SignerError(f"{len(wanted)} signatures", len(signatures))
    message = signing_digest(data)
    for signature in signatures:
        signer = _signer(signature, message)
        if signer not in wanted:
            raise SignerError(", ".join(f"0x{one.hex()}" for one in sorted(wanted)) or "nobody", f"0x{signer.hex()}")
        wanted.remove(signer)


def _signer(signature: bytes, message: bytes) -> bytes:
    scheme = signature[0] if signature else None
    if scheme != ED25519_FLAG:
        name = "nothing" if scheme is None else SCHEME_NAMES.get(scheme, f"scheme {scheme}")
        raise SchemeError(SCHEME_NAMES[ED25519_FLAG], name)
    if len(signature) != SIGNATURE_BYTES:
        raise LengthError(SIGNATURE_BYTES, len(signature))
    key = signature[-PUBLIC_KEY_BYTES:]
    try:
        FastVerifyKey(key).verify(signature[1:-PUBLIC_KEY_BYTES], message)
    except (InvalidSignature, ValueError):
        raise InvalidError("a signature of this transaction", f"one that is not, of 0x{key.hex()}") from None
    return address_of(key)
