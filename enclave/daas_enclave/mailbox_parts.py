"""What the mailbox of one boot is made of; built once by the request path, immutable afterwards."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from daas_enclave.authority import Snapshot
from daas_enclave.etcd_client import Etcd
from daas_enclave.execute import Upstream
from daas_enclave.mailbox_admission import Slot
from daas_enclave.request_keys import RequestKeys
from daas_enclave.runtime import Clock
from daas_enclave.signer import ReceiptSigner
from daas_protocol.chain_feed import Settle, Want


class Phase(Protocol):
    @property
    def serving(self) -> bool: ...


class HostPort(Protocol):
    """Where messages for the host go; False: nobody is there."""

    def send(self, message: Settle | Want) -> bool: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What the mailbox is made of. `reconcile` brings the API server's RBAC to a snapshot; it may raise KubeError."""

    slot: Slot
    boot_id: bytes
    clock: Clock
    phase: Phase
    snapshot: Callable[[], Snapshot]
    keys: RequestKeys = field(repr=False)
    etcd: Etcd
    signer: ReceiptSigner
    upstream: Upstream
    port: HostPort
    is_current: Callable[[], bool]
    """Whether verified state says, and newly enough, that this boot is the one that answers."""
    reconcile: Callable[[Snapshot, bool], Awaitable[None]]
    """With True also where it has been brought to this snapshot before: a namespace is new."""
    tick_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000
