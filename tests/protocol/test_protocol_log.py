"""Promises of the log, checked against the reference tree of Certificate Transparency.

Leaves, roots and proofs: google/certificate-transparency, cpp/merkletree/merkle_tree_test.cc (also in
transparency-dev/merkle, testonly/constants.go).
"""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_protocol.bcs import BcsError
from daas_protocol.log import (
    EMPTY_ROOT,
    ConsistencyProofError,
    InclusionProofError,
    MerkleTree,
    RightEdge,
    TreeSizeError,
    verify_consistency,
    verify_inclusion,
)
from daas_protocol.receipt import leaf_hash

CT_LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
N01 = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
N1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
N23 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
N4567 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
N0 = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
N4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
N45 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
N67 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
N0123 = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
CT_INCLUSION = {  # (index, size): proof
    (0, 1): [],
    (0, 8): [N1, N23, N4567],
    (5, 8): [N4, N67, N0123],
    (2, 3): [N01],
    (1, 5): [N0, N23, N4],
}
CT_CONSISTENCY = {  # (older size, newer size): proof
    (1, 1): [],
    (1, 8): [N1, N23, N4567],
    (6, 8): [N45, N67, N0123],
    (2, 5): [N23, N4],
}


def tree(leaves: list[bytes]) -> MerkleTree:
    return MerkleTree(map(leaf_hash, leaves))


def unhex(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


@pytest.mark.parametrize("size", range(9))
def test_roots_of_the_reference_tree(size: int) -> None:
    edge = RightEdge()
    for leaf in CT_LEAVES[:size]:
        edge.append(leaf_hash(leaf))
    assert edge.root().hex() == tree(CT_LEAVES).root(size).hex() == CT_ROOTS[size]
    assert edge.size == size


@pytest.mark.parametrize(("index", "size"), CT_INCLUSION)
def test_inclusion_proofs_of_the_reference_tree(index: int, size: int) -> None:
    proof = unhex(CT_INCLUSION[index, size])
    assert tree(CT_LEAVES).inclusion_proof(index, size) == proof
    root = bytes.fromhex(CT_ROOTS[size])
    verify_inclusion(leaf_hash=leaf_hash(CT_LEAVES[index]), index=index, size=size, proof=proof, root=root)


@pytest.mark.parametrize(("old", "new"), CT_CONSISTENCY)
def test_consistency_proofs_of_the_reference_tree(old: int, new: int) -> None:
    proof = unhex(CT_CONSISTENCY[old, new])
    assert tree(CT_LEAVES).consistency_proof(old, new) == proof
    old_root, new_root = bytes.fromhex(CT_ROOTS[old]), bytes.fromhex(CT_ROOTS[new])
    verify_consistency(old_size=old, old_root=old_root, new_size=new, new_root=new_root, proof=proof)


def mth(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:split]) + mth(leaves[split:])).digest()


def numbered(size: int) -> list[bytes]:
    return [number.to_bytes(4, "big") for number in range(size)]


def test_the_right_edge_and_the_tree_follow_the_definition_at_every_size() -> None:
    leaves, edge, whole = numbered(130), RightEdge(), tree(numbered(130))
    for size in range(131):
        assert edge.root() == whole.root(size) == mth(leaves[:size])
        if size < 130:
            edge.append(leaf_hash(leaves[size]))


def test_a_copy_goes_its_own_way() -> None:
    edge = RightEdge()
    edge.append(leaf_hash(b"a"))
    copy = edge.copy()
    edge.append(leaf_hash(b"b"))
    assert (copy.size, copy.root()) == (1, leaf_hash(b"a"))
    assert edge.size == 2


def test_every_proof_of_a_small_tree_verifies() -> None:
    whole = tree(numbered(33))
    for size in range(34):
        for index in range(size):
            verify_inclusion(
                leaf_hash=whole.leaf(index),
                index=index,
                size=size,
                proof=whole.inclusion_proof(index, size),
                root=whole.root(size),
            )
        for old in range(size + 1):
            verify_consistency(
                old_size=old,
                old_root=whole.root(old),
                new_size=size,
                new_root=whole.root(size),
                proof=whole.consistency_proof(old, size),
            )


WHOLE = tree(numbered(100))
SIZES = st.integers(1, 100)
FLIP = st.tuples(st.integers(0, 31), st.integers(0, 7))


def flipped(value: bytes, flip: tuple[int, int]) -> bytes:
    place, bit = flip
    return value[:place] + bytes((value[place] ^ 1 << bit,)) + value[place + 1 :]


@given(st.data(), SIZES, FLIP)
@settings(max_examples=300, deadline=None)
def test_a_changed_inclusion_proof_never_verifies(data: st.DataObject, size: int, flip: tuple[int, int]) -> None:
    index = data.draw(st.integers(0, size - 1))
    good = {
        "leaf_hash": WHOLE.leaf(index),
        "index": index,
        "size": size,
        "proof": WHOLE.inclusion_proof(index, size),
        "root": WHOLE.root(size),
    }
    verify_inclusion(**good)
    proof = good["proof"]
    changes = [
        {"leaf_hash": flipped(good["leaf_hash"], flip)},
        {"root": flipped(good["root"], flip)},
        {"index": data.draw(st.integers(-1, size + 1).filter(lambda other: other != index))},
        {"proof": [*proof, bytes(32)]},
        {"proof": proof[:-1]} if proof else {"proof": [WHOLE.leaf(index)]},
        {"leaf_hash": good["leaf_hash"][:-1]},
    ]
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        changes.append({"proof": [*proof[:place], flipped(proof[place], flip), *proof[place + 1 :]]})
        changes.append({"proof": [*proof[:place], proof[place][:-1], *proof[place + 1 :]]})
        if proof[::-1] != proof:
            changes.append({"proof": proof[::-1]})
    for change in changes:
        with pytest.raises(InclusionProofError):
            verify_inclusion(**{**good, **change})


@given(st.data(), SIZES, FLIP)
@settings(max_examples=300, deadline=None)
def test_a_changed_consistency_proof_never_verifies(data: st.DataObject, size: int, flip: tuple[int, int]) -> None:
    old = data.draw(st.integers(1, size))
    good = {
        "old_size": old,
        "old_root": WHOLE.root(old),
        "new_size": size,
        "new_root": WHOLE.root(size),
        "proof": WHOLE.consistency_proof(old, size),
    }
    verify_consistency(**good)
    proof = good["proof"]
    changes = [
        {"old_root": flipped(good["old_root"], flip)},
        {"new_root": flipped(good["new_root"], flip)},
        {"proof": [*proof, bytes(32)]},
        {"old_size": size + 1},
        {"old_size": -1},
        {"old_size": 0},
    ]
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        changes.append({"proof": [*proof[:place], flipped(proof[place], flip), *proof[place + 1 :]]})
        changes.append({"proof": proof[:place] + proof[place + 1 :]})
        changes.append({"proof": [*proof[:place], proof[place][:-1], *proof[place + 1 :]]})
    for change in changes:
        with pytest.raises(ConsistencyProofError):
            verify_consistency(**{**good, **change})


def test_another_size_of_the_same_shape_does_not_verify() -> None:
    """The length of a proof does not fix the sizes, so each wrong pair must fail by its roots."""
    for old in range(1, 40):
        proof = WHOLE.consistency_proof(old, 40)
        for claimed in range(1, 41):
            if claimed == old:
                continue
            with pytest.raises(ConsistencyProofError):
                verify_consistency(
                    old_size=claimed,
                    old_root=WHOLE.root(claimed),
                    new_size=40,
                    new_root=WHOLE.root(40),
                    proof=proof,
                )


def test_everything_is_consistent_with_the_empty_tree_and_only_with_its_root() -> None:
    verify_consistency(old_size=0, old_root=EMPTY_ROOT, new_size=5, new_root=WHOLE.root(5), proof=[])
    with pytest.raises(ConsistencyProofError):
        verify_consistency(old_size=0, old_root=bytes(32), new_size=5, new_root=WHOLE.root(5), proof=[])
    with pytest.raises(InclusionProofError):
        verify_inclusion(leaf_hash=bytes(32), index=0, size=0, proof=[], root=EMPTY_ROOT)


def test_a_node_does_not_pass_for_a_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert tree([b"a", b"b"]).root() != leaf_hash(left + right)


def test_indices_sizes_and_hashes_outside_the_tree_are_refused() -> None:
    small = tree(numbered(3))
    for call in (
        lambda: small.root(4),
        lambda: small.root(-1),
        lambda: small.leaf(3),
        lambda: small.leaf(-1),
        lambda: small.inclusion_proof(3),
        lambda: small.inclusion_proof(0, 4),
        lambda: small.inclusion_proof(2, 2),
        lambda: small.consistency_proof(4),
        lambda: small.consistency_proof(2, 1),
    ):
        with pytest.raises(TreeSizeError):
            call()
    with pytest.raises(BcsError):
        small.append(b"short")
    with pytest.raises(BcsError):
        RightEdge().append(b"short")
