"""`daas receipt`: the evidence, listed, shown, exported and judged. Nothing here needs a network."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from daas_gateway import receipts
from daas_gateway.receipts import Outcome, StoredReceipt, Verification
from daas_gateway.store import StoreUnusable
from daas_protocol.receipt import SignedMessage
from daas_protocol.state_files import write_atomic
from daas_protocol.sui import format_address, parse_address

from . import context
from .errors import ExitCode, RefusedError, UnreachableError, UnreadableError
from .home import Home
from .output import JsonFlag, print_json, program, stdout
from .trust import MeasurementsOption, RootOption, anchor_text, load_anchor, load_measurements, read_file

app = typer.Typer(help="Receipts that the gateway keeps: list, show, export, verify.", no_args_is_help=True)


@contextmanager
def _store_errors(home: Home) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UnreachableError(
            f"no receipts are kept in {home.root} yet", f"start the instance: `{program()} up`"
        ) from None
    except receipts.ReceiptMissing as problem:
        raise RefusedError(str(problem)) from None
    except (StoreUnusable, OSError) as problem:
        raise UnreadableError(str(problem), "move the file away; a new one is made") from None


def _summary(kept: StoredReceipt) -> dict[str, Any]:
    receipt = kept.receipt
    return {
        "id": kept.id,
        "time_ms": receipt.timestamp_ms,
        "method": receipt.method,
        "path": receipt.target,
        "status": receipt.status,
        "sequence": receipt.sequence,
        "frame": receipt.frame,
        "body_length": receipt.body_length,
        "boot_id": receipt.boot_id.hex(),
    }


def _time(timestamp_ms: int) -> str:
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many, newest first.", min=1, max=10_000)] = 20,
    method: Annotated[str | None, typer.Option(help="Only this method.")] = None,
    path: Annotated[str | None, typer.Option(help="Only request targets that contain this.")] = None,
    status: Annotated[int | None, typer.Option(help="Only this status.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List kept receipts, newest first: request line, status, sequence in the enclave's log."""
    home = context.home()
    with _store_errors(home):
        found = receipts.list_receipts(home.receipts, limit=limit, method=method, target=path, status=status)
        total = receipts.count_receipts(home.receipts)
        evidence = receipts.list_evidence(home.receipts)
    if as_json:
        print_json({"receipts": [_summary(item) for item in found], "kept": total, "evidence": len(evidence)})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, right in (("ID", True), ("TIME (UTC)", False), ("STATUS", True), ("SEQUENCE", True), ("REQUEST", False)):
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "REQUEST")
    for item in found:
        kept = item.receipt
        frame = "" if kept.frame is None else f" (frame {kept.frame})"
        request = escape(f"{kept.method} {kept.target}{frame}")
        table.add_row(str(item.id), _time(kept.timestamp_ms), str(kept.status), str(kept.sequence), request)
    stdout().print(table)
    stdout().print(f"[dim]{len(found)} of {total} kept receipts[/]")
    if evidence:
        stdout().print(f"[bold red]{len(evidence)} cases of evidence against an enclave are kept[/]")


@app.command("show")
def show(
    number: Annotated[int, typer.Argument(help="ID from `daas receipt list`.")], as_json: JsonFlag = False
) -> None:
    """Show every field of one kept receipt."""
    home = context.home()
    with _store_errors(home):
        kept = receipts.get_receipt(home.receipts, number)
    message = SignedMessage.decode(kept.receipt.message)
    body = message.receipt() if kept.receipt.frame is None else message.stream_receipt()
    fields = _summary(kept) | {
        "intent": message.intent.name,
        "enclave_id": format_address(body.enclave_id),
        "requester": format_address(body.requester),
        "request_digest": body.request_digest.hex(),
        "body_digest": body.body_digest.hex(),
        "log_root": body.log_root.hex(),
        "receipt_key": kept.receipt.public_key.hex(),
        "signature": message.signature.hex(),
        "body_kept": kept.receipt.body is not None,
        "covers": _covers(body.status, kept.receipt.frame),
    }
    if as_json:
        print_json(fields)
        return
    for name, value in fields.items():
        stdout().print(f"{name:<15} {escape(_shown(name, value))}")


def _shown(name: str, value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int() if name == "time_ms":
            return f"{value} ({_time(value)} UTC)"
        case _:
            return str(value)


def _covers(status: int, frame: int | None) -> str:
    """What a receipt vouches for, so that nobody takes it for more."""
    match status, frame:
        case 101, None:
            return "that this stream was opened for this request and caller; not the bytes in it"
        case 101, _:
            return "that the stream ended, and how many bytes went each way; not the bytes themselves"
        case _, None:
            return "the whole answer: status and body"
        case _:
            return f"frame {frame} of the answer, and by its running digest all before it"


@app.command("export")
def export(
    number: Annotated[int, typer.Argument(help="ID from `daas receipt list`.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File; default is standard output.")] = None,
    only_receipt: Annotated[
        bool, typer.Option("--only-receipt", help="The signed receipt alone (base64), without its attestation.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write a receipt with what is needed to verify it elsewhere: request binding, attestation document, kept body."""
    home = context.home()
    with _store_errors(home):
        bundle = receipts.bundle_of(home.receipts, number)
    text = receipts.receipt_text(bundle.message).encode() if only_receipt else receipts.export_bundle(bundle)
    if output is None:
        sys.stdout.write(text.decode("ascii"))
        return
    try:
        write_atomic(output, text, 0o600)
    except OSError as problem:
        raise UnreadableError(f"cannot write {output}: {problem.strerror}", "name a file that can be written") from None
    if as_json:
        print_json({"path": str(output), "bytes": len(text)})
    else:
        stdout().print(f"wrote {len(text)} bytes; to check them: {program()} receipt verify {escape(str(output))}")


@app.command("verify")
def verify(
    subject: Annotated[
        str, typer.Argument(help="ID of a kept receipt, a file (bundle or RECEIPT), or - for standard input.")
    ],
    root: RootOption = None,
    measured: MeasurementsOption = None,
    key: Annotated[str | None, typer.Option(help="Receipt key (64 hex digits) where there is no attestation.")] = None,
    body: Annotated[Path | None, typer.Option(help="File with the answer's body, to compare with the receipt.")] = None,
    requester: Annotated[str | None, typer.Option(help="Address that must have asked.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Judge a receipt offline, check by check: attestation, key, signature, request, body.

    Accepted (exit 0) means: signed by a key that the named root attests to, and no check failed. What could not be
    checked for lack of input is said, never counted as passed.
    """
    home = context.home()
    bundle = _subject(home, subject)
    try:
        public_key = None if key is None else bytes.fromhex(key)
        address = None if requester is None else parse_address(requester)
    except ValueError as problem:
        raise UnreadableError(
            f"--key or --requester: {problem}", "give 64 hex digits, and 0x and 64 hex digits"
        ) from None
    given = None if body is None else read_file(body)
    if given is not None:
        bundle = receipts.Bundle(bundle.message, bundle.binding, given, bundle.document, bundle.nonce)
    result = receipts.verify_bundle(
        bundle,
        public_key=public_key,
        anchor=load_anchor(home, root),
        measurements=load_measurements(home, measured),
        requester=address,
    )
    _report(result, key_given=public_key is not None, as_json=as_json)
    if not result.accepted:
        raise typer.Exit(int(ExitCode.REFUSED))


def _subject(home: Home, subject: str) -> receipts.Bundle:
    if subject.isdecimal() and not Path(subject).exists():
        with _store_errors(home):
            return receipts.bundle_of(home.receipts, int(subject))
    data = read_file(Path(subject))
    try:
        return receipts.parse_bundle(data)
    except receipts.BundleInvalid as problem:
        raise RefusedError(f"{subject}: {problem}", "give a file that `daas receipt export` wrote") from None


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
