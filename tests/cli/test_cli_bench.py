"""The benchmark's arithmetic: medians over alternating rounds, CPU per request, ratios."""

from __future__ import annotations

from typing import Any

import pytest

from daas_cli import bench_path
from daas_cli.bench_path import Delivery, Pair, PathResult, summarise
from daas_cli.bench_setting import MachineClock


def run(rate: float, p50: float, errors: int = 0) -> dict[str, Any]:
    return {
        "requests_per_second": rate,
        "latency": {"p50_ms": p50, "p99_ms": p50 * 2},
        "errors": errors,
        "requests": 10,
        "foreign_share": 0.1 * p50,
    }


def test_medians_ignore_one_disturbed_round_and_errors_are_added() -> None:
    load = summarise(
        [(run(100, 1, 1), {"gateway": 0.5}), (run(1, 90, 2), {"gateway": 9.0}), (run(110, 1.2), {"gateway": 0.6})]
    )
    assert load.requests_per_second == 100
    assert load.p50_ms == 1.2
    assert load.p99_ms == 2.4
    assert load.errors == 3
    assert load.foreign_share == pytest.approx(9.0)
    assert load.cpu_ms_per_request == {"gateway": 0.6}


def test_a_process_missing_from_a_round_counts_as_idle_there() -> None:
    assert summarise([(run(1, 1), {"a": 2.0}), (run(1, 1), {})]).cpu_ms_per_request == {"a": 1.0}


def test_ratio_and_added_latency_are_of_signed_over_proxy() -> None:
    pair = Pair(summarise([(run(200, 1.0), {})]), summarise([(run(100, 2.5), {})]))
    assert pair.ratio == 0.5
    assert pair.added_p50_ms == 1.5
    result = PathResult(16, 1, 2, 0.1, pair, pair, pair, pair, Delivery(1, 2), Delivery(3, 4))
    document = bench_path.as_json(result)
    assert document["small"]["ratio"] == 0.5
    assert document["small_one"]["added_p50_ms"] == 1.5
    assert document["watch_added_p50_ms"] == 2


def test_rounds_alternate_between_the_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def load(at: object, side: str, *rest: object) -> tuple[dict[str, Any], dict[str, float]]:
        seen.append(side)
        return run(1, 1), {}

    monkeypatch.setattr(bench_path, "_load", load)
    monkeypatch.setattr(bench_path, "_delivery", lambda at, side: {"write_to_event": {"p50_ms": 1.0, "p99_ms": 2.0}})
    bench_path.run(None, bench_path.Plan(rounds=3), lambda text: None)  # type: ignore[arg-type]
    assert seen == list(bench_path.SIDES) * 12


def test_other_programs_share_is_what_is_neither_idle_nor_ours() -> None:
    before = MachineClock(busy=100.0, total=1000.0, children=1.0)
    after = MachineClock(busy=107.0, total=1010.0, children=2.0)
    assert before.foreign_share(after, 4.0) == pytest.approx(0.2)
    assert before.foreign_share(after, 9.0) == 0.0
    assert before.foreign_share(before, 0.0) == 0.0
