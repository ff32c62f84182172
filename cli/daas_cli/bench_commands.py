"""`daas bench`: measurements that anybody can repeat on their own machine."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from . import bench_path, bench_start, context
from .bench_path import SIDES, Delivery, Load, PathResult
from .bench_setting import OBJECTS, setting, temporary_instance
from .output import JsonFlag, Progress, print_json, stderr, stdout

app = typer.Typer(
    help="Measure on this machine: the signed path beside kubectl proxy, and a start.", no_args_is_help=True
)
MIB = 1024 * 1024
QUIET_SHARE = 0.1
"""What a desktop at rest takes, generously."""


@app.command("path")
def path(
    rounds: Annotated[int, typer.Option(help="How often the two sides alternate in each measurement.", min=1)] = 3,
    seconds: Annotated[float, typer.Option(help="Length of one measurement of one side.", min=0.5)] = 4.0,
    connections: Annotated[
        int, typer.Option("--connections", "-c", help="For the measurements under load.", min=1)
    ] = 16,
    use_running: Annotated[
        bool, typer.Option("--use-running", help="Measure on the running instance instead of a temporary one.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure the signed path (gateway, host, enclave) side by side with `kubectl proxy`.

    Same API server, same objects, alternating rounds; medians are shown. `kubectl proxy` runs with the cluster's admin
    kubeconfig out of the enclave's data folder: only process mode leaves that readable. Takes about two minutes.
    """
    home, settings = context.home(), context.load_settings(context.home())
    progress = Progress(quiet=as_json)
    plan = bench_path.Plan(rounds, seconds, connections)
    if use_running:
        with setting(home, settings) as at, progress.step("Measuring"):
            result = bench_path.run(at, plan, progress.detail)
    else:
        with (
            temporary_instance(settings, progress) as (own, _),
            setting(own, settings) as at,
            progress.step("Measuring"),
        ):
            result = bench_path.run(at, plan, progress.detail)
    if as_json:
        print_json(bench_path.as_json(result))
    else:
        _print_path(result)


def _print_path(result: PathResult) -> None:
    many = result.connections
    table = _table(f"Signed path beside kubectl proxy, medians of {result.rounds} alternating rounds", *SIDES, "")
    for name, pair in ((f"small GET, {many} conn.", result.small), (f"LIST of {OBJECTS}, {many} conn.", result.list)):
        rates = (f"{side.requests_per_second:,.0f}" for side in (pair.proxy, pair.signed))
        table.add_row(f"{name}, requests/s", *rates, f"{pair.ratio:.2f}x")
        table.add_row("  p50 / p99 ms", *_latencies(pair.proxy, pair.signed))
    for name, pair in (("small GET, 1 conn.", result.small_one), (f"LIST of {OBJECTS}, 1 conn.", result.list_one)):
        table.add_row(f"{name}, p50 / p99 ms", *_latencies(pair.proxy, pair.signed), f"{pair.added_p50_ms:+.2f} ms p50")
    added = result.watch_signed.p50_ms - result.watch_proxy.p50_ms
    table.add_row(
        "write to event, p50 / p99 ms", *_latencies(result.watch_proxy, result.watch_signed), f"{added:+.2f} ms p50"
    )
    stdout().print(table)
    columns = (
        (f"small GET, {SIDES[0]}", result.small.proxy.cpu_ms_per_request),
        (f"small GET, {SIDES[1]}", result.small.signed.cpu_ms_per_request),
        (f"LIST, {SIDES[0]}", result.list.proxy.cpu_ms_per_request),
        (f"LIST, {SIDES[1]}", result.list.signed.cpu_ms_per_request),
    )
    cpu = _table(f"CPU per request in ms, {many} connections", *(title for title, _ in columns))
    for name in sorted({name for _, used in columns for name in used}):
        cpu.add_row(name, *(f"{used.get(name, 0.0):.2f}" for _, used in columns))
    cpu.add_row("all", *(f"{sum(used.values()):.2f}" for _, used in columns))
    stdout().print()
    stdout().print(cpu)
    share = result.foreign_share
    advice = "; such figures are worth little, measure again when it is quiet" if share > QUIET_SHARE else ""
    stdout().print(
        f"\n{result.cores} cores; other programs took up to {share:.0%} of them during a measurement{advice}"
    )
    pairs = (result.small, result.list, result.small_one, result.list_one)
    if errors := sum(side.errors for pair in pairs for side in (pair.proxy, pair.signed)):
        stderr().print(f"[yellow]{errors} requests failed[/]")


def _latencies(*sides: Load | Delivery) -> list[str]:
    return [f"{side.p50_ms:.2f} / {side.p99_ms:.2f}" for side in sides]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim", title_style="bold")
    table.add_column("", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


@app.command("start")
def start(
    idle: Annotated[float, typer.Option(help="Seconds to leave it alone before memory is looked at.", min=0)] = 20.0,
    as_json: JsonFlag = False,
) -> None:
    """Measure a fresh start: time to /readyz, time of the whole `daas up`, and resident memory when idle."""
    result = bench_start.run(context.load_settings(context.home()), idle, Progress(quiet=as_json))
    if as_json:
        print_json(bench_start.as_json(result))
        return
    table = _table("A fresh start in a temporary folder", "measured", "goal")

    def seconds(value: float | None) -> str:
        return "unknown" if value is None else f"{value:.1f} s"

    table.add_row("etcd ready", seconds(result.etcd_ready_seconds), "")
    table.add_row(
        "server /readyz, from its start",
        seconds(result.server_ready_seconds),
        f"{bench_start.GOAL_READYZ_SECONDS:.0f} s",
    )
    table.add_row("daas up, to the first verified answer", seconds(result.up_seconds), "")
    table.add_row(
        "server + etcd, resident when idle",
        f"{result.control_plane_resident / MIB:.0f} MiB",
        f"{bench_start.GOAL_RESIDENT / MIB:.0f} MiB",
    )
    for name, value in sorted(result.resident.items()):
        table.add_row(f"    {name}", f"{value / MIB:.0f} MiB", "")
    stdout().print(table)
