"""HPKE a second time, from the texts alone: RFC 9180 over HMAC and AES-GCM, MLKEM768-X25519 over its two halves.

What it takes from the library under test is ML-KEM-768, X25519 and AES-GCM themselves; how keys are expanded, put in
order and combined, and the key schedule, are written here (draft-ietf-hpke-pq, draft-connolly-cfrg-xwing-kem,
RFC 9180).
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

HKDF_SHA256 = 1
AES_256_GCM, CHACHA20_POLY1305 = 2, 3
MLKEM768_X25519, DHKEM_X25519 = 0x647A, 0x0020
XWING_LABEL = b"\\.//^\\"


def _extract(suite: bytes, salt: bytes, label: bytes, key: bytes) -> bytes:
    return hmac.new(salt or bytes(32), b"HPKE-v1" + suite + label + key, hashlib.sha256).digest()


def _expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labeled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(key, block + labeled + bytes((counter,)), hashlib.sha256).digest()
        out, counter = out + block, counter + 1
    return out[:length]


def hybrid_halves(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    expanded = hashlib.shake_256(seed).digest(96)
    return MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])


def hybrid_public_key(seed: bytes) -> bytes:
    mlkem, x25519 = hybrid_halves(seed)
    return mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()


def hybrid_decapsulate(seed: bytes, encapsulated: bytes) -> bytes:
    mlkem, x25519 = hybrid_halves(seed)
    first, second = encapsulated[:1088], encapsulated[1088:]
    shared = mlkem.decapsulate(first) + x25519.exchange(X25519PublicKey.from_public_bytes(second))
    public = x25519.public_key().public_bytes_raw()
    return hashlib.sha3_256(shared + second + public + XWING_LABEL).digest()


def x25519_decapsulate(key: bytes, encapsulated: bytes) -> bytes:
    private = X25519PrivateKey.from_private_bytes(key)
    suite = b"KEM" + DHKEM_X25519.to_bytes(2, "big")
    shared = _extract(suite, b"", b"eae_prk", private.exchange(X25519PublicKey.from_public_bytes(encapsulated)))
    context = encapsulated + private.public_key().public_bytes_raw()
    return _expand(suite, shared, b"shared_secret", context, 32)


def open_base(kem: int, aead: int, shared: bytes, info: bytes, aad: bytes, ciphertext: bytes) -> bytes:
    """The first message of a context in base mode. Raises what the AEAD raises."""
    suite = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in (kem, HKDF_SHA256, aead))
    context = b"\x00" + _extract(suite, b"", b"psk_id_hash", b"") + _extract(suite, b"", b"info_hash", info)
    secret = _extract(suite, shared, b"secret", b"")
    key, nonce = _expand(suite, secret, b"key", context, 32), _expand(suite, secret, b"base_nonce", context, 12)
    cipher = AESGCM(key) if aead == AES_256_GCM else ChaCha20Poly1305(key)
    return cipher.decrypt(nonce, ciphertext, aad)
