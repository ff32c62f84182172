"""Transitions of the state chain that come from `enclave` and `worker_registry`.

Invariant: each refuses, as `ImpossibleTransition`, what the Move function could not have emitted in this state.
"""

import hashlib
from dataclasses import replace

from .events_enclave import BootAttested, BootEnded, BootRegistered, HandoffRecorded, SlotCreated
from .events_workers import JoinTokenPublished, WorkerDeregistered, WorkerRegisteredEvent, WorkerStatusChangedEvent
from .state_errors import ImpossibleTransition, require
from .state_view import (
    ACTIVE,
    BUSY,
    OFFLINE,
    PENDING,
    REQUEST_KEYS_KEPT,
    SLASHED,
    RequestKey,
    Slot,
    StateView,
    Worker,
)
from .values import Boot

END_REASONS = range(1, 5)
"""Superseded, drained, handed off, slashed."""
LEGAL_MOVES = {
    PENDING: (ACTIVE, OFFLINE, SLASHED),
    ACTIVE: (BUSY, OFFLINE, SLASHED),
    BUSY: (ACTIVE, OFFLINE, SLASHED),
    OFFLINE: (ACTIVE, SLASHED),
    SLASHED: (),
}
"""`worker_registry::is_legal`."""


def slot_created(view: StateView, body: SlotCreated) -> StateView:
    require(body.enclave not in view.slots, body, "a new slot", body.enclave.hex())
    require(body.operator in view.operators, body, "an admitted operator", body.operator.hex())
    return replace(view, slots=view.slots.put(body.enclave, Slot(body.operator)))


def boot_registered(view: StateView, body: BootRegistered) -> StateView:
    slot, boot = _slot(view, body, body.enclave), body.boot
    require(slot.boot is None, body, "a slot whose boot has ended", slot.boot)
    require(boot.boot_id not in slot.ended, body, "a boot id that was never used", boot.boot_id.hex())
    require(boot.generation == slot.generation + 1, body, f"generation {slot.generation + 1}", boot.generation)
    require(boot.end_reason == 0, body, "a boot that has not ended", boot.end_reason)
    _valid_policy(view, body, boot.policy_version)
    keys = _with_key(slot, body, body.request_key_id, body.request_key, boot.request_key_sha256)
    return _put(view, body.enclave, replace(slot, generation=boot.generation, boot=boot, request_keys=keys))


def boot_attested(view: StateView, body: BootAttested) -> StateView:
    slot = _slot(view, body, body.enclave)
    boot = _current(slot, body, body.boot_id)
    _valid_policy(view, body, body.policy_version)
    keys, digest = slot.request_keys, boot.request_key_sha256
    if body.request_key:
        digest = hashlib.sha256(body.request_key).digest()
        keys = _with_key(slot, body, body.request_key_id, body.request_key, digest)
    else:
        require(body.request_key_id == slot.request_key_id, body, str(slot.request_key_id), body.request_key_id)
    boot = replace(
        boot,
        request_key_sha256=digest,
        policy_version=body.policy_version,
        attested_at_ms=body.attested_at_ms,
        expires_at_ms=body.expires_at_ms,
    )
    return _put(view, body.enclave, replace(slot, boot=boot, request_keys=keys))


def boot_ended(view: StateView, body: BootEnded) -> StateView:
    slot = _slot(view, body, body.enclave)
    boot = _current(slot, body, body.boot_id)
    require(body.reason in END_REASONS, body, "a reason of the package", body.reason)
    ended = slot.ended.put(boot.boot_id, replace(boot, end_reason=body.reason))
    return _put(view, body.enclave, replace(slot, boot=None, ended=ended))


def handoff_recorded(view: StateView, body: HandoffRecorded) -> StateView:
    slot = _slot(view, body, body.enclave)
    _current(slot, body, body.boot_id)
    return _put(view, body.enclave, replace(slot, handoff=body))


def worker_registered(view: StateView, body: WorkerRegisteredEvent) -> StateView:
    require(body.node_id not in view.workers, body, "a new worker", body.node_id)
    worker = Worker(body.owner, body.token_commitment, body.worker_key, body.status_key)
    return replace(view, workers=view.workers.put(body.node_id, worker))


def join_token_published(view: StateView, body: JoinTokenPublished) -> StateView:
    worker = _worker(view, body, body.node_id)
    _slot(view, body, body.enclave)
    require(worker.status in (PENDING, OFFLINE), body, "a worker that is joining", worker.status)
    digest = hashlib.sha256(body.ciphertext).digest()
    return replace(view, workers=view.workers.put(body.node_id, replace(worker, join_token_digest=digest)))


def worker_status_changed(view: StateView, body: WorkerStatusChangedEvent) -> StateView:
    worker = _worker(view, body, body.node_id)
    require(body.old_status == worker.status, body, f"from status {worker.status}", body.old_status)
    legal = LEGAL_MOVES[worker.status]
    require(body.new_status in legal, body, f"to one of {legal}", body.new_status)
    return replace(view, workers=view.workers.put(body.node_id, replace(worker, status=body.new_status)))


def worker_deregistered(view: StateView, body: WorkerDeregistered) -> StateView:
    worker = _worker(view, body, body.node_id)
    require(body.owner == worker.owner, body, worker.owner.hex(), body.owner.hex())
    return replace(view, workers=view.workers.without(body.node_id))


def _slot(view: StateView, body: object, enclave: bytes) -> Slot:
    slot = view.slots.get(enclave)
    if slot is None:
        raise ImpossibleTransition(type(body).__name__, "a slot of the cluster", enclave.hex())
    return slot


def _current(slot: Slot, body: object, boot_id: bytes) -> Boot:
    boot = slot.boot
    if boot is None or boot.boot_id != boot_id:
        found = "none" if boot is None else boot.boot_id.hex()
        raise ImpossibleTransition(type(body).__name__, f"boot {boot_id.hex()} to be current", found)
    return boot


def _worker(view: StateView, body: object, node_id: str) -> Worker:
    worker = view.workers.get(node_id)
    if worker is None:
        raise ImpossibleTransition(type(body).__name__, "a registered worker", node_id)
    return worker


def _valid_policy(view: StateView, body: object, version: int) -> None:
    require(view.is_policy_valid(version), body, "a policy that is valid", version)


def _with_key(slot: Slot, body: object, number: int, key: bytes, digest: bytes) -> tuple[RequestKey, ...]:
    require(number == slot.request_key_id + 1, body, f"request key {slot.request_key_id + 1}", number)
    require(hashlib.sha256(key).digest() == digest, body, "the request key that was attested", digest.hex())
    return (*slot.request_keys, RequestKey(number, key))[-REQUEST_KEYS_KEPT:]


def _put(view: StateView, enclave: bytes, slot: Slot) -> StateView:
    return replace(view, slots=view.slots.put(enclave, slot))
