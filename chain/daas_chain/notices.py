"""Events in no chain: they tell wallets and watchers, and the enclave believes none of them.

Invariant: field for field the structs of their modules.
"""

from dataclasses import dataclass
from typing import ClassVar

from .layout import U8, U64, Address, Bool, BootId, Bytes, Hash, Id, MoveStruct, RequestId, String
from .values import StakeKey


@dataclass(frozen=True, slots=True)
class K8sValidationResult(MoveStruct):
    """In no chain; `approved` is always true, because a refusal aborts."""

    MOVE: ClassVar[str] = "mailbox::K8sValidationResult"
    enclave: Id
    mailbox_seq: U64
    requester: Address
    request_id: RequestId
    approved: Bool


@dataclass(frozen=True, slots=True)
class ReceiptSkipped(MoveStruct):
    """A receipt of a batch that settled nothing. `reason`: the constants of `settlement.move`. `request_id` is what the
    caller has given, of any length."""

    MOVE: ClassVar[str] = "settlement::ReceiptSkipped"
    enclave: Id
    requester: Address
    request_id: Bytes
    sequence: U64
    reason: U8


@dataclass(frozen=True, slots=True)
class K8sAPIRequestScheduledEvent(MoveStruct):
    """In no chain: `K8sAPIRequest` carries the placement for the enclave."""

    MOVE: ClassVar[str] = "k8s_scheduler::K8sAPIRequestScheduledEvent"
    enclave: Id
    mailbox_seq: U64
    requester: Address
    node_id: String
    score: U64


@dataclass(frozen=True, slots=True)
class StakeDepositedEvent(MoveStruct):
    MOVE: ClassVar[str] = "stake::StakeDepositedEvent"
    pool: Id
    key: StakeKey
    amount: U64
    total: U64


@dataclass(frozen=True, slots=True)
class StakeUnbondingEvent(MoveStruct):
    MOVE: ClassVar[str] = "stake::StakeUnbondingEvent"
    pool: Id
    key: StakeKey
    unbonded_at_ms: U64 | None


@dataclass(frozen=True, slots=True)
class StakeWithdrawnEvent(MoveStruct):
    MOVE: ClassVar[str] = "stake::StakeWithdrawnEvent"
    pool: Id
    key: StakeKey
    amount: U64


@dataclass(frozen=True, slots=True)
class StakeSlashedEvent(MoveStruct):
    MOVE: ClassVar[str] = "stake::StakeSlashedEvent"
    pool: Id
    key: StakeKey
    reporter: Address
    to_reporter: U64
    to_treasury: U64
    burned: U64


@dataclass(frozen=True, slots=True)
class BootSlashedEvent(MoveStruct):
    """`kind`: 0 equivocation, 1 contradiction of an anchored head."""

    MOVE: ClassVar[str] = "slashing::BootSlashedEvent"
    enclave: Id
    boot_id: BootId
    kind: U8
    reporter: Address
    slashed: U64


@dataclass(frozen=True, slots=True)
class WorkerSlashedEvent(MoveStruct):
    MOVE: ClassVar[str] = "slashing::WorkerSlashedEvent"
    node_id: String
    reporter: Address
    slashed: U64


@dataclass(frozen=True, slots=True)
class WorkerReportSkipped(MoveStruct):
    """In no chain: an entry of a report that changed nothing. `reason`: 1 unknown worker, 2 replayed, 3 illegal
    transition."""

    MOVE: ClassVar[str] = "worker_registry::WorkerReportSkipped"
    enclave: Id
    node_id: String
    reason: U8


@dataclass(frozen=True, slots=True)
class TreeHeadAnchored(MoveStruct):
    MOVE: ClassVar[str] = "audit::TreeHeadAnchored"
    enclave: Id
    boot_id: BootId
    size: U64
    root: Hash


@dataclass(frozen=True, slots=True)
class JournalAnchored(MoveStruct):
    MOVE: ClassVar[str] = "audit::JournalAnchored"
    enclave: Id
    revision: U64
    root: Hash


@dataclass(frozen=True, slots=True)
class UpgradeProposed(MoveStruct):
    MOVE: ClassVar[str] = "governance::UpgradeProposed"
    digest: Hash
    activates_at_ms: U64


@dataclass(frozen=True, slots=True)
class UpgradeVetoed(MoveStruct):
    MOVE: ClassVar[str] = "governance::UpgradeVetoed"
    digest: Hash


@dataclass(frozen=True, slots=True)
class UpgradeAuthorized(MoveStruct):
    MOVE: ClassVar[str] = "governance::UpgradeAuthorized"
    digest: Hash


@dataclass(frozen=True, slots=True)
class PackageFrozen(MoveStruct):
    MOVE: ClassVar[str] = "governance::PackageFrozen"
    package: Id
