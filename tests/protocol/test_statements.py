"""When two signed statements contradict each other, and when they do not: every case, and attempts to fake one."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_protocol.bcs import BcsError
from daas_protocol.ed25519 import FastVerifyKey
from daas_protocol.evidence import Evidence, EvidenceOrderError, EvidenceRefuted, make_evidence
from daas_protocol.log import ConsistencyProofError, InclusionProofError, MerkleTree, TreeHead
from daas_protocol.log_proof import ConsistencyProof, InclusionProof
from daas_protocol.receipt import (
    Intent,
    Receipt,
    ReceiptSignatureError,
    SignedMessage,
    StreamReceipt,
    leaf_hash,
    sign,
)
from daas_protocol.statement import (
    Contradiction,
    NotOfTheLog,
    ProofUnfit,
    Relation,
    Statement,
    compare,
    read_statement,
    require_included,
)

KEY = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
VERIFY = FastVerifyKey(PUBLIC)
ENCLAVE, BOOT, OTHER_BOOT = b"\xe1" * 32, b"\xb0" * 16, b"\xb1" * 16
NOW = 1_764_000_000_000


def receipt(sequence: int, root: bytes, **changes: Any) -> Receipt:
    body = hashlib.sha256(b"body %d" % sequence).digest()
    made = Receipt(ENCLAVE, BOOT, sequence, b"\x11" * 32, b"\x22" * 32, None, 200, body, 6, root)
    return replace(made, **changes)


class Log:
    """A log whose receipts name the true roots before them."""

    def __init__(self, size: int, changed: int | None = None) -> None:
        self.tree = MerkleTree()
        self.receipts: list[Receipt] = []
        for sequence in range(size):
            made = receipt(sequence, self.tree.root(), status=500 if sequence == changed else 200)
            self.receipts.append(made)
            self.tree.append(leaf_hash(made.to_bcs()))

    def head(self, size: int, **changes: Any) -> Statement:
        return signed(replace(TreeHead(ENCLAVE, BOOT, size, self.tree.root(size)), **changes))

    def inclusion(self, index: int, size: int) -> InclusionProof:
        leaf, hashes = self.tree.leaf(index), tuple(self.tree.inclusion_proof(index, size))
        return InclusionProof(ENCLAVE, BOOT, index, size, leaf, hashes)

    def consistency(self, old: int, new: int) -> ConsistencyProof:
        hashes = tuple(self.tree.consistency_proof(old, new))
        return ConsistencyProof(ENCLAVE, BOOT, old, self.tree.root(old), new, hashes)


def signed(payload: Receipt | StreamReceipt | TreeHead, at: int = NOW, key: Ed25519PrivateKey = KEY) -> Statement:
    match payload:
        case TreeHead():
            intent = Intent.TREE_HEAD
        case StreamReceipt():
            intent = Intent.STREAM_RECEIPT
        case Receipt():
            intent = Intent.RECEIPT
    return read_statement(sign(intent, at, payload.to_bcs(), key.sign))


LOG, FORK = Log(20), Log(20, changed=5)
FIVE, LIE = signed(LOG.receipts[5]), signed(FORK.receipts[5])


def both(one: Statement, other: Statement, proof: Any = None) -> Contradiction | Relation:
    """The verdict, which must not depend on the order."""
    verdict = compare(one, other, VERIFY, proof)
    assert compare(other, one, VERIFY, proof) is verdict
    return verdict


# ---- what is a contradiction


def test_one_sequence_with_two_contents_is_equivocation() -> None:
    assert both(FIVE, LIE) is Contradiction.EQUIVOCATION


def test_a_frame_and_a_whole_answer_with_one_sequence_are_equivocation() -> None:
    common = [getattr(LOG.receipts[5], name) for name in Receipt.__dataclass_fields__]
    frame = signed(StreamReceipt(*common, 0, 0, b"\x33" * 32, True))
    assert both(FIVE, frame) is Contradiction.EQUIVOCATION


def test_any_field_of_the_content_that_differs_is_equivocation() -> None:
    changes: list[dict[str, Any]] = [
        {"request_digest": bytes(32)},
        {"requester": bytes(32)},
        {"status": 201},
        {"body_digest": bytes(32)},
        {"body_length": 7},
        {"log_root": bytes(32)},
    ]
    for change in changes:
        assert both(FIVE, signed(replace(LOG.receipts[5], **change))) is Contradiction.EQUIVOCATION


def test_another_leaf_at_its_sequence_under_a_signed_head_contradicts_a_receipt() -> None:
    assert both(LIE, LOG.head(13), LOG.inclusion(5, 13)) is Contradiction.LEAF
    assert both(LIE, LOG.head(6), LOG.inclusion(5, 6)) is Contradiction.LEAF
    later = signed(LOG.receipts[13])
    assert both(LIE, later, LOG.inclusion(5, 13)) is Contradiction.LEAF


def test_another_root_at_its_sequence_contradicts_a_receipt() -> None:
    forged = signed(receipt(9, FORK.tree.root(9)))
    assert both(forged, LOG.head(13), LOG.consistency(9, 13)) is Contradiction.ROOT
    assert both(forged, LOG.head(9)) is Contradiction.ROOT
    assert both(FORK.head(9), LOG.head(9)) is Contradiction.ROOT
    assert both(FORK.head(9), LOG.head(13), LOG.consistency(9, 13)) is Contradiction.ROOT


def test_a_root_of_the_empty_log_other_than_the_one_there_is_contradicts_every_head() -> None:
    assert both(signed(receipt(0, bytes(32))), LOG.head(13)) is Contradiction.ROOT


# ---- what is none


def test_signing_the_same_content_again_is_none() -> None:
    again = signed(LOG.receipts[5], NOW + 999)
    assert again.message != FIVE.message
    assert both(FIVE, again) is Relation.SAME_CONTENT
    assert both(LOG.head(9), signed(TreeHead(ENCLAVE, BOOT, 9, LOG.tree.root(9)), NOW + 5)) is Relation.SAME_CONTENT


def test_another_signature_over_the_same_message_is_none() -> None:
    """Ed25519 is deterministic in our enclave; nothing may depend on that."""
    message = FIVE.message
    assert both(FIVE, read_statement(replace(message))) is Relation.SAME_CONTENT


def test_other_boots_and_enclaves_are_none_whatever_they_say() -> None:
    for change in ({"boot_id": OTHER_BOOT}, {"enclave_id": bytes(32)}):
        other = signed(replace(FORK.receipts[5], **change))
        assert both(FIVE, other) is Relation.OTHER_LOG
        assert both(FIVE, other, LOG.inclusion(5, 13)) is Relation.OTHER_LOG
        assert both(FIVE, LOG.head(13, **change)) is Relation.OTHER_LOG


def test_receipts_and_heads_of_one_log_agree_with_a_proof_and_prove_nothing_without() -> None:
    assert both(FIVE, LOG.head(13)) is Relation.UNPROVEN
    assert both(FIVE, signed(LOG.receipts[6])) is Relation.UNPROVEN
    assert both(FIVE, LOG.head(13), LOG.inclusion(5, 13)) is Relation.AGREE
    assert both(FIVE, LOG.head(13), LOG.consistency(5, 13)) is Relation.AGREE
    assert both(FIVE, LOG.head(5)) is Relation.AGREE
    assert both(signed(LOG.receipts[0]), LOG.head(13)) is Relation.UNPROVEN


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_an_honest_log_never_contradicts_itself(data: st.DataObject) -> None:
    def statement() -> Statement:
        size = data.draw(st.integers(0, 19))
        at = data.draw(st.integers(0, 2**40))
        return signed(LOG.receipts[size], at) if data.draw(st.booleans()) else LOG.head(size)

    one, other = statement(), statement()
    assert isinstance(both(one, other), Relation)
    small, large = sorted((one, other), key=lambda item: item.size)
    if small.size < large.size:
        assert both(one, other, LOG.consistency(small.size, large.size)) is Relation.AGREE
        if small.leaf is not None:
            assert both(one, other, LOG.inclusion(small.size, large.size)) is Relation.AGREE
        for index in range(large.size):
            if index != small.size:
                with pytest.raises(ProofUnfit):
                    compare(one, other, VERIFY, LOG.inclusion(index, large.size))


# ---- attempts to fake one


def test_nothing_is_compared_before_both_signatures_hold() -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(b"\x09" * 32)
    forged = signed(FORK.receipts[5], key=stranger)
    for one, other in ((FIVE, forged), (forged, FIVE)):
        with pytest.raises(ReceiptSignatureError):
            compare(one, other, VERIFY)
    message = FIVE.message
    moved = replace(message, timestamp_ms=message.timestamp_ms + 1)
    with pytest.raises(ReceiptSignatureError):
        compare(FIVE, read_statement(moved), VERIFY)


def test_a_proof_that_does_not_lead_to_the_signed_root_accuses_nobody() -> None:
    with pytest.raises(InclusionProofError):
        compare(FIVE, LOG.head(13), VERIFY, FORK.inclusion(5, 13))
    with pytest.raises(ConsistencyProofError):
        compare(
            FIVE,
            LOG.head(13),
            VERIFY,
            FORK.consistency(9, 13).__class__(ENCLAVE, BOOT, 5, bytes(32), 13, LOG.consistency(5, 13).hashes),
        )


@pytest.mark.parametrize(
    "proof",
    [
        LOG.inclusion(4, 13),
        LOG.inclusion(5, 12),
        LOG.consistency(4, 13),
        LOG.consistency(5, 12),
        replace(LOG.inclusion(4, 13), boot_id=OTHER_BOOT),
        replace(LOG.inclusion(5, 13), enclave_id=bytes(32)),
    ],
)
def test_a_proof_about_something_else_accuses_nobody(proof: Any) -> None:
    with pytest.raises(ProofUnfit):
        compare(LIE, LOG.head(13), VERIFY, proof)


def test_an_inclusion_proof_says_nothing_about_two_heads() -> None:
    with pytest.raises(ProofUnfit):
        compare(LOG.head(5), LOG.head(13), VERIFY, LOG.inclusion(5, 13))


def test_other_signed_messages_are_no_statements_about_the_log() -> None:
    for intent in set(Intent) - {Intent.RECEIPT, Intent.STREAM_RECEIPT, Intent.TREE_HEAD}:
        with pytest.raises(NotOfTheLog):
            read_statement(sign(intent, NOW, LOG.receipts[5].to_bcs(), KEY.sign))
    with pytest.raises(BcsError):
        read_statement(sign(Intent.TREE_HEAD, NOW, LOG.receipts[5].to_bcs(), KEY.sign))


def test_a_receipt_is_included_only_as_itself_at_its_own_place() -> None:
    require_included(FIVE, LOG.head(13), LOG.inclusion(5, 13))
    for leaf, head, proof in (
        (LIE, LOG.head(13), LOG.inclusion(5, 13)),
        (FIVE, LOG.head(13), LOG.inclusion(6, 13)),
        (FIVE, LOG.head(12), LOG.inclusion(5, 13)),
        (FIVE, LOG.head(13, boot_id=OTHER_BOOT), LOG.inclusion(5, 13)),
        (FIVE, FORK.head(13), LOG.inclusion(5, 13)),
        (FIVE, LOG.head(13), FORK.inclusion(5, 13)),
    ):
        with pytest.raises((ProofUnfit, InclusionProofError)):
            require_included(leaf, head, proof)


def test_a_receipt_that_the_log_holds_at_another_index_is_not_included() -> None:
    leaves = [LOG.tree.leaf(index) for index in range(9)]
    leaves[7] = leaves[5]
    tree = MerkleTree(leaves)
    head = signed(TreeHead(ENCLAVE, BOOT, 9, tree.root()))
    moved = InclusionProof(ENCLAVE, BOOT, 7, 9, leaves[7], tuple(tree.inclusion_proof(7)))
    with pytest.raises(ProofUnfit, match="leaf index"):
        require_included(FIVE, head, moved)


# ---- evidence


CASES = [
    (FIVE, LIE, None),
    (LIE, LOG.head(13), LOG.inclusion(5, 13)),
    (signed(receipt(9, FORK.tree.root(9))), LOG.head(13), LOG.consistency(9, 13)),
    (FORK.head(9), LOG.head(9), None),
]


@pytest.mark.parametrize(("one", "other", "proof"), CASES)
def test_evidence_has_one_form_whoever_finds_it_and_stands_alone(one: Statement, other: Statement, proof: Any) -> None:
    made = make_evidence(one, other, PUBLIC, proof)
    assert isinstance(made, Evidence)
    assert make_evidence(other, one, PUBLIC, proof) == made
    with pytest.raises(BcsError):
        Evidence.from_bcs(made.to_bcs() + b"\0")
    read = Evidence.from_text(made.to_text())
    assert read == made
    assert read.judge(PUBLIC) is made.kind
    with pytest.raises(ReceiptSignatureError):
        read.judge(Ed25519PrivateKey.generate().public_key().public_bytes_raw())


def test_an_unneeded_proof_is_left_out_of_the_evidence() -> None:
    made = make_evidence(FIVE, LIE, PUBLIC, LOG.inclusion(5, 13))
    assert isinstance(made, Evidence)
    assert made.proof is None


def test_evidence_that_claims_another_kind_or_order_or_shows_none_is_refused() -> None:
    made = make_evidence(*CASES[1][:2], PUBLIC, CASES[1][2])
    assert isinstance(made, Evidence)
    for kind in set(Contradiction) - {made.kind}:
        with pytest.raises(EvidenceRefuted):
            replace(made, kind=kind).judge(PUBLIC)
    with pytest.raises(EvidenceOrderError):
        replace(made, first=made.second, second=made.first).judge(PUBLIC)
    with pytest.raises(EvidenceRefuted):
        replace(made, proof=None).judge(PUBLIC)
    with pytest.raises(EvidenceRefuted):
        replace(made, first=FIVE.message).judge(PUBLIC)


def test_no_bit_of_evidence_can_change_and_still_convict_by_another_case() -> None:
    made = make_evidence(*CASES[1][:2], PUBLIC, CASES[1][2])
    assert isinstance(made, Evidence)
    encoded = made.to_bcs()
    named_key = range(2, 35)  # only what the evidence says of itself: the judge brings the key
    for place in range(len(encoded)):
        changed = bytearray(encoded)
        changed[place] ^= 1 << place % 8
        try:
            Evidence.from_bcs(bytes(changed)).judge(PUBLIC)
        except ValueError:
            continue
        assert place in named_key


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_no_evidence(data: bytes) -> None:
    with pytest.raises((BcsError, InclusionProofError, ConsistencyProofError)):
        Evidence.from_bcs(data)


def test_a_message_of_another_intent_in_evidence_is_refused() -> None:
    other = sign(Intent.SNAPSHOT, NOW, LOG.receipts[5].to_bcs(), KEY.sign)
    evidence = Evidence(Contradiction.EQUIVOCATION, PUBLIC, FIVE.message, other, None)
    with pytest.raises(NotOfTheLog):
        Evidence.from_bcs(evidence.to_bcs()).judge(PUBLIC)
    assert isinstance(other, SignedMessage)
