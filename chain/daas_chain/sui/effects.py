"""What a transaction did: status, gas, changed objects, and the digest of its events.

Invariant: `EFFECTS` reads both versions whole and skips nothing; `read_head` is for bytes that a digest already binds.
Source: `effects/v1.rs`, `v2.rs` of
MystenLabs/sui-rust-sdk, `effects/object_change.rs` of MystenLabs/sui.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from daas_protocol.bcs import Reader

from .codec import U32, U64, Codec, enumeration, option, pair, struct, union, vector
from .status import EXECUTION_STATUS, ExecutionStatus
from .types import (
    ADDRESS,
    DIGEST,
    GAS_COST,
    OBJECT_REF,
    OWNER,
    TYPE_TAG,
    GasCost,
    ObjectRef,
    Owner,
    TypeTag,
)

MAX_EFFECTS_BYTES = 524_288
"""`max_serialized_tx_effects_size_bytes` of the protocol; system transactions have sixteen times as much."""
MAX_SYSTEM_EFFECTS_BYTES = 16 * MAX_EFFECTS_BYTES
MAX_OBJECTS = 250_000
"""More than fit into the effects of a system transaction (33 bytes each at least)."""


@dataclass(frozen=True, slots=True)
class NotExist:
    pass


@dataclass(frozen=True, slots=True)
class Existed:
    """The state before the transaction."""

    version: int
    digest: bytes
    owner: Owner


@dataclass(frozen=True, slots=True)
class ObjectWrite:
    digest: bytes
    owner: Owner


@dataclass(frozen=True, slots=True)
class PackageWrite:
    version: int
    digest: bytes


class AccumulatorOperation(IntEnum):
    MERGE = 0
    SPLIT = 1


@dataclass(frozen=True, slots=True)
class AccumulatorInteger:
    value: int


@dataclass(frozen=True, slots=True)
class AccumulatorIntegers:
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class AccumulatorEvents:
    """(index of the event in its transaction, digest of the event)."""

    events: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class AccumulatorWrite:
    """A change of an address balance or event stream; no object is written by the transaction itself."""

    address: bytes
    type: TypeTag
    operation: AccumulatorOperation
    value: AccumulatorInteger | AccumulatorIntegers | AccumulatorEvents


class IdOperation(IntEnum):
    NONE = 0
    CREATED = 1
    DELETED = 2


@dataclass(frozen=True, slots=True)
class ObjectChange:
    before: NotExist | Existed
    after: NotExist | ObjectWrite | PackageWrite | AccumulatorWrite
    id_operation: IdOperation


@dataclass(frozen=True, slots=True)
class ReadOnlyRoot:
    version: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class MutateStreamEnded:
    version: int


@dataclass(frozen=True, slots=True)
class ReadStreamEnded:
    version: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    version: int


@dataclass(frozen=True, slots=True)
class PerEpochConfig:
    pass


@dataclass(frozen=True, slots=True)
class PerEpochConfigAt:
    """With the version that the object had when the epoch began."""

    version: int


UnchangedConsensus = ReadOnlyRoot | MutateStreamEnded | ReadStreamEnded | Cancelled | PerEpochConfig | PerEpochConfigAt


@dataclass(frozen=True, slots=True)
class EffectsV1:
    status: ExecutionStatus
    executed_epoch: int
    gas_used: GasCost
    modified_at_versions: tuple[tuple[bytes, int], ...]
    shared_objects: tuple[ObjectRef, ...]
    transaction_digest: bytes
    created: tuple[tuple[ObjectRef, Owner], ...]
    mutated: tuple[tuple[ObjectRef, Owner], ...]
    unwrapped: tuple[tuple[ObjectRef, Owner], ...]
    deleted: tuple[ObjectRef, ...]
    unwrapped_then_deleted: tuple[ObjectRef, ...]
    wrapped: tuple[ObjectRef, ...]
    gas_object: tuple[ObjectRef, Owner]
    events_digest: bytes | None
    dependencies: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class EffectsV2:
    status: ExecutionStatus
    executed_epoch: int
    gas_used: GasCost
    transaction_digest: bytes
    gas_object_index: int | None
    events_digest: bytes | None
    dependencies: tuple[bytes, ...]
    lamport_version: int
    changed_objects: tuple[tuple[bytes, ObjectChange], ...]
    unchanged_consensus: tuple[tuple[bytes, UnchangedConsensus], ...]
    aux_data_digest: bytes | None


Effects = EffectsV1 | EffectsV2

_ACCUMULATOR_VALUE = union(
    "AccumulatorValue",
    {
        AccumulatorInteger: struct(AccumulatorInteger, value=U64),
        AccumulatorIntegers: struct(AccumulatorIntegers, first=U64, second=U64),
        AccumulatorEvents: struct(AccumulatorEvents, events=vector(pair(U64, DIGEST), MAX_OBJECTS)),
    },
)
_OBJECT_IN = union(
    "ObjectIn",
    {NotExist: struct(NotExist), Existed: struct(Existed, version=U64, digest=DIGEST, owner=OWNER)},
)
_OBJECT_OUT = union(
    "ObjectOut",
    {
        NotExist: struct(NotExist),
        ObjectWrite: struct(ObjectWrite, digest=DIGEST, owner=OWNER),
        PackageWrite: struct(PackageWrite, version=U64, digest=DIGEST),
        AccumulatorWrite: struct(
            AccumulatorWrite,
            address=ADDRESS,
            type=TYPE_TAG,
            operation=enumeration(AccumulatorOperation),
            value=_ACCUMULATOR_VALUE,
        ),
    },
)
_CHANGE = struct(ObjectChange, before=_OBJECT_IN, after=_OBJECT_OUT, id_operation=enumeration(IdOperation))
_UNCHANGED = union(
    "UnchangedConsensusKind",
    {
        ReadOnlyRoot: struct(ReadOnlyRoot, version=U64, digest=DIGEST),
        MutateStreamEnded: struct(MutateStreamEnded, version=U64),
        ReadStreamEnded: struct(ReadStreamEnded, version=U64),
        Cancelled: struct(Cancelled, version=U64),
        PerEpochConfig: struct(PerEpochConfig),
        PerEpochConfigAt: struct(PerEpochConfigAt, version=U64),
    },
)
_OWNED_REF = pair(OBJECT_REF, OWNER)

EFFECTS: Codec[Effects] = union(
    "TransactionEffects",
    {
        EffectsV1: struct(
            EffectsV1,
            status=EXECUTION_STATUS,
            executed_epoch=U64,
            gas_used=GAS_COST,
            modified_at_versions=vector(pair(ADDRESS, U64), MAX_OBJECTS),
            shared_objects=vector(OBJECT_REF, MAX_OBJECTS),
            transaction_digest=DIGEST,
            created=vector(_OWNED_REF, MAX_OBJECTS),
            mutated=vector(_OWNED_REF, MAX_OBJECTS),
            unwrapped=vector(_OWNED_REF, MAX_OBJECTS),
            deleted=vector(OBJECT_REF, MAX_OBJECTS),
            unwrapped_then_deleted=vector(OBJECT_REF, MAX_OBJECTS),
            wrapped=vector(OBJECT_REF, MAX_OBJECTS),
            gas_object=_OWNED_REF,
            events_digest=option(DIGEST),
            dependencies=vector(DIGEST, MAX_OBJECTS),
        ),
        EffectsV2: struct(
            EffectsV2,
            status=EXECUTION_STATUS,
            executed_epoch=U64,
            gas_used=GAS_COST,
            transaction_digest=DIGEST,
            gas_object_index=option(U32),
            events_digest=option(DIGEST),
            dependencies=vector(DIGEST, MAX_OBJECTS),
            lamport_version=U64,
            changed_objects=vector(pair(ADDRESS, _CHANGE), MAX_OBJECTS),
            unchanged_consensus=vector(pair(ADDRESS, _UNCHANGED), MAX_OBJECTS),
            aux_data_digest=option(DIGEST),
        ),
    },
)


@dataclass(frozen=True, slots=True)
class EffectsHead:
    """What leads from effects to events."""

    status: ExecutionStatus
    executed_epoch: int
    transaction_digest: bytes
    events_digest: bytes | None


_V2 = 1
_GAS_INDEX = option(U32)
_EVENTS_DIGEST = option(DIGEST)


def read_head(data: bytes) -> EffectsHead:
    """The head of effects whose digest has been checked; of version 2 nothing behind it is read.

    The digest already binds the rest. To read it all the same would cost ten times as much, and a kind of object change
    that is newer than this version would stop whoever needs nothing but the events. Raises `BcsError`.
    """
    reader = Reader(data)
    if reader.uleb() != _V2:
        whole = EFFECTS.decode(data)
        return EffectsHead(whole.status, whole.executed_epoch, whole.transaction_digest, whole.events_digest)
    status, epoch = EXECUTION_STATUS.read(reader), reader.u64()
    GAS_COST.read(reader)
    transaction = DIGEST.read(reader)
    _GAS_INDEX.read(reader)
    return EffectsHead(status, epoch, transaction, _EVENTS_DIGEST.read(reader))
