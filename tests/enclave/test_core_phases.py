"""The phase table: only its moves happen, everything else ends the boot."""

from __future__ import annotations

import itertools
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_enclave.phases import (
    HISTORY_LIMIT,
    MOVES,
    REASON_LIMIT,
    TERMINAL,
    IllegalMove,
    Phase,
    PhaseMachine,
    StalePhase,
    legal,
)

# DESIGN section 6, written out a second time on purpose: the table in the code is compared with the document's.
DOCUMENTED = {
    ("Booting", "Keys"),
    ("Keys", "ControlPlane"),
    ("ControlPlane", "Unregistered"),
    ("Unregistered", "Serving"),
    ("Serving", "Paused"),
    ("Paused", "Serving"),
    ("Serving", "Draining"),
    ("Paused", "Draining"),
    ("Draining", "Stopped"),
    ("Booting", "Stopped"),
    ("Keys", "Stopped"),
    ("ControlPlane", "Stopped"),
    ("Unregistered", "Stopped"),
}
PATHS = {
    Phase.BOOTING: [],
    Phase.KEYS: [Phase.KEYS],
    Phase.CONTROL_PLANE: [Phase.KEYS, Phase.CONTROL_PLANE],
    Phase.UNREGISTERED: [Phase.KEYS, Phase.CONTROL_PLANE, Phase.UNREGISTERED],
    Phase.SERVING: [Phase.KEYS, Phase.CONTROL_PLANE, Phase.UNREGISTERED, Phase.SERVING],
    Phase.PAUSED: [Phase.KEYS, Phase.CONTROL_PLANE, Phase.UNREGISTERED, Phase.SERVING, Phase.PAUSED],
    Phase.DRAINING: [Phase.KEYS, Phase.CONTROL_PLANE, Phase.UNREGISTERED, Phase.SERVING, Phase.DRAINING],
    Phase.STOPPED: [Phase.STOPPED],
    Phase.FAILED: [Phase.FAILED],
}


def machine_in(phase: Phase) -> PhaseMachine:
    machine = PhaseMachine(lambda: 1)
    for step in PATHS[phase]:
        machine.move(step, "way there")
    return machine


def test_the_table_is_the_documented_one() -> None:
    assert {(o.value, t.value) for o, row in MOVES.items() for t in row} == DOCUMENTED
    assert set(MOVES) == set(Phase)


@pytest.mark.parametrize(("origin", "target"), list(itertools.product(Phase, Phase)))
def test_each_of_all_pairs_moves_as_the_table_says(origin: Phase, target: Phase) -> None:
    machine = machine_in(origin)
    allowed = (origin.value, target.value) in DOCUMENTED or (target is Phase.FAILED and origin is not Phase.FAILED)
    if allowed:
        assert machine.move(target, "test").phase is target
    else:
        with pytest.raises(IllegalMove) as caught:
            machine.move(target, "test")
        assert (caught.value.actual, caught.value.wanted) == (origin, target)
        assert machine.current is Phase.FAILED


@given(st.lists(st.sampled_from(Phase), max_size=40))
def test_no_sequence_leaves_the_table_or_a_terminal_phase(targets: list[Phase]) -> None:
    machine = PhaseMachine(lambda: 1)
    for target in targets:
        before = machine.current
        try:
            machine.move(target, "random")
        except IllegalMove:
            assert not legal(before, target)
            assert machine.current is Phase.FAILED
        else:
            assert legal(before, target)
        assert before is not Phase.FAILED or machine.current is Phase.FAILED
        assert before not in TERMINAL or machine.current in TERMINAL
        assert machine.serving == (machine.current is Phase.SERVING)


def test_a_stale_state_moves_nothing() -> None:
    machine = PhaseMachine(lambda: 1)
    old = machine.state
    machine.move(Phase.KEYS, "first")
    with pytest.raises(StalePhase):
        machine.compare_and_swap(old, Phase.KEYS, "second")
    assert machine.current is Phase.KEYS


def test_an_equal_but_older_state_is_stale() -> None:
    machine = machine_in(Phase.SERVING)
    first = machine.state
    machine.move(Phase.PAUSED, "down")
    machine.move(Phase.SERVING, "up")
    with pytest.raises(StalePhase):
        machine.compare_and_swap(first, Phase.PAUSED, "by an old reading")


def test_of_many_threads_one_wins_each_swap() -> None:
    machine = machine_in(Phase.SERVING)
    state = machine.state
    won: list[bool] = []

    def attempt() -> None:
        try:
            machine.compare_and_swap(state, Phase.PAUSED, "race")
            won.append(True)
        except StalePhase:
            won.append(False)

    threads = [threading.Thread(target=attempt) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 15 + [True]


def test_history_and_reasons_are_bounded() -> None:
    machine = machine_in(Phase.SERVING)
    for _ in range(HISTORY_LIMIT):
        machine.move(Phase.PAUSED, "x" * 10_000)
        machine.move(Phase.SERVING, "up")
    assert len(machine.history) == HISTORY_LIMIT
    assert all(len(state.reason) <= REASON_LIMIT for state in machine.history)


def test_failing_keeps_the_first_reason_and_listeners_hear_each_move() -> None:
    machine = PhaseMachine(lambda: 7)
    heard: list[tuple[Phase, Phase]] = []
    machine.subscribe(lambda before, after: heard.append((before.phase, after.phase)))
    machine.fail("first")
    machine.fail("second")
    assert machine.state.reason == "first"
    assert machine.state.since_ms == 7
    assert heard == [(Phase.BOOTING, Phase.FAILED)]
