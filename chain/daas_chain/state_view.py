"""What the state chain of a cluster says, as immutable values.

Invariant: a view is changed by nothing but `daas_chain.state.apply`, which gives a new one.
"""

from dataclasses import dataclass, field
from typing import Self

from daas_protocol.grant import Grant

from .events_enclave import HandoffRecorded
from .heads import ChainHead
from .persistent import PersistentMap
from .values import AnchorChange, Boot, Parameters, ParametersChange, Pcr, PolicyChange

REQUEST_KEYS_KEPT = 2
"""Newest request keys that requests may be encrypted to (`mailbox.move`)."""
PENDING, ACTIVE, BUSY, OFFLINE, SLASHED = range(5)
"""Statuses of a worker (`worker_registry.move`)."""


@dataclass(frozen=True, slots=True)
class Token:
    owner: bytes
    grants: tuple[Grant, ...]
    commitment: bytes
    expires_at_ms: int
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    pcrs: tuple[Pcr, ...]
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    change: PolicyChange | AnchorChange | ParametersChange
    activates_at_ms: int


@dataclass(frozen=True, slots=True)
class RequestKey:
    """`key` has 1,216 bytes (X-Wing)."""

    id: int
    key: bytes


@dataclass(frozen=True, slots=True)
class Slot:
    """`boot` serves; `ended` are the boots before it by id; `handoff` is the last one recorded."""

    operator: bytes
    generation: int = 0
    boot: Boot | None = None
    request_keys: tuple[RequestKey, ...] = ()
    ended: PersistentMap[bytes, Boot] = field(default_factory=PersistentMap)
    handoff: HandoffRecorded | None = None

    @property
    def request_key_id(self) -> int:
        """0 before the first key."""
        return self.request_keys[-1].id if self.request_keys else 0


@dataclass(frozen=True, slots=True)
class Worker:
    owner: bytes
    token_commitment: bytes
    worker_key: bytes
    status_key: bytes
    status: int = PENDING
    join_token_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class StateView:
    """`params` is None and nothing else is set until the event of the creation."""

    cluster: bytes
    head: ChainHead
    name: str = ""
    params: Parameters | None = None
    policies: PersistentMap[int, Policy] = field(default_factory=PersistentMap)
    newest_version: int = 0
    min_version: int = 0
    frozen: bool = False
    anchors: tuple[bytes, ...] = ()
    proposals: PersistentMap[int, Proposal] = field(default_factory=PersistentMap)
    next_proposal: int = 0
    operators: tuple[bytes, ...] = ()
    tokens: PersistentMap[bytes, Token] = field(default_factory=PersistentMap)
    session_epochs: PersistentMap[bytes, int] = field(default_factory=PersistentMap)
    slots: PersistentMap[bytes, Slot] = field(default_factory=PersistentMap)
    workers: PersistentMap[str, Worker] = field(default_factory=PersistentMap)

    @classmethod
    def genesis(cls, cluster: bytes) -> Self:
        """Before the first event; `cluster` is the id, 32 bytes."""
        return cls(cluster, ChainHead.of_state(cluster))

    def is_policy_valid(self, version: int) -> bool:
        """As `cluster::is_policy_valid`."""
        policy = self.policies.get(version)
        return policy is not None and version >= self.min_version and not policy.revoked

    def session_epoch(self, owner: bytes) -> int:
        """0 until the address first ends its sessions."""
        return self.session_epochs.get(owner, 0)
