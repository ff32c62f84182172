"""`daas receipt verify`: one receipt judged offline, from files alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from daas_gateway import receipts
from daas_gateway.receipts import LogPlace, Outcome, Verification
from daas_protocol.log_proof import InclusionProof
from daas_protocol.sui import parse_address

from . import context
from .errors import ExitCode, RefusedError, UnreadableError
from .home import Home
from .output import JsonFlag, print_json, stdout
from .receipt_inputs import (
    AttestationOption,
    KeyOption,
    PolicyOption,
    RootOption,
    Subject,
    load_document,
    load_head,
    load_key,
    load_proof,
    load_subject,
)
from .trust import anchor_text, load_measurements, read_file


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("verify")(verify)


def verify(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="RECEIPT", help="ID of a kept receipt, a file (bundle or RECEIPT), or - for standard input."
        ),
    ],
    body: Annotated[Path | None, typer.Option(help="File with the answer's body, to compare with the receipt.")] = None,
    proof: Annotated[
        Path | None, typer.Option(help="Inclusion proof of the receipt, as `receipt proof` wrote it.")
    ] = None,
    tree_head: Annotated[
        Path | None,
        typer.Option(help="Signed tree head, checkpoint, or later receipt of the same boot, under which it is proven."),
    ] = None,
    attestation: AttestationOption = None,
    key: KeyOption = None,
    root: RootOption = None,
    policy: PolicyOption = None,
    requester: Annotated[str | None, typer.Option(help="Address that must have asked.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Judge a receipt offline, check by check: attestation, key, signature, request, body, place in the log.

    Accepted (exit 0) means: signed by a key that the named root attests to, or by the key given, and no check failed.
    What could not be checked for lack of input is said, never counted as passed. An attestation document is judged at
    its own time: it says nothing about now.
    """
    home = context.home()
    public_key = load_key(key)
    try:
        address = None if requester is None else parse_address(requester)
    except ValueError as problem:
        raise UnreadableError(f"--requester: {problem}", "give 0x and 64 hex digits") from None
    if proof is not None and tree_head is None:
        raise UnreadableError("--proof leads to the root of a tree head", "give --tree-head too")
    judged = load_subject(home, subject, None if attestation is None else load_document(attestation))
    bundle = judged.bundle if body is None else replace(judged.bundle, body=read_file(body))
    place = None if tree_head is None else _place(home, judged, tree_head, proof, public_key)
    result = receipts.verify_bundle(
        bundle,
        public_key=public_key,
        anchor=judged.anchor(home, root, public_key),
        measurements=load_measurements(home, policy, own=judged.kept),
        requester=address,
        place=place,
    )
    _report(result, key_given=public_key is not None, as_json=as_json)
    if not result.accepted:
        raise typer.Exit(int(ExitCode.REFUSED))


def _place(home: Home, judged: Subject, tree_head: Path, proof: Path | None, key: bytes | None) -> LogPlace:
    head = load_head(home, tree_head, judged, key)
    shown = None if proof is None else load_proof(proof)
    if shown is not None and not isinstance(shown, InclusionProof):
        raise RefusedError(
            f"{proof} is a consistency proof: it says nothing about one receipt", "give an inclusion proof"
        )
    return LogPlace(head, shown)


def _report(result: Verification, *, key_given: bool, as_json: bool) -> None:
    verdict = "accepted" if result.accepted else "refused"
    if as_json:
        checks = [{"name": item.name, "outcome": item.outcome.value, "detail": item.detail} for item in result.checks]
        print_json({"verdict": verdict, "anchor": result.anchor, "time_ms": result.timestamp_ms, "checks": checks})
        return
    colours = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.NOT_CHECKED: "yellow"}
    for item in result.checks:
        stdout().print(f"[{colours[item.outcome]}]{item.outcome.value:<12}[/] {item.name:<12} {escape(item.detail)}")
    if result.anchor:
        anchor = anchor_text(result.anchor)
    else:
        anchor = "none: the key was taken at its word" if key_given else "none: no attestation was accepted"
    stdout().print(f"[bold]{verdict}[/]; trust anchor: {anchor}")
