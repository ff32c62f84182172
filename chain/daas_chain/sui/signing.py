"""Signatures over transactions: what is signed, who signs, and the check that a signer has done so.

Invariant: a signature leaves this module only after it was verified, under the signer's own address, over exactly the
bytes that are sent; a key that lives elsewhere can therefore cost a transaction, but not send a wrong one.
Source: Sui documentation, "Intent Signing": Ed25519 over Blake2b-256(000000 || bcs(TransactionData)).
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_protocol.ed25519 import FastVerifyKey
from daas_protocol.sui import ED25519_FLAG, SIGNATURE_BYTES, address_of, decode_suiprivkey

from .transaction import INTENT

_KEY_OFFSET = 65


class SignerError(ValueError):
    """What a signer gave is no signature of its address over the transaction."""

    def __init__(self, expected: str, actual: str) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"the signer had to give {expected}, it gave {actual}: nothing was sent; check the signer")


class Signer(Protocol):
    """Whoever holds a key: here, in a file, or in another process."""

    @property
    def address(self) -> bytes:
        """32 bytes."""

    async def sign(self, digest: bytes) -> bytes:
        """flag || signature || public key, 97 bytes, over the 32 bytes of `signing_digest`."""


class Ed25519Signer:
    """A key in this process's memory. `repr` shows the address alone."""

    __slots__ = ("_key", "_public", "address")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key().public_bytes_raw()
        self.address = address_of(self._public)

    @classmethod
    def from_suiprivkey(cls, text: str) -> Ed25519Signer:
        """Raises `SuiPrivateKeyError`, `SuiSchemeError`; neither repeats the text."""
        return cls(Ed25519PrivateKey.from_private_bytes(decode_suiprivkey(text)))

    async def sign(self, digest: bytes) -> bytes:
        return bytes((ED25519_FLAG,)) + self._key.sign(digest) + self._public

    def __repr__(self) -> str:
        return f"Ed25519Signer(0x{self.address.hex()})"


def signing_digest(transaction: bytes) -> bytes:
    """`transaction`: bcs(TransactionData)."""
    return hashlib.blake2b(INTENT + transaction, digest_size=32).digest()


async def signed_by(signer: Signer, transaction: bytes) -> bytes:
    """The signer's verified signature. Raises `SignerError`."""
    digest = signing_digest(transaction)
    signature = await signer.sign(digest)
    if len(signature) != SIGNATURE_BYTES or signature[0] != ED25519_FLAG:
        raise SignerError(f"an Ed25519 signature of {SIGNATURE_BYTES} bytes", f"{len(signature)} bytes")
    public = signature[_KEY_OFFSET:]
    if address_of(public) != signer.address:
        raise SignerError(f"a signature of 0x{signer.address.hex()}", f"one of 0x{address_of(public).hex()}")
    try:
        FastVerifyKey(public).verify(signature[1:_KEY_OFFSET], digest)
    except InvalidSignature:
        raise SignerError("a signature over the transaction", "one over something else") from None
    return signature
