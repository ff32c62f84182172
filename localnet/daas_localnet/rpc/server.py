"""The network at a port, and what makes its checkpoints.

Invariant: a checkpoint is made soon after there are transactions for one, and now and then without; closing seals
nothing half, and ends every call with a status.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from grpclib.const import Status

from daas_localnet.node.network import Network

from .calls import Services, calls
from .connections import GrpcServer
from .node import Node
from .wire import Handlers

INTERVAL_S = 0.2
"""As on Sui: no checkpoint sooner after another one."""
IDLE_INTERVAL_S = 1.0
CLOSE_SECONDS = 2.0
"""For calls that run to end by themselves."""
_CLOSE_STEP = 0.01
log = logging.getLogger(__name__)


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """`interval_s`: between checkpoints; None: they are made on demand only. `idle_s`: when nothing happens."""

    interval_s: float | None = INTERVAL_S
    idle_s: float = IDLE_INTERVAL_S


class Driver:
    """Makes checkpoints. What fails here ends the task: a network that cannot certify must not go on."""

    def __init__(self, network: Network, now_ms: Callable[[], int], pace: Pace) -> None:
        self._network = network
        self._now_ms = now_ms
        self._pace = pace

    @property
    def paced(self) -> bool:
        return self._pace.interval_s is not None

    async def run(self) -> None:
        interval = self._pace.interval_s
        if interval is None:
            return
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(interval)
            now = loop.time()
            if self._network.pending or now - last >= self._pace.idle_s:
                last = now
                now_ms = self._now_ms()
                self._network.seal(now_ms, end_epoch=self._network.epoch_is_over(now_ms))


@dataclass(slots=True)
class Counters:
    """What has been done, for metrics."""

    calls: dict[tuple[str, str], int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def count(self, name: str, status: Status, seconds: float) -> None:
        key = (name, status.name)
        self.calls[key] = self.calls.get(key, 0) + 1
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds


class Running:
    """A network that is served. Made by `serve`."""

    def __init__(self, node: Node, services: Services, server: GrpcServer, port: int, counters: Counters) -> None:
        self.node = node
        self.services = services
        self.port = port
        self.counters = counters
        self._server = server
        self._driver: asyncio.Task[None] | None = None
        self._paced = False

    @property
    def network(self) -> Network:
        return self.node.network

    @property
    def failed(self) -> bool:
        """No checkpoints are made any more, though they should be."""
        return self._driver is not None and self._driver.done() and self._paced

    @property
    def connections(self) -> int:
        return len(self._server.connections)

    def drive(self, driver: Driver) -> None:
        self._paced = driver.paced
        self._driver = asyncio.create_task(driver.run())

    async def wait(self) -> None:
        """Until the driver fails. Raises what it did."""
        if self._driver is not None:
            await self._driver
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Stops taking calls, ends those that run, and seals what was executed."""
        if self._driver is not None:
            self._driver.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._driver
        self._server.refuse_connections()
        self.services.subscriptions.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                while self._server.busy:  # noqa: ASYNC110 (nothing tells)
                    await asyncio.sleep(_CLOSE_STEP)
        self._server.close()
        for one in tuple(self._server.connections):
            one.end()
        await self._server.wait_closed()
        if self.network.pending:
            self.network.seal(self.node.now_ms())


async def serve(
    network: Network,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    pace: Pace | None = None,
    now_ms: Callable[[], int] = wall_clock_ms,
) -> Running:
    """Starts serving; port 0 is a free one."""
    node = Node(network, now_ms)
    services = Services.of(node)
    counters = Counters()
    # It prints a traceback for whatever a client does wrong; what goes wrong here, `wire` logs by itself.
    logging.getLogger("grpclib").setLevel(logging.CRITICAL)
    server = GrpcServer(Handlers(dict(calls(services)), counters.count))
    await server.start(host, port)
    # Which class it is, is the loop's business (asyncio's or uvloop's).
    listening: Any = server._server
    bound: int = listening.sockets[0].getsockname()[1]
    running = Running(node, services, server, bound, counters)
    running.drive(Driver(network, now_ms, pace or Pace()))
    return running
