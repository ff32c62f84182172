"""Checkpoints, their transactions and committees as messages.

Invariant: `summary.bcs`, `signature`, `contents.bcs` and the `bcs` of transactions, effects and events are what a light
client verifies; they are the bytes that were signed and hashed, not made anew.
"""

from __future__ import annotations

from collections.abc import Callable

from daas_chain.sui.checkpoint import (
    ArtifactsDigest,
    CheckpointSummary,
    Commitment,
    CommitteeMember,
    CommitteeRecord,
    Contents,
    ContentsV1,
    QuorumSignature,
)
from daas_chain.sui.digests import Hashed, digest
from daas_localnet.ledger.objects import Stored
from daas_localnet.ledger.packages import Packages

from . import executed, parts, transactions
from .effects import pruned
from .mask import Mask
from .proto import v2
from .texts import digest_text

_COMMITMENT = v2.CheckpointCommitmentCheckpointCommitmentKind


def summary(value: CheckpointSummary, encoded: bytes, digest_: bytes, mask: Mask) -> v2.CheckpointSummary:
    message = v2.CheckpointSummary(
        digest=digest_text(digest_),
        epoch=value.epoch,
        sequence_number=value.sequence_number,
        total_network_transactions=value.network_total_transactions,
        content_digest=digest_text(value.content_digest),
        previous_digest=None if value.previous_digest is None else digest_text(value.previous_digest),
        epoch_rolling_gas_cost_summary=parts.gas_cost(value.epoch_gas),
        timestamp=parts.time(value.timestamp_ms),
        commitments=[_commitment(one) for one in value.commitments],
        version_specific_data=value.version_specific,
    )
    if value.end_of_epoch is not None:
        message.end_of_epoch_data = v2.EndOfEpochData(
            next_epoch_committee=[_member(one) for one in value.end_of_epoch.next_committee],
            next_epoch_protocol_version=value.end_of_epoch.next_protocol_version,
            epoch_commitments=[_commitment(one) for one in value.end_of_epoch.commitments],
        )
    if (submask := mask.get("bcs")) is not None:
        message.bcs = parts.bcs("CheckpointSummary", encoded, submask)
    return pruned(message, mask)


def _commitment(value: Commitment) -> v2.CheckpointCommitment:
    artifacts = isinstance(value, ArtifactsDigest)
    kind = _COMMITMENT.CHECKPOINT_ARTIFACTS if artifacts else _COMMITMENT.ECMH_LIVE_OBJECT_SET
    return v2.CheckpointCommitment(kind=kind, digest=digest_text(value.digest))


def _member(value: CommitteeMember) -> v2.ValidatorCommitteeMember:
    return v2.ValidatorCommitteeMember(public_key=value.public_key, weight=value.power)


def committee(value: CommitteeRecord) -> v2.ValidatorCommittee:
    return v2.ValidatorCommittee(epoch=value.epoch, members=[_member(one) for one in value.members])


def signature(value: QuorumSignature, mask: Mask) -> v2.ValidatorAggregatedSignature:
    message = v2.ValidatorAggregatedSignature(epoch=value.epoch, signature=value.signature, bitmap=value.signers)
    return pruned(message, mask)


def contents(value: Contents, encoded: bytes, mask: Mask) -> v2.CheckpointContents:
    message = v2.CheckpointContents()
    if (submask := mask.get("bcs")) is not None:
        message.bcs = parts.bcs("CheckpointContents", encoded, submask)
    if "digest" in mask:
        message.digest = digest_text(digest(Hashed.CONTENTS, encoded))
    if "version" in mask:
        message.version = 1 if isinstance(value, ContentsV1) else 2
    if (submask := mask.get("transactions")) is not None:
        message.transactions = _entries(value, submask)
    return message


def _entries(value: Contents, mask: Mask) -> list[v2.CheckpointedTransactionInfo]:
    if isinstance(value, ContentsV1):
        signatures = value.user_signatures
    else:
        signatures = tuple(tuple(one for one, _ in entry.signatures) for entry in value.transactions)
    signed = mask.get("signatures")
    return [
        pruned(
            v2.CheckpointedTransactionInfo(
                transaction=digest_text(one.transaction),
                effects=digest_text(one.effects),
                signatures=[] if signed is None else [transactions.signature(each, signed) for each in user],
            ),
            mask,
        )
        for one, user in zip(value.digests, signatures, strict=True)
    ]


def objects(
    sources: list[executed.Source], find: Callable[[bytes, int], Stored | None], mask: Mask, packages: Packages
) -> v2.ObjectSet:
    found = {(one.object_id, one.version): one for source in sources for one in executed.touched(source.effects, find)}
    return executed.object_set((found[key] for key in sorted(found)), mask, packages)
