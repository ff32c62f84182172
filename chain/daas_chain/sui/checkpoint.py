"""Checkpoint summaries, their contents, committees and quorum signatures.

Invariant: a contents list names every transaction exactly once with the digest of its effects; version 1 and version 2
differ in what they say of user signatures only. Source: `checkpoint.rs` and `crypto/validator.rs` of
MystenLabs/sui-rust-sdk; vectors of mainnet.
"""

from __future__ import annotations

from dataclasses import dataclass

from daas_protocol.bcs import BcsError, Reader, Writer

from .codec import U64, Codec, fixed, octets, option, pair, sized, struct, union, vector
from .types import DIGEST, GAS_COST, GasCost

PUBLIC_KEY_BYTES = 96
SIGNATURE_BYTES = 48
MAX_COMMITTEE_MEMBERS = 1_000
"""Sui admits at most 150 validators; each key costs a quarter of a millisecond to check."""
MAX_BITMAP_BYTES = 4_096
"""An array container of every index below `MAX_COMMITTEE_MEMBERS` has 2,016 bytes."""
MAX_COMMITMENTS = 16
MAX_VERSION_SPECIFIC_BYTES = 65_536
"""Two bytes today; opaque by design, and a hostile one must not cost memory."""
MAX_TRANSACTIONS = 100_000
"""The protocol allows 20,000; settlement transactions come on top."""
MAX_USER_SIGNATURES = 32
MAX_USER_SIGNATURE_BYTES = 131_072
"""No longer than the largest transaction."""
MAX_CONTENTS_BYTES = 33_554_432
"""A checkpoint has at most 31,457,280 bytes of transactions, signatures among them."""
MAX_SUMMARY_BYTES = 262_144
"""The last of an epoch holds a whole committee: 105 bytes a member."""
MAX_COMMITTEE_BYTES = 16 + 105 * MAX_COMMITTEE_MEMBERS
MAX_QUORUM_SIGNATURE_BYTES = 8 + SIGNATURE_BYTES + 2 + MAX_BITMAP_BYTES


@dataclass(frozen=True, slots=True)
class LiveObjectSet:
    """An elliptic-curve multiset hash of every live object."""

    digest: bytes


@dataclass(frozen=True, slots=True)
class ArtifactsDigest:
    digest: bytes


Commitment = LiveObjectSet | ArtifactsDigest

COMMITMENT: Codec[Commitment] = union(
    "CheckpointCommitment",
    {LiveObjectSet: struct(LiveObjectSet, digest=DIGEST), ArtifactsDigest: struct(ArtifactsDigest, digest=DIGEST)},
)


@dataclass(frozen=True, slots=True)
class CommitteeMember:
    public_key: bytes
    power: int


MEMBER: Codec[CommitteeMember] = struct(CommitteeMember, public_key=sized(PUBLIC_KEY_BYTES), power=U64)
_MEMBERS = vector(MEMBER, MAX_COMMITTEE_MEMBERS)


@dataclass(frozen=True, slots=True)
class CommitteeRecord:
    """A committee as it is stored and anchored; nothing of it has been checked."""

    epoch: int
    members: tuple[CommitteeMember, ...]


COMMITTEE: Codec[CommitteeRecord] = struct(CommitteeRecord, epoch=U64, members=_MEMBERS)


@dataclass(frozen=True, slots=True)
class EndOfEpoch:
    next_committee: tuple[CommitteeMember, ...]
    next_protocol_version: int
    commitments: tuple[Commitment, ...]


@dataclass(frozen=True, slots=True)
class CheckpointSummary:
    epoch: int
    sequence_number: int
    network_total_transactions: int
    content_digest: bytes
    previous_digest: bytes | None
    epoch_gas: GasCost
    timestamp_ms: int
    commitments: tuple[Commitment, ...]
    end_of_epoch: EndOfEpoch | None
    version_specific: bytes


_COMMITMENTS = vector(COMMITMENT, MAX_COMMITMENTS)
SUMMARY: Codec[CheckpointSummary] = struct(
    CheckpointSummary,
    epoch=U64,
    sequence_number=U64,
    network_total_transactions=U64,
    content_digest=DIGEST,
    previous_digest=option(DIGEST),
    epoch_gas=GAS_COST,
    timestamp_ms=U64,
    commitments=_COMMITMENTS,
    end_of_epoch=option(
        struct(EndOfEpoch, next_committee=_MEMBERS, next_protocol_version=U64, commitments=_COMMITMENTS)
    ),
    version_specific=octets(MAX_VERSION_SPECIFIC_BYTES),
)


@dataclass(frozen=True, slots=True)
class QuorumSignature:
    """One aggregated signature and who took part, as a Roaring bitmap over the committee's indices."""

    epoch: int
    signature: bytes
    signers: bytes


QUORUM_SIGNATURE: Codec[QuorumSignature] = struct(
    QuorumSignature, epoch=U64, signature=fixed(SIGNATURE_BYTES), signers=octets(MAX_BITMAP_BYTES)
)


@dataclass(frozen=True, slots=True)
class ExecutionDigests:
    transaction: bytes
    effects: bytes


_USER_SIGNATURE = octets(MAX_USER_SIGNATURE_BYTES)


@dataclass(frozen=True, slots=True)
class ContentsV1:
    """`user_signatures` has one entry for each transaction."""

    digests: tuple[ExecutionDigests, ...]
    user_signatures: tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True, slots=True)
class TransactionEntry:
    """`signatures`: each with the version of the address alias that it was checked against."""

    transaction: bytes
    effects: bytes
    signatures: tuple[tuple[bytes, int | None], ...]

    @property
    def digests(self) -> ExecutionDigests:
        return ExecutionDigests(self.transaction, self.effects)


@dataclass(frozen=True, slots=True)
class ContentsV2:
    transactions: tuple[TransactionEntry, ...]

    @property
    def digests(self) -> tuple[ExecutionDigests, ...]:
        return tuple(entry.digests for entry in self.transactions)


Contents = ContentsV1 | ContentsV2

_DIGESTS = struct(ExecutionDigests, transaction=DIGEST, effects=DIGEST)
_CONTENTS_V1 = struct(
    ContentsV1,
    digests=vector(_DIGESTS, MAX_TRANSACTIONS),
    user_signatures=vector(vector(_USER_SIGNATURE, MAX_USER_SIGNATURES), MAX_TRANSACTIONS),
)


def _paired(contents: ContentsV1) -> ContentsV1:
    if len(contents.digests) != len(contents.user_signatures):
        raise BcsError(
            f"{len(contents.digests)} transactions, but signatures for {len(contents.user_signatures)} of them"
        )
    return contents


def _read_v1(reader: Reader) -> ContentsV1:
    return _paired(_CONTENTS_V1.read(reader))


def _write_v1(writer: Writer, contents: ContentsV1) -> None:
    _CONTENTS_V1.write(writer, _paired(contents))


CONTENTS: Codec[Contents] = union(
    "CheckpointContents",
    {
        ContentsV1: Codec(_read_v1, _write_v1),
        ContentsV2: struct(
            ContentsV2,
            transactions=vector(
                struct(
                    TransactionEntry,
                    transaction=DIGEST,
                    effects=DIGEST,
                    signatures=vector(pair(_USER_SIGNATURE, option(U64)), MAX_USER_SIGNATURES),
                ),
                MAX_TRANSACTIONS,
            ),
        ),
    },
)
