"""The phases of a boot and the only moves between them.

Invariant: the phase is changed by compare-and-swap along `MOVES` and in no other way; a move outside the table ends
in `FAILED`, which nothing leaves. State is immutable: whoever holds a `PhaseState` holds what was true at `since_ms`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

# What /status shows of the past: a flapping control plane must not grow memory.
HISTORY_LIMIT: Final = 32
# A reason is for people to read in one line; it may come from an exception of any length.
REASON_LIMIT: Final = 300


class Phase(Enum):
    BOOTING = "Booting"
    KEYS = "Keys"
    CONTROL_PLANE = "ControlPlane"
    UNREGISTERED = "Unregistered"
    SERVING = "Serving"
    PAUSED = "Paused"
    DRAINING = "Draining"
    STOPPED = "Stopped"
    FAILED = "Failed"


# Every legal move. FAILED is reachable from everywhere and is left out of the rows for that reason only.
MOVES: Final[Mapping[Phase, frozenset[Phase]]] = MappingProxyType(
    {
        Phase.BOOTING: frozenset({Phase.KEYS, Phase.STOPPED}),
        Phase.KEYS: frozenset({Phase.CONTROL_PLANE, Phase.STOPPED}),
        Phase.CONTROL_PLANE: frozenset({Phase.UNREGISTERED, Phase.STOPPED}),
        Phase.UNREGISTERED: frozenset({Phase.SERVING, Phase.STOPPED}),
        Phase.SERVING: frozenset({Phase.PAUSED, Phase.DRAINING}),
        Phase.PAUSED: frozenset({Phase.SERVING, Phase.DRAINING}),
        Phase.DRAINING: frozenset({Phase.STOPPED}),
        Phase.STOPPED: frozenset(),
        Phase.FAILED: frozenset(),
    }
)

TERMINAL: Final = frozenset({Phase.STOPPED, Phase.FAILED})


class PhaseError(Exception):
    """A move that did not happen."""


class IllegalMove(PhaseError):
    """The move is not in the table; the phase is now `FAILED`."""

    def __init__(self, actual: Phase, wanted: Phase) -> None:
        super().__init__(f"no move leads from {actual.value} to {wanted.value}; the boot has failed, start a new one")
        self.actual = actual
        self.wanted = wanted


class StalePhase(PhaseError):
    """The state compared against is not the current one; nothing was changed."""

    def __init__(self, expected: PhaseState, actual: PhaseState) -> None:
        super().__init__(
            f"the phase is {actual.phase.value} (revision {actual.revision}), "
            f"not {expected.phase.value} (revision {expected.revision}): read it again"
        )
        self.expected = expected
        self.actual = actual


@dataclass(frozen=True, slots=True)
class PhaseState:
    """One phase as it was entered. `revision` counts moves since boot, `since_ms` is the enclave's time."""

    phase: Phase
    revision: int
    since_ms: int
    reason: str


def legal(origin: Phase, target: Phase) -> bool:
    """Whether the table has the move. `FAILED` stays `FAILED`: entering it again is no move."""
    if target is Phase.FAILED:
        return origin is not Phase.FAILED
    return target in MOVES[origin]


Listener = Callable[[PhaseState, PhaseState], None]


class PhaseMachine:
    """Holder of the one current `PhaseState`. Thread-safe; listeners run after the swap, in the mover's thread."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._state = PhaseState(Phase.BOOTING, 0, now_ms(), "started")
        self._history: deque[PhaseState] = deque([self._state], maxlen=HISTORY_LIMIT)
        self._listeners: list[Listener] = []

    @property
    def state(self) -> PhaseState:
        return self._state

    @property
    def current(self) -> Phase:
        return self._state.phase

    @property
    def serving(self) -> bool:
        return self._state.phase is Phase.SERVING

    @property
    def history(self) -> tuple[PhaseState, ...]:
        """The last moves, oldest first, at most `HISTORY_LIMIT`."""
        with self._lock:
            return tuple(self._history)

    def subscribe(self, listener: Listener) -> None:
        """`listener(before, after)` is called for every later move. It must not raise and must not move the phase."""
        self._listeners.append(listener)

    def compare_and_swap(self, expected: PhaseState, target: Phase, reason: str) -> PhaseState:
        """Move from exactly `expected` to `target`.

        Raises `StalePhase` when somebody else moved first (nothing changes), `IllegalMove` when the table lacks the
        move (the phase is `FAILED` afterwards).
        """
        with self._lock:
            before = self._state
            if before is not expected:
                raise StalePhase(expected, before)
            allowed = legal(before.phase, target)
            if before.phase is Phase.FAILED:
                raise IllegalMove(before.phase, target)
            landed = target if allowed else Phase.FAILED
            note = reason if allowed else f"illegal move {before.phase.value} -> {target.value}: {reason}"
            after = PhaseState(landed, before.revision + 1, self._now_ms(), note[:REASON_LIMIT])
            self._state = after
            self._history.append(after)
        for listener in self._listeners:
            listener(before, after)
        if not allowed:
            raise IllegalMove(before.phase, target)
        return after

    def move(self, target: Phase, reason: str) -> PhaseState:
        """Move from whatever the phase is now; retried while others move first, illegal as soon as the table says so.

        Bounded by the table itself: every lost race is somebody's move, and the moves without a cycle through
        Serving and Paused are fewer than ten.
        """
        while True:
            try:
                return self.compare_and_swap(self._state, target, reason)
            except StalePhase:
                continue

    def fail(self, reason: str) -> PhaseState:
        """End in `FAILED`; a machine already there keeps its first reason."""
        while True:
            state = self._state
            if state.phase is Phase.FAILED:
                return state
            try:
                return self.compare_and_swap(state, Phase.FAILED, reason)
            except StalePhase:
                continue
