"""Objects of the package as their contents stand in BCS.

Invariant: field for field the structs of `cluster`, `enclave`, `stake`, `access`, `governance`.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from .heads import ChainHead
from .layout import U64, Address, Bool, Hash, Id, MoveStruct, String, Sui, Table, Uid, table
from .values import Boot, Change, JournalAnchor, MoveGrant, Parameters, Pcr, StakeKey, UpgradeCap


@dataclass(frozen=True, slots=True)
class Policy(MoveStruct):
    MOVE: ClassVar[str] = "cluster::Policy"
    pcrs: tuple[Pcr, ...]
    activated_at_ms: U64
    revoked: Bool


@dataclass(frozen=True, slots=True)
class Proposal(MoveStruct):
    MOVE: ClassVar[str] = "cluster::Proposal"
    change: Change
    activates_at_ms: U64


@dataclass(frozen=True, slots=True)
class Cluster(MoveStruct):
    MOVE: ClassVar[str] = "cluster::Cluster"
    id: Uid
    version: U64
    name: String
    state: ChainHead
    params: Parameters
    policies: tuple[tuple[U64, Policy], ...]
    newest_version: U64
    min_version: U64
    frozen: Bool
    anchors: tuple[Hash, ...]
    proposals: tuple[tuple[U64, Proposal], ...]
    next_proposal: U64
    operators: tuple[Address, ...]
    stake_pool: Id | None
    worker_registry: Id | None


@dataclass(frozen=True, slots=True)
class AdminCap(MoveStruct):
    MOVE: ClassVar[str] = "cluster::AdminCap"
    id: Uid
    cluster: Id


@dataclass(frozen=True, slots=True)
class VetoCap(MoveStruct):
    """For somebody else than the admin: stops a proposal, revokes a policy, and can do nothing more."""

    MOVE: ClassVar[str] = "cluster::VetoCap"
    id: Uid
    cluster: Id


@dataclass(frozen=True, slots=True)
class Mailbox(MoveStruct):
    MOVE: ClassVar[str] = "queue::Mailbox"
    head: ChainHead
    next_seq: U64
    pending: Annotated[Table, table("daas::queue::RequestKey", "daas::queue::Pending")]
    ended: Annotated[Table, table("daas::queue::RequestKey", "daas::queue::Outcome")]


@dataclass(frozen=True, slots=True)
class Enclave(MoveStruct):
    MOVE: ClassVar[str] = "enclave::Enclave"
    id: Uid
    version: U64
    cluster: Id
    operator: Address
    generation: U64
    last_attested_ms: U64
    current: Boot | None
    ended: Annotated[Table, table("vector<u8>", "daas::enclave::Boot")]
    request_key_id: U64
    mailbox: Mailbox
    revision: U64
    journal: JournalAnchor | None
    earnings: Sui
    slash_epoch: U64
    slashed_in_epoch: U64


@dataclass(frozen=True, slots=True)
class StakePool(MoveStruct):
    MOVE: ClassVar[str] = "stake::StakePool"
    id: Uid
    version: U64
    cluster: Id
    stakes: Annotated[Table, table("daas::stake::StakeKey", "daas::stake::Stake")]
    treasury: Sui


@dataclass(frozen=True, slots=True)
class StakeProof(MoveStruct):
    """Shows that its owner has staked. It has no `store`, so that only this module could move it, and none
    does."""

    MOVE: ClassVar[str] = "stake::StakeProof"
    id: Uid
    pool: Id
    key: StakeKey
    deposited: U64


@dataclass(frozen=True, slots=True)
class AccessToken(MoveStruct):
    """Without `store`: only this module could move it, and none of its functions does."""

    MOVE: ClassVar[str] = "access::AccessToken"
    id: Uid
    cluster: Id
    owner: Address
    grants: tuple[MoveGrant, ...]
    commitment: Hash
    expires_at_ms: U64


@dataclass(frozen=True, slots=True)
class WorkerRegistry(MoveStruct):
    MOVE: ClassVar[str] = "worker_registry::WorkerRegistry"
    id: Uid
    version: U64
    cluster: Id
    workers: Annotated[Table, table("0x1::string::String", "daas::worker_registry::Worker")]
    owners: Annotated[Table, table("address", "vector<0x1::string::String>")]
    placements: Annotated[Table, table("daas::worker_registry::PlacementKey", "daas::worker_registry::Placement")]
    departed: Annotated[Table, table("daas::worker_registry::DepartedKey", "daas::worker_registry::Worker")]


@dataclass(frozen=True, slots=True)
class UpgradeProposal(MoveStruct):
    MOVE: ClassVar[str] = "governance::UpgradeProposal"
    digest: Hash
    activates_at_ms: U64


@dataclass(frozen=True, slots=True)
class Governance(MoveStruct):
    MOVE: ClassVar[str] = "governance::Governance"
    id: Uid
    version: U64
    cap: UpgradeCap | None
    timelock_ms: U64
    proposal: UpgradeProposal | None
    frozen: Bool


@dataclass(frozen=True, slots=True)
class GovernanceCap(MoveStruct):
    MOVE: ClassVar[str] = "governance::GovernanceCap"
    id: Uid


@dataclass(frozen=True, slots=True)
class UpgradeVetoCap(MoveStruct):
    """For somebody else than the holder of `GovernanceCap`."""

    MOVE: ClassVar[str] = "governance::UpgradeVetoCap"
    id: Uid
