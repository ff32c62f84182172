"""Merkle proofs from the tiles (RFC 6962 section 2.1), for whoever holds a receipt or a signed tree head.

Nothing here is believed by those who ask: they verify the proof against a root that the enclave has signed.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from daas_host.tile_layout import TILE_HEIGHT, TILE_WIDTH, combine
from daas_host.tiles import MAX_LEVEL, boot_folder, read_tile, stored_size
from daas_protocol.log import EMPTY_ROOT, consistency_ranges, inclusion_ranges, node_hash, split


class ProofRange(ValueError):
    """A proof was asked for that the stored leaves cannot give."""

    def __init__(self, asked: str, size: int) -> None:
        super().__init__(f"{asked}: {size} leaves of this boot are stored")
        self.size = size


class BootProofs:
    """Roots and proofs over one boot's tiles; reads tiles as it needs them, about log2(size) of them."""

    def __init__(self, tiles_dir: Path, boot_id: bytes) -> None:
        self._folder = boot_folder(tiles_dir, boot_id)
        self.size = stored_size(self._folder)
        # Of tiles below an unfinished one only: at most 255 a level, which each proof would compute again.
        self._roots: dict[tuple[int, int], bytes] = {}
        self._whole = [self.size >> (TILE_HEIGHT * (level + 1)) for level in range(MAX_LEVEL + 1)]

    def root(self, size: int) -> bytes:
        """Root (32 bytes) of the first `size` leaves."""
        if not 0 <= size <= self.size:
            raise ProofRange(f"root at {size}", self.size)
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """Audit path of leaf `index` in the tree of `size` leaves, from the leaf upwards.

        Raises:
            ProofRange: not 0 <= index < size <= stored size.
        """
        if not 0 <= index < size <= self.size:
            raise ProofRange(f"inclusion of {index} in {size}", self.size)
        return tuple(self._range(start, end) for start, end in inclusion_ranges(index, size))

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """Proof that the tree of `old` leaves is a prefix of that of `new`.

        Raises:
            ProofRange: not 0 < old <= new <= stored size.
        """
        if not 0 < old <= new <= self.size:
            raise ProofRange(f"consistency of {old} and {new}", self.size)
        return tuple(self._range(start, end) for start, end in consistency_ranges(old, new))

    def _range(self, start: int, end: int) -> bytes:
        """Root of leaves `start` to `end`, where `start` is a multiple of the largest power of two below the length."""
        count = end - start
        if count & (count - 1) == 0:
            return self._subtree(count.bit_length() - 1, start)
        middle = start + split(count)
        return node_hash(self._range(start, middle), self._range(middle, end))

    def _subtree(self, height: int, start: int) -> bytes:
        """Root of the 2**height leaves from `start`."""
        level, rest = divmod(height, TILE_HEIGHT)
        first = start >> (level * TILE_HEIGHT)
        return combine(self._hashes(level, first, 1 << rest))

    def _hashes(self, level: int, first: int, count: int) -> list[bytes]:
        """Up to 255 aligned hashes of a level: from its tile, or, where that is not finished, from the
        tiles below it.
        """
        number, offset = divmod(first, TILE_WIDTH)
        if level == 0:
            return read_tile(self._folder, level, number, offset + count)[offset : offset + count]
        if number < self._whole[level]:
            # A writer that has finished the tiles below may be just about to write this one.
            with suppress(IndexError):
                return read_tile(self._folder, level, number)[offset : offset + count]
        return [self._tile_root(level - 1, index) for index in range(first, first + count)]

    def _tile_root(self, level: int, number: int) -> bytes:
        root = self._roots.get((level, number))
        if root is None:
            root = combine(self._hashes(level, number * TILE_WIDTH, TILE_WIDTH))
            self._roots[(level, number)] = root
        return root
