"""What must hold of a ledger whatever has run on it, checked from one transaction to the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from daas_chain.sui import transaction as tx
from daas_chain.sui.digests import dynamic_field_id
from daas_chain.sui.effects import IdOperation, NotExist
from daas_chain.sui.types import AddressOwner, ImmutableOwner, ObjectOwner, SharedOwner
from daas_localnet.ledger.execute import STD
from daas_localnet.ledger.objects import FRAMEWORK, Stored
from daas_localnet.ledger.packages import packages_of
from daas_localnet.ledger.settle import Outcome
from daas_localnet.vm import codec
from daas_localnet.vm.types import Type, field_types

from .ledger_world import LedgerWorld

_UID = (FRAMEWORK, "object", "UID")
_BALANCE = "0x2::balance::Balance<0x2::sui::SUI>"


@dataclass(frozen=True, slots=True)
class Held:
    """What is inside of one version of an object."""

    stored: Stored
    uids: frozenset[bytes]
    mist: int


@dataclass(slots=True)
class Ledgers:
    """The store as it was after the last transaction. `paid`: MIST that computation has cost, and lost deposits."""

    world: LedgerWorld
    people: frozenset[bytes]
    total: int
    held: dict[bytes, Held] = field(default_factory=dict)
    uids: set[bytes] = field(default_factory=set)
    orphans: set[bytes] = field(default_factory=set)
    """UIDs that are gone; their dynamic fields may still be there, out of everybody's reach."""
    paid: int = 0

    def __post_init__(self) -> None:
        for one in self.world.store:
            self.held[one.object_id] = self._look(one)
        for held in self.held.values():
            assert not held.uids & self.uids
            self.uids |= held.uids
        self.paid = self.world.paid
        assert self.mist() == self.total

    def mist(self) -> int:
        return self.paid + sum(one.mist + one.stored.value.storage_rebate for one in self.held.values())

    def _look(self, one: Stored) -> Held:
        tag = one.type
        if one.move is None or tag is None:
            return Held(one, frozenset(), 0)
        packages = self.world.ledger.packages
        machine = packages.machine(packages.closure((), (STD, FRAMEWORK, *packages_of(tag))))
        type_ = packages.type(machine.world, tag)
        value = codec.decode(type_, one.move.contents)
        assert codec.encode(type_, value) == one.move.contents
        assert value[0] == [[one.object_id]]
        found = list(_uids(type_, value))
        assert len(found) == len(set(found)), f"a UID twice in {tag}"
        if isinstance(one.owner, ObjectOwner) and (tag.module, tag.name) == ("dynamic_field", "Field"):
            name = codec.encode(field_types(type_)[1], value[1])
            assert one.object_id == dynamic_field_id(one.owner.object_id, tag.arguments[0], name)
        return Held(one, frozenset(found), sum(_mist(type_, value)))

    def refused(self) -> None:
        """After a transaction that must not have changed anything."""
        assert {one.object_id: one for one in self.world.store} == {id_: one.stored for id_, one in self.held.items()}

    def step(self, data: tx.TransactionData, outcome: Outcome) -> None:
        """After a transaction: `held` becomes what the store is now."""
        self.world.consistent(outcome)
        effects = outcome.effects
        before, present = self.held, {one.object_id: one for one in self.world.store}
        self.held = {
            id_: before[id_] if id_ in before and before[id_].stored == one else self._look(one)
            for id_, one in present.items()
        }
        changed = dict(effects.changed_objects)
        assert {id_ for id_ in before.keys() | present.keys() if self._differs(id_, before, present)} <= changed.keys()
        self._uids(outcome, before)
        self.paid += effects.gas_used.computation + effects.gas_used.non_refundable
        assert self.mist() == self.total
        for id_ in changed:
            self._owner(data, id_, before.get(id_), present.get(id_))
            self._module(data, before.get(id_), present.get(id_))
        if not outcome.succeeded:
            for id_, old in before.items():
                new = present.get(id_)
                if new is not None and old.stored.move is not None and id_ != data.gas.payment[0].object_id:
                    assert new.move is not None
                    assert (new.move.contents, new.owner) == (old.stored.move.contents, old.stored.owner)
        self._givers(data, before, present)

    @staticmethod
    def _differs(id_: bytes, before: dict[bytes, Held], present: dict[bytes, Stored]) -> bool:
        return (before[id_].stored if id_ in before else None) != present.get(id_)

    def _uids(self, outcome: Outcome, before: dict[bytes, Held]) -> None:
        operations = dict(outcome.effects.changed_objects)
        packages = {one.object_id for one in outcome.batch.written if one.package is not None}
        created = {id_ for id_, one in operations.items() if one.id_operation is IdOperation.CREATED} - packages
        deleted = {id_ for id_, one in operations.items() if one.id_operation is IdOperation.DELETED}
        uids: set[bytes] = set()
        for id_, held in self.held.items():
            assert not held.uids & uids, f"a UID in two objects, one of them {id_.hex()}"
            uids |= held.uids
        assert not created & self.uids
        assert deleted <= self.uids
        expected = (self.uids | created) - deleted
        assert uids <= expected, "a UID has come from nowhere"
        # `tx_context::fresh_object_address` makes an id for which there never is a UID.
        addresses = {id_ for id_ in created if isinstance(operations[id_].after, NotExist)}
        assert expected - uids <= addresses, "a UID is gone"
        self.orphans = (self.orphans | deleted) - created
        self.uids = uids
        for one in self.held.values():
            if isinstance(one.stored.owner, ObjectOwner):
                assert one.stored.owner.object_id in uids | self.orphans

    def _owner(self, data: tx.TransactionData, id_: bytes, old: Held | None, new: Stored | None) -> None:
        if old is None:
            return
        match old.stored.owner:
            case ImmutableOwner():
                assert new == old.stored
            case SharedOwner() as shared:
                assert new is None or new.owner == shared
            case AddressOwner(address) if address in self.people:
                assert address in (data.sender, data.gas.owner), "somebody else's object"

    def _module(self, data: tx.TransactionData, old: Held | None, new: Stored | None) -> None:
        """An object of a package changes, is made and is destroyed by its functions; without `store` it is sent so."""
        held = new if new is not None else None if old is None else old.stored
        tag = None if held is None else held.type
        if held is None or held.move is None or tag is None or tag.address in (STD, FRAMEWORK):
            return
        if old is not None and new is not None and old.stored.move is not None and new.move is not None:
            sent = old.stored.owner != new.owner and not new.move.has_public_transfer
            if old.stored.move.contents == new.move.contents and not sent:
                return
        assert isinstance(data.kind, tx.Programmable)
        called = {one.package for one in data.kind.commands if isinstance(one, tx.MoveCall)}
        deployed = any(isinstance(one, tx.Publish | tx.Upgrade) for one in data.kind.commands)
        wrapped = new is None or old is None
        assert tag.address in called or deployed or wrapped, f"{tag} changed by {called}"

    def _givers(self, data: tx.TransactionData, before: dict[bytes, Held], present: dict[bytes, Stored]) -> None:
        """Who gets an object is the sender, or is named: in the transaction, or in an object that was there."""
        assert isinstance(data.kind, tx.Programmable)
        named = b"".join(one.value for one in data.kind.inputs if isinstance(one, tx.Pure))
        for id_, one in present.items():
            old = before.get(id_)
            if not isinstance(one.owner, AddressOwner) or (old is not None and old.stored.owner == one.owner):
                continue
            who = one.owner.address
            assert who == data.sender or who in named or any(who in _contents(held) for held in before.values())


def _contents(held: Held) -> bytes:
    return b"" if held.stored.move is None else held.stored.move.contents


def _uids(type_: Type, value: Any) -> Iterator[bytes]:
    if type_.datatype is not None and type_.datatype.key == _UID:
        yield value[0][0]
        return
    for one, part in _parts(type_, value):
        yield from _uids(one, part)


def _mist(type_: Type, value: Any) -> Iterator[int]:
    if str(type_) == _BALANCE:
        yield value[0]
        return
    for one, part in _parts(type_, value):
        yield from _mist(one, part)


def _parts(type_: Type, value: Any) -> Iterator[tuple[Type, Any]]:
    if type_.datatype is None:
        if type_.kind.name == "VECTOR" and not type_.arguments[0].scalar:
            yield from ((type_.arguments[0], one) for one in value)
    elif type_.datatype.is_enum:
        yield from zip(field_types(type_, value[0]), value[1:], strict=True)
    else:
        yield from zip(field_types(type_), value, strict=True)
