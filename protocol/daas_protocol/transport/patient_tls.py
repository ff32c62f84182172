"""A TLS client transport that never loses what the peer said before it closed.

Invariant: bytes that reached the socket are handed on before the connection counts as lost, also while reading is
paused, and also after a write failed. asyncio's and uvloop's own transports drop them in both cases: uvloop discards
what waits when a close arrives during a pause, and both give the connection up at the first failed write. Upgraded
streams meet both, because the API server closes as soon as it has written and the client still sends window updates.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, TypeVar

from daas_protocol.transport.streams import HANDSHAKE_TIMEOUT

P = TypeVar("P", bound=asyncio.Protocol)

READ_SIZE: Final = 64 * 1024


class PatientTransport(asyncio.Transport):
    """Drives a Protocol over a socket and an ssl.SSLObject. Made by `connect_patiently`."""

    def __init__(self, sock: socket.socket, tls: ssl.SSLObject, inward: ssl.MemoryBIO, outward: ssl.MemoryBIO) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._tls = tls
        self._inward = inward
        self._outward = outward
        self._unsent = bytearray()
        self._high = READ_SIZE
        self._protocol: asyncio.Protocol | None = None
        self._reading = asyncio.Event()
        self._reading.set()
        self._writer: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writes_fail = False
        self._writing_paused = False
        self._closed = False

    async def handshake(self) -> None:
        """Raises OSError (ssl.SSLError included)."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._send_pending()
                await self._receive()
            else:
                await self._send_pending()
                return

    def start(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol
        protocol.connection_made(self)
        self._reader = self._loop.create_task(self._read())

    async def _receive(self) -> None:
        data = await self._loop.sock_recv(self._sock, READ_SIZE)
        if data:
            self._inward.write(data)
        else:
            self._inward.write_eof()

    async def _send_pending(self) -> None:
        if data := self._outward.read():
            await self._loop.sock_sendall(self._sock, data)

    async def _read(self) -> None:
        assert self._protocol is not None
        lost: Exception | None = None
        try:
            while True:
                await self._reading.wait()
                try:
                    data = self._tls.read(READ_SIZE)
                except ssl.SSLWantReadError:
                    self._collect()
                    await self._receive()
                    continue
                if not data:
                    break
                self._protocol.data_received(data)
        except ssl.SSLZeroReturnError:
            pass
        except OSError as error:
            lost = error
        if lost is None:
            self._protocol.eof_received()
        self._end(lost)

    # asyncio.Transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed or self._writes_fail:
            return
        self._tls.write(data)
        self._collect()
        if len(self._unsent) > self._high and not self._writing_paused and self._protocol is not None:
            self._writing_paused = True
            self._protocol.pause_writing()

    def _collect(self) -> None:
        self._unsent += self._outward.read()
        if self._unsent and self._writer is None and not self._writes_fail:
            self._writer = self._loop.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._unsent:
                data = bytes(self._unsent)
                self._unsent.clear()
                await self._loop.sock_sendall(self._sock, data)
        except OSError:
            # Reading goes on: the peer may have said its last words before it stopped listening.
            self._writes_fail = True
            self._unsent.clear()
        finally:
            self._writer = None
            if self._writing_paused and self._protocol is not None:
                self._writing_paused = False
                self._protocol.resume_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = READ_SIZE if high is None else high

    def pause_reading(self) -> None:
        self._reading.clear()

    def resume_reading(self) -> None:
        self._reading.set()

    def is_closing(self) -> bool:
        return self._closed

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"ssl_object": self._tls, "socket": self._sock}.get(name, default)

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        """Closes at once; what was not sent yet is dropped."""
        if not self._closed:
            self._loop.call_soon(self._end, None)
            self._closed = True
            self._stop()

    def _stop(self) -> None:
        current = asyncio.current_task()
        for task in (self._reader, self._writer):
            if task is not None and task is not current:
                task.cancel()

    def _end(self, error: Exception | None) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is None:
            return
        self._closed = True
        self._stop()
        self._sock.close()
        protocol.connection_lost(error)


async def connect_patiently(
    factory: Callable[[], P], sock: socket.socket, *, tls: ssl.SSLContext, server_name: str
) -> P:
    """Handshakes (at most 10 s) over a connected, non-blocking socket and starts the protocol.

    Raises:
        OSError: the handshake failed (ssl.SSLError included) or timed out.
    """
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    transport = PatientTransport(sock, tls.wrap_bio(inward, outward, server_hostname=server_name), inward, outward)
    try:
        async with asyncio.timeout(HANDSHAKE_TIMEOUT):
            await transport.handshake()
    except BaseException:
        sock.close()
        raise
    protocol = factory()
    transport.start(protocol)
    return protocol
