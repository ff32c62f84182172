"""A store at a later time: for transactions that are tried before their commit has begun.

Invariant: it shows the clock as the next commit will set it, and everything else as it is; nothing is written through
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from daas_chain.sui.types import AddressOwner, ObjectOwner
from daas_localnet.ledger.objects import Stored
from daas_localnet.ledger.store import Batch, Store


class AheadStore:
    """`changed`: objects as they will be; nobody owns them."""

    def __init__(self, store: Store, changed: tuple[Stored, ...]) -> None:
        self._store = store
        self._changed = {one.object_id: one for one in changed}

    def get(self, object_id: bytes) -> Stored | None:
        return self._changed.get(object_id) or self._store.get(object_id)

    def at(self, object_id: bytes, version: int) -> Stored | None:
        one = self._changed.get(object_id)
        return one if one is not None and one.version == version else self._store.at(object_id, version)

    def owned(self, owner: AddressOwner | ObjectOwner) -> tuple[Stored, ...]:
        return self._store.owned(owner)

    def owned_from(self, owner: AddressOwner | ObjectOwner, start: bytes) -> Iterator[Stored]:
        return self._store.owned_from(owner, start)

    def record(self, key: bytes) -> bytes | None:
        return self._store.record(key)

    def commit(self, batch: Batch) -> NoReturn:
        raise TypeError("what is only tried is not committed")
