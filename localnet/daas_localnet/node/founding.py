"""How a network begins.

Invariant: a network's settings, first objects, first epoch and checkpoint 0 are one batch, so a store has a whole
network or none. Checkpoint 0 has one transaction, the genesis, and names no signature for it (as mainnet's).
"""

from __future__ import annotations

from dataclasses import replace

from daas_chain.artifacts import Artifacts
from daas_chain.sui.transaction import INTENT, SignedTransaction
from daas_localnet.ledger.genesis import genesis
from daas_localnet.ledger.own import NOBODYS_SIGNATURE
from daas_localnet.ledger.store import Batch

from . import archive
from .checkpoints import next_checkpoint
from .committee import Keys
from .sealing import entry, new_epoch
from .settings import Settings, kept

_EPOCH = 0


def found_network(artifacts: Artifacts, settings: Settings, now_ms: int) -> Batch:
    """Everything that a new network's store has. Raises SettingsError, ArtifactsError."""
    keep = kept(settings)
    keys = Keys.derive(keep.seed, _EPOCH, keep.validators)
    first = genesis(artifacts, settings.faucet, now_ms)
    made = archive.executed(SignedTransaction(INTENT, first.data, (NOBODYS_SIGNATURE,)), first.outcome)
    checkpoint = next_checkpoint(None, None, (replace(entry(made), signatures=()),), now_ms, keys)
    records = (
        *archive.settings_records(keep),
        *archive.transaction_records(0, made),
        *archive.checkpoint_records(checkpoint),
        *archive.epoch_records(new_epoch(keys, 0, now_ms, keep.reference_gas_price)),
    )
    return replace(first.batch, records=records)
