"""Sui addresses, personal messages and private key strings, as pure code for Ed25519.

Invariant: a signature is accepted only over the digest of a personal message, never of a transaction; other schemes
are refused by name. Sources: Sui documentation "Signatures" and "Intent Signing"; SIP-15 (`suiprivkey`); BIP-173
(Bech32).
"""

import hashlib
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_protocol.bcs import encode_bytes
from daas_protocol.ed25519 import FastVerifyKey

ADDRESS_BYTES = 32
PUBLIC_KEY_BYTES = 32
SEED_BYTES = 32
SIGNATURE_BYTES = 97
ED25519_FLAG = 0
SCHEME_NAMES = {
    0: "Ed25519",
    1: "Secp256k1",
    2: "Secp256r1",
    3: "MultiSig",
    4: "BLS12-381",
    5: "zkLogin",
    6: "Passkey",
}
PERSONAL_MESSAGE_INTENT = b"\x03\x00\x00"
PRIVATE_KEY_PREFIX = "suiprivkey"
MAX_PERSONAL_MESSAGE_BYTES = 64 * 1024

_ADDRESS = re.compile(r"0x([0-9a-fA-F]{1,64})", re.ASCII)
_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_CHARACTERS = 6
_MAX_BECH32_CHARACTERS = 90


class SuiAddressError(ValueError):
    """A text that is no Sui address."""

    def __init__(self, actual: str) -> None:
        self.actual = actual
        super().__init__(f"a Sui address is 0x and 1 to 64 hex digits, not {actual[:80]!r}")


class SuiSchemeError(ValueError):
    """A signature or key of a scheme other than Ed25519."""

    def __init__(self, flag: int) -> None:
        self.expected = SCHEME_NAMES[ED25519_FLAG]
        self.actual = SCHEME_NAMES.get(flag, f"unknown scheme {flag}")
        super().__init__(f"DaaS takes {self.expected} keys, not {self.actual}; make one with 'daas key new'")


class SuiSignatureError(ValueError):
    """A personal-message signature of the wrong length, or one that does not verify."""


class SuiPrivateKeyError(ValueError):
    """A text that is no `suiprivkey` string. The text never appears in the message."""


def address_of(public_key: bytes) -> bytes:
    """Blake2b-256(flag || Ed25519 public key): 32 bytes from 32."""
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise ValueError(f"an Ed25519 public key has {PUBLIC_KEY_BYTES} bytes, not {len(public_key)}")
    return _blake2b(bytes((ED25519_FLAG,)) + public_key)


def parse_address(text: str) -> bytes:
    """`0x` and 1 to 64 hex digits, zeros to the left implied. Raises `SuiAddressError`."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise SuiAddressError(text)
    return bytes.fromhex(match[1].zfill(2 * ADDRESS_BYTES))


def format_address(address: bytes) -> str:
    """`0x` and all 64 hex digits."""
    if len(address) != ADDRESS_BYTES:
        raise ValueError(f"a Sui address has {ADDRESS_BYTES} bytes, not {len(address)}")
    return "0x" + address.hex()


def personal_message_digest(message: bytes) -> bytes:
    """Blake2b-256(030000 || bcs(vector<u8>)), 32 bytes: what an Ed25519 Sui key signs."""
    return _blake2b(PERSONAL_MESSAGE_INTENT + encode_bytes(message))


def sign_personal_message(private_key: Ed25519PrivateKey, message: bytes) -> bytes:
    """flag || signature (64) || public key (32): 97 bytes."""
    signature = private_key.sign(personal_message_digest(message))
    return bytes((ED25519_FLAG,)) + signature + private_key.public_key().public_bytes_raw()


def verify_personal_message(message: bytes, signature: bytes) -> bytes:
    """The signer's address, 32 bytes. Raises `SuiSchemeError` or `SuiSignatureError`."""
    if len(message) > MAX_PERSONAL_MESSAGE_BYTES:
        raise SuiSignatureError(f"a message has at most {MAX_PERSONAL_MESSAGE_BYTES} bytes, not {len(message)}")
    if signature and signature[0] != ED25519_FLAG:
        raise SuiSchemeError(signature[0])
    if len(signature) != SIGNATURE_BYTES:
        raise SuiSignatureError(f"a Sui Ed25519 signature has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    public_key = signature[65:]
    try:
        # libsodium, because OpenSSL takes small-order keys: under the neutral element one signature fits every message,
        # and whoever likes could speak for the address of such a key.
        FastVerifyKey(public_key).verify(signature[1:65], personal_message_digest(message))
    except InvalidSignature as error:
        raise SuiSignatureError(f"signature does not verify under public key {public_key.hex()}") from error
    return address_of(public_key)


def encode_suiprivkey(seed: bytes) -> str:
    """`suiprivkey1...`: Bech32 of flag || seed (32 bytes). The result is a secret."""
    if len(seed) != SEED_BYTES:
        raise SuiPrivateKeyError(f"an Ed25519 seed has {SEED_BYTES} bytes, not {len(seed)}")
    words = _to_words(bytes((ED25519_FLAG,)) + seed)
    checksum = _polymod(_expanded_prefix() + words + [0] * _CHECKSUM_CHARACTERS) ^ 1
    words += [checksum >> 5 * (5 - place) & 31 for place in range(_CHECKSUM_CHARACTERS)]
    return f"{PRIVATE_KEY_PREFIX}1" + "".join(_CHARSET[word] for word in words)


def decode_suiprivkey(text: str) -> bytes:
    """The 32-byte seed. Raises `SuiPrivateKeyError` or `SuiSchemeError`; lower case only, as Sui writes it."""
    head = f"{PRIVATE_KEY_PREFIX}1"
    if not text.startswith(head) or len(text) > _MAX_BECH32_CHARACTERS:
        raise SuiPrivateKeyError(f"a Sui private key string begins with {head!r}")
    words = [_CHARSET.find(character) for character in text[len(head) :]]
    if min(words, default=-1) < 0 or len(words) <= _CHECKSUM_CHARACTERS:
        raise SuiPrivateKeyError("the string has a character outside Bech32, or too few")
    if _polymod(_expanded_prefix() + words) != 1:
        raise SuiPrivateKeyError("the checksum is wrong: a character was mistyped or lost")
    data = _from_words(words[:-_CHECKSUM_CHARACTERS])
    if data[0] != ED25519_FLAG:
        raise SuiSchemeError(data[0])
    if len(data) != 1 + SEED_BYTES:
        raise SuiPrivateKeyError(f"the string carries {len(data) - 1} bytes of key, not {SEED_BYTES}")
    return data[1:]


def _blake2b(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest()


def _polymod(values: list[int]) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATOR):
            if top >> place & 1:
                checksum ^= generator
    return checksum


def _expanded_prefix() -> list[int]:
    characters = PRIVATE_KEY_PREFIX.encode("ascii")
    return [character >> 5 for character in characters] + [0] + [character & 31 for character in characters]


def _to_words(data: bytes) -> list[int]:
    bits = len(data) * 8
    padding = -bits % 5
    value = int.from_bytes(data, "big") << padding
    return [value >> shift & 31 for shift in range(bits + padding - 5, -1, -5)]


def _from_words(words: list[int]) -> bytes:
    padding = len(words) * 5 % 8
    value = 0
    for word in words:
        value = value << 5 | word
    if padding > 4 or value & (1 << padding) - 1:
        raise SuiPrivateKeyError("spare bits of the string are not zero")
    length = len(words) * 5 // 8
    if length == 0:
        raise SuiPrivateKeyError("the string carries no key")
    return (value >> padding).to_bytes(length, "big")
