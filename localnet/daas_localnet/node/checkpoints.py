"""Checkpoints: what was executed, in which order, and that a quorum says so.

Invariant: everything here follows from its arguments. A checkpoint names the one before it; its totals are those of the
one before and its own transactions, so the gas of an epoch is exact from its first checkpoint on, and begins anew with
the next epoch. The last checkpoint of an epoch holds the next committee, and a checkpoint without that never ends one.

What Sui's checkpoints have and these do not: commitments to the live objects and to artifacts, and rounds of
randomness.
"""

from __future__ import annotations

from dataclasses import dataclass

from daas_chain.sui.checkpoint import (
    CONTENTS,
    QUORUM_SIGNATURE,
    SUMMARY,
    CheckpointSummary,
    CommitteeMember,
    Contents,
    ContentsV1,
    EndOfEpoch,
    ExecutionDigests,
    QuorumSignature,
)
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.types import GasCost
from daas_localnet.ledger.own import NO_GAS

from .committee import Keys

PROTOCOL_VERSION = 129
"""The oldest of those whose limits the ledger keeps."""
VERSION_SPECIFIC = bytes(2)
"""Version 1 of it, with no randomness rounds, as recent networks have it."""
TRANSACTIONS_MAX = 20_000
"""max_transactions_per_checkpoint."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a checkpoint says of one transaction, and what its totals need of it."""

    digests: ExecutionDigests
    signatures: tuple[bytes, ...]
    gas: GasCost


@dataclass(frozen=True, slots=True)
class Certified:
    """One certified checkpoint; *_bytes are what was signed and hashed."""

    summary: CheckpointSummary
    summary_bytes: bytes
    digest: bytes
    signature: QuorumSignature
    contents: Contents
    contents_bytes: bytes

    @property
    def signature_bytes(self) -> bytes:
        return QUORUM_SIGNATURE.encode(self.signature)

    @property
    def number(self) -> int:
        return self.summary.sequence_number


def next_checkpoint(
    before: CheckpointSummary | None,
    before_digest: bytes | None,
    entries: tuple[Entry, ...],
    timestamp_ms: int,
    keys: Keys,
    following: tuple[CommitteeMember, ...] | None = None,
) -> Certified:
    """The checkpoint after `before` (None: the first of all). `following`: ends the epoch; who has the next one."""
    contents = ContentsV1(tuple(one.digests for one in entries), tuple(one.signatures for one in entries))
    contents_bytes = CONTENTS.encode(contents)
    summary = CheckpointSummary(
        epoch=keys.epoch,
        sequence_number=0 if before is None else before.sequence_number + 1,
        network_total_transactions=(0 if before is None else before.network_total_transactions) + len(entries),
        content_digest=digest(Hashed.CONTENTS, contents_bytes),
        previous_digest=before_digest,
        epoch_gas=epoch_gas(before, entries, keys.epoch),
        timestamp_ms=timestamp_ms,
        commitments=(),
        end_of_epoch=None if following is None else EndOfEpoch(following, PROTOCOL_VERSION, ()),
        version_specific=VERSION_SPECIFIC,
    )
    return certified(summary, contents, keys, keys.quorum(summary.sequence_number))


def certified(summary: CheckpointSummary, contents: Contents, keys: Keys, signers: tuple[int, ...]) -> Certified:
    """A summary with the signature of `signers`."""
    data = SUMMARY.encode(summary)
    signature = keys.certify(data, signers)
    return Certified(summary, data, digest(Hashed.SUMMARY, data), signature, contents, CONTENTS.encode(contents))


def epoch_gas(before: CheckpointSummary | None, entries: tuple[Entry, ...], epoch: int) -> GasCost:
    """What was paid in the epoch up to the end of these transactions."""
    total = before.epoch_gas if before is not None and before.epoch == epoch else NO_GAS
    paid = (total, *(one.gas for one in entries))
    return GasCost(
        sum(one.computation for one in paid),
        sum(one.storage for one in paid),
        sum(one.storage_rebate for one in paid),
        sum(one.non_refundable for one in paid),
    )
