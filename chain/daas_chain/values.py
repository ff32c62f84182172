"""Structs that stand inside events and objects of the package.

Invariant: field for field those of the Move sources named in `MOVE`.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from daas_protocol.grant import ANY, Grant

from .layout import (
    U8,
    U16,
    U64,
    Address,
    BootId,
    Bytes,
    Hash,
    Id,
    MoveStruct,
    PcrBytes,
    RequestId,
    Uid,
    enum,
)

VERB_BITS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
"""Bit i of `MoveGrant.verbs`; `grant.move`."""


@dataclass(frozen=True, slots=True)
class MoveGrant(MoveStruct):
    """Absent parts are empty; `group` empty with resource `*` is every group."""

    MOVE: ClassVar[str] = "grant::Grant"
    resource: Bytes
    group: Bytes
    subresource: Bytes
    verbs: U8
    namespace: Bytes

    @classmethod
    def of(cls, grant: Grant) -> Self:
        return cls(
            resource=grant.resource.encode(),
            group=(grant.group or "").encode(),
            subresource=(grant.subresource or "").encode(),
            verbs=sum(1 << bit for bit, verb in enumerate(VERB_BITS) if verb in grant.verbs),
            namespace=(grant.namespace or "").encode(),
        )

    def grant(self) -> Grant:
        """Raises `GrantError` (or `UnicodeDecodeError`, both `ValueError`) for what `grant::parse` cannot have made."""
        resource, group = self.resource.decode("ascii"), self.group.decode("ascii")
        return Grant(
            group=group or (None if resource == ANY else ""),
            resource=resource,
            subresource=self.subresource.decode("ascii") or None,
            verbs=frozenset(verb for bit, verb in enumerate(VERB_BITS) if self.verbs >> bit & 1),
            namespace=self.namespace.decode("ascii") or None,
        )


@dataclass(frozen=True, slots=True)
class Pcr(MoveStruct):
    MOVE: ClassVar[str] = "pcr::Pcr"
    index: U8
    value: PcrBytes


@dataclass(frozen=True, slots=True)
class Parameters(MoveStruct):
    """Times in milliseconds, money in MIST, shares in 1/10,000."""

    MOVE: ClassVar[str] = "params::Parameters"
    staleness_ms: U64
    min_deadline_ms: U64
    max_deadline_ms: U64
    settlement_grace_ms: U64
    attestation_age_ms: U64
    clock_skew_ms: U64
    registration_life_ms: U64
    timelock_ms: U64
    unbonding_ms: U64
    evidence_window_ms: U64
    retention_ms: U64
    max_pending: U64
    fee_base: U64
    fee_per_kib: U64
    slash_fee_factor: U64
    slash_epoch_cap: U64
    min_stake_requester: U64
    min_stake_worker: U64
    min_stake_operator: U64
    slash_bps: U64
    reporter_bps: U64
    treasury_bps: U64


@dataclass(frozen=True, slots=True)
class PolicyChange(MoveStruct):
    MOVE: ClassVar[str] = "cluster::Change::Policy"
    version: U64
    pcrs: tuple[Pcr, ...]


@dataclass(frozen=True, slots=True)
class AnchorChange(MoveStruct):
    MOVE: ClassVar[str] = "cluster::Change::Anchor"
    anchor: Hash


@dataclass(frozen=True, slots=True)
class ParametersChange(MoveStruct):
    MOVE: ClassVar[str] = "cluster::Change::Parameters"
    params: Parameters


Change = Annotated[
    PolicyChange | AnchorChange | ParametersChange,
    enum("cluster::Change", Policy=PolicyChange, Anchor=AnchorChange, Parameters=ParametersChange),
]


@dataclass(frozen=True, slots=True)
class OnChain(MoveStruct):
    MOVE: ClassVar[str] = "command::Payload::OnChain"
    ciphertext: Bytes


@dataclass(frozen=True, slots=True)
class OffChain(MoveStruct):
    MOVE: ClassVar[str] = "command::Payload::OffChain"
    digest: Hash
    length: U64


Payload = Annotated[OnChain | OffChain, enum("command::Payload", OnChain=OnChain, OffChain=OffChain)]


@dataclass(frozen=True, slots=True)
class Boot(MoveStruct):
    MOVE: ClassVar[str] = "enclave::Boot"
    boot_id: BootId
    generation: U64
    public_key: Hash
    tls_spki_sha256: Hash
    request_key_sha256: Hash
    policy_version: U64
    attested_at_ms: U64
    expires_at_ms: U64
    end_reason: U8
    log_size: U64
    log_root: Hash
    slashed: U8


@dataclass(frozen=True, slots=True)
class JournalAnchor(MoveStruct):
    MOVE: ClassVar[str] = "enclave::JournalAnchor"
    revision: U64
    root: Hash


@dataclass(frozen=True, slots=True)
class StakeKey(MoveStruct):
    """`role`: 0 requester, 1 operator, 2 worker. `subject`: empty, the slot's id, or the node id."""

    MOVE: ClassVar[str] = "stake::StakeKey"
    owner: Address
    role: U8
    subject: Bytes


@dataclass(frozen=True, slots=True)
class Settled(MoveStruct):
    MOVE: ClassVar[str] = "queue::Settled"
    seq: U64
    request_digest: Hash
    status: U16
    body_digest: Hash
    body_length: U64
    revision: U64
    boot_id: BootId
    sequence: U64
    settled_at_ms: U64


@dataclass(frozen=True, slots=True)
class Expired(MoveStruct):
    MOVE: ClassVar[str] = "queue::Expired"
    seq: U64
    request_digest: Hash
    expired_at_ms: U64


@dataclass(frozen=True, slots=True)
class RequestKey(MoveStruct):
    """Name of a request in a mailbox."""

    MOVE: ClassVar[str] = "queue::RequestKey"
    requester: Address
    request_id: RequestId


@dataclass(frozen=True, slots=True)
class OutcomeSettled(MoveStruct):
    MOVE: ClassVar[str] = "queue::Outcome::Settled"
    pos0: Settled


@dataclass(frozen=True, slots=True)
class OutcomeExpired(MoveStruct):
    MOVE: ClassVar[str] = "queue::Outcome::Expired"
    pos0: Expired


Outcome = Annotated[
    OutcomeSettled | OutcomeExpired, enum("queue::Outcome", Settled=OutcomeSettled, Expired=OutcomeExpired)
]


@dataclass(frozen=True, slots=True)
class UpgradeCap(MoveStruct):
    """Sui's own."""

    MOVE: ClassVar[str] = "0x2::package::UpgradeCap"
    id: Uid
    package: Id
    version: U64
    policy: U8
