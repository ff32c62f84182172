"""Byte pipes: a listener's connections, carried to the enclave and back.

Invariants: bytes leave in the order and number in which they came, or the connection ends; nothing is parsed, so
nothing here can be confused by what passes; a side that is not read stops the other from being read, so that memory
per connection is bounded by two high-water marks and two reads; every connection ends when either side is gone,
silent for too long, or the enclave has stopped.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, cast

import structlog

from daas_host.config import Limits
from daas_protocol.transport import endpoint as endpoints
from daas_protocol.transport.endpoint import Endpoint
from daas_protocol.transport.streams import connect

SWEEPS_PER_TIMEOUT: Final = 8
"""Idle connections are looked for this often per time-out: one timer for all, because a timer per read would cost
more than the read.
"""
MAX_SWEEP_S: Final = 60.0
ACCEPT_PAUSE_S: Final = 0.1
"""After a failed accept (out of descriptors): without a pause the loop would spin on the same error."""
KEEPALIVE_S: Final = 60
"""A watch may be silent for an hour; TCP keep-alive finds a vanished peer in minutes."""

_LINGER_NOT: Final = struct.pack("ii", 1, 0)
"""struct linger{on, 0 s}: closing sends a reset and drops what is unsent."""

log = structlog.get_logger("daas_host.pipe")


@dataclass(slots=True)
class PipeStats:
    """Plain counters: the hot path adds nothing to them but its own pair's."""

    accepted: int = 0
    refused: dict[str, int] = field(default_factory=lambda: {"limit": 0, "enclave_unreachable": 0})
    closed: dict[str, int] = field(default_factory=lambda: {"idle": 0, "enclave_stopped": 0})
    to_enclave: int = 0
    from_enclave: int = 0


class Side(asyncio.Protocol):
    """One end of a pair: what it receives it writes to its peer."""

    __slots__ = ("_write", "count", "early", "ended", "lost", "pair", "peer", "sock", "transport")

    def __init__(self, pair: Pair, sock: socket.socket) -> None:
        self.pair = pair
        self.sock = sock
        self.count = 0
        self.ended = False
        self.lost = False
        self.early: list[bytes] = []
        self.transport: asyncio.Transport
        self.peer: Side
        # A method that changes instead of a branch: until the pair is linked there is nothing to write to.
        self._write: Callable[[bytes], None] = self._keep

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=self.pair.high_water)
        self.pair.made(self)

    def data_received(self, data: bytes) -> None:
        self.pair.idle = 0
        self.count += len(data)
        self._write(data)

    def _keep(self, data: bytes) -> None:
        # uvloop begins to read after connection_made whatever that says, so the pause can come only with
        # the first bytes.
        self.early.append(data)
        self.transport.pause_reading()

    def link(self, peer: Side) -> None:
        self.peer = peer
        self._write = peer.transport.write
        if self.early:
            # In this order: the write may overfill the peer, whose pause must be the last word.
            if not self.ended:
                self.transport.resume_reading()
            self._write(b"".join(self.early))
            self.early.clear()
        if self.ended:
            self._end_peer()

    def reset(self) -> None:
        """Ends this side at once, seen by its peer as an error where the transport has such a thing (TCP)."""
        _no_linger(self.sock)
        self.transport.abort()

    def eof_received(self) -> bool:
        self.ended = True
        self.pair.idle = 0
        if self.pair.linked:
            self._end_peer()
        return True

    def _end_peer(self) -> None:
        peer = self.peer
        if peer.transport.is_closing():
            return
        if peer.ended or not peer.transport.can_write_eof():
            peer.transport.close()
            self.transport.close()
        else:
            peer.transport.write_eof()

    def pause_writing(self) -> None:
        if self.pair.linked:
            peer = self.peer
            if not (peer.ended or peer.transport.is_closing()):
                peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.pair.linked:
            peer = self.peer
            # After its EOF, resuming would report that EOF a second time.
            if not (peer.ended or peer.transport.is_closing()):
                peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.pair.side_lost(self, exc)


class Pair:
    """The client's and the enclave's side of one connection."""

    __slots__ = ("_done", "client", "enclave", "high_water", "idle", "linked")

    def __init__(
        self, client: socket.socket, enclave: socket.socket, high_water: int, done: Callable[[Pair], None]
    ) -> None:
        self.high_water = high_water
        self.idle = 0
        self.linked = False
        self.client = Side(self, client)
        self.enclave = Side(self, enclave)
        self._done = done

    def made(self, side: Side) -> None:
        """The enclave's side is made first; with the client's, both exist, and bytes can flow from here on."""
        if side is not self.client:
            return
        if self.enclave.lost:
            side.reset()
            return
        self.linked = True
        # The client's side first: linking the other one may end it.
        self.client.link(self.enclave)
        self.enclave.link(self.client)

    def side_lost(self, side: Side, exc: Exception | None) -> None:
        if not self.linked:
            self._done(self)
            return
        peer = side.peer
        if not peer.lost and not peer.transport.is_closing():
            # An end without EOF is an error, and an error is passed on as one: the peer must not take
            # a cut stream for a whole one.
            if exc is None and side.ended:
                peer.transport.close()
            else:
                peer.reset()
        if peer.lost:
            self._done(self)

    def abort(self) -> None:
        for side in (self.client, self.enclave):
            if hasattr(side, "transport") and not side.lost:
                side.reset()

    @property
    def half_closed(self) -> bool:
        return self.client.ended or self.enclave.ended


class PipeServer:
    """Accepts on a listening socket and carries each connection to the enclave's endpoint."""

    def __init__(self, listener: socket.socket, target: Endpoint, limits: Limits) -> None:
        self._listener = listener
        self._target = target
        self._limits = limits
        self._pairs: set[Pair] = set()
        self._dialling: set[asyncio.Task[None]] = set()
        self._opening = 0
        self._reachable = True
        self._tasks: list[asyncio.Task[None]] = []
        self.stats = PipeStats()

    @property
    def connections(self) -> int:
        """Connections that are open or being made."""
        return len(self._pairs) + self._opening

    def bytes_total(self) -> tuple[int, int]:
        """Bytes so far (to the enclave, from it), of ended and of open connections."""
        return (
            self.stats.to_enclave + sum(pair.client.count for pair in self._pairs),
            self.stats.from_enclave + sum(pair.enclave.count for pair in self._pairs),
        )

    def start(self) -> None:
        """Begins to accept; call from a running loop."""
        self._listener.setblocking(False)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._accept()), loop.create_task(self._sweep())]

    async def stop_accepting(self) -> None:
        """Closes the listener; open connections stay."""
        if self._tasks:
            await _cancel(self._tasks[:1])
        self._listener.close()

    async def close(self) -> None:
        """Closes the listener and cuts every connection."""
        await self.stop_accepting()
        await _cancel(self._tasks)
        await self.cut("stopping")

    async def cut(self, reason: str) -> None:
        """Ends every connection at once, those that are still being made too: the enclave behind them is gone."""
        if reason in self.stats.closed:
            self.stats.closed[reason] += len(self._pairs)
        await _cancel(list(self._dialling))
        for pair in list(self._pairs):
            pair.abort()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(self._listener)
            except OSError as error:
                log.warning("accept_failed", error=str(error))
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            if self.connections >= self._limits.max_connections:
                self.stats.refused["limit"] += 1
                _refuse(client)
                continue
            self.stats.accepted += 1
            self._opening += 1
            task = loop.create_task(self._carry(client))
            self._dialling.add(task)
            task.add_done_callback(self._dialling.discard)

    async def _carry(self, client: socket.socket) -> None:
        try:
            enclave = await self._dial(client)
        except BaseException:
            self._opening -= 1
            _refuse(client)
            raise
        if enclave is None:
            self._opening -= 1
            _refuse(client)
            return
        pair = Pair(client, enclave, self._limits.write_buffer_bytes, self._ended)
        self._opening -= 1
        self._pairs.add(pair)
        # Each socket belongs to `connect` from the call on, then to its transport: closing it beside them would close
        # a descriptor that has been given to somebody else.
        try:
            await connect(lambda: pair.enclave, enclave)
        except BaseException as error:
            self._fail(pair, error)
            _refuse(client)
            if not isinstance(error, OSError):
                raise
            return
        try:
            await connect(lambda: pair.client, client)
        except BaseException as error:
            self._fail(pair, error)
            if not isinstance(error, OSError):
                raise

    async def _dial(self, client: socket.socket) -> socket.socket | None:
        try:
            _tune(client)
            enclave = await endpoints.dial(self._target, self._limits.connect_timeout_s)
            _tune(enclave)
        except OSError as error:
            self.stats.refused["enclave_unreachable"] += 1
            if self._reachable:
                # Once per outage: whoever can connect must not be able to fill the log.
                self._reachable = False
                log.warning("enclave_unreachable", error=str(error))
            return None
        if not self._reachable:
            self._reachable = True
            log.info("enclave_reachable")
        return enclave

    def _fail(self, pair: Pair, error: BaseException) -> None:
        pair.abort()
        self._ended(pair)
        log.debug("connection_failed", error=repr(error))

    def _ended(self, pair: Pair) -> None:
        if pair in self._pairs:
            self._pairs.remove(pair)
            self.stats.to_enclave += pair.client.count
            self.stats.from_enclave += pair.enclave.count

    async def _sweep(self) -> None:
        shortest = min(self._limits.idle_timeout_s, self._limits.half_close_timeout_s)
        period = min(shortest / SWEEPS_PER_TIMEOUT, MAX_SWEEP_S)
        while True:
            await asyncio.sleep(period)
            for pair in list(self._pairs):
                pair.idle += 1
                limit = self._limits.half_close_timeout_s if pair.half_closed else self._limits.idle_timeout_s
                # The first of these periods may have begun just before the last byte.
                if (pair.idle - 1) * period >= min(limit, self._limits.idle_timeout_s):
                    self.stats.closed["idle"] += 1
                    pair.abort()


def _tune(sock: socket.socket) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)


def _refuse(client: socket.socket) -> None:
    # A reset, not an orderly end: the client learns at once and no TIME_WAIT is left here by a flood.
    _no_linger(client)
    client.close()


def _no_linger(sock: socket.socket) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
