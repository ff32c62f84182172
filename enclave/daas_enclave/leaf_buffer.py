"""Leaves of the log that the host has not acknowledged yet.

Invariant: at most MAX_LEAVES leaves (32 MiB) are held; when the host falls further behind the oldest chunk goes and is
counted, and the enclave itself loses nothing by it: its right edge has every leaf.
"""

from __future__ import annotations

from collections import deque
from typing import Final

LEAF_SIZE: Final = 32
CHUNK_LEAVES: Final = 4096
"""Also the most that one LeafBatch carries."""
MAX_LEAVES: Final = 1_048_576


class LeafBuffer:
    """Leaf hashes `first` .. `next` of one boot's log, in chunks of CHUNK_LEAVES."""

    __slots__ = ("_base", "_chunks", "_limit", "first", "lost", "next")

    def __init__(self, limit: int = MAX_LEAVES) -> None:
        self._limit = limit
        self._chunks: deque[bytearray] = deque()
        self._base = 0
        self.first = 0
        self.next = 0
        self.lost = 0

    def append(self, leaf: bytes) -> None:
        if self.next % CHUNK_LEAVES == 0:
            self._chunks.append(bytearray())
            if len(self._chunks) * CHUNK_LEAVES > self._limit:
                self._chunks.popleft()
                self._base += CHUNK_LEAVES
                if self.first < self._base:
                    self.lost += self._base - self.first
                    self.first = self._base
        self._chunks[-1] += leaf
        self.next += 1

    def acknowledge(self, next_index: int) -> None:
        """Drops leaves below `next_index`. Raises ValueError for an index that was never reached."""
        if next_index > self.next:
            raise ValueError(f"leaf {next_index} is acknowledged, only {self.next} exist")
        self.first = max(self.first, next_index)
        while self._chunks and self._base + CHUNK_LEAVES <= self.first:
            self._chunks.popleft()
            self._base += CHUNK_LEAVES

    def read(self, start: int) -> tuple[int, list[bytes]]:
        """Leaves from `start` (or from the oldest held), to the end of their chunk: index of the first, and hashes."""
        start = max(start, self.first)
        if start >= self.next:
            return start, []
        chunk = self._chunks[(start - self._base) // CHUNK_LEAVES]
        offset = (start % CHUNK_LEAVES) * LEAF_SIZE
        return start, [bytes(chunk[at : at + LEAF_SIZE]) for at in range(offset, len(chunk), LEAF_SIZE)]
