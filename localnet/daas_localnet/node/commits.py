"""What the network itself executes around users' transactions: the first of a commit, and the last of an epoch.

Invariant: each is another transaction than all before it (its round, or its epoch, is new). The clock is set to the
caller's time, or stays where it is when that is earlier: a clock of the host that was set back stops ours, until it has
caught up.
"""

from __future__ import annotations

from dataclasses import dataclass

from daas_chain.sui.transaction import INTENT, SignedTransaction, TransactionData
from daas_chain.sui.types import GasCost
from daas_localnet.ledger.own import NOBODYS_SIGNATURE
from daas_localnet.ledger.settle import Outcome
from daas_localnet.ledger.store import Store
from daas_localnet.ledger.system import (
    EpochEnd,
    clock_of,
    end_of_epoch,
    end_of_epoch_data,
    prologue,
    prologue_data,
    time_of,
)

from .checkpoints import PROTOCOL_VERSION


@dataclass(frozen=True, slots=True)
class Own:
    """A transaction of the network's own and what it does; nothing is in the store yet."""

    signed: SignedTransaction
    outcome: Outcome
    time_ms: int


def own_signed(data: TransactionData) -> SignedTransaction:
    return SignedTransaction(INTENT, data, (NOBODYS_SIGNATURE,))


def time_in(store: Store) -> int:
    """Of the clock."""
    return time_of(clock_of(store))


def begin(store: Store, epoch: int, round_: int, now_ms: int) -> Own:
    time_ms = max(now_ms, time_in(store))
    data = prologue_data(epoch, round_, time_ms)
    return Own(own_signed(data), prologue(store, epoch, data, time_ms), time_ms)


def end(epoch: int, gas: GasCost, time_ms: int) -> Own:
    data = end_of_epoch_data(EpochEnd(epoch, gas, time_ms, PROTOCOL_VERSION))
    return Own(own_signed(data), end_of_epoch(data, epoch), time_ms)
