"""`daas receipt proof` and `daas receipt checkpoint`: a receipt's place in the log, out of the running instance.

The host's tiles are believed by nobody: what is written has been verified against a root that the enclave signed, and
what the host withholds or has damaged is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from daas_gateway import receipts
from daas_gateway.receipts import LogPlace, Outcome
from daas_host.proofs import BootProofs, ProofRange
from daas_host.tiles import TileCorrupt, boot_folder, read_leaves, stored_size
from daas_protocol import checkpoint
from daas_protocol.ed25519 import FastVerifyKey
from daas_protocol.evidence import Evidence, make_evidence
from daas_protocol.log_proof import ConsistencyProof, InclusionProof, LogProof, proof_to_text
from daas_protocol.receipt import SignedMessage, from_header, verify
from daas_protocol.statement import Statement, read_statement

from . import context
from .errors import RefusedError, UnreachableError, UnreadableError
from .gateway_client import explain, mapping
from .home import Home
from .output import JsonFlag, print_json, program, stdout
from .receipt_inputs import (
    KeyOption,
    load_key,
    load_subject,
    store_errors,
    write_evidence,
    write_file,
)
from .trust import load_anchor, load_measurements

HEAD_PATH = "/daas/local/log/head"
TILE_SECONDS = 5.0
"""Leaves reach the host's disk in batches, milliseconds after their receipts; the rest is for a busy machine."""
POLL_SECONDS = 0.05


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("proof")(proof)
    app.command("checkpoint")(export_checkpoint)


def proof(
    number: Annotated[int, typer.Argument(metavar="ID", help="ID from `daas receipt list`.")],
    proof_file: Annotated[
        Path | None, typer.Option("--proof", help="Where the proof goes. Default: receipt-<ID>.proof.")
    ] = None,
    head_file: Annotated[
        Path | None, typer.Option("--tree-head", help="Where the signed head goes. Default: receipt-<ID>.tree-head.")
    ] = None,
    consistency: Annotated[
        bool,
        typer.Option("--consistency", help="A proof that the log only grew since the receipt, in place of inclusion."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write a proof that a kept receipt is in the enclave's log, and the signed tree head under which it is.

    The head is the running enclave's newest; for an older boot, the newest kept receipt of that boot, which signs a
    root as well. Proofs are made from the host's tiles and verified before they are written.
    """
    home = context.home()
    with store_errors(home):
        kept = receipts.get_receipt(home.receipts, number).receipt
        bundle = receipts.bundle_of(home.receipts, number)
    leaf = read_statement(SignedMessage.decode(kept.message))
    head = read_statement(_verified(_newest_head(home, leaf.boot_id), kept.public_key))
    if (head.enclave_id, head.boot_id) != (leaf.enclave_id, leaf.boot_id):
        raise RefusedError(f"the tree head is of boot {head.boot_id.hex()}", "restart nothing meanwhile, and try again")
    if head.size <= leaf.size:
        raise RefusedError(
            f"no signed root covers receipt {leaf.size} yet: the newest is at size {head.size}",
            "ask again after the next request; an older boot's last receipt stays uncovered",
        )
    included, consistent = _from_tiles(home, leaf, head)
    _require_one_log(leaf, head, kept.public_key, (included, consistent))
    place = LogPlace(head.message, included)
    judged = receipts.verify_bundle(
        bundle,
        public_key=kept.public_key,
        anchor=load_anchor(home, None),
        measurements=load_measurements(home, None),
        place=place,
    )
    if not judged.accepted:
        failed = [f"{check.name}: {check.detail}" for check in judged.checks if check.outcome is Outcome.FAILED]
        raise RefusedError("the receipt does not verify, so nothing was written", details=tuple(failed))
    chosen = consistent if consistency else included
    proof_path = proof_file or Path(f"receipt-{number}.proof")
    head_path = head_file or Path(f"receipt-{number}.tree-head")
    text = proof_to_text(chosen)
    write_file(proof_path, text.encode())
    write_file(head_path, receipts.receipt_text(head.message.encode()).encode())
    if as_json:
        print_json(
            {
                "proof": str(proof_path),
                "tree_head": str(head_path),
                "kind": "consistency" if consistency else "inclusion",
                "index": leaf.size,
                "size": head.size,
                "root": head.root.hex(),
                "hashes": len(chosen.hashes),
                "head": head.name,
                "boot_id": head.boot_id.hex(),
                "receipt_key": kept.public_key.hex(),
            }
        )
        return
    stdout().print(f"receipt {leaf.size} is in the log under the {head.name}: {len(chosen.hashes)} hashes")
    files = f"--proof {escape(str(proof_path))} --tree-head {escape(str(head_path))}"
    command = "compare RECEIPT TREE-HEAD --proof FILE" if consistency else f"verify {number} {files}"
    stdout().print(
        f"wrote {escape(str(proof_path))} and {escape(str(head_path))}; to check: {program()} receipt {command}"
    )


def _newest_head(home: Home, boot_id: bytes) -> SignedMessage:
    """The running enclave's tree head if it is of this boot, else the newest kept receipt of the boot."""
    try:
        client = context.client(home)
        current = client.view().attestation.get("boot_id") == boot_id.hex()
    except UnreachableError:
        current = False  # a boot that has ended has its last receipts
    if current:
        return fetch_head(home)
    with store_errors(home):
        newest = receipts.newest_of_boot(home.receipts, boot_id)
    if newest is None:
        raise RefusedError(f"no receipt of boot {boot_id.hex()} is kept", f"see `{program()} receipt list`")
    return SignedMessage.decode(newest.receipt.message)


def fetch_head(home: Home) -> SignedMessage:
    """The signed tree head of the running enclave, through the gateway. Not verified here."""
    answer = context.client(home).get(HEAD_PATH)
    if answer.status != 200:
        raise UnreachableError(f"the enclave gives no tree head: {explain(answer)}", f"see `{program()} status`")
    try:
        return from_header(str(mapping(answer.json()).get("tree_head")))
    except ValueError as problem:
        raise RefusedError(f"the tree head is malformed: {problem}") from None


def _verified(message: SignedMessage, key: bytes) -> SignedMessage:
    try:
        verify(message, FastVerifyKey(key))
    except ValueError as problem:
        raise RefusedError(f"the tree head is not the enclave's: {problem}", "do not rely on this enclave") from None
    return message


def _from_tiles(home: Home, leaf: Statement, head: Statement) -> tuple[InclusionProof, ConsistencyProof]:
    """Proofs from the host's tiles that lead to the signed root, whatever they say of the receipt."""
    tiles = home.host / "tiles"
    folder = boot_folder(tiles, head.boot_id)
    _until(lambda: stored_size(folder) >= head.size)
    try:
        proofs = BootProofs(tiles, head.boot_id)
        root = proofs.root(head.size)
        included = InclusionProof(
            head.enclave_id,
            head.boot_id,
            leaf.size,
            head.size,
            read_leaves(tiles, head.boot_id, leaf.size, leaf.size + 1)[0],
            proofs.inclusion(leaf.size, head.size),
        )
        older = proofs.root(leaf.size)
        hashes = proofs.consistency(leaf.size, head.size) if leaf.size else ()
        consistent = ConsistencyProof(head.enclave_id, head.boot_id, leaf.size, older, head.size, hashes)
    except ProofRange as problem:
        raise RefusedError(
            f"the host keeps {problem.size} of the {head.size} leaves that the enclave signed: it withholds or has lost"
            " the others",
            f"see `{program()} logs host`; what the enclave signed still stands",
        ) from None
    except (TileCorrupt, IndexError, OSError) as problem:
        raise RefusedError(
            f"the host's tiles cannot be read: {problem}", "restart the host, which repairs them"
        ) from None
    if root != head.root:
        raise RefusedError(
            f"the host's tiles lead to the root {root.hex()}, the enclave signed {head.root.hex()} at size {head.size}:"
            " the tiles are damaged, or of a fork",
            "nothing was written; what the enclave signed still stands",
        )
    return included, consistent


def _require_one_log(leaf: Statement, head: Statement, key: bytes, proofs: tuple[LogProof, ...]) -> None:
    """Proofs that hold under the head and deny the receipt convict the enclave; proofs that do not hold, the host."""
    for shown in proofs:
        try:
            found = make_evidence(leaf, head, key, shown)
        except ValueError as problem:
            raise RefusedError(
                f"the host's tiles are damaged, or of a fork: {problem}", "nothing was written"
            ) from None
        if isinstance(found, Evidence):
            raise _contradicted(found)


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TILE_SECONDS
    while not done() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _contradicted(found: Evidence) -> RefusedError:
    path = write_evidence(found)
    return RefusedError(
        f"the enclave contradicts itself ({found.kind.name}): what it signed as its log does not hold this receipt",
        f"the evidence is in {path}; to judge it: `{program()} receipt compare {path}`",
    )


def export_checkpoint(
    source: Annotated[
        str | None, typer.Argument(metavar="TREE-HEAD", help="A signed tree head. Default: the running enclave's.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File; default is standard output.")] = None,
    key: KeyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a signed tree head as a C2SP checkpoint (signed note), for logs' monitors and witnesses.

    The enclave's own signature is in it, under a signature type of our own (docs/decisions/0008): nothing is signed
    anew. The key is that of --key, or for the running enclave's head the one that the gateway accepted.
    """
    home = context.home()
    public_key = load_key(key)
    if source is None:
        verdict = context.client(home).view().attestation
        public_key = public_key or load_key(str(verdict.get("public_key") or "") or None)
        message = fetch_head(home)
    else:
        message = load_subject(home, source, key=public_key).message(source)
    if public_key is None:
        raise UnreadableError("no key: nothing says who signed this", "give --key")
    try:
        note = checkpoint.to_note(_verified(message, public_key), public_key)
    except ValueError as problem:
        raise RefusedError(f"no checkpoint can be made of it: {problem}", "give a signed tree head") from None
    name = note.split("\n", 1)[0]
    vkey = checkpoint.verifier_key(name, public_key)
    if output is not None:
        write_file(output, note.encode())
    if as_json:
        print_json({"note": note, "verifier_key": vkey, "path": None if output is None else str(output)})
    elif output is None:
        stdout().print(note, end="", markup=False)
    else:
        stdout().print(f"wrote {escape(str(output))}; its verifier key: {vkey}", markup=False)
