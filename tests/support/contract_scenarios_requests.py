"""Scenarios of the contract: requests, receipts, expiry, workers, evidence and anchors. As in `contract_scenarios`."""

from __future__ import annotations

from dataclasses import replace

from daas_protocol.intents import JoinToken, Snapshot, WorkerStatement, WorkerStatus, WorkerStatusEntry
from daas_protocol.log import MerkleTree, TreeHead
from daas_protocol.receipt import Intent, Receipt, SignedMessage, leaf_hash

from .contract_play import Draft, many, number, octets, text, who
from .contract_scenarios import HOUR, SCENARIOS, scenario
from .contract_stage import (
    CLOCK,
    DAY,
    FEE,
    OPERATOR,
    STRANGER,
    SUI_MIST,
    USER,
    Stage,
    evidence,
    sha,
)
from .move_signing import boot_id, request_digest, signed

CLOSES_MS = 210_000
"""Deadline and grace of a request."""
PENDING, ACTIVE, BUSY, OFFLINE, SLASHED = range(5)
LIE = b"\x66" * 32

# Requests.


@scenario
def a_request_is_answered_and_paid_for(stage: Stage) -> None:
    stage.submit(1, paid=3 * FEE).runs()
    stage.settle(stage.single(1), 1).runs()
    stage.settle(stage.single(1), 1).fails("EAlreadySettled")
    stage.earn().runs()


@scenario
def a_request_is_made_once(stage: Stage) -> None:
    stage.submit(1).runs()
    stage.submit(1).fails("EDuplicateRequest")
    stage.settle(stage.single(1), 1).runs()
    stage.submit(1).fails("EDuplicateRequest")
    stage.close(1, by=STRANGER).fails("EUnknownRequest")
    stage.close(1).runs()
    stage.submit(1).runs()
    stage.settle(stage.single(1), 1).fails("EWrongSequence")
    stage.settle(stage.single(1, seq=1, sequence=2), 1).runs()


@scenario
def a_request_pays_what_it_costs(stage: Stage) -> None:
    stage.submit(1, paid=FEE - 1).fails("EPaymentTooSmall")
    stage.submit(1, fee=1).fails("EFeeTooLow")
    stage.submit(1, size=8_192, priority=9, fee=100_000_000, paid=100_000_000).runs()
    stage.submit(2, priority=11).fails("EPriority")
    stage.submit(2, verb="steal").fails("EVerb")
    stage.submit(2, resource="Config Maps").fails("EResource")
    stage.submit(2, size=0).fails("EPayloadLength")


@scenario
def a_request_larger_than_an_argument_is_put_together(stage: Stage) -> None:
    large = {"size": 16_000, "appended": b"\x08" * 16_000, "fee": 1_000_000_000, "paid": 1_000_000_000}
    stage.submit(1, **large).runs()  # type: ignore[arg-type]
    stage.submit(2, off_chain=True, appended=b"more", size=9, fee=FEE).fails("EPayloadLength")
    stage.settle(stage.single(1), 1).runs()


@scenario
def a_request_has_a_deadline_within_bounds(stage: Stage) -> None:
    stage.submit(1, life_ms=89_999).fails("EDeadlineTooSoon")
    stage.submit(1, life_ms=90_000).runs()
    stage.submit(2, life_ms=HOUR + 1).fails("EDeadlineTooLate")
    stage.submit(2, life_ms=HOUR).runs()


@scenario
def a_request_is_the_token_owners(stage: Stage) -> None:
    stage.deposit(STRANGER, SUI_MIST).runs()
    stage.issue(STRANGER).runs()
    draft = stage.by(STRANGER)
    command, payment = stage.command(draft, 1), draft.coin(FEE)
    token = stage.mine(STRANGER, "AccessToken")
    draft.call(
        "mailbox::execute_kubectl_command", stage.enclave, stage.cluster, stage.pool, token, command, payment, CLOCK
    )
    draft.give(STRANGER, payment)
    draft.runs()
    # The same request id, of another requester.
    stage.submit(1).runs()
    stage.settle(stage.single(1, requester=STRANGER), 1).runs()
    stage.settle(stage.single(1, seq=1, sequence=2), 1).runs()


@scenario
def a_batch_is_accepted_whole_or_not(stage: Stage) -> None:
    stage.submit_batch(1, 2, 3, paid=3 * FEE + 7).runs()
    stage.submit_batch(4, 5, 4).fails("EDuplicateRequest")
    stage.submit_batch(4, 5, paid=2 * FEE - 1).fails("EPaymentTooSmall")
    stage.submit_batch(paid=1).fails("EBatchSize")
    stage.submit_batch(4, 5).runs()


@scenario
def a_batch_of_answers_skips_what_does_not_fit(stage: Stage) -> None:
    stage.submit_batch(1, 2, 3).runs()
    answers = stage.batch(
        stage.receipt(1),
        stage.receipt(2, request_digest=request_digest(99)),
        stage.receipt(3, enclave_id=LIE),
        stage.receipt(4),
    )
    stage.settle(answers, 1, 2, 3).fails("ECount")
    stage.settle(answers, 1, 2, 3, 4).runs()
    stage.settle(stage.batch(stage.receipt(2), stage.receipt(3)), 2, 3).runs()


@scenario
def an_answer_is_delivered_when_it_was_asked_for(stage: Stage) -> None:
    answer = b"the whole answer"
    stage.submit(1, deliver=True).runs()
    stage.submit(2).runs()
    stage.settle(stage.single(1, delivery=answer), 1, deliveries=[b"another"]).fails("EDelivery")
    stage.settle(stage.single(2, delivery=answer), 2, deliveries=[answer]).fails("EDelivery")
    stage.settle(stage.single(1, delivery=answer), 1, deliveries=[answer]).runs()
    stage.settle(stage.single(2), 2).runs()


@scenario
def an_answer_is_signed_and_about_its_request(stage: Stage) -> None:
    stage.submit(1).runs()
    stage.settle(stage.single(1, seed=2), 1).fails("EBadSignature")
    stage.settle(stage.single(1, seq=7), 1).fails("EWrongSequence")
    stage.settle(stage.single(1, request_digest=request_digest(2)), 1).fails("EWrongDigest")
    stage.settle(stage.single(1, enclave_id=LIE), 1).fails("EWrongEnclave")
    stage.settle(stage.single(1, mailbox=None), 1).fails("ENoMailbox")
    stage.settle(stage.single(1, requester=STRANGER), 1).fails("EUnknownRequest")
    stage.settle(signed(Intent.DRAIN, stage.receipt(1).to_bcs()), 1).fails("EWrongIntent")
    stage.settle(stage.single(1), 1).runs()


@scenario
def an_answer_that_the_enclave_could_not_give_is_refunded(stage: Stage) -> None:
    stage.submit(1).runs()
    stage.settle(stage.single(1, status=504), 1).runs()
    stage.earn().runs()


@scenario
def a_request_without_an_answer_is_refunded_and_silence_is_slashed(stage: Stage) -> None:
    stage.submit(1).runs()
    stage.wait(CLOSES_MS - 1)
    stage.expire(1).fails("ENotOverdue")
    stage.wait(1)
    stage.settle(stage.single(1), 1).fails("ETooLate")
    stage.expire(1).runs()
    stage.expire(1).fails("ENotPending")
    stage.settle(stage.single(1), 1).fails("EAlreadyExpired")
    stage.take_treasury(stage.admin).runs()


@scenario
def silence_about_what_is_off_the_chain_costs_nothing(stage: Stage) -> None:
    stage.submit(1, off_chain=True, size=1_000_000, fee=1_000_000_000, paid=1_000_000_000).runs()
    stage.wait(CLOSES_MS)
    stage.expire(1).runs()


@scenario
def silence_under_a_revoked_policy_costs_nothing(stage: Stage) -> None:
    stage.submit(1).runs()
    stage.on_cluster("revoke_policy_by_veto", number(1), cap=stage.veto_cap).runs()
    stage.wait(CLOSES_MS)
    stage.expire(1).runs()


@scenario
def slashing_has_a_cap_in_each_epoch(stage: Stage) -> None:
    fee = 700_000_000
    for of in (1, 2, 3):
        stage.submit(of, fee=fee, paid=fee).runs()
    stage.wait(CLOSES_MS)
    stage.expire(1).runs()
    stage.expire(2).runs()
    stage.next_epoch()
    stage.expire(3).runs()


@scenario
def records_are_pruned_after_their_time(stage: Stage) -> None:
    stage.submit(1).runs()
    stage.prune(1).fails("EStillPending")
    stage.settle(stage.single(1), 1).runs()
    stage.wait(DAY - 1)
    stage.prune(1).fails("ERetained")
    stage.wait(1)
    stage.prune(1).runs()
    stage.prune(1).fails("EUnknownRequest")


# Workers.


def _token(
    stage: Stage, node: str = "worker-1", *, key: bytes = b"\x77" * 32, seed: int = 1, after: int = 0
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


@scenario
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


@scenario
def a_worker_has_the_status_that_the_enclave_sees(stage: Stage) -> None:
    _joined(stage)
    stage.about_workers("report_status", _report(stage, ("worker-1", BUSY, 3))).fails("EReportReplayed")
    stage.about_workers("report_status", _report(stage, ("worker-1", BUSY, 3), after=1)).runs()
    stage.about_workers("report_status", _report(stage, ("worker-1", PENDING, 0), after=2)).fails("EIllegalTransition")
    stage.join("worker-2").runs()
    mixed = (("worker-1", ACTIVE, 1), ("ghost", ACTIVE, 0), ("worker-2", ACTIVE, 5), ("worker-2", SLASHED, 5))
    stage.about_workers("report_status", _report(stage, *mixed, after=3)).runs()


@scenario
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


@scenario
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


@scenario
def a_placement_is_given_back_when_its_request_expired(stage: Stage) -> None:
    _joined(stage)
    stage.place(1).runs()
    stage.wait(CLOSES_MS)
    stage.expire(1).runs()
    stage.release(0).runs()


@scenario
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


@scenario
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


# Evidence against boots, and anchors.


def _log(stage: Stage) -> tuple[MerkleTree, list[Receipt]]:
    """Seven receipts, each with the root of the log before it."""
    tree, receipts = MerkleTree(), []
    for sequence in range(7):
        entry = stage.receipt(sequence + 1, sequence=sequence, log_root=tree.root())
        receipts.append(entry)
        tree.append(leaf_hash(entry.to_bcs()))
    return tree, receipts


def _single(entry: Receipt, seed: int = 1) -> SignedMessage:
    return signed(Intent.RECEIPT, entry.to_bcs(), seed=seed)


def _head(stage: Stage, tree: MerkleTree, size: int, *, root: bytes | None = None, seed: int = 1) -> SignedMessage:
    said = TreeHead(stage.enclave_id, boot_id(1), size, tree.root(size) if root is None else root)
    return signed(Intent.TREE_HEAD, said.to_bcs(), seed=seed)


def _anchor(stage: Stage, message: SignedMessage, proof: list[bytes] | tuple[bytes, ...]) -> Draft:
    draft = stage.by(STRANGER)
    hashes = many("vector<u8>", [octets(one) for one in proof])
    draft.calls("audit::anchor_tree_head", stage.enclave, stage.cluster, *evidence(message)[:2], hashes)
    return draft


@scenario
def a_boot_that_answers_twice_is_slashed_and_ends(stage: Stage) -> None:
    _, honest = _log(stage)
    truth, lie = _single(honest[2]), _single(replace(honest[2], status=500))
    boot = octets(boot_id(1))
    stage.accuse("report_equivocation", boot, *evidence(truth), *evidence(truth)).fails("ESameContent")
    stage.accuse("report_equivocation", boot, *evidence(truth), *evidence(_single(honest[3]))).fails("EOtherSequence")
    forged = _single(replace(honest[2], status=500), seed=2)
    stage.accuse("report_equivocation", boot, *evidence(truth), *evidence(forged)).fails("EBadSignature")
    unknown = octets(boot_id(9))
    stage.accuse("report_equivocation", unknown, *evidence(truth), *evidence(lie)).fails("EUnknownBoot")
    both = stage.batch(honest[1], replace(honest[2], status=404))
    stage.accuse("report_equivocation", boot, *evidence(truth), *evidence(both, 1)).runs()
    stage.accuse("report_equivocation", boot, *evidence(truth), *evidence(lie)).fails("EAlreadySlashed")
    stage.submit(1).fails("ENoCurrentBoot")
    stage.take_treasury(stage.admin).runs()


@scenario
def a_boot_whose_log_has_another_leaf_is_slashed(stage: Stage) -> None:
    tree, honest = _log(stage)
    lie, boot = _single(replace(honest[2], status=500)), octets(boot_id(1))
    leaf = octets(leaf_hash(honest[2].to_bcs()))
    proof = many("vector<u8>", [octets(one) for one in tree.inclusion_proof(2, 5)])
    stage.accuse("report_other_leaf", boot, *evidence(lie), leaf, proof).fails("ENotAnchored")
    _anchor(stage, _head(stage, tree, 5), []).runs()
    stage.accuse("report_other_leaf", boot, *evidence(_single(honest[2])), leaf, proof).fails("ESameContent")
    wrong = many("vector<u8>", [octets(one) for one in tree.inclusion_proof(3, 5)])
    stage.accuse("report_other_leaf", boot, *evidence(lie), leaf, wrong).fails("EProof")
    stage.accuse("report_other_leaf", boot, *evidence(lie), leaf, proof).runs()
    stage.accuse("report_other_leaf", boot, *evidence(lie), leaf, proof).fails("EAlreadySlashed")


@scenario
def a_boot_that_claims_another_root_is_slashed(stage: Stage) -> None:
    tree, honest = _log(stage)
    boot, root = octets(boot_id(1)), octets(tree.root(2))
    _anchor(stage, _head(stage, tree, 5), []).runs()
    proof = many("vector<u8>", [octets(one) for one in tree.consistency_proof(2, 5)])
    truth = _single(honest[2])
    stage.accuse("report_other_root", boot, *evidence(truth), root, proof).fails("ESameContent")
    beyond = _head(stage, tree, 6, root=LIE)
    stage.accuse("report_other_root", boot, *evidence(beyond), root, proof).fails("ENotAnchored")
    lie = _head(stage, tree, 2, root=LIE)
    stage.accuse("report_other_root", boot, *evidence(lie), octets(sha(b"no root")), proof).fails("EProof")
    stage.accuse("report_other_root", boot, *evidence(lie), root, proof).runs()


@scenario
def an_anchored_log_only_grows(stage: Stage) -> None:
    tree, _ = _log(stage)
    _anchor(stage, _head(stage, tree, 3, seed=2), []).fails("EBadSignature")
    _anchor(stage, _head(stage, tree, 3), []).runs()
    _anchor(stage, _head(stage, tree, 3), []).fails("ENotForward")
    _anchor(stage, _head(stage, tree, 7, root=LIE), tree.consistency_proof(3, 7)).fails("EInconsistent")
    _anchor(stage, _head(stage, tree, 7), tree.consistency_proof(3, 6)).fails("EInconsistent")
    _anchor(stage, _head(stage, tree, 7), tree.consistency_proof(3, 7)).runs()


@scenario
def an_anchored_journal_only_goes_on(stage: Stage) -> None:
    def says(revision: int, **changes: object) -> Draft:
        fields = {"enclave_id": stage.enclave_id, "boot_id": boot_id(1), "revision": revision, "root": sha(b"journal")}
        said = Snapshot(**(fields | changes)).to_bcs()  # type: ignore[arg-type]
        return stage.says("audit::anchor_journal", signed(Intent.SNAPSHOT, said))

    says(5).runs()
    says(5).fails("ENotForward")
    says(6, enclave_id=LIE).fails("EWrongEnclave")
    says(6, boot_id=boot_id(2)).fails("EWrongBoot")
    says(6).runs()


@scenario
def a_slashed_operator_serves_again_with_a_new_stake(stage: Stage) -> None:
    _, honest = _log(stage)
    truth, lie = _single(honest[2]), _single(replace(honest[2], status=500))
    stage.accuse("report_equivocation", octets(boot_id(1)), *evidence(truth), *evidence(lie)).runs()
    stage.wait(1)
    stage.attested(2, 1).runs()
    proof = stage.mine(OPERATOR, "StakeProof")
    stage.on_proof("begin_unbonding", proof, by=OPERATOR).runs()
    stage.submit(1, key=2, by=USER).fails("EOperatorStake")
    stage.wait(14 * DAY)
    stage.withdraw(stage.held(proof.object_id), by=OPERATOR).runs()
    stage.deposit_operator(10 * SUI_MIST - 1).fails("EInsufficientStake")
    stage.deposit_operator(10 * SUI_MIST).runs()
