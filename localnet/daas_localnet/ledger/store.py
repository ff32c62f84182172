"""Where objects are.

Invariant: a store changes only through `commit`, which does all of a batch or nothing; what has been given out never
changes. A transaction works on its own copies, so dropping its batch is rolling it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from .objects import Stored


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction leaves behind."""

    written: tuple[Stored, ...]
    removed: tuple[bytes, ...] = ()


class Store(Protocol):
    """The present state, and the versions before it."""

    def get(self, object_id: bytes) -> Stored | None:
        """The present version."""

    def at(self, object_id: bytes, version: int) -> Stored | None:
        """One version, present or past."""

    def commit(self, batch: Batch) -> None:
        """Writes and removes, all at once."""


class MemoryStore:
    """Nothing survives the process."""

    def __init__(self) -> None:
        self._present: dict[bytes, Stored] = {}
        self._all: dict[tuple[bytes, int], Stored] = {}

    def __iter__(self) -> Iterator[Stored]:
        return iter(tuple(self._present.values()))

    def get(self, object_id: bytes) -> Stored | None:
        return self._present.get(object_id)

    def at(self, object_id: bytes, version: int) -> Stored | None:
        return self._all.get((object_id, version))

    def commit(self, batch: Batch) -> None:
        for one in batch.written:
            before = self._present.get(one.object_id)
            if before is not None and before.version >= one.version:
                raise ValueError(f"version {one.version} of 0x{one.object_id.hex()} is not after {before.version}")
        for one in batch.written:
            self._present[one.object_id] = one
            self._all[(one.object_id, one.version)] = one
        for object_id in batch.removed:
            self._present.pop(object_id, None)
