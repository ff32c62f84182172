"""What to do with a supervised process, decided without doing anything: states, back-off, and when slow is stuck."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from daas_enclave.probe import Health, ProbeResult


class State(Enum):
    WAITING = "waiting"  # for what it depends on
    STARTING = "starting"  # runs, has not been ready yet
    READY = "ready"
    UNREADY = "unready"  # was ready, now answers that it is not
    UNRESPONSIVE = "unresponsive"  # was ready, now does not answer
    BACKOFF = "backoff"  # ended, waits for its restart
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Delays between restarts: `base_ms` doubled up to `cap_ms`, forgotten after `healthy_ms` of being ready."""

    base_ms: int = 250
    cap_ms: int = 30_000
    healthy_ms: int = 60_000

    def delay_ms(self, failures: int) -> int:
        """How long to wait after the `failures`-th end in a row (from 1)."""
        # The shift is capped before it is made: after a week of crashes 2**failures has thousands of digits.
        return min(self.base_ms << min(failures - 1, 20), self.cap_ms)

    def failures_after(self, failures: int, ready_ms: int) -> int:
        """The count after one more end; a component that was ready long enough starts over at 1."""
        return 1 if ready_ms >= self.healthy_ms else failures + 1


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a component may take, milliseconds.

    A start inside an emulated enclave has taken 54 s; five minutes is not slow any more, it is stuck.
    """

    start_ms: int = 300_000
    probe_starting_ms: int = 250
    probe_ready_ms: int = 1_000
    answer_ms: int = 3_000
    silent_ms: int = 20_000
    unready_ms: int = 120_000
    stop_ms: int = 5_000


class Verdict(Enum):
    KEEP = "keep"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Watch:
    """One run of a component as its probes have shown it; times in monotonic milliseconds.

    `ready_after_ms` is from the start to the first good probe, `longest_ready_ms` the longest time ready without a gap.
    """

    started_ms: int
    since_ms: int
    state: State = State.STARTING
    detail: str = ""
    ready_after_ms: int | None = None
    longest_ready_ms: int = 0

    def observe(self, result: ProbeResult, now_ms: int, limits: Limits, *, excused: bool) -> tuple[Watch, Verdict]:
        """The next watch and what to do. `excused`: its dependency is down, so being unready is not its fault."""
        match result.health:
            case Health.READY:
                state = State.READY
            case _ if self.state is State.STARTING:
                state = State.STARTING
            case Health.UNREADY:
                state = State.UNREADY
            case Health.SILENT:
                state = State.UNRESPONSIVE
        since = self.since_ms if state is self.state else now_ms
        was_ready = self.state is State.READY
        after = replace(
            self,
            state=state,
            since_ms=since,
            detail=result.detail,
            ready_after_ms=now_ms - self.started_ms
            if state is State.READY and self.ready_after_ms is None
            else self.ready_after_ms,
            longest_ready_ms=max(self.longest_ready_ms, now_ms - self.since_ms) if was_ready else self.longest_ready_ms,
        )
        for_ms = now_ms - since
        match state:
            case State.STARTING if now_ms - self.started_ms >= limits.start_ms and not excused:
                return replace(after, detail=f"not ready {limits.start_ms} ms after its start"), Verdict.KILL
            case State.UNRESPONSIVE if for_ms >= limits.silent_ms and not excused:
                return replace(after, detail=f"hung: {result.detail}"), Verdict.KILL
            case State.UNREADY if for_ms >= limits.unready_ms and not excused:
                return replace(after, detail=f"unready too long: {result.detail}"), Verdict.KILL
        return after, Verdict.KEEP
