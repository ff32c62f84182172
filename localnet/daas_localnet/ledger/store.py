"""Where objects are.

Invariant: a store changes only through `commit`, which does all of a batch or nothing; what has been given out never
changes. A transaction works on its own copies, so dropping its batch is rolling it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from daas_chain.sui.types import AddressOwner, ObjectOwner, Owner

from .objects import Stored


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction leaves behind."""

    written: tuple[Stored, ...]
    removed: tuple[bytes, ...] = ()
    records: tuple[tuple[bytes, bytes], ...] = ()
    """What else must be there exactly when the objects are (a transaction, its effects and events), by a key."""


class Store(Protocol):
    """The present state, and the versions before it."""

    def get(self, object_id: bytes) -> Stored | None:
        """The present version."""

    def at(self, object_id: bytes, version: int) -> Stored | None:
        """One version, present or past."""

    def owned(self, owner: AddressOwner | ObjectOwner) -> tuple[Stored, ...]:
        """What an address or an object owns at present, in the order of ids."""

    def owned_from(self, owner: AddressOwner | ObjectOwner, start: bytes) -> Iterator[Stored]:
        """Of these, those with ids from `start` on, read as they are taken; nothing may be committed meanwhile."""

    def record(self, key: bytes) -> bytes | None:
        """A record of an earlier batch."""

    def commit(self, batch: Batch) -> None:
        """Writes and removes, all at once. Raises StaleVersionError."""


class StaleVersionError(ValueError):
    """A version that is not after the present one: two batches were made from the same state."""

    def __init__(self, object_id: bytes, expected: int, actual: int) -> None:
        super().__init__(f"0x{object_id.hex()}: version {actual} is not after {expected}")
        self.object_id = object_id
        self.expected = expected
        self.actual = actual


class MemoryStore:
    """Nothing survives the process."""

    def __init__(self) -> None:
        self._present: dict[bytes, Stored] = {}
        self._all: dict[tuple[bytes, int], Stored] = {}
        self._records: dict[bytes, bytes] = {}
        self._owned: dict[Owner, dict[bytes, Stored]] = {}

    def __iter__(self) -> Iterator[Stored]:
        return iter(tuple(self._present.values()))

    def get(self, object_id: bytes) -> Stored | None:
        return self._present.get(object_id)

    def at(self, object_id: bytes, version: int) -> Stored | None:
        return self._all.get((object_id, version))

    def owned(self, owner: AddressOwner | ObjectOwner) -> tuple[Stored, ...]:
        found = self._owned.get(owner, {})
        return tuple(found[object_id] for object_id in sorted(found))

    def owned_from(self, owner: AddressOwner | ObjectOwner, start: bytes) -> Iterator[Stored]:
        found = self._owned.get(owner, {})
        return (found[object_id] for object_id in sorted(found) if object_id >= start)

    def record(self, key: bytes) -> bytes | None:
        return self._records.get(key)

    def commit(self, batch: Batch) -> None:
        for one in batch.written:
            before = self._present.get(one.object_id)
            if before is not None and before.version >= one.version:
                raise StaleVersionError(one.object_id, before.version, one.version)
        for object_id in (*(one.object_id for one in batch.written), *batch.removed):
            gone = self._present.pop(object_id, None)
            if gone is not None and gone.owner in self._owned:
                del self._owned[gone.owner][object_id]
                if not self._owned[gone.owner]:
                    del self._owned[gone.owner]
        for one in batch.written:
            self._present[one.object_id] = one
            self._all[(one.object_id, one.version)] = one
            if isinstance(one.owner, AddressOwner | ObjectOwner):
                self._owned.setdefault(one.owner, {})[one.object_id] = one
        self._records.update(batch.records)
