"""From changes to effects: what is paid, new versions, digests.

Invariant: the gas coin loses exactly what the effects' gas says; a transaction that cannot pay for its storage has
failed, and one that cannot pay even for keeping its inputs pays its whole budget and leaves their deposits alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.effects import (
    EFFECTS,
    EffectsV2,
    Existed,
    IdOperation,
    MutateStreamEnded,
    NotExist,
    ObjectChange,
    ObjectWrite,
    PackageWrite,
    ReadOnlyRoot,
    ReadStreamEnded,
    UnchangedConsensus,
)
from daas_chain.sui.events import EVENTS, Event
from daas_chain.sui.objects import MovePackage
from daas_chain.sui.status import ExecutionStatus, Failure, FailureKind, Success
from daas_chain.sui.storage import storage_cost
from daas_chain.sui.types import GasCost, SharedOwner

from . import gas
from .changes import Changes, only_gas
from .ended import Ended, ended_record
from .inputs import Checked
from .limits import EFFECTS_BYTES_MAX
from .objects import Stored, stored
from .simulation import CommandOutput
from .store import Batch


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction did; `batch` is not in the store yet. `reason`: of a failure, for people."""

    transaction: bytes
    effects: EffectsV2
    events: tuple[Event, ...]
    batch: Batch
    reason: str = ""
    outputs: tuple[CommandOutput, ...] = ()
    """Of each command, when a simulation has succeeded."""

    @property
    def effects_digest(self) -> bytes:
        return digest(Hashed.EFFECTS, EFFECTS.encode(self.effects))

    @property
    def succeeded(self) -> bool:
        return isinstance(self.effects.status, Success)


CHANGES_UNCHECKED = 2_000
"""So many changes (of 200 bytes at most) and as many dependencies are below the limit of effects."""


@dataclass(frozen=True, slots=True)
class _Paid:
    cost: GasCost
    written: tuple[Stored, ...]


def settle(
    checked: Checked,
    changes: Changes,
    status: ExecutionStatus,
    units: int,
    events: Iterable[Event],
    epoch: int,
    reason: str,
) -> Outcome:
    """Charges for a transaction that has ended."""
    data = checked.data.gas
    computation = gas.computation(units, data.price, data.budget)
    paid = _paid(checked, changes, computation)
    if paid is None:
        status = Failure((FailureKind.INSUFFICIENT_GAS, None), None)
        reason = "the budget does not cover storage"
        changes, events = only_gas(checked), ()
        paid = _paid(checked, changes, computation)
    if paid is None:
        changes = only_gas(checked)
        paid = _everything(checked, changes)
    happened = tuple(events)
    effects = _effects(checked, changes, paid, status, happened, epoch)
    if len(effects.changed_objects) > CHANGES_UNCHECKED and isinstance(status, Success):
        size = len(EFFECTS.encode(effects))
        if size > EFFECTS_BYTES_MAX:
            failure = Failure((FailureKind.EFFECTS_TOO_LARGE, (size, EFFECTS_BYTES_MAX)), None)
            return settle(checked, only_gas(checked), failure, units, (), epoch, f"effects of {size} bytes")
    removed = tuple(id_ for id_ in changes.before if id_ not in changes.drafts)
    records = tuple(
        ended_record(id_, Ended(owner.initial_version, checked.lamport, checked.digest))
        for id_ in removed
        if isinstance(owner := changes.before[id_].owner, SharedOwner)
    )
    return Outcome(checked.digest, effects, happened, Batch(paid.written, removed, records), reason)


def _paid(checked: Checked, changes: Changes, computation: int) -> _Paid | None:
    """None when the budget is too small."""
    costs = {id_: storage_cost(one.finish(checked.digest, 0)) for id_, one in changes.drafts.items()}
    kept = gas.storage(costs.values(), (one.value.storage_rebate for one in changes.before.values()))
    cost = gas.cost(computation, kept)
    if gas.net(cost) > checked.data.gas.budget:
        return None
    changes.add_to_gas(-gas.net(cost))
    return _Paid(cost, tuple(stored(one.finish(checked.digest, costs[id_])) for id_, one in changes.drafts.items()))


def _everything(checked: Checked, changes: Changes) -> _Paid:
    gone = (one.value.storage_rebate for id_, one in changes.before.items() if id_ not in changes.drafts)
    cost = gas.cost(checked.data.gas.budget, gas.storage((), gone))
    changes.add_to_gas(-gas.net(cost))
    return _Paid(
        cost,
        tuple(
            stored(one.finish(checked.digest, changes.before[id_].value.storage_rebate))
            for id_, one in changes.drafts.items()
        ),
    )


def _effects(
    checked: Checked, changes: Changes, paid: _Paid, status: ExecutionStatus, events: tuple[Event, ...], epoch: int
) -> EffectsV2:
    written = {one.object_id: one for one in paid.written}
    ids = sorted({*changes.created, *changes.deleted, *changes.before, *written})
    changed = tuple((id_, _change(id_, changes, written.get(id_))) for id_ in ids)
    unchanged: dict[bytes, UnchangedConsensus] = {
        one.object.object_id: ReadOnlyRoot(one.object.version, one.object.digest)
        for one in checked.objects
        if isinstance(one.object.owner, SharedOwner) and not one.mutable
    }
    for one in checked.ended:
        version = one.ended.version
        unchanged[one.object_id] = MutateStreamEnded(version) if one.mutable else ReadStreamEnded(version)
    return EffectsV2(
        status,
        epoch,
        paid.cost,
        checked.digest,
        ids.index(changes.gas),
        digest(Hashed.EVENTS, EVENTS.encode(events)) if events else None,
        _dependencies(checked, changes),
        checked.lamport,
        changed,
        tuple(sorted(unchanged.items(), key=lambda each: each[0])),
        None,
    )


def _change(id_: bytes, changes: Changes, after: Stored | None) -> ObjectChange:
    before = changes.before.get(id_)
    existed = NotExist() if before is None else Existed(before.version, before.digest, before.owner)
    exists: NotExist | ObjectWrite | PackageWrite = NotExist()
    if after is not None and isinstance(after.value.data, MovePackage):
        exists = PackageWrite(after.version, after.digest)
    elif after is not None:
        exists = ObjectWrite(after.digest, after.owner)
    operation = IdOperation.NONE
    if id_ in changes.created:
        operation = IdOperation.CREATED
    elif id_ in changes.deleted:
        operation = IdOperation.DELETED
    return ObjectChange(existed, exists, operation)


def _dependencies(checked: Checked, changes: Changes) -> tuple[bytes, ...]:
    used = [one.object for one in checked.objects if not one.receiving or one.object.object_id in changes.received]
    ended = (one.ended.transaction for one in checked.ended)
    return tuple(
        sorted({*(one.value.previous_transaction for one in (*used, *checked.gas, *checked.packages)), *ended})
    )
