"""What a signed message says about a boot's log, and when two of them contradict each other.

Each receipt says two things: its own hash is leaf `sequence`, and the first `sequence` leaves have `log_root`. A tree
head says the second alone. Two statements of one enclave and boot under one key contradict each other when no single
log can hold both; intent, time and signature say nothing about the log, so that signing the same content again is no
contradiction. Statements of different boots never are one: each boot has its own log.
Source: DESIGN.md sections 4 and 5 (`slashing`).
"""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import assert_never

from daas_protocol.ed25519 import VerifyKey
from daas_protocol.log import EMPTY_ROOT, TreeHead
from daas_protocol.log_proof import ConsistencyProof, InclusionProof, LogProof
from daas_protocol.receipt import Intent, SignedMessage, verify


class ProofUnfit(ValueError):
    """A proof that is about something else than the two statements."""

    def __init__(self, what: str, expected: object, actual: object) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(f"the proof is of another {what}: expected {_shown(expected)}, got {_shown(actual)}")


class NotOfTheLog(ValueError):
    """A signed message that says nothing about the log."""

    def __init__(self, actual: Intent) -> None:
        self.actual = actual
        super().__init__(f"expected a signed RECEIPT, STREAM_RECEIPT or TREE_HEAD, got {actual.name}")


@dataclass(frozen=True, slots=True)
class Statement:
    """The first `size` leaves of the log have `root`; and, of a receipt, leaf `size` is `leaf` (32 B, else None)."""

    message: SignedMessage
    enclave_id: bytes
    boot_id: bytes
    size: int
    root: bytes
    leaf: bytes | None

    @property
    def name(self) -> str:
        """For people: "receipt 12", "tree head of size 40"."""
        return f"tree head of size {self.size}" if self.leaf is None else f"receipt {self.size}"


def read_statement(message: SignedMessage) -> Statement:
    """Says nothing about the signature. Raises `NotOfTheLog`, `BcsError`."""
    match message.intent:
        case Intent.RECEIPT | Intent.STREAM_RECEIPT:
            stream = message.intent is Intent.STREAM_RECEIPT
            receipt = message.stream_receipt() if stream else message.receipt()
            return Statement(
                message,
                receipt.enclave_id,
                receipt.boot_id,
                receipt.sequence,
                receipt.log_root,
                message.leaf_hash(),
            )
        case Intent.TREE_HEAD:
            head = TreeHead.from_bcs(message.payload)
            return Statement(message, head.enclave_id, head.boot_id, head.size, head.root, None)
        case _:
            raise NotOfTheLog(message.intent)


def require_log_root(proof: LogProof, head: Statement) -> None:
    """The proof leads to the root of this statement. Raises `ProofUnfit`, `InclusionProofError`,
    `ConsistencyProofError`.
    """
    _require_same("enclave", head.enclave_id, proof.enclave_id)
    _require_same("boot", head.boot_id, proof.boot_id)
    _require_same("size", head.size, proof.size if isinstance(proof, InclusionProof) else proof.new_size)
    proof.verify(head.root)


def require_included(leaf: Statement, head: Statement, proof: InclusionProof) -> None:
    """Leaf `leaf.size` in the log of `head` is this receipt. Raises as `require_log_root`."""
    require_log_root(proof, head)
    _require_same("enclave", leaf.enclave_id, proof.enclave_id)
    _require_same("boot", leaf.boot_id, proof.boot_id)
    _require_same("leaf index", leaf.size, proof.index)
    _require_same("receipt", leaf.leaf, proof.leaf_hash)


class Contradiction(IntEnum):
    """In which way two statements exclude each other. Numbers are never reused."""

    EQUIVOCATION = 0
    """Two receipts with one sequence and different content."""
    LEAF = 1
    """A receipt, and a root under which an inclusion proof shows another leaf at its sequence."""
    ROOT = 2
    """Two roots for one size; the second shown by a consistency proof when its own size is larger."""


class Relation(Enum):
    """What comparing found where it found no contradiction."""

    OTHER_LOG = "other enclave or boot: each boot has its own log, so that nothing can be concluded"
    SAME_CONTENT = "the same content, signed again: one statement"
    AGREE = "both hold in one log"
    UNPROVEN = "nothing in them excludes the other; only a proof from the log can tell"


def compare(
    one: Statement, other: Statement, key: VerifyKey, proof: LogProof | None = None
) -> Contradiction | Relation:
    """Whether the two, both signed by `key`, contradict each other.

    `proof` is about the one with the smaller size under the root of the one with the larger. Raises
    `ReceiptSignatureError`, and for a proof that shows nothing `ProofUnfit`, `InclusionProofError` or
    `ConsistencyProofError`.
    """
    if (one.enclave_id, one.boot_id) != (other.enclave_id, other.boot_id):
        return Relation.OTHER_LOG  # whoever signed them: two boots have two keys, and nothing is concluded
    verify(one.message, key)
    verify(other.message, key)
    if one.size == other.size:
        return _same_size(one, other)
    small, large = (one, other) if one.size < other.size else (other, one)
    if small.size == 0 and small.root != EMPTY_ROOT:
        return Contradiction.ROOT
    match proof:
        case None:
            return Relation.UNPROVEN
        case InclusionProof():
            require_log_root(proof, large)
            _require_same("leaf index", small.size, proof.index)
            if small.leaf is None:
                raise ProofUnfit("kind of statement", "one about a receipt", small.name)
            return Relation.AGREE if proof.leaf_hash == small.leaf else Contradiction.LEAF
        case ConsistencyProof():
            require_log_root(proof, large)
            _require_same("older size", small.size, proof.old_size)
            return Relation.AGREE if proof.old_root == small.root else Contradiction.ROOT
        case _:
            assert_never(proof)


def _same_size(one: Statement, other: Statement) -> Contradiction | Relation:
    if one.leaf is not None and other.leaf is not None:
        return Relation.SAME_CONTENT if one.leaf == other.leaf else Contradiction.EQUIVOCATION
    if one.root != other.root:
        return Contradiction.ROOT
    return Relation.SAME_CONTENT if one.leaf == other.leaf else Relation.AGREE


def _require_same(what: str, expected: object, actual: object) -> None:
    if expected != actual:
        raise ProofUnfit(what, expected, actual)


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
