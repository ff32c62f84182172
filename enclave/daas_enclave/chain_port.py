"""The chain port: what the host has from the chain comes in, what is to be submitted goes out.

Invariant: the host can only give and take. One connection is served, messages one after the other, and while one is
being verified nothing more is read; what the host does not take is bounded, and then the connection ends.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from daas_protocol.chain_feed import Checkpoint, History, Payload, Position, ToEnclave, ToHost, to_enclave
from daas_protocol.feed_stream import encode_message
from daas_protocol.transport import streams
from daas_protocol.transport.http1_common import as_transport

LARGE_BYTES: Final = 65_536
"""From here on a message is verified outside of the event loop: its hashes and lists cost milliseconds."""
MAX_UNSENT_BYTES: Final = 8 * 1024 * 1024
"""What may wait for a host that does not read: some hundred batches of receipts."""
FLUSH_POLL_SECONDS: Final = 0.01
_log = structlog.get_logger(__name__)

Verify = Callable[[ToEnclave], Callable[[], Sequence[ToHost]]]
"""Verifies one message, perhaps in a thread and never two at once; what it returns is called in the event loop."""


def size_of(message: ToEnclave) -> int:
    """About as many bytes as it had."""
    match message:
        case Checkpoint():
            return len(message.contents) + sum(part.size for part in message.parts)
        case History():
            return sum(len(event.contents) for event in message.events)
        case Payload():
            return len(message.data)


class ChainConnection(asyncio.Protocol):
    """One host connection."""

    def __init__(self, port: ChainPort) -> None:
        self._port = port
        self._decoder = to_enclave()
        self._waiting: deque[ToEnclave] = deque()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = as_transport(transport)
        self._port.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._waiting.clear()
        self._port.disconnected(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._waiting.extend(self._decoder.feed(data))
        except ValueError as error:
            _log.warning("chain_port_message_refused", problem=str(error))
            self.abort()
            return
        if self._waiting and self._task is None:
            if self._transport is not None:
                self._transport.pause_reading()
            self._task = asyncio.get_running_loop().create_task(self._work())
            self._task.add_done_callback(self._worked)

    async def _work(self) -> None:
        while self._waiting:
            message = self._waiting.popleft()
            # Of an older connection nothing more is taken: its messages would come between those of the new one.
            if not self._port.is_current(self):
                return
            await self._port.take(message)

    def _worked(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("chain_port_broken", error=type(error).__name__)
            self.abort()
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def write(self, data: bytes) -> bool:
        """Whether it goes out; a host that does not read loses its connection."""
        if self._transport is None or self._transport.is_closing():
            return False
        if self._transport.get_write_buffer_size() + len(data) > MAX_UNSENT_BYTES:
            _log.warning("chain_port_host_does_not_read")
            self.abort()
            return False
        self._transport.write(data)
        return True

    @property
    def unsent(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class ChainPort:
    """Serves the host; a new connection takes over from the one before.

    `position` is sent on connect and after each message. `attached` is called when a host has connected.
    """

    def __init__(self, verify: Verify, position: Callable[[], Position], attached: Callable[[], None]) -> None:
        self._verify = verify
        self._position = position
        self._attached = attached
        self._turn = asyncio.Lock()
        self._current: ChainConnection | None = None
        self._server: asyncio.AbstractServer | None = None

    async def serve(self, sock: socket.socket) -> None:
        self._server = await streams.serve(lambda: ChainConnection(self), sock)

    @property
    def is_attached(self) -> bool:
        return self._current is not None

    def is_current(self, connection: ChainConnection) -> bool:
        return self._current is connection

    def connected(self, connection: ChainConnection) -> None:
        if self._current is not None:
            self._current.abort()
        self._current = connection
        self.send(self._position())
        self._attached()

    def disconnected(self, connection: ChainConnection) -> None:
        if self._current is connection:
            self._current = None

    def send(self, message: ToHost) -> bool:
        """Whether a host is there to take it. Raises `BcsError` for a message above its limits."""
        return self._current is not None and self._current.write(encode_message(message))

    async def take(self, message: ToEnclave) -> None:
        async with self._turn:
            if size_of(message) >= LARGE_BYTES:
                taken = await asyncio.to_thread(self._verify, message)
            else:
                taken = self._verify(message)
            for answer in taken():
                self.send(answer)
            self.send(self._position())

    async def flush(self, seconds: float) -> None:
        """Waits until the host has taken everything, at most that long."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self._current is not None and self._current.unsent and loop.time() < end:  # noqa: ASYNC110 (the end of a boot)
            await asyncio.sleep(FLUSH_POLL_SECONDS)

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._current is not None:
            self._current.close()
