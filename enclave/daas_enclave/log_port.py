"""The log port: leaves of the receipt log to the host, which keeps the tiles.

Invariant: the host can only take and acknowledge. Whatever it sends or withholds, receipts go on being signed, and
memory stays within the leaf buffer.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

import structlog

from daas_enclave.leaf_buffer import LeafBuffer
from daas_protocol.log_stream import LeafAck, LeafBatch, encode_message, leaf_acks
from daas_protocol.transport import streams
from daas_protocol.transport.http1_common import as_transport

BATCH_SECONDS: Final = 0.05
"""Leaves wait that long for company: a message for each would cost more than the receipt."""
_log = structlog.get_logger(__name__)


class LogConnection(asyncio.Protocol):
    """One host connection: sends new batches while the transport takes them, reads acknowledgements."""

    def __init__(self, port: LogPort) -> None:
        self._port = port
        self._decoder = leaf_acks()
        self._writable = True
        self._transport: asyncio.Transport | None = None
        self.sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = as_transport(transport)
        self.sent = self._port.leaves.first
        self._port.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._port.disconnected(self)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self.send()

    def data_received(self, data: bytes) -> None:
        try:
            for ack in self._decoder.feed(data):
                self._acknowledged(ack)
        except ValueError as error:
            _log.warning("log_port_ack_refused", problem=str(error))
            self.abort()

    def _acknowledged(self, ack: LeafAck) -> None:
        if ack.boot_id != self._port.boot_id:
            raise ValueError("the acknowledgement is for another boot")
        self._port.leaves.acknowledge(ack.next_index)

    def send(self) -> None:
        """Everything not sent on this connection yet, as far as the transport takes it."""
        while self._writable and self._transport is not None and not self._transport.is_closing():
            first, leaves = self._port.leaves.read(self.sent)
            if not leaves:
                return
            self.sent = first + len(leaves)
            self._transport.write(encode_message(LeafBatch(self._port.boot_id, first, tuple(leaves))))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class LogPort:
    """Serves the host; a new connection takes over from the one before."""

    def __init__(self, boot_id: bytes, leaves: LeafBuffer) -> None:
        self.boot_id = boot_id
        self.leaves = leaves
        self._current: LogConnection | None = None
        self._server: asyncio.AbstractServer | None = None
        self._task: asyncio.Task[None] | None = None

    async def serve(self, sock: socket.socket) -> asyncio.Task[None]:
        """The task that sends: if it ends by itself the host gets no more leaves."""
        self._server = await streams.serve(lambda: LogConnection(self), sock)
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(BATCH_SECONDS)
            if self._current is not None and self._current.sent < self.leaves.next:
                self._current.send()

    def connected(self, connection: LogConnection) -> None:
        if self._current is not None:
            # What it has not taken is sent again; to wait for it would keep each connection of a host that never reads.
            self._current.abort()
        self._current = connection
        connection.send()

    def disconnected(self, connection: LogConnection) -> None:
        if self._current is connection:
            self._current = None

    @property
    def attached(self) -> bool:
        return self._current is not None

    async def stop(self, deadline: float) -> None:
        """Waits until the host has acknowledged everything, at most until `deadline` (loop time); then closes."""
        loop = asyncio.get_running_loop()
        while self._current is not None and self.leaves.first < self.leaves.next and loop.time() < deadline:
            self._current.send()
            await asyncio.sleep(BATCH_SECONDS)
        if self._task is not None:
            self._task.cancel()
        if self._server is not None:
            self._server.close()
        if self._current is not None:
            self._current.close()
