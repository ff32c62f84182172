"""What one checkpoint adds to the store.

Invariant: the batch has all of it: the checkpoint, the network's own transactions that were not executed before, where
each transaction is found, and with the end of an epoch the next one. Everything follows from the arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from daas_chain.sui.checkpoint import ExecutionDigests
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.types import GasCost
from daas_localnet.ledger.store import Batch

from . import archive
from .archive import EpochInfo, Executed
from .checkpoints import PROTOCOL_VERSION, Certified, Entry, epoch_gas, next_checkpoint
from .commits import Own
from .committee import Keys


def entry(one: Executed) -> Entry:
    digests = ExecutionDigests(one.digest, digest(Hashed.EFFECTS, one.effects_bytes))
    return Entry(digests, one.signed.signatures, one.effects.gas_used)


@dataclass(frozen=True, slots=True)
class Commit:
    """Transactions after `latest`, the last of which may not be in the store yet (then `batch` has them)."""

    latest: Certified
    entries: tuple[Entry, ...]
    time_ms: int
    batch: Batch = Batch(())  # noqa: RUF009 (frozen)

    def after(self, own: Own) -> Commit:
        """With one more."""
        made = archive.executed(own.signed, own.outcome)
        number = self.latest.summary.network_total_transactions + len(self.entries)
        records = (*self.batch.records, *archive.transaction_records(number, made))
        batch = Batch((*self.batch.written, *own.outcome.batch.written), (), records)
        return replace(self, entries=(*self.entries, entry(made)), time_ms=own.time_ms, batch=batch)

    def gas(self, epoch: int) -> GasCost:
        return epoch_gas(self.latest.summary, self.entries, epoch)

    def seal(self, keys: Keys, following: Keys | None, price: int) -> tuple[Certified, Batch, EpochInfo | None]:
        """The checkpoint, what goes into the store, and the epoch that begins with the keys `following`."""
        members = None if following is None else following.record.members
        before = self.latest
        made = next_checkpoint(before.summary, before.digest, self.entries, self.time_ms, keys, members)
        records = (*self.batch.records, *archive.checkpoint_records(made))
        info = None
        if following is not None:
            info = new_epoch(following, made.number + 1, self.time_ms, price)
            records += (*archive.epoch_end_records(keys.epoch, made), *archive.epoch_records(info))
        return made, replace(self.batch, records=records), info


def new_epoch(keys: Keys, first_checkpoint: int, start_ms: int, price: int) -> EpochInfo:
    return EpochInfo(keys.epoch, keys.record, first_checkpoint, None, start_ms, None, price, PROTOCOL_VERSION)
