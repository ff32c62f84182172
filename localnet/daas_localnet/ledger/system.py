"""Transactions that the network itself makes: the clock.

Invariant: the clock never goes back, and its object changes only here; nobody pays for that.
"""

from __future__ import annotations

from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.effects import EffectsV2, Existed, IdOperation, ObjectChange, ObjectWrite
from daas_chain.sui.objects import MoveObject, Object
from daas_chain.sui.status import Success
from daas_chain.sui.system_transaction import CommitPrologueV1
from daas_chain.sui.transaction import TRANSACTION_DATA, GasData, NeverExpires, TransactionData
from daas_chain.sui.types import GasCost, ObjectRef

from .genesis import CLOCK
from .objects import Stored, stored
from .settle import Outcome
from .store import Batch, Store

NOBODY = bytes(32)
"""Sender, gas owner and gas coin of the network's own transactions."""


class ClockError(Exception):
    """There is no clock, or the time is before the one it has."""

    def __init__(self, expected: str, actual: int | None) -> None:
        super().__init__(f"clock: expected {expected}, got {actual}")
        self.expected = expected
        self.actual = actual


def prologue_data(epoch: int, round_: int, timestamp_ms: int) -> TransactionData:
    """What begins every commit of the consensus. `round_` makes it another transaction each time."""
    gas = GasData((ObjectRef(NOBODY, 0, NOBODY),), NOBODY, 1, 0)
    return TransactionData(CommitPrologueV1(epoch, round_, timestamp_ms), NOBODY, gas, NeverExpires())


def time_of(clock: Stored) -> int:
    assert clock.move is not None
    return int.from_bytes(clock.move.contents[32:40], "little")


def prologue(store: Store, epoch: int, data: TransactionData, timestamp_ms: int) -> Outcome:
    """Sets the clock. Raises ClockError."""
    clock = store.get(CLOCK)
    if clock is None or clock.move is None:
        raise ClockError("an object at 0x6", None)
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
    effects = EffectsV2(
        Success(),
        epoch,
        GasCost(0, 0, 0, 0),
        transaction,
        None,
        None,
        (clock.value.previous_transaction,),
        version,
        ((CLOCK, change),),
        (),
        None,
    )
    return Outcome(transaction, effects, (), Batch((after,)))
