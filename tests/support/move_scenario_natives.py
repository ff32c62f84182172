"""The natives that only tests of Move have (`sui::test_scenario`, `std::unit_test`), over an inventory in memory.

Invariant: they exist while `installed` is entered and in no other run: nothing of them is part of localnet. What an
address, the network or nobody owns is decided when a transaction of the scenario ends, as in Sui's test VM.
Source: sui-execution/latest/sui-move-natives/src/test_scenario.rs in MystenLabs/sui.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from daas_localnet.vm import values
from daas_localnet.vm.errors import AbortSignal, InvariantSignal
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.natives import NATIVES, dynamic_fields
from daas_localnet.vm.runtime import Child, MemoryRuntime, Owner, OwnerKind, TransactionContext, Transfer, object_id
from daas_localnet.vm.runtime import derive_id as id_of
from daas_localnet.vm.types import Type

Types = tuple[Type, ...]
SHARED, IMMUTABLE = Owner(OwnerKind.SHARED), Owner(OwnerKind.IMMUTABLE)
_INVALID_SHARED_OR_IMMUTABLE_USAGE, _OBJECT_NOT_FOUND = 1, 4
_NO_TICKET, _TICKET_EXISTS, _TICKET_NOT_FOUND = 5, 6, 7
WASM_LENGTH_BYTES = 4
"""Of a name's length in a dynamic field's id: the test VM is a 32-bit program."""


@dataclass(slots=True)
class _Held:
    owner: Owner
    type: Type
    value: Any


class Inventory(MemoryRuntime):
    """Objects between the transactions of a scenario. Without the limits of a transaction: tests are many in one.

    Of what Sui's refuses, one thing is not: a shared object that ends up inside of another.
    """

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[bytes, _Held] = {}
        self.taken: dict[bytes, _Held] = {}
        self.tickets: dict[bytes, _Held] = {}
        self.emitted = 0
        """Events of all transactions of the scenario."""

    def new_id(self, id_: bytes) -> None:
        if self.deleted_ids.pop(id_, _ABSENT) is _ABSENT:
            self.new_ids[id_] = None

    def delete_id(self, id_: bytes) -> None:
        if self.new_ids.pop(id_, _ABSENT) is _ABSENT:
            self.deleted_ids[id_] = None

    def transfer(self, owner: Owner, type_: Type, value: Any) -> Transfer:
        id_ = object_id(value)
        self.transferred[id_] = (owner, type_, value)
        if id_ in self.new_ids:
            return Transfer.NEW
        return Transfer.SAME_OWNER if self.owners.get(id_) == owner else Transfer.CHANGED

    def add_child(self, parent: bytes, id_: bytes, type_: Type, value: Any) -> None:
        self.children[id_] = Child(parent, type_, value)

    def emit(self, type_: Type, value: Any, size: int) -> None:
        self.events.append((type_, value))
        self.emitted += 1

    def ids(self, owner: Owner, type_: Type) -> list[bytes]:
        """Oldest first; what is taken is still there."""
        return [id_ for id_, one in self.held.items() if (one.owner, one.type) == (owner, type_)]

    def take(self, owner: Owner, type_: Type, id_: bytes) -> Any:
        found = self.held.get(id_)
        if found is None or id_ in self.taken or (found.owner, found.type) != (owner, type_):
            raise AbortSignal(_OBJECT_NOT_FOUND)
        self.taken[id_] = found
        self.owners[id_] = owner
        return found.value

    def was_taken(self, owner: Owner, id_: bytes) -> bool:
        found = self.taken.get(id_)
        return found is not None and found.owner == owner

    def end_transaction(self) -> list[Any]:
        """The `TransactionEffects`; what was transferred is now its owner's."""
        for id_, one in self.taken.items():
            if one.owner not in (SHARED, IMMUTABLE):
                continue
            if id_ in self.deleted_ids or (id_ in self.transferred and self.transferred[id_][0] != one.owner):
                raise AbortSignal(_INVALID_SHARED_OR_IMMUTABLE_USAGE)
        moved = {id_: owner for id_, (owner, _, _) in self.transferred.items()}
        for id_, (owner, type_, value) in self.transferred.items():
            self.held.pop(id_, None)
            self.held[id_] = _Held(owner, type_, value)
        effects = [
            [[id_] for id_ in self.new_ids if id_ in moved],
            [[id_] for id_ in moved if id_ not in self.new_ids],
            [[id_] for id_ in self.deleted_ids],
            [[[[id_], owner.address] for id_, owner in moved.items() if owner.kind is OwnerKind.ADDRESS]],
            [[]],
            [[id_] for id_, owner in moved.items() if owner == SHARED],
            [[id_] for id_, owner in moved.items() if owner == IMMUTABLE],
            len(self.events),
        ]
        # What was taken and is in the test's hands still is returned in a later transaction.
        for id_ in self.transferred.keys() | self.deleted_ids.keys():
            self.taken.pop(id_, None)
            self.owners.pop(id_, None)
        for id_ in self.deleted_ids:
            self.held.pop(id_, None)
        for mine in (self.transferred, self.new_ids, self.deleted_ids):
            cast(dict[bytes, Any], mine).clear()
        self.events = []
        return effects


_ABSENT = object()


def _inventory(run: Execution) -> Inventory:
    found = run.context.objects
    if not isinstance(found, Inventory):
        raise InvariantSignal
    return found


def _recent(run: Execution, owner: Owner, type_: Type) -> list[Any]:
    """The newest that is not taken, in an option."""
    inventory = _inventory(run)
    ids = [id_ for id_ in inventory.ids(owner, type_) if id_ not in inventory.taken]
    return [[[ids[-1]]] if ids else []]


def _of(address: bytes) -> Owner:
    return Owner(OwnerKind.ADDRESS, address)


def _id(value: Any) -> bytes:
    return cast(bytes, values.target(value)[0])


def _allocate(run: Execution, _: Types, object_: Any) -> int:
    inventory, id_ = _inventory(run), _id(object_)
    if id_ in inventory.tickets:
        raise AbortSignal(_TICKET_EXISTS)
    held = inventory.held.pop(id_, None)
    if held is None or held.owner.address is None:
        raise AbortSignal(_NO_TICKET)
    inventory.tickets[id_] = held
    inventory.received[(held.owner.address, id_)] = (1, held.type, held.value)
    return 1


def _deallocate(run: Execution, _: Types, object_: Any) -> None:
    inventory, id_ = _inventory(run), _id(object_)
    held = inventory.tickets.pop(id_, None)
    if held is None or held.owner.address is None:
        raise AbortSignal(_TICKET_NOT_FOUND)
    inventory.received.pop((held.owner.address, id_), None)
    inventory.held[id_] = held


def _replace(run: Execution, _: Types, sender: bytes, digest: bytearray, *rest: Any) -> None:
    epoch, timestamp_ms, ids_created, reference, price, budget, sponsor = rest
    run.context.transaction = TransactionContext(
        sender, bytes(digest), epoch, timestamp_ms, reference, price, budget, sponsor[0] if sponsor else None
    )
    run.context.ids_created = ids_created


def _events_by_type(run: Execution, types: Types) -> list[Any]:
    return [values.copy(run, value) for type_, value in _inventory(run).events if type_ == types[0]]


def _last_created(run: Execution, _: Types) -> bytes:
    return id_of(run.context.transaction.digest, run.context.ids_created - 1)


TEST_NATIVES = {
    (1, "unit_test", "destroy"): lambda _run, _types, _value: None,
    (2, "test_utils", "create_one_time_witness"): lambda _run, _types: [False],
    (2, "tx_context", "replace"): _replace,
    (2, "tx_context", "last_created_id"): _last_created,
    (2, "event", "num_events"): lambda run, _: len(_inventory(run).events),
    (2, "event", "events_by_type"): _events_by_type,
    (2, "random", "generate_rand_seed_for_testing"): lambda _run, _types: bytearray(random.Random(1).randbytes(32)),
    (2, "test_scenario", "take_from_address_by_id"): lambda run, types, _scenario, account, id_: _inventory(run).take(
        _of(account), types[0], _id(id_)
    ),
    (2, "test_scenario", "most_recent_id_for_address"): lambda run, types, account: _recent(
        run, _of(account), types[0]
    ),
    (2, "test_scenario", "ids_for_address"): lambda run, types, account: [
        [one] for one in _inventory(run).ids(_of(account), types[0])
    ],
    (2, "test_scenario", "was_taken_from_address"): lambda run, _, account, id_: _inventory(run).was_taken(
        _of(account), _id(id_)
    ),
    (2, "test_scenario", "take_immutable_by_id"): lambda run, types, _scenario, id_: _inventory(run).take(
        IMMUTABLE, types[0], _id(id_)
    ),
    (2, "test_scenario", "most_recent_immutable_id"): lambda run, types: _recent(run, IMMUTABLE, types[0]),
    (2, "test_scenario", "was_taken_immutable"): lambda run, _, id_: _inventory(run).was_taken(IMMUTABLE, _id(id_)),
    (2, "test_scenario", "take_shared_by_id"): lambda run, types, _scenario, id_: _inventory(run).take(
        SHARED, types[0], _id(id_)
    ),
    (2, "test_scenario", "most_recent_id_shared"): lambda run, types: _recent(run, SHARED, types[0]),
    (2, "test_scenario", "was_taken_shared"): lambda run, _, id_: _inventory(run).was_taken(SHARED, _id(id_)),
    (2, "test_scenario", "allocate_receiving_ticket_for_object"): _allocate,
    (2, "test_scenario", "deallocate_receiving_ticket_for_object"): _deallocate,
    (2, "test_scenario", "end_transaction"): lambda run, _: _inventory(run).end_transaction(),
}


@contextmanager
def installed() -> Iterator[None]:
    """Our machine as a test VM, with ids of dynamic fields as the WebAssembly one makes them."""
    length = dynamic_fields.LENGTH_BYTES
    overlap = TEST_NATIVES.keys() & NATIVES.keys()
    if overlap:
        raise ValueError(f"natives twice: {overlap}")
    NATIVES.update(TEST_NATIVES)
    dynamic_fields.LENGTH_BYTES = WASM_LENGTH_BYTES
    try:
        yield
    finally:
        dynamic_fields.LENGTH_BYTES = length
        for name in TEST_NATIVES:
            del NATIVES[name]
