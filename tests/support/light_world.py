"""A network of four validators of our own: committees, certificates, and checkpoints with transactions and events.

Everything follows from constants, so that vectors and fuzzing seeds are the same everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import pyblst

from daas_chain.light import bitmap, bls
from daas_chain.light.certificate import signed_message
from daas_chain.sui.checkpoint import (
    COMMITTEE,
    CONTENTS,
    QUORUM_SIGNATURE,
    SUMMARY,
    CheckpointSummary,
    CommitteeMember,
    CommitteeRecord,
    ContentsV1,
    EndOfEpoch,
    ExecutionDigests,
    QuorumSignature,
)
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.effects import EFFECTS, EffectsV2, Existed, IdOperation, ObjectChange, ObjectWrite
from daas_chain.sui.events import EVENTS, Event
from daas_chain.sui.status import Success
from daas_chain.sui.types import AddressOwner, GasCost, StructTag

EPOCH = 7
SEQUENCE = 1_000
TOTAL = 5_000
TIME_MS = 1_760_000_000_000
POWERS = (2_500, 2_500, 2_500, 2_500)
NO_GAS = GasCost(0, 0, 0, 0)
OURS = StructTag(bytes(31) + b"\xda", "mailbox", "Requested")
THEIRS = StructTag(bytes(31) + b"\xee", "mailbox", "Requested")
ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001


@cache
def secrets(epoch: int = EPOCH, count: int = 4) -> tuple[int, ...]:
    """In the order of their public keys, as a committee has them."""
    made = [
        int.from_bytes(hashlib.sha512(b"light %d %d" % (epoch, index)).digest(), "big") % ORDER
        for index in range(count)
    ]
    return tuple(sorted(made, key=public_key))


@cache
def public_key(secret: int) -> bytes:
    return bytes(bls.GENERATOR.scalar_mul(secret).compress())


def sign(message: bytes, signers: Sequence[int]) -> bytes:
    """The sum of one signature by each secret."""
    hashed = pyblst.BlstP1Element.hash_to_group(message, bls.DOMAIN)
    total = hashed.scalar_mul(signers[0])
    for secret in signers[1:]:
        total = total + hashed.scalar_mul(secret)
    return bytes(total.compress())


def members(epoch: int = EPOCH, powers: Sequence[int] = POWERS) -> tuple[CommitteeMember, ...]:
    keys = [public_key(secret) for secret in secrets(epoch, len(powers))]
    return tuple(CommitteeMember(key, power) for key, power in zip(keys, powers, strict=True))


def committee(epoch: int = EPOCH, powers: Sequence[int] = POWERS) -> bytes:
    return COMMITTEE.encode(CommitteeRecord(epoch, members(epoch, powers)))


def certify(
    summary: bytes, epoch: int = EPOCH, signers: Sequence[int] = (0, 1, 3), count: int = 4, says: int | None = None
) -> bytes:
    """bcs(quorum signature) by the committee members `signers`; `says` puts another epoch into it."""
    known = secrets(epoch, count)
    signature = sign(signed_message(summary, epoch), [known[index] for index in signers])
    return QUORUM_SIGNATURE.encode(
        QuorumSignature(epoch if says is None else says, signature, bitmap.encode(tuple(signers)))
    )


def event(number: int, kind: StructTag = OURS) -> Event:
    return Event(bytes(31) + b"\xaa", "wrapper", bytes([number]) * 32, kind, number.to_bytes(8, "little"))


@dataclass(frozen=True)
class Checkpoint:
    """All parts as bytes. `parts`: (transaction digest, effects, events or None)."""

    summary: bytes
    signature: bytes
    contents: bytes
    parts: tuple[tuple[bytes, bytes, bytes | None], ...]

    @property
    def bundle(self) -> list[tuple[bytes, bytes | None]]:
        return [(effects, events) for _, effects, events in self.parts]


def effects_of(transaction: bytes, events: bytes | None, epoch: int = EPOCH) -> EffectsV2:
    owner = AddressOwner(transaction)
    change = ObjectChange(Existed(8, bytes(32), owner), ObjectWrite(transaction, owner), IdOperation.NONE)
    return EffectsV2(
        status=Success(),
        executed_epoch=epoch,
        gas_used=GasCost(1_000_000, 988_000, 978_120, 9_880),
        transaction_digest=transaction,
        gas_object_index=0,
        events_digest=None if events is None else digest(Hashed.EVENTS, events),
        dependencies=(bytes(32),),
        lamport_version=9,
        changed_objects=((transaction, change),),
        unchanged_consensus=(),
        aux_data_digest=None,
    )


def transaction(name: str, events: Sequence[Event] | None, epoch: int = EPOCH) -> tuple[bytes, bytes, bytes | None]:
    made = hashlib.blake2b(name.encode(), digest_size=32).digest()
    data = None if events is None else EVENTS.encode(tuple(events))
    return made, EFFECTS.encode(effects_of(made, data, epoch)), data


def contents_of(parts: Sequence[tuple[bytes, bytes, bytes | None]]) -> ContentsV1:
    return ContentsV1(
        tuple(ExecutionDigests(made, digest(Hashed.EFFECTS, effects)) for made, effects, _ in parts),
        tuple((b"\x00" + made + made + made,) for made, _, _ in parts),
    )


def checkpoint(
    parts: Sequence[tuple[bytes, bytes, bytes | None]] | None = None,
    *,
    contents: bytes | None = None,
    next_members: tuple[CommitteeMember, ...] | None = None,
    signers: Sequence[int] = (0, 1, 3),
    **changes: object,
) -> Checkpoint:
    """By default three transactions: one with two events of ours and one of theirs, one without, one with ours."""
    given = changes.get("epoch", EPOCH)
    assert isinstance(given, int)
    if parts is None:
        parts = (
            transaction("first", [event(1), event(2, THEIRS), event(3)], given),
            transaction("second", None, given),
            transaction("third", [event(4)], given),
        )
    data = CONTENTS.encode(contents_of(parts)) if contents is None else contents
    plain = CheckpointSummary(
        epoch=EPOCH,
        sequence_number=SEQUENCE,
        network_total_transactions=TOTAL + len(parts),
        content_digest=digest(Hashed.CONTENTS, data),
        previous_digest=hashlib.sha256(b"previous").digest(),
        epoch_gas=NO_GAS,
        timestamp_ms=TIME_MS,
        commitments=(),
        end_of_epoch=None if next_members is None else EndOfEpoch(next_members, 129, ()),
        version_specific=bytes(2),
    )
    summary = SUMMARY.encode(replace(plain, **changes))  # type: ignore[arg-type]
    return Checkpoint(summary, certify(summary, given, signers), data, tuple(parts))
