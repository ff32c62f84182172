"""Keys and values of dynamic fields and tables.

Invariant: field for field the structs of their modules.
"""

from dataclasses import dataclass
from typing import ClassVar

from .layout import U8, U64, Address, Bool, Bytes, Hash, Id, MoveStruct, RequestId, String, Sui


@dataclass(frozen=True, slots=True)
class TokenKey(MoveStruct):
    MOVE: ClassVar[str] = "access::TokenKey"
    token: Id


@dataclass(frozen=True, slots=True)
class TokenRecord(MoveStruct):
    """Kept after revocation, so that the same token cannot come back."""

    MOVE: ClassVar[str] = "access::TokenRecord"
    revoked: Bool


@dataclass(frozen=True, slots=True)
class SessionKey(MoveStruct):
    MOVE: ClassVar[str] = "access::SessionKey"
    owner: Address


@dataclass(frozen=True, slots=True)
class Pending(MoveStruct):
    MOVE: ClassVar[str] = "queue::Pending"
    seq: U64
    request_digest: Hash
    closes_at_ms: U64
    deliver: Bool
    off_chain: Bool
    policy_version: U64
    fee: Sui


@dataclass(frozen=True, slots=True)
class Stake(MoveStruct):
    MOVE: ClassVar[str] = "stake::Stake"
    balance: Sui
    unbonded_at_ms: U64 | None


@dataclass(frozen=True, slots=True)
class PlacementKey(MoveStruct):
    MOVE: ClassVar[str] = "worker_registry::PlacementKey"
    enclave: Id
    mailbox_seq: U64


@dataclass(frozen=True, slots=True)
class Placement(MoveStruct):
    MOVE: ClassVar[str] = "worker_registry::Placement"
    node_id: String
    requester: Address
    request_id: RequestId


@dataclass(frozen=True, slots=True)
class DepartedKey(MoveStruct):
    """Name of a worker that has left; its record stays as long as it can be slashed."""

    MOVE: ClassVar[str] = "worker_registry::DepartedKey"
    owner: Address
    node_id: String


@dataclass(frozen=True, slots=True)
class Worker(MoveStruct):
    MOVE: ClassVar[str] = "worker_registry::Worker"
    node_id: String
    owner: Address
    token_commitment: Hash
    worker_key: Hash
    status_key: Hash
    status: U8
    registered_at_ms: U64
    last_heartbeat_ms: U64
    total_pods_served: U64
    reputation: U64
    workload: U64
    join_token_digest: Bytes
    join_token_signed_at_ms: U64
