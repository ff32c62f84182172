"""What natives reach outside the virtual machine: objects, the transaction's context, events.

Invariant: natives change nothing but through an `ObjectRuntime`; `MemoryRuntime` keeps the protocol's limits on what
one transaction may create, delete, transfer, emit and hold, and hands each object to one owner at a time.
Source: sui-move-natives/src/object_runtime/mod.rs in MystenLabs/sui.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from daas_attestation.anchor import AwsAnchor, TrustAnchor

from .errors import AbortSignal, MemorySignal
from .types import Type

IDS_MAX = 2_048
"""New ids, deleted ids and transferred ids of one transaction, each."""
EVENTS_MAX = 1_024
EVENT_BYTES_MAX = 256_000
EVENTS_BYTES_MAX = 65_536_000
CHILDREN_MAX = 1_000
"""Dynamic-field objects that one transaction touches (object_runtime_max_num_cached_objects)."""
_FRESH_ID = b"\xf1"


class OwnerKind(Enum):
    ADDRESS = "address"
    SHARED = "shared"
    IMMUTABLE = "immutable"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who gets an object; `address` only with ADDRESS."""

    kind: OwnerKind
    address: bytes | None = None


class Transfer(Enum):
    """What a transfer meant for the object."""

    NEW = "new"
    SAME_OWNER = "same owner"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class TransactionContext:
    """What `tx_context` tells. Addresses and digest are 32 bytes."""

    sender: bytes
    digest: bytes
    epoch: int = 0
    epoch_timestamp_ms: int = 0
    reference_gas_price: int = 1_000
    gas_price: int = 1_000
    gas_budget: int = 0
    sponsor: bytes | None = None

    def value(self) -> list[Any]:
        """The `TxContext` that functions take; its `digest` is read from here, everything else from natives."""
        return [self.sender, bytearray(self.digest), self.epoch, self.epoch_timestamp_ms, 0]


class ObjectRuntime(Protocol):
    """Objects of one transaction. Values are live: what is lent is changed in place, what is given is the callee's."""

    def new_id(self, id_: bytes) -> None:
        """An id that was made in this transaction."""

    def delete_id(self, id_: bytes) -> None:
        """A UID that was destroyed."""

    def transfer(self, owner: Owner, type_: Type, value: Any) -> Transfer:
        """Takes an object."""

    def receive(self, parent: bytes, id_: bytes, version: int, type_: Type) -> Any:
        """An object that was sent to `parent`: its value, or AbortSignal with transfer's codes 2 or 3."""

    def has_child(self, parent: bytes, id_: bytes) -> bool:
        """Whether `parent` has a child of this id."""

    def child_type(self, parent: bytes, id_: bytes) -> Type | None:
        """The type of a child, None when there is none."""

    def child(self, parent: bytes, id_: bytes, type_: Type, *, mutable: bool) -> Any:
        """The value of a child that is there and has this type; lent."""

    def add_child(self, parent: bytes, id_: bytes, type_: Type, value: Any) -> None:
        """Takes a child."""

    def remove_child(self, parent: bytes, id_: bytes) -> Any:
        """Gives a child back."""

    def emit(self, type_: Type, value: Any, size: int) -> None:
        """Takes an event of `size` bytes of BCS."""


@dataclass(slots=True)
class ExtensionContext:
    """What natives are given. `ids_created` counts fresh ids; `printed` is what `debug::print` was given."""

    objects: ObjectRuntime
    transaction: TransactionContext
    nitro_anchor: TrustAnchor = field(default_factory=AwsAnchor)
    ids_created: int = 0
    printed: list[tuple[Type, bytes]] = field(default_factory=list)

    def fresh_id(self) -> bytes:
        """The next id of this transaction."""
        made = derive_id(self.transaction.digest, self.ids_created)
        self.ids_created += 1
        self.objects.new_id(made)
        return made


def derive_id(digest: bytes, number: int) -> bytes:
    """The id of the `number`th object (from 0) of a transaction."""
    return hashlib.blake2b(_FRESH_ID + digest + number.to_bytes(8, "little"), digest_size=32).digest()


@dataclass(slots=True)
class Child:
    parent: bytes
    type: Type
    value: Any


class MemoryRuntime:
    """An object runtime with nothing behind it: for tests, and the base of the ledger's."""

    def __init__(self) -> None:
        self.new_ids: dict[bytes, None] = {}
        self.deleted_ids: dict[bytes, None] = {}
        self.transferred: dict[bytes, tuple[Owner, Type, Any]] = {}
        self.children: dict[bytes, Child] = {}
        self.events: list[tuple[Type, Any]] = []
        self.received: dict[tuple[bytes, bytes], tuple[int, Type, Any]] = {}
        """What `receive` may give: (parent, id) to version, type and value."""
        self.owners: dict[bytes, Owner] = {}
        """Owners of input objects, before the transaction."""
        self._event_bytes = 0

    def new_id(self, id_: bytes) -> None:
        if id_ in self.deleted_ids:
            # Deleted and made again (a dynamic field's id): as if nothing had happened to it.
            del self.deleted_ids[id_]
            return
        self.new_ids[id_] = None
        _limit("new ids", self.new_ids)

    def delete_id(self, id_: bytes) -> None:
        if id_ in self.new_ids:
            del self.new_ids[id_]
            return
        self.deleted_ids[id_] = None
        _limit("deleted ids", self.deleted_ids)

    def transfer(self, owner: Owner, type_: Type, value: Any) -> Transfer:
        id_ = object_id(value)
        before = self.owners.get(id_)
        self.transferred[id_] = (owner, type_, value)
        _limit("transferred ids", self.transferred)
        if id_ in self.new_ids:
            return Transfer.NEW
        return Transfer.SAME_OWNER if before == owner else Transfer.CHANGED

    def receive(self, parent: bytes, id_: bytes, version: int, type_: Type) -> Any:
        found = self.received.get((parent, id_))
        if found is None or found[0] != version:
            raise AbortSignal(3)
        if found[1] != type_:
            raise AbortSignal(2)
        del self.received[(parent, id_)]
        return found[2]

    def has_child(self, parent: bytes, id_: bytes) -> bool:
        found = self.children.get(id_)
        return found is not None and found.parent == parent

    def child_type(self, parent: bytes, id_: bytes) -> Type | None:
        found = self.children.get(id_)
        return found.type if found is not None and found.parent == parent else None

    def child(self, parent: bytes, id_: bytes, type_: Type, *, mutable: bool) -> Any:
        return self.children[id_].value

    def add_child(self, parent: bytes, id_: bytes, type_: Type, value: Any) -> None:
        self.children[id_] = Child(parent, type_, value)
        if len(self.children) > CHILDREN_MAX:
            raise MemorySignal(detail=f"more than {CHILDREN_MAX} dynamic fields")

    def remove_child(self, parent: bytes, id_: bytes) -> Any:
        return self.children.pop(id_).value

    def emit(self, type_: Type, value: Any, size: int) -> None:
        self._event_bytes += size
        if len(self.events) >= EVENTS_MAX or size > EVENT_BYTES_MAX or self._event_bytes > EVENTS_BYTES_MAX:
            raise MemorySignal(detail=f"event {len(self.events) + 1} of {size} bytes")
        self.events.append((type_, value))


def object_id(value: Any) -> bytes:
    """The id of an object: of the UID in its first field."""
    found: bytes = value[0][0][0]
    return found


def _limit(what: str, items: dict[bytes, Any]) -> None:
    if len(items) > IDS_MAX:
        raise MemorySignal(detail=f"more than {IDS_MAX} {what}")
