"""Statements of boots and workers for the tests of `daas::slashing`, and proofs in the log of the honest boot."""

from dataclasses import replace

from daas_protocol.intents import ReceiptBatch, WorkerStatement
from daas_protocol.log import MerkleTree, TreeHead
from daas_protocol.receipt import Intent, Receipt, SignedMessage, StreamReceipt, leaf_hash
from support.move_signing import CLUSTER, ENCLAVE, START_MS, boot_id, receipt, signed

OTHER = b"\x99" * 32
LIE = b"\x66" * 32
ANCHORED = 5
WORKER_SEED = 9


def honest_log(boot: int) -> tuple[MerkleTree, list[Receipt]]:
    """Seven receipts, each with the root of the log before it."""
    tree, receipts = MerkleTree(), []
    for sequence in range(7):
        entry = receipt(sequence + 1, boot=boot, sequence=sequence, log_root=tree.root())
        receipts.append(entry)
        tree.append(leaf_hash(entry.to_bcs()))
    return tree, receipts


TREE, HONEST = honest_log(1)
LIES = [replace(entry, status=500) for entry in HONEST]
ROOT_LIES = [replace(entry, log_root=LIE) for entry in HONEST]
_, HONEST_2 = honest_log(2)


def batch(*receipts: Receipt) -> SignedMessage:
    return signed(Intent.RECEIPT_BATCH, ReceiptBatch(receipts).to_bcs())


def single(entry: Receipt, *, seed: int = 1, timestamp_ms: int = START_MS) -> SignedMessage:
    return signed(Intent.RECEIPT, entry.to_bcs(), seed=seed, timestamp_ms=timestamp_ms)


def frame(index: int, *, of: Receipt = HONEST[2]) -> SignedMessage:
    """Frame `index` of a longer answer that begins at the sequence of `of`."""
    fields = {name: getattr(of, name) for name in Receipt.__dataclass_fields__}
    fields["sequence"] = of.sequence + index
    fields["log_root"] = HONEST[of.sequence + index].log_root
    stream = StreamReceipt(**fields, index=index, offset=4 * index, running_digest=bytes(32), last=False)
    return signed(Intent.STREAM_RECEIPT, stream.to_bcs())


def statement(
    digest: int,
    *,
    sequence: int = 7,
    node_id: str = "worker-1",
    cluster: bytes = CLUSTER,
    seed: int = WORKER_SEED,
    timestamp_ms: int = START_MS,
) -> SignedMessage:
    statement = WorkerStatement(cluster, node_id, sequence, bytes([digest]) * 32)
    return signed(Intent.WORKER_STATEMENT, statement.to_bcs(), seed=seed, timestamp_ms=timestamp_ms)


def head(
    size: int, *, root: bytes | None = None, boot: int = 1, enclave: bytes = ENCLAVE, seed: int = 1
) -> SignedMessage:
    value = TreeHead(enclave, boot_id(boot), size, TREE.root(size) if root is None else root)
    return signed(Intent.TREE_HEAD, value.to_bcs(), seed=seed)


CASES = {
    **{f"receipt_{sequence}": single(HONEST[sequence]) for sequence in range(7)},
    "receipt_2_later": single(HONEST[2], timestamp_ms=START_MS + 60_000),
    "receipt_0_lie": single(LIES[0]),
    "receipt_2_lie": single(LIES[2]),
    "receipt_5_lie": single(LIES[5]),
    "receipt_0_root_lie": single(ROOT_LIES[0]),
    "receipt_2_root_lie": single(ROOT_LIES[2]),
    "receipt_5_root_lie": single(ROOT_LIES[5]),
    "receipt_6_root_lie": single(ROOT_LIES[6]),
    "batch_1_2_3": batch(HONEST[1], HONEST[2], HONEST[3]),
    "batch_1_lie_2": batch(HONEST[1], LIES[2]),
    "batch_2_lie_2": batch(HONEST[2], LIES[2]),
    "frame_2": frame(0),
    "frame_3": frame(1),
    "receipt_2_boot_2": single(HONEST_2[2], seed=2),
    "receipt_2_boot_2_lie": single(replace(HONEST_2[2], status=500), seed=2),
    "receipt_2_boot_2_signed_by_1": single(HONEST_2[2]),
    "receipt_2_other_slot": single(replace(HONEST[2], enclave_id=OTHER)),
    "receipt_2_lie_other_key": single(LIES[2], seed=2),
    "head_2": head(2),
    "head_5": head(ANCHORED),
    "head_5_lie": head(ANCHORED, root=OTHER),
    "head_2_lie": head(2, root=OTHER),
    "head_6_lie": head(ANCHORED + 1, root=OTHER),
    "head_2_lie_other_slot": head(2, root=OTHER, enclave=OTHER),
    "head_2_lie_boot_2": head(2, root=OTHER, boot=2),
    "head_2_lie_other_key": head(2, root=OTHER, seed=2),
    "worker_says_1": statement(1),
    "worker_says_2": statement(2),
    "worker_says_1_later": statement(1, timestamp_ms=START_MS + 1),
    "worker_says_2_at_8": statement(2, sequence=8),
    "other_worker_says_2": statement(2, node_id="worker-2"),
    "worker_says_2_elsewhere": statement(2, cluster=OTHER),
    "worker_says_2_other_key": statement(2, seed=8),
}
HASHES = {
    "leaves": [TREE.leaf(index) for index in range(ANCHORED)],
    "lie_leaves": [leaf_hash(entry.to_bcs()) for entry in LIES[:ANCHORED]],
    "roots": [TREE.root(size) for size in range(ANCHORED + 1)],
    "inclusion_0": TREE.inclusion_proof(0, ANCHORED),
    "inclusion_2": TREE.inclusion_proof(2, ANCHORED),
    "inclusion_3": TREE.inclusion_proof(3, ANCHORED),
    "from_2_to_5": TREE.consistency_proof(2, ANCHORED),
}
