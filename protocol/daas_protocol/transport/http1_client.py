"""One HTTP/1.1 client connection on asyncio.Protocol and httptools, and a pool of them.

Invariants: one request at a time; a connection goes back to the pool only after an answer that ended cleanly and
said keep-alive; bytes that arrive when nothing was asked break the connection (response splitting).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import httptools

from daas_protocol.transport.http1_common import (
    WRITE_HIGH_WATER,
    ByteQueue,
    ConnectionClosed,
    FlowControl,
    Header,
    HeaderLookup,
    RawStream,
    ResponseMalformed,
    as_transport,
)

#: Head of an answer; the API server's own are below 2 KiB.
MAX_RESPONSE_HEAD: Final = 64 * 1024
MAX_RESPONSE_HEADERS: Final = 100


class Response(HeaderLookup):
    """The head of an answer, and its body as it arrives. After 101 `raw` is the connection itself."""

    __slots__ = ("_connection", "_queue", "headers", "raw", "status")

    def __init__(self, connection: ClientConnection, status: int, headers: list[Header], queue: ByteQueue) -> None:
        self._connection = connection
        self._queue = queue
        self.status = status
        self.headers = headers
        self.raw: RawStream | None = None

    async def read(self) -> bytes:
        """Next decoded body bytes, waiting for at least one; b"" after the last.

        Raises:
            ConnectionClosed: the answer broke before its end.
        """
        return await self._queue.read()

    async def read_up_to(self, limit: int) -> tuple[bytes, bool]:
        """Body bytes until the end or until more than `limit` are there; says whether that was all."""
        queue = self._queue
        first = queue.take_nowait()
        if queue.ended:
            return first, True
        chunks, size = ([first], len(first)) if first else ([], 0)
        while size <= limit:
            data = await queue.read()
            if not data:
                return b"".join(chunks), True
            chunks.append(data)
            size += len(data)
        return b"".join(chunks), False

    @property
    def complete(self) -> bool:
        """Whether the whole body has arrived (it may still wait to be read)."""
        return self._queue.ended

    def close(self) -> None:
        """Gives up on the rest of the answer: closes the connection unless the answer is complete."""
        if self._queue.ended:
            # What nobody reads may have paused the connection, and its next answer would never be read.
            self._queue.take_nowait()
        else:
            self._connection.close()


class ClientConnection(asyncio.Protocol):
    """Sends one request at a time and hands out its answer as soon as the head is there."""

    def __init__(self, on_close: Callable[[ClientConnection], None] | None = None) -> None:
        self._on_close = on_close
        self._flow = FlowControl()
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[Response] | None = None
        self._response: Response | None = None
        self._queue: ByteQueue | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._headers: list[Header] = []
        self._head_size = 0
        self._raw = False
        self.closed = False
        self.reusable = True
        self.idle_since = self._loop.time()
        self.state: dict[str, object] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = as_transport(transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.reusable = False
        self._flow.lost()
        if self._parser is not None and self._queue is not None and not self._queue.ended and not self._raw:
            # An answer that only the end of the connection delimits counts as broken: the API server never sends one.
            self._fail(ConnectionClosed("the connection broke in the middle of the answer"))
        elif self._queue is not None and self._raw:
            self._queue.end()
        self._fail_waiter(ConnectionClosed("the connection was closed before an answer came"))
        if self._on_close is not None:
            self._on_close(self)

    def pause_writing(self) -> None:
        self._flow.pause()

    def resume_writing(self) -> None:
        self._flow.resume()

    def eof_received(self) -> bool:
        if self._raw and self._queue is not None:
            self._queue.end()
            return self.transport.get_extra_info("ssl_object") is None
        return False

    def data_received(self, data: bytes) -> None:
        if self._raw and self._queue is not None:
            self._queue.feed(data)
            return
        if self._parser is None:
            self.reusable = False
            self.transport.abort()
            return
        if self._response is None:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
            if self._response is None and self._head_size > MAX_RESPONSE_HEAD:
                raise ResponseMalformed(f"answer head over {MAX_RESPONSE_HEAD} bytes")
        except httptools.HttpParserUpgrade as upgrade:
            self._switch(data[upgrade.args[0] :])
        except (httptools.HttpParserError, ResponseMalformed) as error:
            self._fail(ResponseMalformed(f"the answer is not well-formed HTTP/1.1: {error}"))
            self.transport.abort()
            return
        if self._response is not None and self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            if not waiter.done():
                waiter.set_result(self._response)

    # httptools callbacks

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self._headers) >= MAX_RESPONSE_HEADERS:
            raise ResponseMalformed(f"more than {MAX_RESPONSE_HEADERS} answer headers")
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._headers = []
            return
        self._queue = ByteQueue(self.transport)
        self._response = Response(self, status, self._headers, self._queue)

    def on_body(self, body: bytes) -> None:
        assert self._queue is not None
        self._queue.feed(body)

    def on_message_complete(self) -> None:
        if self._response is None or self._parser is None:
            return
        if self._response.status == 101:
            return
        assert self._queue is not None
        self.reusable = self.reusable and self._parser.should_keep_alive()
        self._queue.end()
        self._parser = None
        self.idle_since = self._loop.time()

    # use

    async def request(self, head: bytes, body: bytes = b"") -> Response:
        """Sends `head` (request line to the empty line, as bytes) and `body`; returns when the answer's head is there.

        Raises:
            ConnectionClosed: no answer came.
            ResponseMalformed: the answer is not HTTP/1.1.
        """
        if self.closed or self._waiter is not None or self._parser is not None:
            raise ConnectionClosed("the connection is closed or busy")
        self._parser = httptools.HttpResponseParser(self)
        self._headers = []
        self._head_size = 0
        self._response = None
        self._queue = None
        waiter: asyncio.Future[Response] = self._loop.create_future()
        self._waiter = waiter
        self.transport.write(head + body if body else head)
        try:
            return await waiter
        except asyncio.CancelledError:
            self.close()
            raise

    def _switch(self, rest: bytes) -> None:
        if self._response is None or self._response.status != 101:
            self._fail(ResponseMalformed("an upgrade that was not answered 101"))
            self.transport.abort()
            return
        assert self._queue is not None
        self._raw = True
        self.reusable = False
        self._response.raw = RawStream(self.transport, self._queue, self._flow)
        if rest:
            self._queue.feed(rest)

    def _fail(self, error: Exception) -> None:
        self.reusable = False
        if self._queue is not None:
            self._queue.fail(error)
        self._fail_waiter(error)

    def _fail_waiter(self, error: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)

    @property
    def busy(self) -> bool:
        """Whether an answer is under way."""
        return self._parser is not None or self._waiter is not None

    def close(self) -> None:
        """Closes without waiting; an answer under way breaks."""
        self.reusable = False
        if not self.closed:
            self.transport.abort()


class Pool:
    """Keeps idle connections to one place; `connect` makes a new one (with whatever handshake and check belongs to it).

    At most `max_idle` wait and `max_total` exist; beyond that `acquire` waits for its turn.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[ClientConnection]],
        *,
        max_idle: int,
        max_total: int,
        idle_seconds: float = 60.0,
    ) -> None:
        self._connect = connect
        self._idle: deque[ClientConnection] = deque()
        self._max_idle = max_idle
        self._slots = asyncio.Semaphore(max_total)
        self._idle_seconds = idle_seconds

    async def acquire(self, *, fresh: bool = False) -> ClientConnection:
        """An idle connection (the most recently used), or a new one; `fresh` always connects."""
        await self._slots.acquire()
        now = asyncio.get_running_loop().time()
        while self._idle and not fresh:
            connection = self._idle.pop()
            if connection.reusable and not connection.closed and now - connection.idle_since < self._idle_seconds:
                return connection
            connection.close()
        try:
            return await self._connect()
        except BaseException:
            self._slots.release()
            raise

    def release(self, connection: ClientConnection) -> None:
        """Gives a connection back; it is kept only if its last answer was complete and it may be reused."""
        self._slots.release()
        if connection.reusable and not connection.closed and len(self._idle) < self._max_idle and not connection.busy:
            self._idle.append(connection)
        else:
            connection.close()

    def clear(self) -> None:
        """Closes the idle connections; those in use close when they are given back only if they broke."""
        while self._idle:
            self._idle.pop().close()
