"""Transactions that validators make themselves: genesis, commits, randomness, the end of an epoch.

Invariant: all are read whole, so that a checkpoint with any of them is read whole. Source: `transaction/mod.rs` of
MystenLabs/sui-rust-sdk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .codec import U32, U64, Codec, octets, option, pair, sized, struct, text, union, vector
from .objects import OBJECT_DATA, MoveObject, MovePackage
from .types import ADDRESS, DIGEST, OWNER, TYPE_TAG, Owner, TypeTag

MAX_GENESIS_OBJECTS = 1_000_000
MAX_SYSTEM_PACKAGES = 64
MAX_MODULES = 1_024
MAX_MODULE_BYTES = 4_194_304
MAX_CANCELLED = 20_000
"""Transactions of one checkpoint."""
MAX_ASSIGNMENTS = 2_048
MAX_JWKS = 1_024
MAX_JWK_TEXT_BYTES = 4_096
MAX_RANDOM_BYTES = 1_024
MAX_STEPS = 64
MAX_OBSERVATIONS = 100_000
MAX_VALIDATORS = 1_000
MAX_NAME_BYTES = 1_024


@dataclass(frozen=True, slots=True)
class GenesisObject:
    data: MoveObject | MovePackage
    owner: Owner


@dataclass(frozen=True, slots=True)
class Genesis:
    objects: tuple[GenesisObject, ...]


@dataclass(frozen=True, slots=True)
class SystemPackage:
    version: int
    modules: tuple[bytes, ...]
    dependencies: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ChangeEpoch:
    epoch: int
    protocol_version: int
    storage_charge: int
    computation_charge: int
    storage_rebate: int
    non_refundable: int
    epoch_start_timestamp_ms: int
    system_packages: tuple[SystemPackage, ...]


@dataclass(frozen=True, slots=True)
class CommitPrologueV1:
    epoch: int
    round: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class CommitPrologueV2:
    epoch: int
    round: int
    timestamp_ms: int
    commit_digest: bytes


@dataclass(frozen=True, slots=True)
class CancelledV1:
    """(transaction, ((object, version), ...)) of each."""

    transactions: tuple[tuple[bytes, tuple[tuple[bytes, int], ...]], ...]


@dataclass(frozen=True, slots=True)
class CancelledV2:
    """As before, with the version since which each object is a consensus object."""

    transactions: tuple[tuple[bytes, tuple[tuple[tuple[bytes, int], int], ...]], ...]


@dataclass(frozen=True, slots=True)
class CommitPrologueV3:
    epoch: int
    round: int
    sub_dag_index: int | None
    timestamp_ms: int
    commit_digest: bytes
    assignments: CancelledV1 | CancelledV2


@dataclass(frozen=True, slots=True)
class CommitPrologueV4:
    epoch: int
    round: int
    sub_dag_index: int | None
    timestamp_ms: int
    commit_digest: bytes
    assignments: CancelledV1 | CancelledV2
    additional_state_digest: bytes


@dataclass(frozen=True, slots=True)
class ActiveJwk:
    issuer: str
    key_id: str
    key_type: str
    exponent: str
    modulus: str
    algorithm: str
    epoch: int


@dataclass(frozen=True, slots=True)
class AuthenticatorStateUpdate:
    epoch: int
    round: int
    new_active_jwks: tuple[ActiveJwk, ...]
    initial_version: int


@dataclass(frozen=True, slots=True)
class RandomnessStateUpdate:
    epoch: int
    round: int
    random_bytes: bytes
    initial_version: int


@dataclass(frozen=True, slots=True)
class AuthenticatorStateCreate:
    pass


@dataclass(frozen=True, slots=True)
class AuthenticatorStateExpire:
    min_epoch: int
    initial_version: int


@dataclass(frozen=True, slots=True)
class RandomnessStateCreate:
    pass


@dataclass(frozen=True, slots=True)
class DenyListStateCreate:
    pass


@dataclass(frozen=True, slots=True)
class BridgeStateCreate:
    chain: bytes


@dataclass(frozen=True, slots=True)
class BridgeCommitteeInit:
    bridge_version: int


@dataclass(frozen=True, slots=True)
class ObservedCall:
    package: bytes
    module: str
    function: str
    type_arguments: tuple[TypeTag, ...]


@dataclass(frozen=True, slots=True)
class ObservedTransferObjects:
    pass


@dataclass(frozen=True, slots=True)
class ObservedSplitCoins:
    pass


@dataclass(frozen=True, slots=True)
class ObservedMergeCoins:
    pass


@dataclass(frozen=True, slots=True)
class ObservedPublish:
    pass


@dataclass(frozen=True, slots=True)
class ObservedMakeMoveVec:
    pass


@dataclass(frozen=True, slots=True)
class ObservedUpgrade:
    pass


@dataclass(frozen=True, slots=True)
class ExecutionTimes:
    """(command, ((validator's key, (seconds, nanoseconds)), ...)) of each."""

    observations: tuple[tuple[Any, tuple[tuple[bytes, tuple[int, int]], ...]], ...]


@dataclass(frozen=True, slots=True)
class StoreExecutionTimes:
    times: ExecutionTimes


@dataclass(frozen=True, slots=True)
class AccumulatorRootCreate:
    pass


@dataclass(frozen=True, slots=True)
class CoinRegistryCreate:
    pass


@dataclass(frozen=True, slots=True)
class DisplayRegistryCreate:
    pass


@dataclass(frozen=True, slots=True)
class AddressAliasStateCreate:
    pass


@dataclass(frozen=True, slots=True)
class WriteAccumulatorStorageCost:
    storage_cost: int


@dataclass(frozen=True, slots=True)
class ForwardingAddressRegistryCreate:
    pass


@dataclass(frozen=True, slots=True)
class EndOfEpochTransaction:
    steps: tuple[Any, ...]


_GENESIS_OBJECT = union("GenesisObject", {GenesisObject: struct(GenesisObject, data=OBJECT_DATA, owner=OWNER)})
_CHANGE_EPOCH = struct(
    ChangeEpoch,
    epoch=U64,
    protocol_version=U64,
    storage_charge=U64,
    computation_charge=U64,
    storage_rebate=U64,
    non_refundable=U64,
    epoch_start_timestamp_ms=U64,
    system_packages=vector(
        struct(
            SystemPackage,
            version=U64,
            modules=vector(octets(MAX_MODULE_BYTES), MAX_MODULES),
            dependencies=vector(ADDRESS, MAX_MODULES),
        ),
        MAX_SYSTEM_PACKAGES,
    ),
)
_ASSIGNMENTS = union(
    "ConsensusDeterminedVersionAssignments",
    {
        CancelledV1: struct(
            CancelledV1,
            transactions=vector(pair(DIGEST, vector(pair(ADDRESS, U64), MAX_ASSIGNMENTS)), MAX_CANCELLED),
        ),
        CancelledV2: struct(
            CancelledV2,
            transactions=vector(pair(DIGEST, vector(pair(pair(ADDRESS, U64), U64), MAX_ASSIGNMENTS)), MAX_CANCELLED),
        ),
    },
)
_JWK_TEXT = text(MAX_JWK_TEXT_BYTES)
_JWK = struct(
    ActiveJwk,
    issuer=_JWK_TEXT,
    key_id=_JWK_TEXT,
    key_type=_JWK_TEXT,
    exponent=_JWK_TEXT,
    modulus=_JWK_TEXT,
    algorithm=_JWK_TEXT,
    epoch=U64,
)
_OBSERVED = union(
    "ExecutionTimeObservationKey",
    {
        ObservedCall: struct(
            ObservedCall,
            package=ADDRESS,
            module=text(MAX_NAME_BYTES),
            function=text(MAX_NAME_BYTES),
            type_arguments=vector(TYPE_TAG, 64),
        ),
        **{
            cls: struct(cls)
            for cls in (
                ObservedTransferObjects,
                ObservedSplitCoins,
                ObservedMergeCoins,
                ObservedPublish,
                ObservedMakeMoveVec,
                ObservedUpgrade,
            )
        },
    },
)
_TIMES = union(
    "StoredExecutionTimeObservations",
    {
        ExecutionTimes: struct(
            ExecutionTimes,
            observations=vector(
                pair(_OBSERVED, vector(pair(sized(96), pair(U64, U32)), MAX_VALIDATORS)), MAX_OBSERVATIONS
            ),
        )
    },
)
_STEP = union(
    "EndOfEpochTransactionKind",
    {
        ChangeEpoch: _CHANGE_EPOCH,
        AuthenticatorStateCreate: struct(AuthenticatorStateCreate),
        AuthenticatorStateExpire: struct(AuthenticatorStateExpire, min_epoch=U64, initial_version=U64),
        RandomnessStateCreate: struct(RandomnessStateCreate),
        DenyListStateCreate: struct(DenyListStateCreate),
        BridgeStateCreate: struct(BridgeStateCreate, chain=DIGEST),
        BridgeCommitteeInit: struct(BridgeCommitteeInit, bridge_version=U64),
        StoreExecutionTimes: struct(StoreExecutionTimes, times=_TIMES),
        AccumulatorRootCreate: struct(AccumulatorRootCreate),
        CoinRegistryCreate: struct(CoinRegistryCreate),
        DisplayRegistryCreate: struct(DisplayRegistryCreate),
        AddressAliasStateCreate: struct(AddressAliasStateCreate),
        WriteAccumulatorStorageCost: struct(WriteAccumulatorStorageCost, storage_cost=U64),
        ForwardingAddressRegistryCreate: struct(ForwardingAddressRegistryCreate),
    },
)
SYSTEM_KINDS: dict[type, Codec[Any]] = {
    ChangeEpoch: _CHANGE_EPOCH,
    Genesis: struct(Genesis, objects=vector(_GENESIS_OBJECT, MAX_GENESIS_OBJECTS)),
    CommitPrologueV1: struct(CommitPrologueV1, epoch=U64, round=U64, timestamp_ms=U64),
    AuthenticatorStateUpdate: struct(
        AuthenticatorStateUpdate,
        epoch=U64,
        round=U64,
        new_active_jwks=vector(_JWK, MAX_JWKS),
        initial_version=U64,
    ),
    EndOfEpochTransaction: struct(EndOfEpochTransaction, steps=vector(_STEP, MAX_STEPS)),
    RandomnessStateUpdate: struct(
        RandomnessStateUpdate, epoch=U64, round=U64, random_bytes=octets(MAX_RANDOM_BYTES), initial_version=U64
    ),
    CommitPrologueV2: struct(CommitPrologueV2, epoch=U64, round=U64, timestamp_ms=U64, commit_digest=DIGEST),
    CommitPrologueV3: struct(
        CommitPrologueV3,
        epoch=U64,
        round=U64,
        sub_dag_index=option(U64),
        timestamp_ms=U64,
        commit_digest=DIGEST,
        assignments=_ASSIGNMENTS,
    ),
    CommitPrologueV4: struct(
        CommitPrologueV4,
        epoch=U64,
        round=U64,
        sub_dag_index=option(U64),
        timestamp_ms=U64,
        commit_digest=DIGEST,
        assignments=_ASSIGNMENTS,
        additional_state_digest=DIGEST,
    ),
}
"""Kinds 1 to 9 of a transaction, in order."""
