"""`daas receipt`: what is kept, listed, shown and exported; judging and the log have modules of their own."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from daas_gateway import receipts
from daas_gateway.receipts import StoredReceipt
from daas_protocol.receipt import SignedMessage
from daas_protocol.sui import format_address

from . import context, receipt_compare, receipt_evidence, receipt_judging, receipt_log
from .output import JsonFlag, print_json, program, stdout
from .receipt_inputs import store_errors, write_file

app = typer.Typer(
    help="Receipts: list, show, export, verify, compare, and their place in the enclave's log.", no_args_is_help=True
)


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
    with store_errors(home):
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
        stdout().print(
            f"[bold red]{len(evidence)} cases of evidence against an enclave are kept[/]: see `receipt evidence`"
        )


@app.command("show")
def show(
    number: Annotated[int, typer.Argument(help="ID from `daas receipt list`.")], as_json: JsonFlag = False
) -> None:
    """Show every field of one kept receipt."""
    home = context.home()
    with store_errors(home):
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
    with store_errors(home):
        bundle = receipts.bundle_of(home.receipts, number)
    text = receipts.receipt_text(bundle.message).encode() if only_receipt else receipts.export_bundle(bundle)
    if output is None:
        sys.stdout.write(text.decode("ascii"))
        return
    write_file(output, text)
    if as_json:
        print_json({"path": str(output), "bytes": len(text)})
    else:
        stdout().print(f"wrote {len(text)} bytes; to check them: {program()} receipt verify {escape(str(output))}")
        root = home.development_ca / "root.pem"
        if root.is_file():
            stdout().print(f"[dim]with --root {escape(str(root))}, for as long as the attestation is simulated[/]")


receipt_judging.add_to(app)
receipt_compare.add_to(app)
receipt_log.add_to(app)
receipt_evidence.add_to(app)
