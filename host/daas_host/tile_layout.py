"""Where a hash lies in C2SP tlog-tiles, and how hashes combine. Pure.

Source: C2SP tlog-tiles (c2sp.org/tlog-tiles): tile N of level L holds 256 consecutive hashes, each the root of
256**L leaves, at `tile/<L>/<N>` with N in groups of three digits, all but the last prefixed with `x`; an unfinished
tile of W hashes is `<N>.p/<W>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32
TILE_WIDTH: Final = 256
TILE_HEIGHT: Final = 8
TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES


def tile_path(level: int, number: int) -> str:
    """`tile/0/x001/x234/067` for number 1,234,067 of level 0."""
    groups = [f"{number % 1000:03d}"]
    number //= 1000
    while number:
        groups.append(f"x{number % 1000:03d}")
        number //= 1000
    return f"tile/{level}/" + "/".join(reversed(groups))


def partial_folder(level: int, number: int) -> str:
    """The folder of an unfinished tile's versions."""
    return tile_path(level, number) + ".p"


def combine(hashes: Sequence[bytes]) -> bytes:
    """Root over 2**k subtree hashes (RFC 6962 section 2.1: SHA-256(0x01 || left || right))."""
    level = list(hashes)
    while len(level) > 1:
        level = [sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level), 2)]
    return level[0]


def split_hashes(data: bytes) -> list[bytes]:
    """The whole 32-byte hashes in `data`; a torn last one is left out."""
    return [data[i : i + HASH_BYTES] for i in range(0, len(data) - HASH_BYTES + 1, HASH_BYTES)]
