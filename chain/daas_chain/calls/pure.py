"""Values of arguments in BCS, as a pure input has them."""

from __future__ import annotations

from collections.abc import Sequence

from daas_protocol.bcs import encode_bytes, encode_uleb, require_uint


def u8(value: int) -> bytes:
    require_uint("u8", value, 8)
    return bytes((value,))


def u64(value: int) -> bytes:
    require_uint("u64", value, 64)
    return value.to_bytes(8, "little")


def flag(value: bool) -> bytes:
    return b"\1" if value else b"\0"


def octets(value: bytes) -> bytes:
    """A vector<u8>."""
    return encode_bytes(value)


def text(value: str) -> bytes:
    """A String."""
    return encode_bytes(value.encode())


def many(values: Sequence[bytes]) -> bytes:
    """A vector<vector<u8>>, or of Strings."""
    return encode_uleb(len(values)) + b"".join(map(encode_bytes, values))


def numbers(values: Sequence[int]) -> bytes:
    """A vector<u64>."""
    return encode_uleb(len(values)) + b"".join(map(u64, values))
