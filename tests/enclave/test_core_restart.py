"""Restart decisions: back-off, patience with a slow start, none with a hang, and readiness that never lies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daas_enclave.probe import Health, ProbeResult
from daas_enclave.restart import Limits, RestartPolicy, State, Verdict, Watch

LIMITS = Limits(start_ms=10_000, silent_ms=3_000, unready_ms=6_000)
READY = ProbeResult(Health.READY, "ok")
UNREADY = ProbeResult(Health.UNREADY, "no")
SILENT = ProbeResult(Health.SILENT, "nothing")


def follow(steps: list[tuple[int, ProbeResult]], *, excused: bool = False) -> tuple[Watch, Verdict, int]:
    """Feed probes at absolute times; stops at the first KILL and says when that was."""
    watch, verdict, now = Watch(started_ms=0, since_ms=0), Verdict.KEEP, 0
    for now, result in steps:
        watch, verdict = watch.observe(result, now, LIMITS, excused=excused)
        if verdict is Verdict.KILL:
            break
    return watch, verdict, now


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.integers(0, 1_000_000))
def test_the_delay_doubles_up_to_its_cap_for_any_number_of_failures(failures: int, base: int, cap: int) -> None:
    policy = RestartPolicy(base_ms=base, cap_ms=cap)
    delay = policy.delay_ms(failures)
    assert delay <= cap
    assert policy.delay_ms(failures + 1) >= delay
    assert policy.delay_ms(1) == min(base, cap)


@given(st.integers(0, 1000), st.integers(0, 200_000))
def test_failures_are_forgotten_after_a_healthy_time_only(failures: int, ready_ms: int) -> None:
    policy = RestartPolicy(healthy_ms=60_000)
    assert policy.failures_after(failures, ready_ms) == (1 if ready_ms >= 60_000 else failures + 1)


def test_a_slow_start_is_left_alone_until_its_limit() -> None:
    watch, verdict, now = follow([(t, SILENT) for t in range(0, 20_000, 250)])
    assert (verdict, now) == (Verdict.KILL, 10_000)
    assert watch.state is State.STARTING
    watch, verdict, _ = follow([*((t, SILENT) for t in range(0, 9_900, 250)), (9_950, READY)])
    assert (watch.state, verdict, watch.ready_after_ms) == (State.READY, Verdict.KEEP, 9_950)


def test_a_hang_shows_at_once_and_is_killed_after_its_limit() -> None:
    watch, verdict, _ = follow([(100, READY), (1_100, SILENT)])
    assert (watch.state, verdict) == (State.UNRESPONSIVE, Verdict.KEEP)
    watch, verdict, now = follow([(100, READY), *((t, SILENT) for t in range(1_100, 9_000, 100))])
    assert (verdict, now) == (Verdict.KILL, 4_100)
    assert watch.detail.startswith("hung")


def test_being_unready_is_borne_longer_than_silence() -> None:
    _, verdict, now = follow([(100, READY), *((t, UNREADY) for t in range(1_000, 20_000, 100))])
    assert (verdict, now) == (Verdict.KILL, 7_000)


def test_nothing_is_killed_for_what_its_dependency_does() -> None:
    steps = [(100, READY), *((t, SILENT) for t in range(1_000, 60_000, 500))]
    watch, verdict, _ = follow(steps, excused=True)
    assert (watch.state, verdict) == (State.UNRESPONSIVE, Verdict.KEEP)
    _, verdict, _ = follow([(t, SILENT) for t in range(0, 60_000, 500)], excused=True)
    assert verdict is Verdict.KEEP


def test_a_recovery_resets_the_patience() -> None:
    flapping = [(t, READY if t % 2_000 == 0 else SILENT) for t in range(0, 60_000, 500)]
    watch, verdict, _ = follow(flapping)
    assert verdict is Verdict.KEEP
    assert watch.longest_ready_ms <= 500


@given(st.lists(st.tuples(st.integers(0, 500), st.sampled_from([READY, UNREADY, SILENT])), max_size=60))
def test_ready_means_that_the_last_probe_was_good(steps: list[tuple[int, ProbeResult]]) -> None:
    watch, now = Watch(started_ms=0, since_ms=0), 0
    for gap, result in steps:
        now += gap
        watch, verdict = watch.observe(result, now, LIMITS, excused=False)
        assert (watch.state is State.READY) == (result.health is Health.READY)
        assert verdict is Verdict.KEEP or watch.state is not State.READY
        assert watch.longest_ready_ms <= now
