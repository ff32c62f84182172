"""The object runtime of one transaction, over the ledger's store.

Invariant: the store is only read; a dynamic field is loaded once, and what this transaction did to it is seen from then
on. One of a type that the transaction's packages do not know has a type that equals no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from daas_chain.sui.types import ObjectOwner, StructTag
from daas_localnet.vm import codec
from daas_localnet.vm.errors import MemorySignal
from daas_localnet.vm.runtime import CHILDREN_MAX, Child, MemoryRuntime
from daas_localnet.vm.types import SIGNER, Type

from .errors import CommandFailure
from .objects import Stored
from .store import Store


class LedgerRuntime(MemoryRuntime):
    def __init__(self, store: Store, resolve: Callable[[StructTag], Type]) -> None:
        super().__init__()
        self._store = store
        self._resolve = resolve
        self.loaded: dict[bytes, Stored] = {}
        """Dynamic fields as they were in the store."""
        self.taken: set[bytes] = set()
        """Ids of objects that were received."""

    def _load(self, parent: bytes, id_: bytes) -> None:
        if id_ in self.children or id_ in self.loaded:
            return
        found = self._store.get(id_)
        if found is None or found.move is None or found.type is None or found.owner != ObjectOwner(parent):
            return
        if len(self.loaded) >= CHILDREN_MAX:
            raise MemorySignal(detail=f"more than {CHILDREN_MAX} dynamic fields")
        self.loaded[id_] = found
        try:
            type_ = self._resolve(found.type)
        except CommandFailure:
            self.children[id_] = Child(parent, SIGNER, None)
            return
        self.children[id_] = Child(parent, type_, codec.decode(type_, found.move.contents))

    def has_child(self, parent: bytes, id_: bytes) -> bool:
        self._load(parent, id_)
        return super().has_child(parent, id_)

    def child_type(self, parent: bytes, id_: bytes) -> Type | None:
        self._load(parent, id_)
        return super().child_type(parent, id_)

    def receive(self, parent: bytes, id_: bytes, version: int, type_: Type) -> Any:
        value = super().receive(parent, id_, version, type_)
        self.taken.add(id_)
        return value
