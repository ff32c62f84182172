"""Receipts signed and verified per second; proofs at 1,000,000 leaves: size, time to make and time to verify.

Run from the top of the repository:

    PYTHONPATH=tests .venv/bin/python tests/protocol/bench_log.py [leaves]

One core. Times are medians, by the wall and of the CPU time of this thread, which other work on the machine does not
stretch as much; rates are from CPU time. Proofs are made as `daas receipt proof` makes them, from tiles on the disk.
"""

from __future__ import annotations

import hashlib
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_enclave.signer import ReceiptSigner, Subject
from daas_gateway.bundle import Bundle, verify_bundle
from daas_gateway.verify import Expected, check_unary
from daas_host.proofs import BootProofs
from daas_host.tiles import BootTiles, read_leaves
from daas_protocol.checkpoint import from_note, to_note
from daas_protocol.ed25519 import FastVerifyKey
from daas_protocol.evidence import Evidence, make_evidence
from daas_protocol.log import RightEdge
from daas_protocol.log_proof import ConsistencyProof, InclusionProof, proof_from_text, proof_to_text
from daas_protocol.receipt import Intent, SignedMessage, sign, to_header, verify
from daas_protocol.statement import read_statement

RUNS = 2000
PROOFS = 200
LEAVES = 1_000_000
BATCH = 4096
NOW = 1_764_000_000_000
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
ENCLAVE, BOOT = b"\xe1" * 32, b"\xb0" * 16
SUBJECT = Subject(b"\x11" * 32, b"\x22" * 32)
BODY = b"x" * 1000
DIGEST = hashlib.sha256(BODY).digest()


def measure(name: str, run: Callable[[], object], runs: int = RUNS) -> float:
    """Prints medians in microseconds and the rate; gives the CPU median in seconds."""
    run()
    wall, cpu = [], []
    for _ in range(runs):
        started, cpu_started = time.perf_counter(), time.thread_time()
        run()
        cpu.append(time.thread_time() - cpu_started)
        wall.append(time.perf_counter() - started)
    middle = median(cpu)
    print(f"{name:58} {median(wall) * 1e6:9.1f} {middle * 1e6:9.1f} {1 / middle:10,.0f}/s")
    return middle


def receipts() -> None:
    signer = ReceiptSigner(ENCLAVE, BOOT, KEY.sign, lambda: NOW)
    measure("receipt: made, signed, appended (enclave)", lambda: signer.receipt(SUBJECT, 200, DIGEST, len(BODY)))
    measure("tree head: made and signed (enclave)", signer.tree_head)
    raw = signer.receipt(SUBJECT, 200, DIGEST, len(BODY))
    message, key = SignedMessage.decode(raw), FastVerifyKey(PUBLIC)
    header = to_header(message).encode()
    expected = Expected(ENCLAVE, BOOT, key, SUBJECT.request_digest, SUBJECT.requester)
    payload = message.payload
    measure("  of it: Ed25519 over the message", lambda: sign(Intent.RECEIPT, NOW, payload, KEY.sign))
    measure("receipt: decoded, verified, read", lambda: verify(SignedMessage.decode(raw), key) or message.receipt())
    measure(
        "receipt: every check of the gateway, body of 1000 B", lambda: check_unary(header, expected, 200, BODY, NOW)
    )
    bundle = Bundle(raw, body=BODY)
    measure("receipt: `daas receipt verify` by key, with body", lambda: verify_bundle(bundle, public_key=PUBLIC), 500)
    liar = ReceiptSigner(ENCLAVE, BOOT, KEY.sign, lambda: NOW)
    one = read_statement(SignedMessage.decode(liar.receipt(SUBJECT, 200, DIGEST, len(BODY))))
    liar = ReceiptSigner(ENCLAVE, BOOT, KEY.sign, lambda: NOW)
    other = read_statement(SignedMessage.decode(liar.receipt(SUBJECT, 500, DIGEST, len(BODY))))
    made = make_evidence(one, other, PUBLIC)
    assert isinstance(made, Evidence)
    measure("evidence of equivocation: made", lambda: make_evidence(one, other, PUBLIC), 500)
    measure("evidence of equivocation: read and judged", lambda: Evidence.from_text(made.to_text()).judge(PUBLIC), 500)
    head = SignedMessage.decode(signer.tree_head())
    note = to_note(head, PUBLIC)
    measure("checkpoint: read and verified", lambda: verify(from_note(note, PUBLIC), key))
    print(f"bytes: receipt {len(raw)}, evidence {len(made.to_bcs())}, checkpoint {len(note.encode())}")


def proofs(leaves: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        edge, store = RightEdge(), BootTiles.open(folder, BOOT)
        started = time.perf_counter()
        for first in range(0, leaves, BATCH):
            batch = [
                hashlib.sha256(number.to_bytes(8, "big")).digest()
                for number in range(first, min(first + BATCH, leaves))
            ]
            for leaf in batch:
                edge.append(leaf)
            store.append(batch)
        took = time.perf_counter() - started
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"\n{leaves:,} leaves to tiles and right edge: {took:.1f} s, {leaves / took:,.0f}/s, {size / 1e6:.1f} MB")
        root, chance = edge.root(), random.Random(1)
        assert BootProofs(folder, BOOT).root(leaves) == root
        indices = [chance.randrange(leaves) for _ in range(PROOFS)]
        included = [inclusion(BootProofs(folder, BOOT), folder, index) for index in indices]
        grown = [consistency(BootProofs(folder, BOOT), index + 1) for index in indices]
        for kind, made in (("inclusion", included), ("consistency", grown)):
            counts = sorted(len(proof.hashes) for proof in made)
            sizes = sorted(len(proof.to_bcs()) for proof in made)
            print(f"{kind:11} hashes {counts[0]}..{counts[-1]}, bytes {sizes[0]}..{sizes[-1]}")
        turn = iter(indices * 20)
        measure(
            "inclusion proof: made from tiles, tiles looked at anew",
            lambda: inclusion(BootProofs(folder, BOOT), folder, next(turn)),
            PROOFS,
        )
        kept = BootProofs(folder, BOOT)
        measure("inclusion proof: made from tiles, one reader", lambda: inclusion(kept, folder, next(turn)), PROOFS)
        measure("consistency proof: made from tiles, one reader", lambda: consistency(kept, next(turn) + 1), PROOFS)
        proven, shown = iter(included * 20), iter(grown * 20)
        measure("inclusion proof: verified", lambda: next(proven).verify(root))
        measure("consistency proof: verified", lambda: next(shown).verify(root))
        text = proof_to_text(included[0])
        measure("inclusion proof: read from its file and verified", lambda: proof_from_text(text).verify(root))


def inclusion(made: BootProofs, folder: Path, index: int) -> InclusionProof:
    [leaf] = read_leaves(folder, BOOT, index, index + 1)
    return InclusionProof(ENCLAVE, BOOT, index, made.size, leaf, made.inclusion(index, made.size))


def consistency(made: BootProofs, old: int) -> ConsistencyProof:
    return ConsistencyProof(ENCLAVE, BOOT, old, made.root(old), made.size, made.consistency(old, made.size))


if __name__ == "__main__":
    print(f"{'microseconds':58} {'wall':>9} {'cpu':>9} {'rate':>11}")
    receipts()
    proofs(int(sys.argv[1]) if len(sys.argv) > 1 else LEAVES)
