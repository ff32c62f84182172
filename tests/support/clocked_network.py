"""A served network in a thread of this process, whose clock a test moves and whose answers a test loses."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from daas_localnet.opening import Options, open_network
from daas_localnet.rpc.execution_service import ExecutionService
from daas_localnet.rpc.faucet import Faucet
from daas_localnet.rpc.server import Pace, Running, serve, wall_clock_ms

from .move_world import built

CHECKPOINTS_SECONDS = 0.3
"""Five of them, at the pace below."""


@dataclass(slots=True)
class ClockedNetwork:
    """`known` and `give` as those of `LocalnetProcess`. `ahead_ms`: of the wall clock. `lost`: so many answers to
    executed transactions become an internal error; `slow_s`: all of them come so much later."""

    ahead_ms: int = 0
    lost: int = 0
    slow_s: float = 0.0
    executed: int = 0
    at_once: int = 0
    """The most answers that were awaited at one time."""
    _awaited: int = 0
    known: dict[str, Any] = field(default_factory=dict)
    _faucet: Faucet | None = None
    _running: Running | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    def now_ms(self) -> int:
        return wall_clock_ms() + self.ahead_ms

    def give(self, address: bytes) -> list[str]:
        assert self._loop is not None
        assert self._faucet is not None
        faucet = self._faucet

        async def ask() -> list[str]:
            return [f"0x{one.hex()}" for one in faucet.give(address).coins]

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(30)

    def move(self, ms: int) -> None:
        """The clock that transactions read goes on with the next checkpoint, so this waits for some."""
        self.ahead_ms += ms
        time.sleep(CHECKPOINTS_SECONDS)

    async def start(self) -> None:
        execute = ExecutionService.execute_transaction

        async def losing(service: ExecutionService, request: Any) -> Any:
            answer = await execute(service, request)
            self.executed += 1
            self._awaited += 1
            self.at_once = max(self.at_once, self._awaited)
            await asyncio.sleep(self.slow_s)
            self._awaited -= 1
            if self.lost:
                self.lost -= 1
                raise RuntimeError("the answer is lost")
            return answer

        with mock.patch.object(ExecutionService, "execute_transaction", losing):
            await self._serve()

    async def _serve(self) -> None:
        opened = open_network(Options(), built(), self.now_ms())
        self._running = await serve(opened.network, pace=Pace(0.02, 0.05), now_ms=self.now_ms)
        self._faucet = Faucet(self._running.node, opened.faucet)
        self._loop = asyncio.get_running_loop()
        self.known["rpc"] = f"http://127.0.0.1:{self._running.port}"

    async def stop(self) -> None:
        if self._running is not None:
            await self._running.close()


@contextmanager
def clocked() -> Iterator[ClockedNetwork]:
    network = ClockedNetwork()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(network.start(), loop).result(60)
        yield network
    finally:
        asyncio.run_coroutine_threadsafe(network.stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()
