"""Supervision of the control plane's processes: crash, hang, slow start; restart with back-off; a truthful state.

Invariants: a component is `READY` only between a good probe and the next bad one, its exit, or its dependency's loss;
a crash shows at once (pidfd), not at the next probe; nothing is restarted faster than the back-off says; a component
never starts before what it depends on is ready. Deciding is pure and in `restart`, doing is here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from daas_enclave.child import BinaryError, Child, Command
from daas_enclave.probe import Health, Probe, ProbeResult
from daas_enclave.restart import Limits, RestartPolicy, State, Verdict, Watch
from daas_enclave.rotating_log import RotatingLog


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """What /status says of one component; times are the enclave's milliseconds."""

    name: str
    state: State
    since_ms: int
    pid: int | None
    restarts: int
    failures: int
    last_exit: str | None
    last_exit_at_ms: int | None
    detail: str
    ready_after_ms: int | None

    @property
    def ready(self) -> bool:
        return self.state is State.READY

    def as_json(self) -> dict[str, Any]:
        return {
            "state": self.state.value,
            "since_ms": self.since_ms,
            "pid": self.pid,
            "restarts": self.restarts,
            "consecutive_failures": self.failures,
            "last_exit": self.last_exit,
            "last_exit_at_ms": self.last_exit_at_ms,
            "detail": self.detail,
            "ready_after_ms": self.ready_after_ms,
        }


@dataclass(frozen=True, slots=True)
class Component:
    """What to supervise. `command` is built anew for each start; `depends_on` must be ready before a start."""

    name: str
    command: Callable[[], Command]
    probe: Probe
    log: RotatingLog
    limits: Limits = field(default_factory=Limits)
    policy: RestartPolicy = field(default_factory=RestartPolicy)


class Clocks:
    """The two clocks of a supervisor: `now_ms` for people, `monotonic_ms` for decisions."""

    def __init__(self, now_ms: Callable[[], int], monotonic_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self.monotonic_ms = monotonic_ms


Listener = Callable[[ComponentStatus, ComponentStatus], None]


class Supervised:
    """Runs one component until `stop()`. Listeners hear of every change of state, in the event loop."""

    def __init__(self, component: Component, clocks: Clocks, depends_on: Supervised | None = None) -> None:
        self._component = component
        self._clocks = clocks
        self._depends_on = depends_on
        self._dependents: list[Supervised] = []
        self._listeners: list[Listener] = []
        self._changed = asyncio.Event()
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._poke = asyncio.Event()
        self._watch = Watch(0, 0)
        self._killed_for: str | None = None
        self._status = ComponentStatus(
            component.name, State.STOPPED, clocks.now_ms(), None, 0, 0, None, None, "not started", None
        )
        if depends_on is not None:
            depends_on._dependents.append(self)

    @property
    def status(self) -> ComponentStatus:
        return self._status

    @property
    def ready(self) -> bool:
        """Ready itself, and all it depends on."""
        return self._status.ready and (self._depends_on is None or self._depends_on.ready)

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"supervise-{self._component.name}")

    async def stop(self, grace_s: float | None = None) -> None:
        """SIGTERM, SIGKILL after the grace time, and no restart. Returns when the process is gone."""
        self._stopping = True
        self._poke.set()
        self._set(state=State.STOPPING, detail="stopping")
        if self._child is not None:
            await self._child.stop(self._component.limits.stop_ms / 1000 if grace_s is None else grace_s)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._set(state=State.STOPPED, pid=None, detail="stopped")
        self._component.log.close()

    async def changed(self) -> None:
        """Returns at the next change of state."""
        await self._changed.wait()

    def _set(self, **fields: Any) -> None:
        before = self._status
        if "state" in fields and fields["state"] is not before.state:
            fields["since_ms"] = self._clocks.now_ms()
        after = replace(before, **fields)
        if after == before:
            return
        self._status = after
        if after.state is before.state:
            return
        event, self._changed = self._changed, asyncio.Event()
        event.set()
        for dependent in self._dependents:
            dependent._poke.set()
        for listener in self._listeners:
            listener(before, after)

    async def _run(self) -> None:
        failures = 0
        first = True
        while not self._stopping:
            await self._wait_for_dependency()
            if not first:
                self._set(restarts=self._status.restarts + 1)
            first = False
            ready_ms, end = await self._run_once()
            if self._stopping:
                return
            failures = self._component.policy.failures_after(failures, ready_ms)
            delay_ms = self._component.policy.delay_ms(failures)
            self._set(
                state=State.BACKOFF,
                pid=None,
                failures=failures,
                last_exit=end,
                last_exit_at_ms=self._clocks.now_ms(),
                detail=f"{end}; restart in {delay_ms} ms, its output is in logs/{self._component.name}.log",
                ready_after_ms=None,
            )
            await asyncio.sleep(delay_ms / 1000)

    async def _wait_for_dependency(self) -> None:
        dependency = self._depends_on
        while dependency is not None and not dependency.ready:
            self._set(state=State.WAITING, detail=f"waits for {dependency.status.name}")
            await dependency.changed()

    async def _run_once(self) -> tuple[int, str]:
        """One start to its end: the longest it had been ready (ms), and how it ended."""
        started = self._clocks.monotonic_ms()
        try:
            command = self._component.command()
            child = Child.start(command, self._component.log)
        except (BinaryError, OSError) as error:
            return 0, f"cannot start: {error}"
        self._child = child
        self._watch = Watch(started_ms=started, since_ms=started)
        self._killed_for = None
        self._set(state=State.STARTING, pid=child.pid, detail="started", ready_after_ms=None)
        watcher = asyncio.create_task(self._watch_child(child), name=f"watch-{self._component.name}")
        try:
            ended = await child.wait()
        finally:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher
            self._child = None
        reason = f"{ended} by the supervisor ({self._killed_for})" if self._killed_for else str(ended)
        ready_ms = self._watch.longest_ready_ms
        if self._watch.state is State.READY:
            ready_ms = max(ready_ms, self._clocks.monotonic_ms() - self._watch.since_ms)
        return ready_ms, reason

    async def _watch_child(self, child: Child) -> None:
        limits = self._component.limits
        while True:
            result = await self._probe()
            if child.exited or self._stopping:
                return
            excused = self._depends_on is not None and not self._depends_on.ready
            if excused and result.health is Health.READY:
                # A server that still answers from its cache while its store is gone is not ready.
                result = ProbeResult(Health.UNREADY, "its dependency is down")
            self._watch, verdict = self._watch.observe(result, self._clocks.monotonic_ms(), limits, excused=excused)
            watch = self._watch
            self._set(state=watch.state, detail=watch.detail, ready_after_ms=watch.ready_after_ms)
            if verdict is Verdict.KILL:
                self._killed_for = watch.detail
                child.kill()
                return
            interval = limits.probe_ready_ms if watch.state is State.READY else limits.probe_starting_ms
            self._poke.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._poke.wait(), interval / 1000)

    async def _probe(self) -> ProbeResult:
        """One probe within its time. One that breaks is silence: a dead watcher would leave READY standing."""
        try:
            async with asyncio.timeout(self._component.limits.answer_ms / 1000):
                return await self._component.probe()
        except TimeoutError:
            return ProbeResult(Health.SILENT, f"no answer within {self._component.limits.answer_ms} ms")
        except Exception as error:
            return ProbeResult(Health.SILENT, f"{type(error).__name__}: {error}"[:160])
