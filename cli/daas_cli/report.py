"""What people read: the ends of `daas up`, `daas status` and `daas doctor`. Nothing simulated is shown as real."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .doctor import Finding, Level
from .gateway_client import mapping
from .home import Home
from .output import program, stdout
from .status import Seen
from .trust import anchor_text
from .up import UpResult

MIB = 1024 * 1024


def export_line(home: Home) -> str:
    """The line that makes kubectl use this instance."""
    return f"export KUBECONFIG={shlex.quote(str(home.kubeconfig))}"


def pcrs_of(attestation: Mapping[str, Any]) -> dict[str, str]:
    """PCRs by index as hex, whether the gateway names them by number or by text."""
    found = {}
    for index, value in mapping(attestation.get("pcrs")).items():
        found[str(index).lower().removeprefix("pcr")] = str(value)
    return dict(sorted(found.items(), key=lambda item: int(item[0]) if item[0].isdigit() else 99))


def receipts_kept(gateway: Mapping[str, Any]) -> int | None:
    """How many receipts the gateway keeps."""
    value = gateway.get("receipts")
    if isinstance(value, Mapping):
        value = value.get("verified")
    return value if isinstance(value, int) else None


def up_json(result: UpResult) -> dict[str, Any]:
    """The document of `daas up --json`."""
    return {
        "already_running": result.already_running,
        "home": str(result.home.root),
        "kubeconfig": str(result.home.kubeconfig),
        "server": result.instance.gateway_url,
        "attestation": dict(result.view.attestation),
        "receipts": result.view.gateway.get("receipts"),
        "namespaces": result.namespaces,
        "seconds": round(result.seconds, 2),
    }


def _rows(console: Console, rows: list[tuple[str, str]], indent: str = "") -> None:
    """Name and value a line, never cut: hashes are compared by eye and copied."""
    for name, value in rows:
        console.print(f"{indent}{name:<14} {escape(value)}")


def print_up(result: UpResult) -> None:
    """The end of `daas up`: how to use it, what was verified, how to stop it."""
    console = stdout()
    attestation = result.view.attestation
    pcrs = pcrs_of(attestation)
    kept = receipts_kept(result.view.gateway)
    head = "The instance was running already." if result.already_running else f"Running after {result.seconds:.0f} s."
    console.print(f"\n[bold green]{head}[/] Use it:\n")
    console.print(f"  {escape(export_line(result.home))}", style="bold")
    console.print("  kubectl get namespaces\n")
    console.print("[bold]Verified by the gateway on this machine[/]")
    _rows(
        console,
        [
            ("trust anchor", anchor_text(str(attestation.get("anchor", "unknown")))),
            ("PCR0", pcrs.get("0", "unknown")),
            ("receipt key", str(attestation.get("public_key", "unknown"))),
            ("receipts", f"{kept if kept is not None else 'unknown'}, each verified before its answer was handed on"),
            ("first answer", f"a list of {result.namespaces} namespaces"),
        ],
        indent="  ",
    )
    name = program()
    console.print(f"\nLook at it: {name} status    Stop it: {name} down    State: {escape(str(result.home.root))}")


def print_status(seen: Seen) -> None:
    """`daas status` for people."""
    console = stdout()
    if seen.problem:
        console.print(f"[bold red]{escape(seen.problem)}[/]")
        if seen.advice:
            console.print(f"[bold]next:[/] {escape(seen.advice)}")
    if seen.known is None:
        return
    phase = seen.view.phase
    colour = {"Serving": "green", "Paused": "yellow"}.get(phase, "yellow" if seen.reachable else "red")
    reason = f" ({escape(seen.view.phase_reason)})" if seen.view.phase_reason else ""
    console.print(f"{'phase':<14} [bold {colour}]{escape(phase)}[/]{reason}")
    rows = _attested(seen)
    kept = receipts_kept(seen.view.gateway)
    if kept is not None:
        rows.append(("receipts", f"{kept} verified since the gateway's start"))
    if seen.log is not None:
        rows.append(("log", f"{seen.log.size} leaves, root {seen.log.root}"))
    rows += [
        ("gateway", seen.known.gateway_url),
        ("cluster", seen.known.cluster_id),
        ("enclave", seen.known.enclave_id),
        ("home", str(seen.home.root)),
    ]
    _rows(console, rows)
    _print_components(console, seen)
    for note in seen.notes:
        console.print(f"[dim]note: {escape(note)}[/]")


def _attested(seen: Seen) -> list[tuple[str, str]]:
    attestation = seen.view.attestation
    if not attestation:
        return []
    rows = [("trust anchor", anchor_text(str(attestation.get("anchor", "unknown"))))]
    # Unused registers are zero; showing a dozen of them would hide those that say something.
    rows += [(f"PCR{index}", value) for index, value in pcrs_of(attestation).items() if set(value) != {"0"}]
    rows.append(("receipt key", str(attestation.get("public_key", "unknown"))))
    verified = attestation.get("verified_at_ms", attestation.get("verified_at"))
    if isinstance(verified, int):
        rows.append(("attested", f"{max(0, int(time.time() - verified / 1000))} s ago by this machine's gateway"))
    return rows


def _print_components(console: Console, seen: Seen) -> None:
    table = Table("COMPONENT", "STATE", "PID", "RESTARTS", "MEMORY", "", box=None, pad_edge=False, header_style="bold")
    for part in seen.components:
        colour = "green" if part.state in ("running", "ready") else "red" if part.state == "down" else "yellow"
        table.add_row(
            part.name,
            f"[{colour}]{escape(part.state)}[/]",
            "" if part.pid is None else str(part.pid),
            "" if part.restarts is None else str(part.restarts),
            "" if part.resident is None else f"{part.resident // MIB} MiB",
            escape(part.detail[:100]),
        )
    console.print()
    console.print(table)


def print_findings(found: list[Finding]) -> None:
    """`daas doctor` for people."""
    console = stdout()
    colours = {Level.OK: "green", Level.WARN: "yellow", Level.MISSING: "red"}
    for item in found:
        console.print(f"[{colours[item.level]}]{item.level.value:<8}[/] {escape(item.name):<14} {escape(item.detail)}")
        if item.fix:
            console.print(f"{'':<24}fix: {escape(item.fix)}", markup=True)
    if all(item.level is not Level.MISSING for item in found):
        console.print("nothing needed is missing")
