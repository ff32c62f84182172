"""What anyone does with proof of misbehaviour: anchors a boot's tree head, reports what contradicts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daas_chain.contract import Contract
from daas_chain.sui.builder import Builder, CallArgument, Use

from . import pure
from .slots import Slot, Statement


@dataclass(frozen=True, slots=True)
class Claim:
    """What a boot has signed; `index`: which receipt of a ReceiptBatch is meant, else 0."""

    statement: Statement
    index: int = 0


def report_equivocation(
    contract: Contract, commands: Builder, slot: Slot, boot_id: bytes, one: Claim, other: Claim
) -> None:
    """Two receipts of one boot and sequence with different content."""
    _report(contract, commands, "report_equivocation", slot, boot_id, *_claim(one), *_claim(other))


def report_other_leaf(
    contract: Contract,
    commands: Builder,
    slot: Slot,
    boot_id: bytes,
    claim: Claim,
    leaf: bytes,
    proof: Sequence[bytes],
) -> None:
    """A receipt, and an inclusion proof of another leaf (its hash) at its sequence in the anchored log."""
    _report(
        contract,
        commands,
        "report_other_leaf",
        slot,
        boot_id,
        *_claim(claim),
        pure.octets(leaf),
        pure.many(proof),
    )


def report_other_root(
    contract: Contract,
    commands: Builder,
    slot: Slot,
    boot_id: bytes,
    claim: Claim,
    root: bytes,
    proof: Sequence[bytes],
) -> None:
    """A receipt or tree head, and a consistency proof of another root at its size with the anchored log."""
    _report(
        contract,
        commands,
        "report_other_root",
        slot,
        boot_id,
        *_claim(claim),
        pure.octets(root),
        pure.many(proof),
    )


def report_worker_fault(
    contract: Contract,
    commands: Builder,
    registry: bytes,
    slot: Slot,
    owner: bytes,
    node_id: str,
    one: Statement,
    other: Statement,
) -> None:
    """Two statements of a worker with one sequence and different digests."""
    contract.call(
        commands,
        "slashing::report_worker_fault",
        Use(registry),
        Use(slot.cluster),
        Use(slot.pool),
        owner,
        pure.text(node_id),
        *_statement(one),
        *_statement(other),
    )


def anchor_tree_head(
    contract: Contract, commands: Builder, slot: Slot, head: Statement, proof: Sequence[bytes] = ()
) -> None:
    """`proof`: consistency with the head that is anchored; none for a boot's first."""
    contract.call(
        commands,
        "audit::anchor_tree_head",
        Use(slot.enclave),
        Use(slot.cluster),
        *_statement(head),
        pure.many(proof),
    )


def _report(
    contract: Contract, commands: Builder, function: str, slot: Slot, boot_id: bytes, *rest: CallArgument
) -> None:
    contract.call(
        commands,
        f"slashing::{function}",
        Use(slot.enclave),
        Use(slot.cluster),
        Use(slot.pool),
        pure.octets(boot_id),
        *rest,
    )


def _claim(claim: Claim) -> tuple[bytes, bytes, bytes]:
    return *_statement(claim.statement), pure.u64(claim.index)


def _statement(statement: Statement) -> tuple[bytes, bytes]:
    return pure.octets(statement.message), pure.octets(statement.signature)
