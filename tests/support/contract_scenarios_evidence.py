"""Scenarios of the contract: evidence against boots, and anchored logs and journals.

Invariant: each says of every transaction how it ends; what else is seen of it is compared by who runs the scenario.
"""

from __future__ import annotations

from dataclasses import replace

from daas_protocol.intents import Snapshot
from daas_protocol.log import MerkleTree, TreeHead
from daas_protocol.receipt import Intent, Receipt, SignedMessage, leaf_hash

from .contract_play import Draft
from .contract_stage import (
    DAY,
    OPERATOR,
    STRANGER,
    SUI_MIST,
    USER,
    Scenarios,
    Stage,
    evidence,
    sha,
)
from .contract_steps import many, octets
from .move_signing import boot_id, signed

SCENARIOS = Scenarios()
LIE = b"\x66" * 32


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


@SCENARIOS.add
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


@SCENARIOS.add
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


@SCENARIOS.add
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


@SCENARIOS.add
def an_anchored_log_only_grows(stage: Stage) -> None:
    tree, _ = _log(stage)
    _anchor(stage, _head(stage, tree, 3, seed=2), []).fails("EBadSignature")
    _anchor(stage, _head(stage, tree, 3), []).runs()
    _anchor(stage, _head(stage, tree, 3), []).fails("ENotForward")
    _anchor(stage, _head(stage, tree, 7, root=LIE), tree.consistency_proof(3, 7)).fails("EInconsistent")
    _anchor(stage, _head(stage, tree, 7), tree.consistency_proof(3, 6)).fails("EInconsistent")
    _anchor(stage, _head(stage, tree, 7), tree.consistency_proof(3, 7)).runs()


@SCENARIOS.add
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


@SCENARIOS.add
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
