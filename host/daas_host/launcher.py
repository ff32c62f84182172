"""Keeps the enclave running: start, watch, report the end, start again.

Invariants: one enclave at a time; a crash is always reported with code or signal and the last lines before it is
tried again; the pause between tries doubles, so that a loop of crashes costs little and cannot look like booting
(`consecutive_crashes` says it). An enclave that exits with 0 chose to stop (drained, superseded) and is not started
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from daas_host.config import EnclaveLaunch, Limits
from daas_host.process import EnclaveProcess, Exit
from daas_host.state import EnclaveView, LastExit

START_FAILED_LINES: Final = "the enclave's program could not be started: {}"

log = structlog.get_logger("daas_host.launcher")


def backoff_ms(consecutive_crashes: int, limits: Limits) -> int:
    """Pause before the next start: the minimum after the first crash, twice as long after each further one, up
    to the maximum.
    """
    # The exponent is bounded first: 2**crashes of a loop that ran for a month would be a very long number.
    doubled = limits.restart_min_ms << min(max(consecutive_crashes - 1, 0), 20)
    return min(doubled, limits.restart_max_ms)


@dataclass(slots=True)
class Launcher:
    """`run` until `stop`. `on_change` is called after every change of `view`, `on_down` whenever the enclave
    has ended.
    """

    launch: EnclaveLaunch
    limits: Limits
    sink: Callable[[bytes], None]
    now_ms: Callable[[], int]
    on_change: Callable[[], None]
    on_down: Callable[[], Awaitable[None]]
    view: EnclaveView
    adopting: bool = False
    _process: EnclaveProcess | None = None
    _stopping: asyncio.Event | None = None

    async def run(self) -> None:
        """Returns when the enclave has ended after `stop`, or has exited with 0 of its own accord."""
        self._stopping = asyncio.Event()
        while not self._stopping.is_set():
            started = self.now_ms()
            end = await self._run_once(started)
            if self._stopping.is_set():
                break
            if end.orderly:
                log.info("enclave_stopped")
                break
            await self._back_off(end, started)
        self.view.state = "stopped"
        self.view.pid = None
        self.view.next_start_ms = None
        self.on_change()

    async def stop(self) -> None:
        """Closes the lifeline and, after `stop_timeout_s`, kills; returns when the enclave is gone."""
        if self._stopping is not None:
            self._stopping.set()
        if self._process is not None:
            self.view.state = "stopping"
            self.on_change()
            await self._process.stop(self.limits.stop_timeout_s)

    async def _run_once(self, started: int) -> Exit:
        self.view.state = "starting"
        self.view.next_start_ms = None
        try:
            process = EnclaveProcess.start(
                self.launch.argv, self.limits.enclave_line_bytes, self.sink, adopting=self.adopting
            )
        except OSError as error:
            end = Exit(None, None, (START_FAILED_LINES.format(error.strerror or type(error).__name__),))
        else:
            self._process = process
            self.view.state = "running"
            self.view.pid = process.pid
            self.view.started_at_ms = started
            log.info("enclave_started", pid=process.pid)
            self.on_change()
            assert self._stopping is not None
            if self._stopping.is_set():
                # Asked to stop while it was being started: `stop` had no process to stop.
                await process.stop(self.limits.stop_timeout_s)
            end = await process.wait()
            self._process = None
        await self.on_down()
        now = self.now_ms()
        self.view.pid = None
        self.view.last_exit = LastExit(end.code, end.signal, now, now - started, list(end.lines))
        return end

    async def _back_off(self, end: Exit, started: int) -> None:
        uptime_ms = self.now_ms() - started
        if uptime_ms >= self.limits.stable_after_s * 1000:
            self.view.consecutive_crashes = 0
        self.view.consecutive_crashes += 1
        pause = backoff_ms(self.view.consecutive_crashes, self.limits)
        self.view.state = "backing-off"
        self.view.next_start_ms = self.now_ms() + pause
        log.error(
            "enclave_crashed",
            code=end.code,
            signal=end.signal,
            uptime_ms=uptime_ms,
            consecutive=self.view.consecutive_crashes,
            restart_in_ms=pause,
            last_lines=list(end.lines),
        )
        self.on_change()
        assert self._stopping is not None
        try:
            async with asyncio.timeout(pause / 1000):
                await self._stopping.wait()
        except TimeoutError:
            self.view.restarts += 1
