"""From evidence to what the contract takes: which statement is accused, and of what.

Invariant: a plan is made only of evidence that holds under the receipt key that the chain has recorded for the boot,
and only where every proof in it was checked here against the very tree head that the contract will check it against.
Who follows a plan pays no gas for a report that was doomed; it can still fail if others were faster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from daas_protocol.evidence import Evidence
from daas_protocol.log import EMPTY_ROOT, ConsistencyProofError, InclusionProofError
from daas_protocol.log_proof import ConsistencyProof, InclusionProof, LogProof
from daas_protocol.receipt import Intent, SignedMessage
from daas_protocol.statement import Contradiction, Statement, read_statement

from .calls import judging
from .calls.slots import Slot
from .calls.slots import Statement as SignedStatement
from .contract import Contract
from .sui.builder import Builder
from .values import Boot

SLASHED_FOR = {Contradiction.EQUIVOCATION: 1, Contradiction.LEAF: 2, Contradiction.ROOT: 2}
"""Bits of `Boot.slashed`: one for each kind that the contract knows."""


class AccusationError(ValueError):
    """Evidence that the contract would not take as it stands."""

    def __init__(self, expected: str, actual: str) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"expected {expected}, got {actual}")


class OtherBootError(AccusationError):
    """The evidence is about another boot than the record."""


class AlreadySlashedError(AccusationError):
    """A boot pays once for each kind."""


class ProofMissingError(AccusationError):
    """What is anchored on chain does not contradict the statements without one more proof from the log."""


@dataclass(frozen=True, slots=True)
class TwoReceipts:
    one: SignedMessage
    other: SignedMessage


@dataclass(frozen=True, slots=True)
class OtherLeaf:
    """`leaf` (its hash) stands where `accused` said that it does."""

    accused: SignedMessage
    leaf: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class OtherRoot:
    """`root` is that of the anchored log at the size of `accused`."""

    accused: SignedMessage
    root: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Anchoring:
    """A tree head that has to be anchored first, in the same transaction."""

    head: SignedMessage
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    boot_id: bytes
    report: TwoReceipts | OtherLeaf | OtherRoot
    anchoring: Anchoring | None = None

    def fill(self, contract: Contract, commands: Builder, slot: Slot) -> None:
        if self.anchoring is not None:
            judging.anchor_tree_head(contract, commands, slot, _signed(self.anchoring.head), self.anchoring.proof)
        match self.report:
            case TwoReceipts(one, other):
                judging.report_equivocation(contract, commands, slot, self.boot_id, _claim(one), _claim(other))
            case OtherLeaf(accused, leaf, proof):
                judging.report_other_leaf(contract, commands, slot, self.boot_id, _claim(accused), leaf, proof)
            case OtherRoot(accused, root, proof):
                judging.report_other_root(contract, commands, slot, self.boot_id, _claim(accused), root, proof)


def plan(evidence: Evidence, boot: Boot, proofs: Sequence[LogProof] = ()) -> Plan:
    """`boot`: its record on chain; `proofs`: more about its log, where the evidence's own does not reach.

    Raises `AccusationError`, and as `Evidence.judge` for evidence that does not hold under the boot's key.
    """
    kind = evidence.judge(boot.public_key)
    sides = read_statement(evidence.first), read_statement(evidence.second)
    if sides[0].boot_id != boot.boot_id:
        raise OtherBootError(f"evidence about boot {boot.boot_id.hex()}", sides[0].boot_id.hex())
    if boot.slashed & SLASHED_FOR[kind]:
        raise AlreadySlashedError(f"a boot that has not paid for {kind.name} yet", "one that was slashed for it")
    if kind is Contradiction.EQUIVOCATION:
        return Plan(boot.boot_id, TwoReceipts(evidence.first, evidence.second))
    known = [*proofs] if evidence.proof is None else [evidence.proof, *proofs]
    for size, root, anchoring in _anchored(boot, sides, known):
        for side in sides:
            report = _contradicted(side, size, root, known)
            if report is not None:
                return Plan(boot.boot_id, report, anchoring)
    raise ProofMissingError(
        f"a proof that leads from {sides[0].name} or {sides[1].name} to the anchored tree head of size {boot.log_size}",
        "none" if not known else f"{len(known)} that do not",
    )


def _anchored(
    boot: Boot, sides: tuple[Statement, Statement], known: Sequence[LogProof]
) -> Iterator[tuple[int, bytes, Anchoring | None]]:
    """Size and root that the contract would compare with: what it has, or what it can be given now."""
    yield boot.log_size, boot.log_root, None
    for side in sides:
        if side.message.intent is Intent.TREE_HEAD and side.size > boot.log_size:
            link = _path(boot.log_size, side.size, side.root, known)
            if link is not None and link[0] == boot.log_root:
                yield side.size, side.root, Anchoring(side.message, link[1])


def _contradicted(side: Statement, size: int, root: bytes, known: Sequence[LogProof]) -> OtherLeaf | OtherRoot | None:
    path = _path(side.size, size, root, known)
    if path is not None and path[0] != side.root:
        return OtherRoot(side.message, *path)
    if side.leaf is None:
        return None
    for proof in known:
        if (
            isinstance(proof, InclusionProof)
            and (proof.index, proof.size) == (side.size, size)
            and proof.leaf_hash != side.leaf
            and _holds(proof, root)
        ):
            return OtherLeaf(side.message, proof.leaf_hash, proof.hashes)
    return None


def _path(size: int, larger: int, root: bytes, known: Sequence[LogProof]) -> tuple[bytes, tuple[bytes, ...]] | None:
    """The root at `size` of the log that has `root` at `larger`, with the proof of it."""
    if size == larger:
        return root, ()
    if size == 0:
        return EMPTY_ROOT, ()
    for proof in known:
        if (
            isinstance(proof, ConsistencyProof)
            and (proof.old_size, proof.new_size) == (size, larger)
            and _holds(proof, root)
        ):
            return proof.old_root, proof.hashes
    return None


def _holds(proof: LogProof, root: bytes) -> bool:
    try:
        proof.verify(root)
    except (InclusionProofError, ConsistencyProofError):
        return False
    return True


def _signed(message: SignedMessage) -> SignedStatement:
    return SignedStatement(message.signing_bytes(), message.signature)


def _claim(message: SignedMessage) -> judging.Claim:
    return judging.Claim(_signed(message))
