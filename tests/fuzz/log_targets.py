"""Promises about a boot's log: tree heads, proofs, evidence and checkpoints; nothing is shown that no hash shows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache, partial

from daas_protocol import checkpoint, evidence, log, log_proof, receipt, statement
from daas_protocol.bcs import BcsError
from fuzz import world
from fuzz.protocol_targets import canonical, refused, signed_messages
from fuzz.target import Choice, Target, golden

PROOF_ERRORS = (BcsError, log.InclusionProofError, log.ConsistencyProofError)

# --- tree heads and proofs ---


def _hashes(data: bytes) -> list[bytes]:
    return [data[start : start + 32] for start in range(0, len(data), 32)][: log.MAX_PROOF_HASHES + 1]


def _other(value: bytes) -> bytes:
    return value[:-1] + bytes((value[-1] ^ 1,))


def _inclusion(data: bytes) -> None:
    """Index and size (u64 each), root, leaf, proof. One root only belongs to a leaf and a proof.

    Whoever chooses the root can make an accepted proof (a fuzzer that sees comparisons does): that is no finding.
    """
    index, size = int.from_bytes(data[:8], "little"), int.from_bytes(data[8:16], "little")
    root, leaf, proof = data[16:48], data[48:80], _hashes(data[80:])
    call = partial(log.verify_inclusion, index=index, size=size, proof=proof)
    try:
        call(leaf_hash=leaf, root=root)
    except log.InclusionProofError:
        return
    assert index < size
    assert len(proof) <= log.MAX_PROOF_HASHES - 1
    assert leaf == root or size > 1
    refused(log.InclusionProofError, lambda: call(leaf_hash=leaf, root=_other(root)))
    refused(log.InclusionProofError, lambda: call(leaf_hash=_other(leaf), root=root))


def _consistency(data: bytes) -> None:
    old, new = int.from_bytes(data[:8], "little"), int.from_bytes(data[8:16], "little")
    old_root, new_root, proof = data[16:48], data[48:80], _hashes(data[80:])
    call = partial(log.verify_consistency, old_size=old, new_size=new, proof=proof)
    try:
        call(old_root=old_root, new_root=new_root)
    except log.ConsistencyProofError:
        return
    assert old <= new
    refused(log.ConsistencyProofError, lambda: call(old_root=_other(old_root), new_root=new_root))
    if old:  # with an empty log every log is consistent
        refused(log.ConsistencyProofError, lambda: call(old_root=old_root, new_root=_other(new_root)))


LEAVES = 13


@cache
def _tree() -> log.MerkleTree:
    return log.MerkleTree(_leaves())


@cache
def _leaves() -> tuple[bytes, ...]:
    return tuple(hashlib.sha256(bytes((0, number))).digest() for number in range(LEAVES))


def _mutated_proof(data: bytes) -> None:
    """An honest proof is accepted; with any of its bytes changed, or another index, it is not."""
    if len(data) < 5:
        return
    size = 1 + data[0] % LEAVES
    index = data[1] % size
    tree = _tree()
    proof = tree.inclusion_proof(index, size)
    honest = {"leaf_hash": _leaves()[index], "index": index, "size": size, "proof": proof, "root": tree.root(size)}
    log.verify_inclusion(**honest)  # type: ignore[arg-type]
    parts = [_leaves()[index], tree.root(size), *proof]
    which, place, change = data[2] % len(parts), data[3] % 32, data[4] or 1
    changed = bytearray(parts[which])
    changed[place] ^= change
    parts[which] = bytes(changed)
    forged = honest | {"leaf_hash": parts[0], "root": parts[1], "proof": parts[2:]}
    refused(log.InclusionProofError, lambda: log.verify_inclusion(**forged))  # type: ignore[arg-type]
    for other in range(size):
        if other != index:
            moved = honest | {"index": other}
            refused(log.InclusionProofError, lambda: log.verify_inclusion(**moved))  # type: ignore[arg-type]  # noqa: B023


_TREE = Choice(
    (
        ("head", canonical(log.TreeHead)),
        ("inclusion", _inclusion),
        ("consistency", _consistency),
        ("mutation", _mutated_proof),
    )
)


def tree_head_seeds() -> dict[str, bytes]:
    seeds = {name: _TREE.seed("head", data) for name, data in golden("tree_head").items()}
    tree = _tree()

    def head(first: int, second: int) -> bytes:
        return first.to_bytes(8, "little") + second.to_bytes(8, "little")

    for index, size in ((0, 1), (0, 8), (6, 7), (12, 13)):
        proof = b"".join(tree.inclusion_proof(index, size))
        parts = head(index, size) + tree.root(size) + tree.leaf(index) + proof
        seeds[f"inclusion {index} of {size}"] = _TREE.seed("inclusion", parts)
    for old, new in ((0, 5), (4, 8), (6, 13), (13, 13)):
        proof = b"".join(tree.consistency_proof(old, new))
        parts = head(old, new) + tree.root(old) + tree.root(new) + proof
        seeds[f"consistency {old} to {new}"] = _TREE.seed("consistency", parts)
    return seeds | {"mutation": _TREE.seed("mutation", bytes((12, 5, 2, 7, 1)))}


# --- files about the log ---

ENCLAVE, BOOT = b"\x03" * 32, b"\x04" * 16


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _file(
    parse: Callable[[str], object], show: Callable[[object], str], *errors: type[Exception]
) -> Callable[[bytes], object]:
    """One text for one value, but that the last LF may be missing."""

    def check(data: bytes) -> None:
        text = _text(data)
        try:
            value = parse(text)
        except (*PROOF_ERRORS, *errors):
            return
        assert show(value).removesuffix("\n") == text.removesuffix("\n"), "a file has two accepted forms"

    return check


def _proof(data: bytes) -> None:
    try:
        found = log_proof.proof_from_bcs(data)
    except PROOF_ERRORS:
        return
    assert found.to_bcs() == data, "a proof has two accepted forms"
    assert log_proof.proof_from_text(log_proof.proof_to_text(found)) == found
    assert len(data) <= log_proof.MAX_PROOF_BYTES
    assert len(log_proof.proof_to_text(found)) <= log_proof.MAX_PROOF_CHARACTERS + 1


def _evidence(data: bytes) -> None:
    try:
        found = evidence.Evidence.from_bcs(data)
    except PROOF_ERRORS:
        return
    assert found.to_bcs() == data, "evidence has two accepted forms"
    assert evidence.Evidence.from_text(found.to_text()) == found
    assert len(data) <= evidence.MAX_EVIDENCE_BYTES
    key = world.receipt_key().public_key().public_bytes_raw()
    try:
        found.judge(key)
    except (
        *PROOF_ERRORS,
        receipt.ReceiptSignatureError,
        evidence.EvidenceOrderError,
        evidence.EvidenceRefuted,
        statement.ProofUnfit,
        statement.NotOfTheLog,
    ):
        return
    known = _contradictions()
    assert (found.first.signing_bytes(), found.second.signing_bytes()) in known, "proven without two true signatures"


def _checkpoint(data: bytes) -> None:
    key = world.receipt_key().public_key().public_bytes_raw()
    text = _text(data)
    try:
        found = checkpoint.from_note(text, key)
    except checkpoint.CheckpointError:
        return
    note = checkpoint.to_note(found, key)
    assert checkpoint.from_note(note, key) == found
    lines = text.split("\n")
    assert note.split("\n")[:4] == lines[:4], "a head has two accepted texts"
    assert note.split("\n")[4] in lines[4:], "the log's signature has two accepted texts"


def _messages() -> tuple[receipt.SignedMessage, receipt.SignedMessage, receipt.SignedMessage]:
    """Two receipts with one sequence and different content, and a head of an empty log that is not empty."""

    def signed(intent: receipt.Intent, payload: bytes) -> receipt.SignedMessage:
        return receipt.sign(intent, 1_800_000_000_000, payload, world.receipt_key().sign)

    def of(status: int) -> receipt.SignedMessage:
        fields = receipt.Receipt(
            ENCLAVE, BOOT, 5, b"\x05" * 32, b"\x06" * 32, None, status, b"\x07" * 32, 9, _tree().root(5)
        )
        return signed(receipt.Intent.RECEIPT, fields.to_bcs())

    return of(200), of(404), signed(receipt.Intent.TREE_HEAD, log.TreeHead(ENCLAVE, BOOT, 13, _tree().root()).to_bcs())


def _cases() -> dict[str, evidence.Evidence]:
    """Equivocation, a head under which another leaf is at the sequence, and the same by a consistency proof."""
    key = world.receipt_key().public_key().public_bytes_raw()
    one, other, head = map(statement.read_statement, _messages())
    inclusion = log_proof.InclusionProof(ENCLAVE, BOOT, 5, 13, _leaves()[5], tuple(_tree().inclusion_proof(5)))
    made = {
        "equivocation": evidence.make_evidence(one, other, key),
        "leaf": evidence.make_evidence(one, head, key, inclusion),
    }
    return {name: case for name, case in made.items() if isinstance(case, evidence.Evidence)}


@cache
def _contradictions() -> frozenset[tuple[bytes, bytes]]:
    """Pairs that may be proven to contradict each other: signed by the key of this world, in evidence's order."""
    every = [message.signing_bytes() for message in _messages()]
    every += [message[: -receipt.SIGNATURE_BYTES] for message in signed_messages().values()]
    return frozenset((first, second) for first in every for second in every if first != second)


_LOG_FILES = Choice(
    (
        ("proof", _proof),
        ("proof file", _file(log_proof.proof_from_text, log_proof.proof_to_text)),  # type: ignore[arg-type]
        ("evidence", _evidence),
        ("evidence file", _file(evidence.Evidence.from_text, evidence.Evidence.to_text)),  # type: ignore[arg-type]
        ("checkpoint", _checkpoint),
    )
)


def log_files_seeds() -> dict[str, bytes]:
    tree = _tree()
    proofs = {
        "inclusion": log_proof.InclusionProof(ENCLAVE, BOOT, 5, 13, _leaves()[5], tuple(tree.inclusion_proof(5))),
        "consistency": log_proof.ConsistencyProof(ENCLAVE, BOOT, 6, tree.root(6), 13, tuple(tree.consistency_proof(6))),
    }
    note = checkpoint.to_note(_messages()[2], world.receipt_key().public_key().public_bytes_raw())
    seeds = {name: _LOG_FILES.seed("proof", proof.to_bcs()) for name, proof in proofs.items()}
    seeds |= {
        f"{name} file": _LOG_FILES.seed("proof file", log_proof.proof_to_text(proof).encode())
        for name, proof in proofs.items()
    }
    cases = _cases()
    seeds |= {name: _LOG_FILES.seed("evidence", case.to_bcs()) for name, case in cases.items()}
    seeds |= {f"{name} file": _LOG_FILES.seed("evidence file", case.to_text().encode()) for name, case in cases.items()}
    witnessed = note + "\u2014 witness.example/w " + "AAAAAAAA" + "\n"
    return seeds | {
        "checkpoint": _LOG_FILES.seed("checkpoint", note.encode()),
        "witnessed checkpoint": _LOG_FILES.seed("checkpoint", witnessed.encode()),
    }


TARGETS = {
    "tree_head": Target(_TREE.check, tree_head_seeds),
    "log_files": Target(_LOG_FILES.check, log_files_seeds, 6144),
}
