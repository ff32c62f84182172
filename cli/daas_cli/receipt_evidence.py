"""`daas receipt evidence`: the cases that the gateway noted by itself, judged again and written as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from daas_gateway import receipts
from daas_protocol.evidence import Evidence, make_evidence
from daas_protocol.receipt import SignedMessage
from daas_protocol.statement import read_statement

from . import context
from .errors import UnreadableError
from .output import JsonFlag, print_json, program, stdout
from .receipt_inputs import evidence_name, store_errors, write_evidence


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("evidence")(evidence)


def evidence(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder in which each proven case becomes a file.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List what the gateway keeps as evidence against an enclave, each case judged again from its bytes."""
    home = context.home()
    with store_errors(home):
        noted = receipts.list_evidence(home.receipts)
    if output is not None:
        try:
            output.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as problem:
            raise UnreadableError(f"cannot make {output}: {problem.strerror}", "name another folder") from None
    rows = [_row(case, output) for case in noted]
    if as_json:
        print_json({"evidence": rows})
        return
    for row in rows:
        said = f"proven: {row['kind']}" if row["kind"] else f"not proven: {row['problem']}"
        stdout().print(f"boot {row['boot_id']} sequence {row['sequence']}: {escape(said)}")
        if row["path"]:
            path = escape(row["path"])
            stdout().print(
                f"  wrote {path}; to judge it: {program()} receipt compare {path} --key {row['receipt_key']}"
            )
    stdout().print(f"[dim]{len(rows)} cases[/]")


def _row(case: receipts.Evidence, folder: Path | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "noted_at_ms": case.noted_at_ms,
        "boot_id": case.boot_id.hex(),
        "sequence": case.sequence,
        "receipt_key": case.public_key.hex(),
        "kind": None,
        "problem": None,
        "path": None,
    }
    try:
        first, second = (read_statement(SignedMessage.decode(data)) for data in (case.first, case.second))
        found = make_evidence(first, second, case.public_key)
    except ValueError as problem:
        return row | {"problem": str(problem)}
    if not isinstance(found, Evidence):
        return row | {"problem": found.value}
    path = None if folder is None else write_evidence(found, folder / evidence_name(found))
    return row | {"kind": found.kind.name, "path": None if path is None else str(path)}
