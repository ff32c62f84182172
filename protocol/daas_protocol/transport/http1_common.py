"""What both ends of an HTTP/1.1 connection share: limits, refusals, back-pressure, the raw stream after an upgrade.

Invariant: no buffer here grows past a named limit, whatever the peer sends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, cast

Header = tuple[bytes, bytes]

#: Read-ahead per direction before reading from the peer is paused; two TLS records of the largest size.
READ_HIGH_WATER: Final = 32 * 1024
#: Unsent bytes after which writers wait; one frame of 64 KiB always fits.
WRITE_HIGH_WATER: Final = 64 * 1024
#: Bytes of a long answer given to a transport at once: over TLS it says only at the next write that it is full.
WRITE_PART: Final = 256 * 1024

REASONS: Final[dict[int, bytes]] = {s.value: s.phrase.encode() for s in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps for one connection; bytes and seconds."""

    head_bytes: int = 32 * 1024  # the API server accepts up to 1 MiB, kubectl never sends 4 KiB
    headers: int = 64
    body_bytes: int = 3 * 1024 * 1024  # the API server's own limit for a request
    head_timeout: float = 20.0  # from the first byte of a request to its last
    idle_timeout: float = 120.0  # between requests on a kept connection
    allow_chunked: bool = False
    continue_bodies: bool = False  # answer `Expect: 100-continue`; otherwise it is a header like others
    upgrades: frozenset[bytes] = frozenset({b"websocket", b"spdy/3.1"})


class HttpRefused(Exception):
    """The peer's HTTP was refused; carries the status (3 digits) and a Kubernetes reason for the answer."""

    status = 400
    reason = "BadRequest"


class MalformedRequest(HttpRefused):
    """Bytes that are not one well-formed HTTP/1.1 request."""


class HeadTooLarge(HttpRefused):
    status = 431
    reason = "RequestHeaderFieldsTooLarge"


class BodyTooLarge(HttpRefused):
    status = 413
    reason = "RequestEntityTooLarge"


class PipelinedRequest(HttpRefused):
    """Bytes of a second request before the first was answered."""


class ChunkedRequest(HttpRefused):
    status = 411
    reason = "LengthRequired"


class RepeatedHeader(HttpRefused):
    """A header that decides something was sent twice."""


class BodiesTooMany(HttpRefused):
    """All connections' bodies together are over the budget: nobody may fill memory before they are known."""

    status = 503
    reason = "ServiceUnavailable"


class UnsupportedUpgrade(HttpRefused):
    """An upgrade to something else than WebSocket or SPDY/3.1."""


class RequestTimedOut(HttpRefused):
    status = 408
    reason = "Timeout"


class ConnectionClosed(ConnectionError):
    """The peer closed or broke the connection before the message was whole."""


class ResponseMalformed(ConnectionError):
    """The server's answer is not well-formed HTTP/1.1, or its head is over the limit."""


class BodyBudget:
    """Bytes of request bodies that all connections of one server may hold together."""

    __slots__ = ("_limit", "held")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held = 0

    def take(self, size: int) -> None:
        """Raises BodiesTooMany, and then nothing was taken."""
        if self.held + size > self._limit:
            raise BodiesTooMany(f"request bodies under way are over {self._limit} bytes: try again in a moment")
        self.held += size

    def give(self, size: int) -> None:
        self.held -= size


class HeaderLookup:
    """Mixin over `headers`, a list of (lower-case name, value)."""

    __slots__ = ()
    headers: list[Header]

    def one(self, name: bytes) -> bytes | None:
        """The value of a header that may appear once.

        Raises:
            RepeatedHeader: it appears more than once.
        """
        found: bytes | None = None
        for key, value in self.headers:
            if key == name:
                if found is not None:
                    raise RepeatedHeader(f"header {name.decode('ascii', 'replace')} appears more than once")
                found = value
        return found

    def joined(self, name: bytes) -> bytes:
        """All values of a list-valued header joined by ", " (RFC 9110 section 5.3); empty when absent."""
        return b", ".join(value for key, value in self.headers if key == name)


class FlowControl:
    """Back-pressure towards the peer: `drain()` returns once the transport takes more bytes."""

    __slots__ = ("_lost", "_paused", "_waiters")

    def __init__(self) -> None:
        self._paused = False
        self._lost = False
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def paused(self) -> bool:
        """Whether the transport's buffer is full."""
        return self._paused

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._wake()

    def lost(self) -> None:
        self._lost = True
        self._wake()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)

    async def drain(self) -> None:
        """Waits while the transport's buffer is full.

        Raises:
            ConnectionClosed: the connection is gone.
        """
        while self._paused and not self._lost:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        if self._lost:
            raise ConnectionClosed("the peer has closed the connection")


class ByteQueue:
    """Bytes that arrived and were not taken yet; pauses the transport above READ_HIGH_WATER."""

    __slots__ = ("_chunks", "_error", "_paused", "_size", "_transport", "_waiter", "ended")

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self._transport = transport
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self.ended = False

    def feed(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)
        if self._size > READ_HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def end(self) -> None:
        self.ended = True
        self._wake()

    def fail(self, error: Exception) -> None:
        if not self.ended and self._error is None:
            self._error = error
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def take_nowait(self) -> bytes:
        """All bytes at hand, possibly none; resumes the transport."""
        if not self._chunks:
            return b""
        data = self._chunks.popleft() if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        if self._paused and self._transport is not None:
            self._paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
        return data

    async def read(self) -> bytes:
        """The bytes at hand, waiting for at least one; b"" at the end.

        Raises:
            ConnectionClosed: the stream broke before its end.
        """
        while True:
            data = self.take_nowait()
            if data:
                return data
            if self._error is not None:
                raise self._error
            if self.ended:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None


class RawStream:
    """A connection after `101 Switching Protocols`: bytes both ways, bounded, with back-pressure."""

    __slots__ = ("_flow", "_queue", "_transport")

    def __init__(self, transport: asyncio.Transport, queue: ByteQueue, flow: FlowControl) -> None:
        self._transport = transport
        self._queue = queue
        self._flow = flow

    async def read(self) -> bytes:
        """Next bytes, b"" once the peer has closed its side."""
        return await self._queue.read()

    async def write(self, data: bytes) -> None:
        if self._transport.is_closing():
            raise ConnectionClosed("the peer has closed the connection")
        self._transport.write(data)
        await self._flow.drain()

    def write_eof(self) -> None:
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        self._transport.close()


def as_transport(transport: asyncio.BaseTransport) -> asyncio.Transport:
    """asyncio hands Protocol.connection_made a BaseTransport though it is always a full Transport for streams."""
    return cast(asyncio.Transport, transport)


def peer_certificate(transport: asyncio.BaseTransport) -> bytes | None:
    """DER of the peer's TLS certificate, None without TLS or certificate."""
    ssl_object = transport.get_extra_info("ssl_object")
    return None if ssl_object is None else ssl_object.getpeercert(binary_form=True)
