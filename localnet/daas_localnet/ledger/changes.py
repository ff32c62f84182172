"""What a transaction has changed: from live values to objects.

Invariant: every object that could be changed is here with its state before; one that is not written any more is deleted
or wrapped. A shared object stays shared or is deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from daas_chain.bytecode_types import Ability
from daas_chain.sui.objects import MoveObject, MovePackage, Object
from daas_chain.sui.status import FailureKind
from daas_chain.sui.types import AddressOwner, ImmutableOwner, ObjectOwner, Owner, SharedOwner
from daas_localnet.vm import codec
from daas_localnet.vm import runtime as vm
from daas_localnet.vm.types import Type, abilities

from .errors import CommandFailure
from .inputs import Checked
from .limits import OBJECT_BYTES_MAX, WRITTEN_BYTES_MAX
from .objects import Stored, tag_of, typed
from .runtime import LedgerRuntime
from .slots import Slot

_BALANCE = slice(32, 40)


@dataclass(frozen=True, slots=True)
class Draft:
    """An object to be written; previous transaction and rebate are not known yet."""

    data: MoveObject | MovePackage
    owner: Owner

    def finish(self, transaction: bytes, rebate: int) -> Object:
        return Object(self.data, self.owner, transaction, rebate)


@dataclass(slots=True)
class Changes:
    """By object id. `before`: the state of everything that was changed and had one."""

    gas: bytes
    drafts: dict[bytes, Draft] = field(default_factory=dict)
    before: dict[bytes, Stored] = field(default_factory=dict)
    created: set[bytes] = field(default_factory=set)
    deleted: set[bytes] = field(default_factory=set)
    received: set[bytes] = field(default_factory=set)

    def add_to_gas(self, amount: int) -> None:
        """Changes the gas coin's balance."""
        draft = self.drafts[self.gas]
        assert isinstance(draft.data, MoveObject)
        contents = bytearray(draft.data.contents)
        # More than there is of SUI only where a simulation may make coins out of nothing.
        balance = min(int.from_bytes(contents[_BALANCE], "little") + amount, 2**64 - 1)
        contents[_BALANCE] = balance.to_bytes(8, "little")
        data = MoveObject(draft.data.type, draft.data.has_public_transfer, draft.data.version, bytes(contents))
        self.drafts[self.gas] = Draft(data, draft.owner)


def smashed(checked: Checked) -> int:
    """What the gas coins are worth together."""
    return sum(int.from_bytes(one.contents[_BALANCE], "little") for coin in checked.gas if (one := coin.move))


def only_gas(checked: Checked) -> Changes:
    """What is left of a transaction that has failed: its inputs at their new version, its gas coins as one."""
    first, *others = checked.gas
    changes = Changes(first.object_id)
    for one in (first, *(each.object for each in checked.objects if each.mutable and not each.receiving)):
        held = one.move
        assert held is not None
        data = MoveObject(held.type, held.has_public_transfer, checked.lamport, held.contents)
        changes.drafts[one.object_id] = Draft(data, one.owner)
        changes.before[one.object_id] = one
    for one in others:
        changes.before[one.object_id] = one
        changes.deleted.add(one.object_id)
    held = first.move
    assert held is not None
    changes.add_to_gas(smashed(checked) - int.from_bytes(held.contents[_BALANCE], "little"))
    return changes


def collect(
    checked: Checked, runtime: LedgerRuntime, slots: Iterable[Slot], gas: Slot, published: Iterable[MovePackage]
) -> Changes:
    """Raises CommandFailure, Signal."""
    first, *others = checked.gas
    version = checked.lamport
    changes = Changes(first.object_id)
    known: dict[bytes, Stored] = {first.object_id: first, **runtime.loaded}
    for slot in slots:
        if slot.origin is not None and (slot.mutable or not slot.cell):
            known[slot.origin.object_id] = slot.origin
    for checked_input in checked.objects:
        if checked_input.receiving and checked_input.object.object_id in runtime.taken:
            known[checked_input.object.object_id] = checked_input.object
    changes.received = set(runtime.taken)
    kept = [(slot.origin, slot) for slot in (*slots, gas) if slot.origin is not None and slot.mutable and slot.cell]
    for origin, slot in kept:
        changes.drafts[origin.object_id] = _draft(slot.type, slot.cell[0], origin.owner, version)
    for id_, (owner, type_, value) in runtime.transferred.items():
        changes.drafts[id_] = _draft(type_, value, _owner(owner, known.get(id_), version), version)
    unchanged = set()
    for id_, child in runtime.children.items():
        origin_ = known.get(id_)
        if child.value is None:
            unchanged.add(id_)
            continue
        draft = _draft(child.type, child.value, ObjectOwner(child.parent), version)
        if origin_ is not None and origin_.owner == draft.owner and origin_.move is not None:
            assert isinstance(draft.data, MoveObject)
            if id_ in runtime.loaded and origin_.move.contents == draft.data.contents:
                unchanged.add(id_)
                continue
        changes.drafts[id_] = draft
    changes.before = {id_: one for id_, one in known.items() if id_ not in unchanged}
    changes.created, changes.deleted = set(runtime.new_ids), set(runtime.deleted_ids)
    for one in others:
        changes.before[one.object_id] = one
        changes.deleted.add(one.object_id)
    for package in published:
        changes.drafts[package.object_id] = Draft(package, ImmutableOwner())
    _still_shared(changes)
    owners = ((id_, draft.owner) for id_, draft in changes.drafts.items())
    no_circles({id_: owner.object_id for id_, owner in owners if isinstance(owner, ObjectOwner)})
    _sizes(changes)
    return changes


def _draft(type_: Type, value: Any, owner: Owner, version: int) -> Draft:
    public = Ability.STORE in abilities(type_)
    return Draft(typed(tag_of(type_), public, version, codec.encode(type_, value)), owner)


def _owner(owner: vm.Owner, before: Stored | None, version: int) -> Owner:
    match owner.kind:
        case vm.OwnerKind.ADDRESS:
            assert owner.address is not None
            return AddressOwner(owner.address)
        case vm.OwnerKind.SHARED:
            if before is not None and isinstance(before.owner, SharedOwner):
                return before.owner
            return SharedOwner(version)
        case vm.OwnerKind.IMMUTABLE:
            return ImmutableOwner()


def _still_shared(changes: Changes) -> None:
    for id_, one in changes.before.items():
        if not isinstance(one.owner, SharedOwner) or id_ in changes.deleted:
            continue
        draft = changes.drafts.get(id_)
        if draft is None or draft.owner != one.owner:
            raise CommandFailure(FailureKind.SHARED_OBJECT_OPERATION_NOT_ALLOWED, reason=id_.hex())


def no_circles(parents: dict[bytes, bytes]) -> None:
    """An object that owns itself, through others, could never be reached again. `parents`: of what is written."""
    for start in parents:
        at: bytes | None = parents[start]
        for _ in parents:
            if at == start:
                raise CommandFailure(FailureKind.CIRCULAR_OBJECT_OWNERSHIP, start)
            at = None if at is None else parents.get(at)
            if at is None:
                break


def _sizes(changes: Changes) -> None:
    total = 0
    for draft in changes.drafts.values():
        if isinstance(draft.data, MoveObject):
            size = len(draft.data.contents)
            total += size
            if size > OBJECT_BYTES_MAX:
                raise CommandFailure(FailureKind.MOVE_OBJECT_TOO_BIG, (size, OBJECT_BYTES_MAX))
    if total > WRITTEN_BYTES_MAX:
        raise CommandFailure(FailureKind.WRITTEN_OBJECTS_TOO_LARGE, (total, WRITTEN_BYTES_MAX))
