"""What proofs must withstand: wrong lengths, wrong sizes, swapped hashes, forks, and files that are not canonical."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_protocol.bcs import BcsError
from daas_protocol.log import (
    EMPTY_ROOT,
    MAX_PROOF_HASHES,
    ConsistencyProofError,
    InclusionProofError,
    MerkleTree,
    TreeHead,
    consistency_length,
    inclusion_length,
    verify_consistency,
    verify_inclusion,
)
from daas_protocol.log_proof import (
    MAX_PROOF_BYTES,
    ConsistencyProof,
    InclusionProof,
    LogProof,
    proof_from_bcs,
    proof_from_text,
    proof_to_text,
)
from daas_protocol.receipt import Intent, sign
from daas_protocol.statement import ProofUnfit, read_statement, require_log_root

SIZE = 300
LEAVES = [hashlib.sha256(b"leaf %d" % number).digest() for number in range(SIZE)]
TREE = MerkleTree(LEAVES)
FORK = MerkleTree([*LEAVES[:150], bytes(32), *LEAVES[151:]])
ENCLAVE, BOOT = b"\xe1" * 32, b"\xb0" * 16
HUGE = (2**63 - 1, 2**63, 2**64 - 1)
BEYOND = (2**64, 2**64 + 1, 2**200)
ERRORS = (BcsError, InclusionProofError, ConsistencyProofError)


def inclusion(index: int, size: int, tree: MerkleTree = TREE) -> InclusionProof:
    return InclusionProof(ENCLAVE, BOOT, index, size, tree.leaf(index), tuple(tree.inclusion_proof(index, size)))


def consistency(old: int, new: int, tree: MerkleTree = TREE) -> ConsistencyProof:
    return ConsistencyProof(ENCLAVE, BOOT, old, tree.root(old), new, tuple(tree.consistency_proof(old, new)))


def test_at_every_size_up_to_300_every_inclusion_proof_has_the_length_fixed_for_it_and_verifies() -> None:
    for size in range(1, SIZE + 1):
        root = TREE.root(size)
        for index in range(size):
            proof = TREE.inclusion_proof(index, size)
            assert len(proof) == inclusion_length(index, size)
            verify_inclusion(leaf_hash=LEAVES[index], index=index, size=size, proof=proof, root=root)


def test_at_every_pair_of_sizes_up_to_300_every_consistency_proof_has_the_length_fixed_for_it() -> None:
    roots = [TREE.root(size) for size in range(SIZE + 1)]
    for new in range(SIZE + 1):
        for old in range(new + 1):
            proof = TREE.consistency_proof(old, new)
            assert len(proof) == consistency_length(old, new)
            verify_consistency(old_size=old, old_root=roots[old], new_size=new, new_root=roots[new], proof=proof)


@pytest.mark.parametrize("size", [0, -1, *BEYOND])
def test_no_leaf_is_in_an_empty_negative_or_overflowing_tree(size: int) -> None:
    for proof in ([], [bytes(32)] * 64):
        with pytest.raises(InclusionProofError):
            verify_inclusion(leaf_hash=bytes(32), index=0, size=size, proof=proof, root=EMPTY_ROOT)


@pytest.mark.parametrize("size", BEYOND)
def test_a_size_beyond_64_bits_has_no_proof_length(size: int) -> None:
    with pytest.raises(InclusionProofError, match="64 bits"):
        inclusion_length(0, size)
    with pytest.raises(ConsistencyProofError, match="64 bits"):
        consistency_length(1, size)


@pytest.mark.parametrize("size", HUGE)
def test_a_huge_tree_takes_proofs_of_its_own_length_only(size: int) -> None:
    leaf = bytes(32)
    for index in (0, 1, size // 2, size - 2, size - 1):
        wanted = inclusion_length(index, size)
        assert 1 <= wanted <= 64
        for length in (0, wanted - 1, wanted, wanted + 1, 10_000):
            with pytest.raises(InclusionProofError) as caught:
                verify_inclusion(leaf_hash=leaf, index=index, size=size, proof=[bytes(32)] * length, root=bytes(32))
            assert ("root" in str(caught.value)) is (length == wanted)
        with pytest.raises(InclusionProofError, match="index"):
            verify_inclusion(leaf_hash=leaf, index=size, size=size, proof=[bytes(32)] * wanted, root=bytes(32))
    for old in (1, size // 2, size - 1):
        wanted = consistency_length(old, size)
        assert 1 <= wanted <= MAX_PROOF_HASHES
        for length in (0, wanted - 1, wanted + 1, 10_000):
            with pytest.raises(ConsistencyProofError, match="number of hashes"):
                verify_consistency(
                    old_size=old, old_root=leaf, new_size=size, new_root=leaf, proof=[bytes(32)] * length
                )


@pytest.mark.parametrize("new", [-1, *BEYOND])
def test_consistency_of_sizes_that_no_log_has_is_refused(new: int) -> None:
    for old in (0, 1, new, new + 1):
        with pytest.raises(ConsistencyProofError):
            verify_consistency(old_size=old, old_root=EMPTY_ROOT, new_size=new, new_root=EMPTY_ROOT, proof=[])


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_two_hashes_swapped_never_verify(data: st.DataObject) -> None:
    size = data.draw(st.integers(3, SIZE))
    proof = inclusion(data.draw(st.integers(0, size - 1)), size)
    newer = consistency(data.draw(st.integers(1, size - 1)), size)
    for given_proof in (proof, newer):
        hashes = list(given_proof.hashes)
        if len(hashes) < 2:
            continue
        first = data.draw(st.integers(0, len(hashes) - 2))
        second = data.draw(st.integers(first + 1, len(hashes) - 1))
        hashes[first], hashes[second] = hashes[second], hashes[first]
        with pytest.raises((InclusionProofError, ConsistencyProofError)):
            replace(given_proof, hashes=tuple(hashes)).verify(TREE.root(size))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_leaf_swapped_with_its_sibling_does_not_verify(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, SIZE))
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion(index, size)
    swapped = replace(proof, leaf_hash=proof.hashes[0], hashes=(proof.leaf_hash, *proof.hashes[1:]))
    with pytest.raises(InclusionProofError):
        swapped.verify(TREE.root(size))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_proof_from_a_fork_does_not_verify_under_the_signed_root(data: st.DataObject) -> None:
    size = data.draw(st.integers(151, SIZE))
    forged = inclusion(data.draw(st.integers(0, size - 1)), size, FORK)
    forged.verify(FORK.root(size))
    with pytest.raises(InclusionProofError):
        forged.verify(TREE.root(size))
    older = consistency(data.draw(st.integers(1, size)), size, FORK)
    older.verify(FORK.root(size))
    with pytest.raises(ConsistencyProofError):
        older.verify(TREE.root(size))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_lengths_never_exceed_what_a_file_may_hold(one: int, other: int) -> None:
    small, large = sorted((one, other))
    if small < large:
        assert inclusion_length(small, large) <= 64
    assert consistency_length(small, large) <= MAX_PROOF_HASHES


@pytest.mark.parametrize("proof", [inclusion(5, 300), consistency(5, 300), inclusion(0, 1), consistency(0, 7)])
def test_a_file_has_one_form(proof: LogProof) -> None:
    text = proof_to_text(proof)
    assert proof_from_text(text) == proof == proof_from_text(text.rstrip("\n"))
    encoded = proof.to_bcs()
    assert len(encoded) <= MAX_PROOF_BYTES
    for other in (text + "\n", " " + text, text.replace("=", ""), text[1:], text + text, "", "=", "é"):
        if other not in (text, text.rstrip("\n")):
            with pytest.raises(ERRORS):
                proof_from_text(other)
    for end in range(len(encoded)):
        with pytest.raises(ERRORS):
            proof_from_bcs(encoded[:end])
    with pytest.raises(ERRORS):
        proof_from_bcs(encoded + b"\0")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 7))
def test_a_changed_bit_of_a_proof_is_refused_or_proves_nothing(place: int, bit: int) -> None:
    """Sizes of one shape give one path, so that a proof alone does not fix its size: the signed head does."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    head = read_statement(sign(Intent.TREE_HEAD, 1, TreeHead(ENCLAVE, BOOT, 257, TREE.root(257)).to_bcs(), key.sign))
    for proof in (inclusion(100, 257), consistency(100, 257)):
        require_log_root(proof, head)
        encoded = bytearray(proof.to_bcs())
        encoded[place % len(encoded)] ^= 1 << bit
        try:
            changed = proof_from_bcs(bytes(encoded))
        except ERRORS:
            continue
        assert changed.to_bcs() == bytes(encoded)
        with pytest.raises((ProofUnfit, InclusionProofError, ConsistencyProofError)):
            require_log_root(changed, head)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_the_named_errors_only(data: bytes) -> None:
    for text in (data.decode("latin-1"), base64.b64encode(data).decode()):
        try:
            proof_from_text(text)
        except ERRORS:
            pass


@pytest.mark.parametrize(
    "changed",
    [
        {"hashes": ()},
        {"hashes": (bytes(32),) * 65},
        {"index": 257},
        {"size": 0},
        {"size": 2**64},
        {"leaf_hash": b"short"},
        {"enclave_id": b"short"},
        {"boot_id": b"short"},
    ],
)
def test_a_proof_that_cannot_be_is_not_written(changed: dict[str, Any]) -> None:
    with pytest.raises(ERRORS):
        replace(inclusion(100, 257), **changed).to_bcs()


def test_a_claimed_number_of_hashes_is_compared_before_any_is_read() -> None:
    head = bytes.fromhex("0100") + ENCLAVE + b"\x10" + BOOT
    claimed = (
        head + (0).to_bytes(8, "little") + (1).to_bytes(8, "little") + b"\x20" + bytes(32) + b"\xff\xff\xff\xff\x0f"
    )
    with pytest.raises(InclusionProofError, match="number of hashes: expected 0, got 4294967295"):
        proof_from_bcs(claimed)
