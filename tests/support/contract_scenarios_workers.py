"""Scenarios of the contract: workers and what is placed on them.

Invariant: each says of every transaction how it ends; what else is seen of it is compared by who runs the scenario.
"""

from __future__ import annotations

from daas_protocol.intents import JoinToken, WorkerStatement, WorkerStatus, WorkerStatusEntry
from daas_protocol.receipt import Intent, SignedMessage

from .contract_play import Draft
from .contract_stage import (
    CLOCK,
    CLOSES_MS,
    DAY,
    STRANGER,
    SUI_MIST,
    USER,
    Scenarios,
    Stage,
    evidence,
)
from .contract_steps import text, who
from .move_signing import boot_id, signed

SCENARIOS = Scenarios()
PENDING, ACTIVE, BUSY, OFFLINE, SLASHED = range(5)
LIE = b"\x66" * 32


WORKER_KEY = b"\x77" * 32


def _token(
    stage: Stage, node: str = "worker-1", *, key: bytes = WORKER_KEY, seed: int = 1, after: int = 0
) -> SignedMessage:
    said = JoinToken(stage.enclave_id, boot_id(1), stage.cluster_id, node, key, b"ciphertext")
    return signed(Intent.JOIN_TOKEN, said.to_bcs(), seed=seed, timestamp_ms=stage.clock_ms + after)


def _report(stage: Stage, *entries: tuple[str, int, int], after: int = 0) -> SignedMessage:
    said = WorkerStatus(
        stage.enclave_id, boot_id(1), stage.cluster_id, tuple(WorkerStatusEntry(*entry) for entry in entries)
    )
    return signed(Intent.WORKER_STATUS, said.to_bcs(), timestamp_ms=stage.clock_ms + after)


def _joined(stage: Stage, node: str = "worker-1") -> None:
    stage.join(node).runs()
    stage.wait(1)
    stage.about_workers("report_status", _report(stage, (node, ACTIVE, 0))).runs()


@SCENARIOS.add
def a_worker_joins_with_a_stake_and_a_token(stage: Stage) -> None:
    stage.join(amount=SUI_MIST - 1).fails("EInsufficientStake")
    stage.join("Worker").fails("ENodeId")
    stage.join(key=b"short").fails("EKeyLength")
    stage.join().runs()
    stage.join(by=STRANGER).fails("EWorkerAlreadyExists")
    stage.about_workers("publish_join_token", _token(stage, seed=2)).fails("EBadSignature")
    stage.about_workers("publish_join_token", _token(stage, key=LIE)).fails("EWorkerKey")
    stage.about_workers("publish_join_token", _token(stage, "ghost")).fails("EUnknownWorker")
    stage.about_workers("publish_join_token", _token(stage, after=30_001)).fails("EReportFromFuture")
    stage.about_workers("publish_join_token", _token(stage)).runs()
    stage.about_workers("publish_join_token", _token(stage)).fails("EJoinTokenKnown")


@SCENARIOS.add
def a_worker_has_the_status_that_the_enclave_sees(stage: Stage) -> None:
    _joined(stage)
    stage.about_workers("report_status", _report(stage, ("worker-1", BUSY, 3))).fails("EReportReplayed")
    stage.about_workers("report_status", _report(stage, ("worker-1", BUSY, 3), after=1)).runs()
    stage.about_workers("report_status", _report(stage, ("worker-1", PENDING, 0), after=2)).fails("EIllegalTransition")
    stage.join("worker-2").runs()
    mixed = (("worker-1", ACTIVE, 1), ("ghost", ACTIVE, 0), ("worker-2", ACTIVE, 5), ("worker-2", SLASHED, 5))
    stage.about_workers("report_status", _report(stage, *mixed, after=3)).runs()


@SCENARIOS.add
def a_worker_that_is_silent_is_offline(stage: Stage) -> None:
    def mark(node: str = "worker-1") -> Draft:
        draft = stage.by(STRANGER)
        draft.calls("worker_registry::mark_offline", stage.registry, stage.cluster, text(node), CLOCK)
        return draft

    _joined(stage)
    mark("ghost").fails("EUnknownWorker")
    mark().fails("EHeartbeatFresh")
    stage.wait(5 * 60_000 + 1)
    mark().runs()
    mark().fails("EIllegalTransition")
    stage.place(1).fails("ENoAvailableWorkers")


@SCENARIOS.add
def a_request_is_placed_on_its_owners_best_worker(stage: Stage) -> None:
    stage.place(1).fails("ENoAvailableWorkers")
    _joined(stage)
    _joined(stage, "worker-2")
    stage.place(1).runs()
    stage.place(2, priority=8).runs()
    stage.release(0).fails("EStillPending")
    stage.leave().fails("EWorkload")
    stage.settle(stage.single(1), 1).runs()
    stage.release(0).runs()
    stage.release(0).fails("EUnknownPlacement")
    stage.settle(stage.single(2, status=500), 2).runs()
    stage.release(1).runs()


@SCENARIOS.add
def a_placement_is_given_back_when_its_request_expired(stage: Stage) -> None:
    _joined(stage)
    stage.place(1).runs()
    stage.wait(CLOSES_MS)
    stage.expire(1).runs()
    stage.release(0).runs()


@SCENARIOS.add
def a_worker_leaves_with_its_stake(stage: Stage) -> None:
    stage.withdraw(stage.mine(USER, "StakeProof")).fails("ENotUnbonding")
    stage.join(by=STRANGER).runs()
    proof = stage.mine(STRANGER, "StakeProof")
    stage.on_proof("begin_unbonding", proof, by=STRANGER).fails("EWorkerRegistered")
    stage.leave(by=USER).fails("ENotOwner")
    stage.leave(by=STRANGER).runs()
    stage.leave(by=STRANGER).fails("EUnknownWorker")
    stage.wait(14 * DAY)
    stage.withdraw(stage.held(proof.object_id), by=STRANGER).runs()
    stage.join(by=STRANGER).runs()


@SCENARIOS.add
def a_worker_that_contradicts_itself_is_slashed(stage: Stage) -> None:
    def says(digest: int, sequence: int = 7, seed: int = 2) -> tuple[SignedMessage, ...]:
        said = WorkerStatement(stage.cluster_id, "worker-1", sequence, bytes([digest]) * 32)
        return (signed(Intent.WORKER_STATEMENT, said.to_bcs(), seed=seed),)

    def accuse(*messages: SignedMessage) -> Draft:
        draft = stage.by(STRANGER)
        said = [one for message in messages for one in evidence(message)[:2]]
        objects = (stage.registry, stage.cluster, stage.pool)
        draft.calls("slashing::report_worker_fault", *objects, who(USER), text("worker-1"), *said)
        return draft

    accuse(*says(1), *says(2)).fails("EUnknownWorker")
    _joined(stage)
    accuse(*says(1), *says(1)).fails("ESameContent")
    accuse(*says(1), *says(2, sequence=8)).fails("EOtherSequence")
    accuse(*says(1), *says(2, seed=1)).fails("EWorkerSignature")
    accuse(*says(1), *says(2)).runs()
    accuse(*says(1), *says(2)).fails("EIllegalTransition")
