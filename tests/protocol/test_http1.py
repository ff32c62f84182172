"""Promises of the HTTP/1.1 connections: whole bounded requests, no smuggling, back-pressure, raw upgrades."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_protocol.transport import streams
from daas_protocol.transport.http1 import (
    Answer,
    BodyBudget,
    ClientConnection,
    ConnectionClosed,
    HttpRefused,
    Limits,
    Pool,
    Request,
    ResponseMalformed,
    ServerConnection,
)
from support.waiting import PATIENCE_S, settled, until

Handler = Callable[[Request, ServerConnection], Awaitable[None]]


def refuse(refused: HttpRefused) -> Answer:
    return refused.status, [(b"content-type", b"text/plain")], type(refused).__name__.encode()


async def echo(request: Request, connection: ServerConnection) -> None:
    connection.send(200, [], b"%b %b %d" % (request.method.encode(), request.target, len(request.body)))


@asynccontextmanager
async def serving(handler: Handler, limits: Limits = Limits()) -> AsyncIterator[tuple[str, int]]:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    address = sock.getsockname()
    server = await streams.serve(lambda: ServerConnection(handler, refuse, limits), sock)
    try:
        yield address
    finally:
        server.close()


async def exchange(address: tuple[str, int], *chunks: bytes, pause: float = 0.0, until_end: bytes = b"") -> bytes:
    """Sends raw bytes and returns all that comes back until the server closes, or until it ends with `until_end`."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(pause)
        answer = b""
        async with asyncio.timeout(PATIENCE_S):
            while data := await reader.read(1 << 16):
                answer += data
                if until_end and answer.endswith(until_end):
                    break
        return answer
    finally:
        writer.close()


async def connect(address: tuple[str, int]) -> ClientConnection:
    sock = socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, address)
    return await streams.connect(ClientConnection, sock)


GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_a_request_is_answered_and_the_connection_kept() -> None:
    async with serving(echo) as address:
        client = await connect(address)
        for _ in range(3):
            response = await client.request(GET)
            assert (response.status, await response.read_up_to(100)) == (200, (b"GET /x 0", True))
        client.close()


async def test_a_peer_that_asks_on_and_takes_no_answer_fills_no_memory() -> None:
    served: list[ServerConnection] = []

    async def large(request: Request, connection: ServerConnection) -> None:
        served.append(connection)
        connection.send(200, [], bytes(1_000_000))

    async with serving(large) as address:
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
            held = asked = 0
            for _ in range(200):
                # The next one only when the last was answered: together they would be refused as pipelined.
                if len(served) == asked and asked < 30:
                    await loop.sock_sendall(sock, GET)
                    asked += 1
                await asyncio.sleep(0.005)
                held = max([held, *(connection.transport.get_write_buffer_size() for connection in served[:1])])
            assert len(served) < 15
            assert held < 2_000_000
            # Once it reads, all is answered.
            got = 0
            async with asyncio.timeout(120):
                while got < asked * 1_000_000:
                    got += len(await loop.sock_recv(sock, 1 << 20))
            assert len(served) == asked


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 60), max_size=8), st.binary(max_size=200))
def test_any_chunking_gives_the_same_request(cuts: list[int], body: bytes) -> None:
    raw = b"POST /y HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
    pieces, rest = [], raw
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    pieces.append(rest)

    async def run() -> bytes:
        async with serving(echo) as address:
            return await exchange(address, *[p for p in pieces if p], until_end=b"POST /y %d" % len(body))

    assert asyncio.run(run()).startswith(b"HTTP/1.1 200 ")


SMUGGLED = {
    "both lengths": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        4,
    ),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 4),
    "signed length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", 4),
    "list of lengths": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx", 4),
    "chunked": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 4),
    "obscured chunked": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 4),
    "space before colon": (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 4),
    "folded header": (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 4),
    "bare LF": (b"GET / HTTP/1.1\nHost: a\n\n", 4),
    "bare CR": (b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 4),
    "NUL in a value": (b"GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n", 4),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 4),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 4),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", 4),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 4),
    "h2c": (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 4),
    "CONNECT": (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 4),
    "unknown method": (b"FROB / HTTP/1.1\r\nHost: a\r\n\r\n", 4),
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 4),
}


@pytest.mark.parametrize("name", SMUGGLED)
async def test_ambiguous_requests_are_refused_and_never_handled(name: str) -> None:
    handled: list[Request] = []

    async def handler(request: Request, connection: ServerConnection) -> None:
        handled.append(request)
        connection.send(200, [], b"")

    async with serving(handler) as address:
        answer = await exchange(address, SMUGGLED[name][0])
    assert answer.startswith(b"HTTP/1.1 4"), answer
    assert b"connection: close" in answer
    assert handled == []


@pytest.mark.parametrize("together", [True, False])
async def test_a_second_request_before_the_answer_is_never_handled(together: bool) -> None:
    handled: list[bytes] = []

    async def handler(request: Request, connection: ServerConnection) -> None:
        handled.append(request.target)
        await asyncio.Event().wait()

    second = GET.replace(b"/x", b"/smuggled")
    async with serving(handler) as address:
        answer = await exchange(address, *([GET + second] if together else [GET, second]), pause=0.05)
    assert b"PipelinedRequest" in answer
    assert b"/smuggled" not in handled


async def test_endless_heads_and_bodies_are_cut_at_their_caps() -> None:
    limits = Limits(head_bytes=1000, headers=10, body_bytes=100)
    async with serving(echo, limits) as address:
        assert b"HeadTooLarge" in await exchange(address, b"GET /" + b"a" * 2000)
        assert b"HeadTooLarge" in await exchange(address, GET[:-2] + b"X: " + b"a" * 2000)
        assert b"HeadTooLarge" in await exchange(address, GET[:-2] + b"X: 1\r\n" * 20 + b"\r\n")
        assert b"BodyTooLarge" in await exchange(
            address, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200\r\n\r\n" + b"a" * 200
        )


async def test_bodies_of_all_connections_share_a_budget_that_comes_back() -> None:
    budget = BodyBudget(250)
    release = asyncio.Event()

    async def hold(request: Request, connection: ServerConnection) -> None:
        await release.wait()
        connection.send(200, [], b"")

    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    server = await streams.serve(lambda: ServerConnection(hold, refuse, Limits(), budget=budget), sock)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
    clients = [await connect(sock.getsockname()) for _ in range(3)]
    held = [asyncio.ensure_future(client.request(head, b"x" * 100)) for client in clients[:2]]
    await until(lambda: budget.held == 200)
    assert (await clients[2].request(head, b"x" * 100)).status == 503
    release.set()
    assert [(await one).status for one in held] == [200, 200]
    again = await connect(sock.getsockname())
    assert (await again.request(head, b"x" * 100)).status == 200
    for client in [*clients, again]:
        client.close()
    await until(lambda: budget.held == 0)
    server.close()


async def test_a_slow_request_times_out_and_an_idle_connection_closes() -> None:
    async with serving(echo, Limits(head_timeout=0.2, idle_timeout=0.2)) as address:
        assert b"RequestTimedOut" in await exchange(address, b"GET /x HTT")
        reader, writer = await asyncio.open_connection(*address)
        assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
        writer.close()


async def test_chunked_requests_are_served_where_allowed() -> None:
    async with serving(echo, Limits(allow_chunked=True)) as address:
        raw = b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        assert (await exchange(address, raw, until_end=b"POST /c 5")).startswith(b"HTTP/1.1 200 ")


async def test_a_slow_reader_stops_the_writer() -> None:
    written = 0

    async def flood(request: Request, connection: ServerConnection) -> None:
        nonlocal written
        connection.start(200, [])
        while True:
            await connection.write(b"x" * 65536)
            written += 65536

    async with serving(flood) as address:
        client = await connect(address)
        response = await client.request(GET)
        stuck = await settled(lambda: written)
        assert stuck < 32 << 20
        for _ in range(200):
            await response.read()
        await until(lambda: written > stuck)
        client.close()


async def test_an_answer_that_breaks_is_an_error_and_never_a_short_body() -> None:
    async def half(request: Request, connection: ServerConnection) -> None:
        connection.start(200, [])
        await connection.write(b"part")
        await asyncio.sleep(0.05)
        connection.abort()

    async with serving(half) as address:
        client = await connect(address)
        response = await client.request(GET)
        with pytest.raises(ConnectionClosed):
            await response.read_up_to(1000)


async def test_a_client_that_leaves_cancels_its_handler() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(request: Request, connection: ServerConnection) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    async with serving(wait) as address:
        _, writer = await asyncio.open_connection(*address)
        writer.write(GET)
        await asyncio.wait_for(started.wait(), PATIENCE_S)
        writer.close()
        # Less than the handler would wait by itself.
        await asyncio.wait_for(cancelled.wait(), 30)


@pytest.mark.parametrize("protocol", [b"websocket", b"SPDY/3.1"])
async def test_upgrades_hand_over_the_raw_connection_with_early_bytes(protocol: bytes) -> None:
    async def upgraded(request: Request, connection: ServerConnection) -> None:
        assert request.upgrade == protocol.lower()
        await asyncio.sleep(0.05)
        raw = connection.switch([(b"connection", b"Upgrade"), (b"upgrade", protocol)])
        while data := await raw.read():
            await raw.write(data.upper())
        raw.close()

    async with serving(upgraded) as address:
        client = await connect(address)
        head = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\nearly " % protocol
        response = await client.request(head)
        assert response.status == 101
        assert response.raw is not None
        got = await response.raw.read()
        await response.raw.write(b"late")
        while len(got) < 10:
            got += await response.raw.read()
        assert got == b"EARLY LATE"
        response.raw.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000,
    ],
)
async def test_malformed_answers_break_the_connection(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = await connect(server.sockets[0].getsockname())
    with pytest.raises((ResponseMalformed, ConnectionClosed)):
        response = await client.request(GET)
        await response.read_up_to(10)
    assert not client.reusable
    server.close()


async def test_bytes_nobody_asked_for_break_the_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = await connect(server.sockets[0].getsockname())
    response = await client.request(GET)
    assert await response.read_up_to(10) == (b"a", True)
    await until(lambda: not client.reusable)
    server.close()


async def test_the_pool_reuses_only_clean_connections_and_bounds_their_number() -> None:
    made = 0

    async with serving(echo) as address:

        async def make() -> ClientConnection:
            nonlocal made
            made += 1
            return await connect(address)

        pool = Pool(make, max_idle=2, max_total=2)
        first = await pool.acquire()
        await (await first.request(GET)).read_up_to(10)
        pool.release(first)
        again = await pool.acquire()
        assert again is first
        second = await pool.acquire()
        third = asyncio.ensure_future(pool.acquire())
        await asyncio.sleep(0.05)
        assert not third.done()
        second.close()
        pool.release(second)
        assert (await third) is not second
        assert made == 3
        pool.clear()


async def test_a_client_that_wants_the_connection_closed_gets_its_answer_and_the_end() -> None:
    async with serving(echo) as address:
        answer = await exchange(address, b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nconnection: close\r\n" in answer
        assert answer.endswith(b"GET /x 0")


class Wire(asyncio.Transport):
    """A transport that carries nothing and remembers whether it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True
        self.gone = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.gone

    def abort(self) -> None:
        self.gone = True


@pytest.mark.parametrize("arrived", [1 << 20, (1 << 20) - 1], ids=["whole", "all but a byte"])
async def test_an_answer_nobody_wants_any_more_leaves_no_connection_behind_that_is_never_read(arrived: int) -> None:
    wire = Wire()
    connection = ClientConnection()
    connection.connection_made(wire)

    async def never() -> ClientConnection:
        raise ConnectionClosed("no second connection in this test")

    pool = Pool(never, max_idle=2, max_total=2)
    asked = asyncio.ensure_future(connection.request(GET))
    await asyncio.sleep(0)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 20) + bytes(arrived))
    response = await asked
    assert response.complete is (arrived == 1 << 20)
    assert not wire.reading
    response.close()
    pool.release(connection)
    if response.complete:
        assert await pool.acquire() is connection
        assert wire.reading
    else:
        assert wire.gone
        with pytest.raises(ConnectionClosed):
            await pool.acquire()


async def test_a_body_that_waits_for_continue_is_asked_for_only_where_allowed_and_within_the_cap() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    async with serving(echo, Limits(continue_bodies=True, body_bytes=10)) as address:
        answered = await exchange(address, head % 5, b"hello", pause=0.05, until_end=b"POST / 5")
        assert answered.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")
        refused = await exchange(address, head % 11)
        assert refused.startswith(b"HTTP/1.1 413 ")
        assert b"100 Continue" not in refused
    async with serving(echo, Limits(head_timeout=0.2)) as address:
        assert (await exchange(address, head % 5)).startswith(b"HTTP/1.1 408 ")
