"""Base58 as Sui prints digests.

Invariant: every byte string has one form and every accepted text one value; leading zero bytes are leading '1's.
"""

from __future__ import annotations

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
MAX_CHARACTERS = 128
"""Decoding takes time that grows with the square of the length; a digest has 44 at most."""


def encode(data: bytes) -> str:
    zeros = len(data) - len(data.lstrip(b"\0"))
    value = int.from_bytes(data, "big")
    digits = ""
    while value:
        value, digit = divmod(value, 58)
        digits = _ALPHABET[digit] + digits
    return "1" * zeros + digits


def decode(text: str) -> bytes:
    """Raises `ValueError` for a character outside the alphabet, or a text too long for any digest."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"base58 of at most {MAX_CHARACTERS} characters, not {len(text)}")
    value = 0
    for character in text:
        digit = _VALUES.get(character)
        if digit is None:
            raise ValueError(f"{character!a} is no base58 character")
        value = value * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + value.to_bytes((value.bit_length() + 7) // 8, "big")
