"""libsodium and OpenSSL agree on every signature but those under keys that libsodium alone refuses."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from daas_protocol.ed25519 import FastVerifyKey, VerifyKey


def accepts(key: VerifyKey, signature: bytes, data: bytes) -> bool:
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 511), st.booleans())
def test_both_libraries_say_the_same(seed: bytes, data: bytes, bit: int, flip: bool) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    raw = private.public_key().public_bytes_raw()
    signature = bytearray(private.sign(data))
    if flip:
        signature[bit // 8] ^= 1 << (bit % 8)
    ours = accepts(FastVerifyKey(raw), bytes(signature), data)
    assert ours == accepts(Ed25519PublicKey.from_public_bytes(raw), bytes(signature), data) == (not flip)


def test_the_vector_of_rfc_8032_section_7_1() -> None:
    key = FastVerifyKey(bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"))
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert accepts(key, signature, b"\x72")
    assert not accepts(key, signature, b"\x73")


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_has_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        FastVerifyKey(bytes(length))


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_signature_has_64_bytes(length: int) -> None:
    assert not accepts(FastVerifyKey(b"\x01" + bytes(31)), bytes(length), b"")


def test_a_small_order_key_verifies_nothing() -> None:
    neutral = b"\x01" + bytes(31)
    forged = neutral + bytes(32)
    assert accepts(Ed25519PublicKey.from_public_bytes(neutral), forged, b"any message")
    assert not accepts(FastVerifyKey(neutral), forged, b"any message")
