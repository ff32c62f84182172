"""`daas checkpoint verify`: a checkpoint of Sui judged as the enclave's light client does it, every check shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from daas_attestation.moment import utc_text
from daas_chain.sui import base58

from .errors import ExitCode, RefusedError, UnreadableError
from .output import JsonFlag, print_json, stdout

if TYPE_CHECKING:
    from daas_chain.light.verdict import Check, Verdict

MAX_FILE_BYTES = 32 * 1024 * 1024
"""The largest contents that a network makes; all other files are far smaller."""
_COLOURS = {"passed": "green", "failed": "bold red", "not reached": "dim"}

app = typer.Typer(
    help="Checkpoints of Sui: what a network has certified.\n\n"
    "A checkpoint lists transactions with the digests of their effects. It counts when validators with more than two "
    "thirds of the epoch's voting power have signed its summary; docs/light-client.md says what follows from that.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.callback()
def _group() -> None:
    """A group even with one command: more will follow."""


@app.command("verify")
def verify(
    committee: Annotated[
        Path,
        typer.Option(
            "--committee",
            metavar="FILE",
            help="Whom to trust: bcs(u64 epoch, vector<(bytes key, u64 power)>). Nothing here proves it; its anchor is "
            "shown for you to compare.",
        ),
    ],
    summary: Annotated[Path, typer.Option("--summary", metavar="FILE", help="bcs(CheckpointSummary).")],
    signature: Annotated[
        Path,
        typer.Option("--signature", metavar="FILE", help="bcs(u64 epoch, \\[u8; 48] signature, bytes signers bitmap)."),
    ],
    contents: Annotated[
        Path | None,
        typer.Option(
            "--contents", metavar="FILE", help="bcs(CheckpointContents), to check what the summary commits to."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Judge a checkpoint's certificate, check by check, against the committee of its epoch.

    Exit 0: accepted. 1: refused, malformed files included. 2: a file cannot be read, or an option is wrong. All files
    are raw BCS, as a node or an archive gives them.

    Without --contents only the summary is judged. An accepted summary says that this committee certified it, not that
    the committee is the network's: compare the anchor with one that you have from elsewhere.
    """
    # Here, because describing every structure of Sui takes a tenth of a second that no other command should wait for.
    from daas_chain.light.verdict import judge

    verdict = judge(_read(committee), _read(summary), _read(signature), None if contents is None else _read(contents))
    if as_json:
        print_json(_json(verdict))
    else:
        _print(verdict)
    if verdict.accepted:
        return
    if as_json:
        raise typer.Exit(int(ExitCode.REFUSED))
    failed = next(check for check in verdict.checks if check.outcome.value == "failed")
    raise RefusedError(f"refused: {failed.name}: expected {failed.expected}, found {failed.actual}", _next(failed))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as problem:
        raise UnreadableError(f"cannot read {path}: {problem.strerror}", "name a file that exists") from None
    if len(data) > MAX_FILE_BYTES:
        raise UnreadableError(f"{path} is larger than {MAX_FILE_BYTES} bytes", "is it the right file?")
    return data


def _next(failed: Check) -> str:
    if failed.name.endswith("structure"):
        return "give each option the file that it names; all are raw BCS, without hex or base64"
    if failed.name.endswith("epoch"):
        return "give the committee of the checkpoint's own epoch: the last checkpoint of the epoch before names it"
    return "get the files again, from another node if they stay the same"


def _json(verdict: Verdict) -> dict[str, object]:
    summary = verdict.summary
    return {
        "accepted": verdict.accepted,
        "checks": [
            {"name": check.name, "outcome": check.outcome.value, "expected": check.expected, "actual": check.actual}
            for check in verdict.checks
        ],
        "anchor": None if verdict.anchor is None else verdict.anchor.hex(),
        "checkpoint": None
        if summary is None or verdict.digest is None
        else {
            "epoch": summary.epoch,
            "sequence_number": summary.sequence_number,
            "digest": base58.encode(verdict.digest),
            "timestamp_ms": summary.timestamp_ms,
            "network_total_transactions": summary.network_total_transactions,
            "content_digest": base58.encode(summary.content_digest),
            "ends_epoch": summary.end_of_epoch is not None,
            "transactions": verdict.transactions,
        },
    }


def _print(verdict: Verdict) -> None:
    out = stdout()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("CHECK", "OUTCOME"):
        table.add_column(heading, no_wrap=True)
    table.add_column("FOUND", overflow="fold")
    for check in verdict.checks:
        found = escape(check.actual)
        if check.expected:
            found += f"\n[dim]expected {escape(check.expected)}[/]"
        table.add_row(check.name, f"[{_COLOURS[check.outcome.value]}]{check.outcome.value}[/]", found)
    out.print(table)
    summary = verdict.summary
    if summary is not None and verdict.digest is not None:
        out.print(
            f"checkpoint {summary.sequence_number} of epoch {summary.epoch}, {utc_text(summary.timestamp_ms)}, "
            f"digest {base58.encode(verdict.digest)}"
        )
        if summary.sequence_number == 0:
            out.print(f"the first of its chain, whose identifier is {verdict.digest[:4].hex()}")
        if verdict.transactions is None:
            out.print("[yellow]not compared[/]: contents (give --contents)")
    if verdict.anchor is not None:
        out.print(f"anchor of the committee: {verdict.anchor.hex()}")
    out.print("[bold green]accepted[/]" if verdict.accepted else "[bold red]refused[/]")
