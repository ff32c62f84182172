"""Transactions that the network itself makes: the clock, and the end of an epoch.

Invariant: the clock never goes back, and its object changes only here; nobody pays for that.
"""

from __future__ import annotations

from dataclasses import dataclass

from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.effects import Existed, IdOperation, ObjectChange, ObjectWrite
from daas_chain.sui.objects import MoveObject, Object
from daas_chain.sui.system_transaction import ChangeEpoch, CommitPrologueV1, EndOfEpochTransaction
from daas_chain.sui.transaction import TRANSACTION_DATA, TransactionData
from daas_chain.sui.types import GasCost

from .genesis import CLOCK
from .objects import Stored, stored
from .own import own_data, own_effects
from .settle import Outcome
from .store import Batch, Store

_NO_INPUTS_VERSION = 1
"""What a transaction without inputs would give to its objects."""


class ClockError(Exception):
    """There is no clock, or the time is before the one it has."""

    def __init__(self, expected: str, actual: int | None) -> None:
        super().__init__(f"clock: expected {expected}, got {actual}")
        self.expected = expected
        self.actual = actual


def prologue_data(epoch: int, round_: int, timestamp_ms: int) -> TransactionData:
    """What begins every commit of the consensus. `round_` makes it another transaction each time."""
    return own_data(CommitPrologueV1(epoch, round_, timestamp_ms))


def time_of(clock: Stored) -> int:
    assert clock.move is not None
    return int.from_bytes(clock.move.contents[32:40], "little")


def clock_of(store: Store) -> Stored:
    """Raises ClockError."""
    clock = store.get(CLOCK)
    if clock is None or clock.move is None:
        raise ClockError("an object at 0x6", None)
    return clock


def prologue(store: Store, epoch: int, data: TransactionData, timestamp_ms: int) -> Outcome:
    """Sets the clock. Raises ClockError."""
    clock = clock_of(store)
    assert clock.move is not None
    if timestamp_ms < time_of(clock):
        raise ClockError(f"{time_of(clock)} or later", timestamp_ms)
    transaction = digest(Hashed.TRANSACTION, TRANSACTION_DATA.encode(data))
    version = clock.version + 1
    held = MoveObject(
        clock.move.type, clock.move.has_public_transfer, version, CLOCK + timestamp_ms.to_bytes(8, "little")
    )
    after = stored(Object(held, clock.owner, transaction, clock.value.storage_rebate))
    change = ObjectChange(
        Existed(clock.version, clock.digest, clock.owner), ObjectWrite(after.digest, after.owner), IdOperation.NONE
    )
    effects = own_effects(transaction, epoch, version, ((CLOCK, change),), (clock.value.previous_transaction,))
    return Outcome(transaction, effects, (), Batch((after,)))


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """Of epoch `epoch`; `gas`: everything that was paid in it."""

    epoch: int
    gas: GasCost
    timestamp_ms: int
    next_protocol_version: int


def end_of_epoch_data(end: EpochEnd) -> TransactionData:
    """As Sui ends an epoch: one transaction of several steps, of which this network needs the last."""
    change = ChangeEpoch(
        end.epoch + 1,
        end.next_protocol_version,
        end.gas.storage,
        end.gas.computation,
        end.gas.storage_rebate,
        end.gas.non_refundable,
        end.timestamp_ms,
        (),
    )
    return own_data(EndOfEpochTransaction((change,)))


def end_of_epoch(data: TransactionData, epoch: int) -> Outcome:
    """What that transaction does here: nothing to any object. On Sui it changes the system state 0x5 (stakes, rewards,
    the storage fund); this network has no 0x5, its fees go to nobody, and its epoch and committee are told by
    checkpoints alone.
    """
    transaction = digest(Hashed.TRANSACTION, TRANSACTION_DATA.encode(data))
    return Outcome(transaction, own_effects(transaction, epoch, _NO_INPUTS_VERSION), (), Batch(()))
