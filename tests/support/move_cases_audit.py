"""Tree heads and snapshots for the tests of `daas::audit`, and proofs between the heads."""

from daas_protocol.intents import Snapshot
from daas_protocol.log import MerkleTree, TreeHead
from daas_protocol.receipt import Intent, leaf_hash
from support.move_signing import ENCLAVE, boot_id, signed

OTHER_SLOT = b"\x99" * 32
TREE = MerkleTree(leaf_hash(bytes([index])) for index in range(8))
FORK = MerkleTree(leaf_hash(bytes([index + 100])) for index in range(8))


def head(tree: MerkleTree, size: int, *, boot: int = 1, enclave: bytes = ENCLAVE) -> bytes:
    return TreeHead(enclave, boot_id(boot), size, tree.root(size)).to_bcs()


def snapshot(revision: int, *, boot: int = 1, enclave: bytes = ENCLAVE) -> bytes:
    """Its root is the revision in every byte."""
    return Snapshot(enclave, boot_id(boot), revision, bytes([revision]) * 32).to_bcs()


CASES = {
    "head_0": signed(Intent.TREE_HEAD, head(TREE, 0)),
    "head_3": signed(Intent.TREE_HEAD, head(TREE, 3)),
    "head_5": signed(Intent.TREE_HEAD, head(TREE, 5)),
    "head_5_fork": signed(Intent.TREE_HEAD, head(FORK, 5)),
    "head_8": signed(Intent.TREE_HEAD, head(TREE, 8)),
    "head_5_other_slot": signed(Intent.TREE_HEAD, head(TREE, 5, enclave=OTHER_SLOT)),
    "head_5_other_key": signed(Intent.TREE_HEAD, head(TREE, 5), seed=2),
    "head_5_boot_2": signed(Intent.TREE_HEAD, head(FORK, 5, boot=2), seed=2),
    "snapshot_5": signed(Intent.SNAPSHOT, snapshot(5)),
    "snapshot_6": signed(Intent.SNAPSHOT, snapshot(6)),
    "snapshot_7_boot_2": signed(Intent.SNAPSHOT, snapshot(7, boot=2), seed=2),
    "snapshot_5_other_slot": signed(Intent.SNAPSHOT, snapshot(5, enclave=OTHER_SLOT)),
    "snapshot_5_other_key": signed(Intent.SNAPSHOT, snapshot(5), seed=2),
}
HASHES = {
    "roots": [TREE.root(size) for size in range(9)],
    "fork_roots": [FORK.root(size) for size in range(9)],
    "from_3_to_5": TREE.consistency_proof(3, 5),
    "from_5_to_8": TREE.consistency_proof(5, 8),
    "fork_from_3_to_5": FORK.consistency_proof(3, 5),
}
