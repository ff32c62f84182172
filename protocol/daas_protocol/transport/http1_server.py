"""One HTTP/1.1 server connection on asyncio.Protocol and httptools (llhttp).

Invariants: a handler sees only whole, bounded requests; at most one request is under way, and bytes that follow it
before its answer are never parsed as a request (RFC 9112 section 11.2, request smuggling); an answer that was begun
and cannot be finished ends in an aborted connection; a peer that does not take its answers is not read either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import httptools

from daas_protocol.transport.http1_common import (
    REASONS,
    WRITE_HIGH_WATER,
    WRITE_PART,
    BodyBudget,
    BodyTooLarge,
    ByteQueue,
    ChunkedRequest,
    ConnectionClosed,
    FlowControl,
    Header,
    HeaderLookup,
    HeadTooLarge,
    HttpRefused,
    Limits,
    MalformedRequest,
    PipelinedRequest,
    RawStream,
    RequestTimedOut,
    UnsupportedUpgrade,
    as_transport,
)

#: Others (CONNECT, TRACE, WebDAV verbs that llhttp knows) mean nothing to the API server; kubectl never sends HEAD.
METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Request(HeaderLookup):
    """A whole request. `target` is the request target as sent (bytes), `upgrade` the lower-case protocol or None."""

    __slots__ = ("body", "headers", "keep_alive", "method", "target", "upgrade")

    def __init__(
        self, method: str, target: bytes, headers: list[Header], body: bytes, keep_alive: bool, upgrade: bytes | None
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.keep_alive = keep_alive
        self.upgrade = upgrade

    def __repr__(self) -> str:
        return f"Request({self.method} {len(self.target)} B target, {len(self.body)} B body)"


Answer = tuple[int, list[Header], bytes]
Handler = Callable[[Request, "ServerConnection"], Awaitable[None]]
Refuser = Callable[[HttpRefused], Answer]


class ServerConnection(asyncio.Protocol):
    """Parses requests, runs `handler(request, self)` for each, and offers it the ways to answer.

    The handler answers exactly once by `send`, by `start` + `write`... + `finish`, or by `switch`.
    `refuse` turns a refusal of the HTTP itself into an answer, after which the connection closes. `on_head` is shown
    each request's headers before its body is taken, and may raise HttpRefused.
    """

    def __init__(
        self,
        handler: Handler,
        refuse: Refuser,
        limits: Limits,
        *,
        on_open: Callable[[ServerConnection], bool] | None = None,
        on_close: Callable[[ServerConnection], None] | None = None,
        on_head: Callable[[ServerConnection, list[Header]], None] | None = None,
        budget: BodyBudget | None = None,
    ) -> None:
        self._handler = handler
        self._refuse = refuse
        self._limits = limits
        self._on_open = on_open
        self._on_close = on_close
        self._on_head = on_head
        self._budget = budget
        self._body_size = 0
        self._flow = FlowControl()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._raw: ByteQueue | None = None
        self._upgrade_rest = b""
        self._closing = False
        self._answered = True
        self._started = False
        self._upgrading = False
        self._keep_alive = True
        self._held = False
        self.state: dict[str, object] = {}
        self._last = self._loop.time()
        self._reset()

    def _reset(self) -> None:
        self._give_back()
        self._parser = httptools.HttpRequestParser(self)
        self._in_head = True
        self._begun = False
        self._head_size = 0
        self._target = b""
        self._headers: list[Header] = []
        self._body: list[bytes] = []
        self._complete = False

    def _give_back(self) -> None:
        if self._budget is not None:
            self._budget.give(self._body_size)
        self._body_size = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = as_transport(transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        if self._on_open is not None and not self._on_open(self):
            self._closing = True
            self.transport.abort()
            return
        self._timer = self._loop.call_later(self._limits.head_timeout, self._check_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._give_back()
        if self._timer is not None:
            self._timer.cancel()
        self._flow.lost()
        if self._raw is not None:
            self._raw.fail(ConnectionClosed("the peer has closed the connection"))
        if self._task is not None and not self._task.done():
            self._task.cancel()
        if self._on_close is not None:
            self._on_close(self)

    def pause_writing(self) -> None:
        self._flow.pause()

    def resume_writing(self) -> None:
        self._flow.resume()
        self._read_on()

    def _read_on(self) -> None:
        if self._held:
            self._held = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    def eof_received(self) -> bool:
        if self._raw is not None:
            self._raw.end()
            return self.transport.get_extra_info("ssl_object") is None
        return False

    def data_received(self, data: bytes) -> None:
        if self._raw is not None:
            self._raw.feed(data)
            return
        if self._closing:
            return
        if not self._answered:
            self._pipelined(data)
            return
        try:
            self._feed(data)
        except HttpRefused as refused:
            self.refuse(refused)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade_rest = data[upgrade.args[0] :]
            self._finish_request(upgrading=True)
        except httptools.HttpParserError as error:
            # A refusal raised inside a parser callback arrives as the cause of llhttp's own error.
            cause = error.__context__ if isinstance(error.__context__, HttpRefused) else None
            self.refuse(cause or MalformedRequest(f"the request is not well-formed HTTP/1.1: {error}"))

    def _feed(self, data: bytes) -> None:
        if self._in_head:
            if not self._begun:
                self._begun = True
                self._last = self._loop.time()
            self._head_size += len(data)
        self._parser.feed_data(data)
        if self._in_head and self._head_size > self._limits.head_bytes:
            raise HeadTooLarge(f"request head over {self._limits.head_bytes} bytes")
        if self._complete:
            self._finish_request(upgrading=False)

    def _pipelined(self, data: bytes) -> None:
        """Bytes before the answer: an upgrade's early data is kept (bounded); anything else ends the connection."""
        if self._upgrading and len(self._upgrade_rest) + len(data) <= WRITE_HIGH_WATER:
            self._upgrade_rest += data
            return
        self._keep_alive = False
        if not self._started:
            self._cancel_handler()
            self.refuse(PipelinedRequest("a second request was sent before the first was answered"))

    # httptools callbacks

    def on_message_begin(self) -> None:
        if self._complete:
            raise PipelinedRequest("a second request was sent before the first was answered")

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        headers = self._headers
        if len(headers) >= self._limits.headers:
            raise HeadTooLarge(f"more than {self._limits.headers} headers")
        headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        size = len(self._target) + sum(len(k) + len(v) + 4 for k, v in self._headers)
        if size > self._limits.head_bytes:
            raise HeadTooLarge(f"request head of {size} bytes, at most {self._limits.head_bytes}")
        if self._on_head is not None:
            self._on_head(self, self._headers)
        if self._limits.continue_bodies and any(
            name == b"expect" and value.lower() == b"100-continue" for name, value in self._headers
        ):
            self._continue()

    def _continue(self) -> None:
        """Asks for a body whose sender waits for it (RFC 9110 section 10.1.1), unless it is stated over the cap."""
        for name, value in self._headers:
            if name == b"content-length" and value.isdigit() and int(value[:20]) > self._limits.body_bytes:
                raise BodyTooLarge(f"request body over {self._limits.body_bytes} bytes")
        self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if self._body_size + len(body) > self._limits.body_bytes:
            raise BodyTooLarge(f"request body over {self._limits.body_bytes} bytes")
        if self._budget is not None:
            self._budget.take(len(body))
        self._body_size += len(body)
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._complete = True
        # Asked now: the parser forgets it with the end of the message.
        self._keep_alive = self._parser.should_keep_alive()

    # requests

    def _finish_request(self, *, upgrading: bool) -> None:
        parser = self._parser
        method = parser.get_method().decode("ascii")
        upgrade: bytes | None = None
        try:
            if method not in METHODS:
                raise MalformedRequest(f"method {method} is not served")
            if parser.get_http_version() != "1.1":
                raise MalformedRequest(f"HTTP/{parser.get_http_version()} is not served, only HTTP/1.1")
            upgrade = self._check_framing(upgrading)
        except HttpRefused as refused:
            self.refuse(refused)
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._keep_alive = self._keep_alive and not upgrading
        request = Request(method, self._target, self._headers, body, self._keep_alive, upgrade)
        self._answered = False
        self._started = False
        self._upgrading = upgrading
        self._task = self._loop.create_task(self._run(request))

    def _check_framing(self, upgrading: bool) -> bytes | None:
        """Checks the headers that decide where the body ends, and says what is upgraded to."""
        upgrade: bytes | None = None
        seen_length = seen_host = False
        for name, value in self._headers:
            if name == b"content-length":
                if seen_length:
                    raise MalformedRequest("Content-Length appears more than once")
                seen_length = True
            elif name == b"transfer-encoding":
                if not self._limits.allow_chunked:
                    raise ChunkedRequest("chunked requests are not served: send Content-Length")
                if value.lower() != b"chunked":
                    raise MalformedRequest("Transfer-Encoding other than chunked is not served")
            elif name == b"host":
                if seen_host:
                    raise MalformedRequest("Host appears more than once")
                seen_host = True
            elif name == b"upgrade":
                if upgrade is not None:
                    raise MalformedRequest("Upgrade appears more than once")
                upgrade = value.lower()
        if not seen_host:
            raise MalformedRequest("HTTP/1.1 needs a Host header")
        if upgrading:
            if upgrade not in self._limits.upgrades:
                raise UnsupportedUpgrade("only upgrades to websocket and SPDY/3.1 are served")
            if self._body_size:
                raise MalformedRequest("an upgrade request has no body")
            return upgrade
        return None

    async def _run(self, request: Request) -> None:
        try:
            await self._handler(request, self)
        except HttpRefused as refused:
            if self._started or self._answered:
                self.transport.abort()
            else:
                self.refuse(refused)
        except ConnectionError:
            self.transport.abort()
        except asyncio.CancelledError:
            if not self._closing:
                self.transport.abort()
            raise
        except BaseException:
            self.transport.abort()
            raise
        else:
            if not self._answered and self._raw is None:
                self.transport.abort()

    def _cancel_handler(self) -> None:
        if self._task is not None and not self._task.done():
            # Detached first: its CancelledError path must not abort the refusal that is about to be written.
            task, self._task = self._task, None
            self._answered = True
            task.cancel()

    def refuse(self, refused: HttpRefused) -> None:
        """Answers a refusal of the HTTP itself and closes."""
        self._closing = True
        status, headers, body = self._refuse(refused)
        self.transport.write(_head(status, headers, b"content-length: %d\r\nconnection: close\r\n" % len(body)) + body)
        self.transport.close()

    # answers

    @property
    def started(self) -> bool:
        """Whether anything of an answer to the present request was written."""
        return self._started or self._answered

    def send(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        """Answers with a whole body."""
        if self.transport.is_closing():
            return
        extra = b"content-length: %d\r\n" % len(body)
        if not self._keep_alive:
            extra += b"connection: close\r\n"
        self.transport.write(_head(status, headers, extra) + body)
        self._done()

    async def send_in_parts(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        """As `send`, waiting while the peer is slow: one write alone is never refused by a transport, however large.

        Raises:
            ConnectionClosed: the peer is gone.
        """
        if self.transport.is_closing():
            raise ConnectionClosed("the peer has closed the connection")
        self._started = True
        extra = b"content-length: %d\r\n" % len(body)
        if not self._keep_alive:
            extra += b"connection: close\r\n"
        self.transport.write(_head(status, headers, extra))
        for start in range(0, len(body), WRITE_PART):
            self.transport.write(body[start : start + WRITE_PART])
            await self._flow.drain()
        self._done()

    def start(self, status: int, headers: Iterable[Header]) -> None:
        """Begins a chunked answer."""
        self._started = True
        extra = (
            b"transfer-encoding: chunked\r\n"
            if self._keep_alive
            else b"transfer-encoding: chunked\r\nconnection: close\r\n"
        )
        self.transport.write(_head(status, headers, extra))

    async def write(self, data: bytes) -> None:
        """One chunk of a begun answer; waits while the peer is slow.

        Raises:
            ConnectionClosed: the peer is gone.
        """
        if self.transport.is_closing():
            raise ConnectionClosed("the peer has closed the connection")
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self._flow.drain()

    def finish(self) -> None:
        """Ends a chunked answer."""
        if not self.transport.is_closing():
            self.transport.write(b"0\r\n\r\n")
            self._done()

    def switch(self, headers: Iterable[Header]) -> RawStream:
        """Answers 101 and hands over the raw connection; the handler owns it until it closes the stream."""
        self._read_on()
        self._raw = ByteQueue(self.transport)
        self._started = self._answered = True
        self.transport.write(_head(101, headers, b""))
        if self._upgrade_rest:
            self._raw.feed(self._upgrade_rest)
            self._upgrade_rest = b""
        return RawStream(self.transport, self._raw, self._flow)

    def abort(self) -> None:
        """Cuts the connection at once: the peer sees a broken answer, never a short one."""
        self.transport.abort()

    def _done(self) -> None:
        self._answered = True
        self._last = self._loop.time()
        if self._keep_alive:
            self._task = None
            self._reset()
            if self._flow.paused and not self._held:
                # Whoever asks on and takes no answer would fill memory with answers, unknown callers too.
                self._held = True
                self.transport.pause_reading()
        else:
            self._closing = True
            self.transport.close()

    # time-outs

    def _check_idle(self) -> None:
        """One timer for the connection's life, moved on lazily: a timer for each request costs more than the check."""
        limit: float | None = None
        if self._answered and self._raw is None:
            limit = self._limits.head_timeout if self._begun else self._limits.idle_timeout
            waited = self._loop.time() - self._last
            if waited >= limit:
                if self._begun:
                    self.refuse(RequestTimedOut(f"the request was not whole after {limit:.0f} s"))
                else:
                    self.transport.close()
                return
            delay = limit - waited
        else:
            delay = self._limits.head_timeout
        self._timer = self._loop.call_later(delay, self._check_idle)


def _head(status: int, headers: Iterable[Header], extra: bytes) -> bytes:
    parts = [b"HTTP/1.1 %d %b\r\n" % (status, REASONS.get(status, b"Status"))]
    parts += [b"%b: %b\r\n" % header for header in headers]
    parts.append(extra)
    parts.append(b"\r\n")
    return b"".join(parts)
