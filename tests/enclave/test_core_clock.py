"""Time comes from the NSM's documents, never goes backwards, and never from the machine's clock."""

from __future__ import annotations

import ast
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_attestation.simulated import DevelopmentCa, SimulatedNsm
from daas_enclave import clock as clock_module
from daas_enclave.clock import (
    MAX_ROUND_TRIP_MS,
    MAX_STEP_BACK_MS,
    ClockError,
    NonceMismatch,
    NsmClock,
    SlowDocument,
    TimeWentBack,
)

START_MS = 1_790_000_000_000
CA = DevelopmentCa.generate(START_MS)


class World:
    """A Nitro side with its time, a monotonic clock, and ways to misbehave."""

    def __init__(self) -> None:
        self.nitro_ms = START_MS
        self.monotonic_ms = 5_000
        self.answer_takes_ms = 0
        self.replay: bytes | None = None
        self.broken = False
        self._nsm = SimulatedNsm(CA, {}, lambda: self.nitro_ms)

    @property
    def anchor(self):
        return self._nsm.anchor

    def random(self, n: int) -> bytes:
        return self._nsm.random(n)

    def describe(self):
        return self._nsm.describe()

    def attestation(self, *, nonce, user_data, public_key) -> bytes:
        if self.broken:
            raise OSError("no device")
        document = self._nsm.attestation(nonce=nonce, user_data=user_data, public_key=public_key)
        self.pass_ms(self.answer_takes_ms)
        return self.replay or document

    def pass_ms(self, ms: int) -> None:
        self.nitro_ms += ms
        self.monotonic_ms += ms

    def clock(self) -> NsmClock:
        return NsmClock(self, lambda: self.monotonic_ms * 1_000_000)


def test_there_is_no_time_before_the_first_document() -> None:
    with pytest.raises(ClockError):
        World().clock().now_ms()


def test_time_is_the_documents_carried_on_by_the_monotonic_clock() -> None:
    world = World()
    clock = world.clock()
    clock.sync()
    assert clock.now_ms() == START_MS
    world.pass_ms(59_000)
    assert clock.now_ms() == START_MS + 59_000
    assert clock.age_ms() == 59_000


def test_drift_is_corrected_at_the_next_document_and_reported() -> None:
    world = World()
    clock = world.clock()
    clock.sync()
    world.pass_ms(60_000)
    world.nitro_ms += 40
    assert clock.sync().step_ms == 40
    assert clock.now_ms() == START_MS + 60_040


def test_a_small_correction_backwards_stands_still_until_time_catches_up() -> None:
    world = World()
    clock = world.clock()
    clock.sync()
    world.pass_ms(60_000)
    before = clock.now_ms()
    world.nitro_ms -= 500
    assert clock.sync().step_ms == -500
    assert clock.now_ms() == before
    world.pass_ms(400)
    assert clock.now_ms() == before
    world.pass_ms(200)
    assert clock.now_ms() == before + 100


def test_a_document_from_the_past_is_refused_and_the_old_reading_stays() -> None:
    world = World()
    clock = world.clock()
    clock.sync()
    world.pass_ms(60_000)
    world.nitro_ms -= MAX_STEP_BACK_MS + 1_000
    with pytest.raises(TimeWentBack):
        clock.sync()
    assert clock.now_ms() == START_MS + 60_000
    assert clock.failures == 1


def test_a_replayed_document_is_refused() -> None:
    world = World()
    clock = world.clock()
    world.replay = world._nsm.attestation(nonce=b"old", user_data=None, public_key=None)
    with pytest.raises(NonceMismatch):
        clock.sync()


def test_a_document_that_took_too_long_says_too_little() -> None:
    world = World()
    clock = world.clock()
    world.answer_takes_ms = MAX_ROUND_TRIP_MS + 1
    with pytest.raises(SlowDocument):
        clock.sync()
    world.answer_takes_ms = 1_000
    assert clock.sync().error_ms == 501


def test_a_broken_nsm_is_counted_and_recovered_from() -> None:
    world = World()
    clock = world.clock()
    clock.sync()
    world.broken = True
    for _ in range(3):
        with pytest.raises(ClockError):
            clock.sync()
    assert clock.failures == 3
    assert clock.last_error is not None
    world.pass_ms(1_000)
    assert clock.now_ms() == START_MS + 1_000
    world.broken = False
    clock.sync()
    assert (clock.failures, clock.last_error) == (0, None)


@given(st.lists(st.tuples(st.integers(0, 120_000), st.integers(-9_000, 9_000), st.booleans()), max_size=8))
def test_it_never_goes_backwards(steps: list[tuple[int, int, bool]]) -> None:
    world = World()
    clock = world.clock()
    clock.sync()
    last = clock.now_ms()
    for passed, drift, sync in steps:
        world.pass_ms(passed)
        world.nitro_ms += drift
        if sync:
            try:
                clock.sync()
            except ClockError:
                pass
        assert clock.now_ms() >= last
        last = clock.now_ms()


def test_the_module_never_reads_the_machines_clock() -> None:
    called = {
        node.attr
        for node in ast.walk(ast.parse(inspect.getsource(clock_module)))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("time", "datetime")
    }
    assert called == {"monotonic_ns"}
