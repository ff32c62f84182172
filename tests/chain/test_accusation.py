"""Promise: a plan is made of every contradiction that the contract can see, and of nothing else.

Proofs that do not hold under the anchored head, another boot's evidence and what was paid for already make none.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_chain.accusation import (
    AlreadySlashedError,
    Anchoring,
    OtherBootError,
    OtherLeaf,
    OtherRoot,
    Plan,
    ProofMissingError,
    TwoReceipts,
    plan,
)
from daas_chain.values import Boot
from daas_protocol.evidence import Evidence, make_evidence
from daas_protocol.log import EMPTY_ROOT, MerkleTree, TreeHead, verify_consistency, verify_inclusion
from daas_protocol.log_proof import ConsistencyProof, InclusionProof, LogProof
from daas_protocol.receipt import Intent, Receipt, ReceiptSignatureError, SignedMessage, sign
from daas_protocol.statement import read_statement

KEY = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
ENCLAVE, BOOT = bytes([3]) * 32, bytes([4]) * 16
SIZE = 9


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def receipt(sequence: int, root: bytes, status: int = 200) -> Receipt:
    return Receipt(
        ENCLAVE, BOOT, sequence, sha(bytes([sequence])), bytes([5]) * 32, None, status, sha(b"body"), 4, root
    )


def signed(one: Receipt | TreeHead) -> SignedMessage:
    intent = Intent.RECEIPT if isinstance(one, Receipt) else Intent.TREE_HEAD
    return sign(intent, 1_000, one.to_bcs(), KEY.sign)


def log() -> tuple[MerkleTree, list[Receipt]]:
    tree, receipts = MerkleTree(), []
    for sequence in range(SIZE):
        receipts.append(receipt(sequence, tree.root()))
        tree.append(signed(receipts[-1]).leaf_hash())
    return tree, receipts


TREE, HONEST = log()


def head(size: int, root: bytes | None = None) -> SignedMessage:
    return signed(TreeHead(ENCLAVE, BOOT, size, TREE.root(size) if root is None else root))


def inclusion(index: int, size: int) -> InclusionProof:
    leaf = signed(HONEST[index]).leaf_hash()
    return InclusionProof(ENCLAVE, BOOT, index, size, leaf, tuple(TREE.inclusion_proof(index, size)))


def consistency(old: int, new: int) -> ConsistencyProof:
    return ConsistencyProof(ENCLAVE, BOOT, old, TREE.root(old), new, tuple(TREE.consistency_proof(old, new)))


def boot(size: int = 0, root: bytes | None = None, slashed: int = 0) -> Boot:
    anchored = (EMPTY_ROOT if size == 0 else TREE.root(size)) if root is None else root
    return Boot(BOOT, 1, PUBLIC, bytes(32), bytes(32), 1, 0, 0, 0, size, anchored, slashed)


def evidence(one: SignedMessage, other: SignedMessage, proof: LogProof | None = None) -> Evidence:
    found = make_evidence(read_statement(one), read_statement(other), PUBLIC, proof)
    assert isinstance(found, Evidence), found
    return found


LIE = signed(receipt(2, TREE.root(2), status=500))
EQUIVOCATION = evidence(signed(HONEST[2]), LIE)
LEAF = evidence(LIE, head(5), inclusion(2, 5))
ROOT = evidence(head(3, sha(b"no root")), head(6), consistency(3, 6))


def accepted(made: Plan, record: Boot) -> None:
    """As the contract judges it."""
    size, root = record.log_size, record.log_root
    if made.anchoring is not None:
        said = read_statement(made.anchoring.head)
        assert said.size > size
        verify_consistency(
            old_size=size, old_root=root, new_size=said.size, new_root=said.root, proof=made.anchoring.proof
        )
        size, root = said.size, said.root
    match made.report:
        case TwoReceipts(one, other):
            first, second = read_statement(one), read_statement(other)
            assert first.size == second.size
            assert first.leaf != second.leaf
        case OtherLeaf(accused, leaf, proof):
            claim = read_statement(accused)
            assert claim.leaf not in (None, leaf)
            verify_inclusion(leaf_hash=leaf, index=claim.size, size=size, proof=proof, root=root)
        case OtherRoot(accused, other_root, proof):
            claim = read_statement(accused)
            assert claim.root != other_root
            verify_consistency(old_size=claim.size, old_root=other_root, new_size=size, new_root=root, proof=proof)


def test_two_receipts_need_no_anchor() -> None:
    made = plan(EQUIVOCATION, boot())
    assert isinstance(made.report, TwoReceipts)
    assert made.anchoring is None
    accepted(made, boot())


def test_a_tree_head_that_is_not_anchored_yet_is_anchored_by_the_report() -> None:
    made = plan(LEAF, boot())
    assert isinstance(made.report, OtherLeaf)
    assert made.anchoring == Anchoring(head(5), ())
    accepted(made, boot())
    made = plan(LEAF, boot(5))
    assert made.anchoring is None
    accepted(made, boot(5))


def test_a_smaller_anchor_needs_the_way_to_the_larger_head() -> None:
    with pytest.raises(ProofMissingError):
        plan(LEAF, boot(4))
    made = plan(LEAF, boot(4), [consistency(4, 5)])
    assert made.anchoring == Anchoring(head(5), consistency(4, 5).hashes)
    accepted(made, boot(4))


def test_a_larger_anchor_needs_a_proof_under_it() -> None:
    with pytest.raises(ProofMissingError):
        plan(LEAF, boot(8))
    accepted(plan(LEAF, boot(8), [inclusion(2, 8)]), boot(8))
    accepted(plan(ROOT, boot(8), [consistency(3, 8)]), boot(8))
    with pytest.raises(ProofMissingError):
        plan(ROOT, boot(8), [consistency(6, 8)])


def test_whoever_contradicts_the_anchored_log_is_accused_whichever_side_it_is() -> None:
    """The anchored log agrees with the receipt: then the tree head is the lie."""
    lie = head(5, sha(b"another tree"))
    case = evidence(signed(HONEST[5]), lie)
    made = plan(case, boot(5))
    assert isinstance(made.report, OtherRoot)
    assert made.report.accused == lie
    accepted(made, boot(5))


def test_a_root_of_the_empty_log_is_contradicted_by_any_anchor() -> None:
    case = evidence(signed(receipt(0, sha(b"something"))), head(4))
    for record in (boot(), boot(4), boot(7)):
        accepted(plan(case, record), record)


def test_evidence_of_another_key_boot_or_that_was_paid_for_makes_no_plan() -> None:
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(ReceiptSignatureError):
        plan(EQUIVOCATION, replace(boot(), public_key=other))
    with pytest.raises(OtherBootError):
        plan(EQUIVOCATION, replace(boot(), boot_id=bytes(16)))
    with pytest.raises(AlreadySlashedError):
        plan(EQUIVOCATION, boot(slashed=1))
    with pytest.raises(AlreadySlashedError):
        plan(LEAF, boot(slashed=2))
    plan(EQUIVOCATION, boot(slashed=2))
    plan(LEAF, boot(slashed=1))


PROOFS = [
    *(inclusion(2, size) for size in range(3, SIZE + 1)),
    *(consistency(old, new) for new in range(1, SIZE + 1) for old in range(1, new + 1)),
]


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([EQUIVOCATION, LEAF, ROOT]),
    st.integers(min_value=0, max_value=SIZE),
    st.booleans(),
    st.lists(st.sampled_from(PROOFS), max_size=12),
    st.booleans(),
)
def test_every_plan_is_one_that_the_contract_takes(
    case: Evidence, size: int, honest: bool, proofs: list[LogProof], damaged: bool
) -> None:
    record = boot(size, None if honest or size == 0 else sha(b"a root that nobody knows"))
    given_ = [replace(one, hashes=tuple(map(sha, one.hashes))) for one in proofs] if damaged else proofs
    try:
        made = plan(case, record, given_)
    except ProofMissingError:
        return
    accepted(made, record)
