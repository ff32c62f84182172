"""HPKE (RFC 9180, base mode, one message a key schedule) as DaaS uses it: two suites, no negotiation.

    to an enclave     MLKEM768_X25519 / HKDF-SHA256 / AES-256-GCM   public key = ML-KEM-768, 1184 B || X25519, 32 B
    to a requester    DHKEM(X25519)   / HKDF-SHA256 / AES-256-GCM   public key = X25519, 32 B
    ciphertext        encapsulated key (1120 B, 32 B) || AES-256-GCM ciphertext || tag 16 B
    plaintext         u32 LE length || content || zeros up to a multiple of 256 B

Invariant: content has one padded form, and what does not open says only that: a wrong key, another `info` and a changed
byte are one error, which shows none of the three. Source: docs/protocol.md, docs/decisions/0014-request-envelope.md.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from daas_protocol.secret_memory import scrub, wipe

SEED_BYTES: Final = 32
MLKEM_KEY_BYTES: Final = 1184
X25519_KEY_BYTES: Final = 32
HYBRID_KEY_BYTES: Final = MLKEM_KEY_BYTES + X25519_KEY_BYTES
HYBRID_ENCAPSULATED_BYTES: Final = 1088 + X25519_KEY_BYTES
TAG_BYTES: Final = 16
HYBRID_OVERHEAD: Final = HYBRID_ENCAPSULATED_BYTES + TAG_BYTES
X25519_OVERHEAD: Final = X25519_KEY_BYTES + TAG_BYTES
PAD_BYTES: Final = 256
"""Lengths of ciphertexts, which are public for ever, tell no more than the number of these blocks."""

_HYBRID: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_X25519: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_MLKEM_SEED_BYTES: Final = 64
_LENGTH: Final = struct.Struct("<I")


class HpkeError(ValueError):
    """An envelope that cannot be made or opened. Only subclasses are raised; none shows a key or content."""


class PublicKeyError(HpkeError):
    """Bytes to which nothing can be encrypted."""

    def __init__(self, expected: str, actual: str) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"public key: expected {expected}, got {actual}")


class CiphertextLengthError(HpkeError):
    def __init__(self, expected: str, actual: int) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"a ciphertext has {expected} B, not {actual}")


class NotOpened(HpkeError):
    """Another key, another `info`, or other bytes than were encrypted."""

    def __init__(self) -> None:
        super().__init__("the ciphertext does not open with this key for this request")


class KeyErased(HpkeError):
    def __init__(self) -> None:
        super().__init__("the private key was erased")


class PaddingError(HpkeError):
    def __init__(self, expected: str, actual: str) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"padding: expected {expected}, got {actual}")


def padded_length(length: int) -> int:
    """Bytes of a padded plaintext that holds `length` bytes of content."""
    return -(-(_LENGTH.size + length) // PAD_BYTES) * PAD_BYTES


def pad(content: bytes) -> bytearray:
    """A buffer that the caller wipes."""
    padded = bytearray(padded_length(len(content)))
    _LENGTH.pack_into(padded, 0, len(content))
    padded[_LENGTH.size : _LENGTH.size + len(content)] = content
    return padded


def unpad(padded: bytes) -> bytes:
    """Raises `PaddingError` for every form but the one that `pad` makes."""
    if not padded or len(padded) % PAD_BYTES:
        raise PaddingError(f"a multiple of {PAD_BYTES} B", f"{len(padded)} B")
    (length,) = _LENGTH.unpack_from(padded)
    if padded_length(length) != len(padded):
        raise PaddingError(f"{padded_length(length)} B for {length} B of content", f"{len(padded)} B")
    end = _LENGTH.size + length
    if any(padded[end:]):
        raise PaddingError("zeros behind the content", "another byte")
    return padded[_LENGTH.size : end]


def _check_length(ciphertext: bytes, overhead: int, maximum: int) -> None:
    inner = len(ciphertext) - overhead
    if inner <= 0 or inner % PAD_BYTES or len(ciphertext) > maximum:
        raise CiphertextLengthError(f"{overhead} and a multiple of {PAD_BYTES}, at most {maximum},", len(ciphertext))


def _open(suite: Suite, key: MLKEM768X25519PrivateKey | X25519PrivateKey, info: bytes, ciphertext: bytes) -> bytes:
    try:
        padded = suite.decrypt(ciphertext, key, info)
    except (InvalidTag, ValueError):
        raise NotOpened from None
    try:
        return unpad(padded)
    finally:
        scrub(padded)


def hybrid_public_key(data: bytes) -> MLKEM768X25519PublicKey:
    """From the 1,216 bytes that are on chain. Raises `PublicKeyError`."""
    if len(data) != HYBRID_KEY_BYTES:
        raise PublicKeyError(f"{HYBRID_KEY_BYTES} B", f"{len(data)} B")
    try:
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(data[:MLKEM_KEY_BYTES]),
            X25519PublicKey.from_public_bytes(data[MLKEM_KEY_BYTES:]),
        )
    except ValueError:
        raise PublicKeyError("an ML-KEM-768 key before an X25519 key", "coefficients out of range") from None


def hybrid_seal(public_key: bytes, info: bytes, content: bytes) -> bytes:
    """Padded and encrypted to an enclave's request key. Raises `PublicKeyError`."""
    padded = pad(content)
    try:
        return _HYBRID.encrypt(padded, hybrid_public_key(public_key), info)
    except ValueError as error:
        if isinstance(error, HpkeError):
            raise
        # A point of small order makes the X25519 half a constant: RFC 7748 and the library refuse it.
        raise PublicKeyError("a point of large order", "one of small order") from None
    finally:
        wipe(padded)


def x25519_seal(public_key: bytes, info: bytes, content: bytes) -> bytes:
    """Padded and encrypted to a requester's response key. Raises `PublicKeyError`."""
    if len(public_key) != X25519_KEY_BYTES:
        raise PublicKeyError(f"{X25519_KEY_BYTES} B", f"{len(public_key)} B")
    padded = pad(content)
    try:
        return _X25519.encrypt(padded, X25519PublicKey.from_public_bytes(public_key), info)
    except ValueError:
        raise PublicKeyError("a point of large order", "one of small order") from None
    finally:
        wipe(padded)


class _NotShown:
    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("key material is not serialised")


class HybridKey(_NotShown):
    """A private key made from a seed of 32 bytes, as X-Wing derives both halves: SHAKE256(seed), 96 bytes.

    The seed stays the caller's, who seals and wipes it; `erase` lets go of the halves, which OpenSSL overwrites.
    """

    __slots__ = ("_key", "public_bytes")

    def __init__(self, seed: bytes | bytearray | memoryview) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
        expanded = hashlib.shake_256(seed).digest(_MLKEM_SEED_BYTES + X25519_KEY_BYTES)
        try:
            with memoryview(expanded) as halves:
                mlkem = MLKEM768PrivateKey.from_seed_bytes(halves[:_MLKEM_SEED_BYTES])
                x25519 = X25519PrivateKey.from_private_bytes(halves[_MLKEM_SEED_BYTES:])
        finally:
            scrub(expanded)
        self._key: MLKEM768X25519PrivateKey | None = MLKEM768X25519PrivateKey(mlkem, x25519)
        self.public_bytes: Final = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    def decrypt(self, info: bytes, ciphertext: bytes, maximum: int) -> bytes:
        """The content. Raises `HpkeError`."""
        if self._key is None:
            raise KeyErased
        _check_length(ciphertext, HYBRID_OVERHEAD, maximum)
        return _open(_HYBRID, self._key, info, ciphertext)

    def erase(self) -> None:
        self._key = None


class X25519Key(_NotShown):
    """A private key made from 32 random bytes, which stay the caller's to wipe."""

    __slots__ = ("_key", "public_bytes")

    def __init__(self, seed: bytes | bytearray | memoryview) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
        self._key: X25519PrivateKey | None = X25519PrivateKey.from_private_bytes(seed)
        self.public_bytes: Final = self._key.public_key().public_bytes_raw()

    def decrypt(self, info: bytes, ciphertext: bytes, maximum: int) -> bytes:
        """The content. Raises `HpkeError`."""
        if self._key is None:
            raise KeyErased
        _check_length(ciphertext, X25519_OVERHEAD, maximum)
        return _open(_X25519, self._key, info, ciphertext)

    def erase(self) -> None:
        self._key = None
