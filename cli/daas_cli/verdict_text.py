"""A verdict as people read it: a table of checks that also fits narrow terminals, then what it comes to."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from daas_attestation.moment import utc_text
from daas_attestation.verdict import Check, Outcome, Profile, Verdict

from .output import stdout
from .trust import anchor_text

WIDE = 110
"""From here on there is room for what was expected beside what was found; below, both share a column."""
_COLOURS = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.NOT_COMPARED: "yellow",
    Outcome.NOT_REACHED: "dim",
}


def print_verdict(verdict: Verdict, console: Console | None = None) -> None:
    """Checks, PCRs of an accepted document, and the last lines: verdict, anchor, time, what was not compared."""
    out = stdout() if console is None else console
    out.print(_table(verdict, wide=out.width >= WIDE))
    document = verdict.document
    if document is not None:
        pcrs = Table(box=None, pad_edge=False, show_header=False)
        pcrs.add_column(no_wrap=True)
        pcrs.add_column(overflow="fold")
        for index, value in sorted(document.pcrs.items()):
            if any(value):
                pcrs.add_row(f"PCR{index}", value.hex())
        out.print(pcrs)
    rules = "" if verdict.profile is Profile.STRICT else f" by the rules of profile {verdict.profile.value}"
    out.print(f"judged as of {utc_text(verdict.judged_at_ms)}{rules}")
    if verdict.not_compared:
        out.print(f"[yellow]not compared[/]: {', '.join(verdict.not_compared)}")
    said = "[bold green]accepted[/]" if verdict.accepted else "[bold red]refused[/]"
    out.print(f"{said}; trust anchor: {escape(anchor_text(verdict.anchor_kind))}")


def _table(verdict: Verdict, *, wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("CHECK", no_wrap=True)
    table.add_column("OUTCOME", no_wrap=True)
    if wide:
        table.add_column("EXPECTED", overflow="fold")
    table.add_column("FOUND", overflow="fold")
    for check in verdict.checks:
        outcome = f"[{_COLOURS[check.outcome]}]{check.outcome.value}[/]"
        cells = (_plain(check.expected), _plain(check.actual)) if wide else (_narrow(check),)
        table.add_row(check.name, outcome, *cells)
    return table


def _plain(text: str) -> str:
    # Some of it is a stranger's, and a terminal obeys control characters.
    return escape(text if text.isprintable() else ascii(text)[1:-1])


def _narrow(check: Check) -> str:
    """Both in one cell; what was found is enough where it is what was expected."""
    expected, actual = _plain(check.expected), _plain(check.actual)
    if not expected or expected == actual:
        return actual
    return f"{actual}\n[dim]expected {expected}[/]"
