"""`daas bench path`: the signed path beside `kubectl proxy`, in one run, on the same server and the same objects.

The rounds alternate between the two, so that whatever else the machine does hits both. Reported are medians over the
rounds. Both sides speak JSON over kept-alive HTTP/1.1 to the load generator; the signed side is TLS on loopback, as
kubectl uses it, `kubectl proxy` is plain HTTP, as it is.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .bench_setting import NAMESPACE, OBJECTS, MachineClock, Setting, cpu_seconds, run_loadgen

WARM_UP_SECONDS = 1.5
WATCH_EVENTS = 60
SMALL = f"/api/v1/namespaces/{NAMESPACE}"
LIST = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
WATCHED = f"/api/v1/namespaces/{NAMESPACE}/configmaps/item-000"
WATCH = f"{LIST}?watch=1&fieldSelector=metadata.name%3Ditem-000"
SIDES = ("kubectl proxy", "signed path")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure. `seconds` is one measurement of one side."""

    rounds: int = 3
    seconds: float = 4.0
    connections: int = 16


@dataclass(frozen=True, slots=True)
class Load:
    """Medians over the rounds; CPU in milliseconds per request, by process."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_ms_per_request: Mapping[str, float]
    foreign_share: float


@dataclass(frozen=True, slots=True)
class Pair:
    """One measurement of both sides."""

    proxy: Load
    signed: Load

    @property
    def ratio(self) -> float:
        """Requests per second of the signed path over those of kubectl proxy."""
        return self.signed.requests_per_second / self.proxy.requests_per_second

    @property
    def added_p50_ms(self) -> float:
        return self.signed.p50_ms - self.proxy.p50_ms


@dataclass(frozen=True, slots=True)
class Delivery:
    """From the first byte of a write to its watch event, milliseconds, medians over the rounds."""

    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class PathResult:
    """Everything of one run."""

    connections: int
    rounds: int
    cores: int
    foreign_share: float
    """The largest share of the machine that programs outside the benchmark took during one measurement: 0 to 1."""
    small: Pair
    list: Pair
    small_one: Pair
    list_one: Pair
    watch_proxy: Delivery
    watch_signed: Delivery


def _load(
    at: Setting, side: str, path: str, connections: int, seconds: float
) -> tuple[dict[str, Any], dict[str, float]]:
    url, flags = (at.proxy_url, []) if side == SIDES[0] else (at.known.gateway_url, at.signed_flags())
    base = ["load", "-url", url + path, "-c", str(connections), "-warmup", "0s", *flags]
    run_loadgen(at.loadgen, [*base, "-d", f"{WARM_UP_SECONDS}s"], WARM_UP_SECONDS)
    before, clock = cpu_seconds(at.pids), MachineClock.now()
    result = run_loadgen(at.loadgen, [*base, "-d", f"{seconds}s"], seconds)
    after, spent = cpu_seconds(at.pids), MachineClock.now()
    used = {name: after[name] - before[name] for name in after if name in before}
    result["foreign_share"] = clock.foreign_share(spent, sum(used.values()))
    return result, {name: value * 1000 / result["requests"] for name, value in used.items()}


def summarise(runs: Sequence[tuple[Mapping[str, Any], Mapping[str, float]]]) -> Load:
    """The medians of one side's rounds; errors are added up."""
    names = sorted({name for _, cpu in runs for name in cpu})
    return Load(
        requests_per_second=statistics.median(run["requests_per_second"] for run, _ in runs),
        p50_ms=statistics.median(run["latency"]["p50_ms"] for run, _ in runs),
        p99_ms=statistics.median(run["latency"]["p99_ms"] for run, _ in runs),
        errors=sum(run["errors"] for run, _ in runs),
        cpu_ms_per_request={name: statistics.median(cpu.get(name, 0.0) for _, cpu in runs) for name in names},
        foreign_share=max(run["foreign_share"] for run, _ in runs),
    )


def _pair(at: Setting, plan: Plan, path: str, connections: int, say: Callable[[str], None], what: str) -> Pair:
    runs: dict[str, list[tuple[dict[str, Any], dict[str, float]]]] = {side: [] for side in SIDES}
    for number in range(plan.rounds):
        for side in SIDES:
            say(f"{what}, round {number + 1} of {plan.rounds}, {side}")
            runs[side].append(_load(at, side, path, connections, plan.seconds))
    return Pair(summarise(runs[SIDES[0]]), summarise(runs[SIDES[1]]))


def _delivery(at: Setting, side: str) -> dict[str, Any]:
    """The writes of both sides go through kubectl proxy, so that only the watch differs."""
    url, flags = (at.proxy_url, []) if side == SIDES[0] else (at.known.gateway_url, at.signed_flags())
    arguments = ["watch", "-url", url + WATCH, "-write-url", at.proxy_url + WATCHED, "-n", str(WATCH_EVENTS), *flags]
    return run_loadgen(at.loadgen, arguments, 30)


def run(at: Setting, plan: Plan, say: Callable[[str], None]) -> PathResult:
    """Measures everything; `say` is told what is being done."""
    many = plan.connections
    small = _pair(at, plan, SMALL, many, say, f"small GET, {many} connections")
    listed = _pair(at, plan, LIST, many, say, f"LIST of {OBJECTS}, {many} connections")
    small_one = _pair(at, plan, SMALL, 1, say, "small GET, 1 connection")
    list_one = _pair(at, plan, LIST, 1, say, f"LIST of {OBJECTS}, 1 connection")
    watches: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for number in range(plan.rounds):
        for side in SIDES:
            say(f"watch, round {number + 1} of {plan.rounds}, {side}")
            watches[side].append(_delivery(at, side))

    def delivery(side: str) -> Delivery:
        times = [item["write_to_event"] for item in watches[side]]
        return Delivery(
            statistics.median(item["p50_ms"] for item in times), statistics.median(item["p99_ms"] for item in times)
        )

    pairs = (small, listed, small_one, list_one)
    foreign = max(side.foreign_share for pair in pairs for side in (pair.proxy, pair.signed))
    return PathResult(many, plan.rounds, os.cpu_count() or 1, foreign, *pairs, delivery(SIDES[0]), delivery(SIDES[1]))


def as_json(result: PathResult) -> dict[str, Any]:
    """The document of `daas bench path --json`."""
    value = asdict(result)
    for name, pair in (
        ("small", result.small),
        ("list", result.list),
        ("small_one", result.small_one),
        ("list_one", result.list_one),
    ):
        value[name] |= {"ratio": pair.ratio, "added_p50_ms": pair.added_p50_ms}
    value["watch_added_p50_ms"] = result.watch_signed.p50_ms - result.watch_proxy.p50_ms
    return value
