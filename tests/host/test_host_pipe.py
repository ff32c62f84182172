"""The byte pipe: every byte, in order, bounded memory, and no connection that outlives its reason."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import random
import resource
import socket
import sys
import termios
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_host.config import Limits
from daas_host.pipe import Pair, PipeServer, Side
from daas_protocol.transport.endpoint import Endpoint, listen
from support.waiting import PATIENCE_S, settled, until

LIMITS = Limits(connect_timeout_s=2, idle_timeout_s=60)
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def on_every_loop(test: Callable[[Path], Coroutine[Any, Any, None]]) -> Any:
    """The host runs on uvloop and, without it, on asyncio: what holds must hold on both."""

    @pytest.mark.parametrize("loop_name", sorted(LOOPS))
    def run(loop_name: str, tmp_path: Path) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop_name]) as runner:
            runner.run(test(tmp_path))

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


@asynccontextmanager
async def piped(handler: Handler, folder: Path, limits: Limits = LIMITS) -> AsyncIterator[tuple[PipeServer, int]]:
    """An enclave whose connections run `handler`, and a pipe in front of it; gives the pipe and its port."""
    path = folder / "api"
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    enclave = await asyncio.start_unix_server(handle, path)
    listener = listen(Endpoint.parse("tcp:127.0.0.1:0"))
    pipe = PipeServer(listener, Endpoint.parse(f"unix:{path}"), limits)
    pipe.start()
    try:
        yield pipe, listener.getsockname()[1]
    finally:
        await pipe.close()
        enclave.close()
        for task in tasks:
            task.cancel()
        path.unlink(missing_ok=True)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


def unread(writer: asyncio.StreamWriter) -> bool:
    """Whether bytes wait in the kernel for the other end of `writer`."""
    size = fcntl.ioctl(writer.get_extra_info("socket").fileno(), termios.FIONREAD, bytes(4))
    return int.from_bytes(size, sys.byteorder) > 0


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), sizes=st.lists(st.integers(1, 300_000), min_size=1, max_size=6))
@pytest.mark.parametrize("loop_name", sorted(LOOPS))
def test_any_chunks_arrive_whole_and_in_order_both_ways(
    loop_name: str, tmp_path_factory: pytest.TempPathFactory, seed: int, sizes: list[int]
) -> None:
    chunks = [random.Random(seed + size).randbytes(size) for size in sizes]

    async def main() -> None:
        async with piped(echo, tmp_path_factory.mktemp("p")) as (pipe, port):
            reader, writer = await connect(port)

            async def send() -> None:
                for chunk in chunks:
                    writer.write(chunk)
                    await writer.drain()
                    if seed % 3 == 0:
                        await asyncio.sleep(0)
                writer.write_eof()

            async with asyncio.timeout(PATIENCE_S):
                _, received = await asyncio.gather(send(), reader.read())
            assert received == b"".join(chunks)
            writer.close()
            await until(lambda: pipe.connections == 0)
            assert pipe.bytes_total() == (len(received), len(received))

    with asyncio.Runner(loop_factory=LOOPS[loop_name]) as runner:
        runner.run(main())


@on_every_loop
async def test_the_client_may_end_first_and_still_read(tmp_path: Path) -> None:
    async def after_eof(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = await reader.read()
        await asyncio.sleep(0.05)
        writer.write(b"got %d" % len(received))

    async with piped(after_eof, tmp_path) as (pipe, port), asyncio.timeout(PATIENCE_S):
        reader, writer = await connect(port)
        writer.write(b"x" * 1000)
        writer.write_eof()
        assert await reader.read() == b"got 1000"
        writer.close()
        await until(lambda: pipe.connections == 0)


@on_every_loop
async def test_the_enclave_may_end_first_and_still_read(tmp_path: Path) -> None:
    received = bytearray()

    async def early_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"first")
        writer.write_eof()
        received.extend(await reader.read())

    async with piped(early_end, tmp_path) as (pipe, port), asyncio.timeout(PATIENCE_S):
        reader, writer = await connect(port)
        assert await reader.read() == b"first"
        for _number in range(10):
            writer.write(b"y" * 1000)
            await writer.drain()
            await asyncio.sleep(0.002)
        writer.write_eof()
        await until(lambda: len(received) == 10_000)
        await until(lambda: pipe.connections == 0)
        writer.close()


@on_every_loop
async def test_an_enclave_that_speaks_first_is_heard(tmp_path: Path) -> None:
    async def greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"g" * 500_000)
        await writer.drain()

    async with piped(greeting, tmp_path) as (_pipe, port), asyncio.timeout(PATIENCE_S):
        for _number in range(20):
            reader, writer = await connect(port)
            assert len(await reader.read()) == 500_000
            writer.close()


@pytest.mark.parametrize("towards", ["client", "enclave"])
@pytest.mark.parametrize("loop_name", sorted(LOOPS))
def test_a_slow_reader_costs_bounded_memory(loop_name: str, towards: str, tmp_path: Path) -> None:
    """100 MB wait for a reader that does not read: the sender is stopped after a few buffers, then all of it
    arrives.
    """
    total, chunk = 100_000_000, b"z" * 250_000
    go = asyncio.Event()
    digest = hashlib.sha256()

    async def produce(writer: asyncio.StreamWriter) -> None:
        for _ in range(total // len(chunk)):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()

    async def consume(reader: asyncio.StreamReader) -> int:
        count = 0
        while data := await reader.read(1 << 20):
            count += len(data)
            digest.update(data)
        return count

    async def main() -> None:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def enclave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if towards == "client":
                await produce(writer)
            else:
                await go.wait()
                done.set_result(await consume(reader))

        # Smaller than one read, so that also the very first bytes of an enclave that speaks first overfill it.
        limits = replace(LIMITS, write_buffer_bytes=64 * 1024)
        async with piped(enclave, tmp_path, limits) as (pipe, port), asyncio.timeout(200):
            reader, writer = await connect(port)
            sending = asyncio.create_task(produce(writer)) if towards == "enclave" else None
            assert await settled(lambda: sum(pipe.bytes_total())) < 16_000_000, "the sender was not stopped"
            pair = next(iter(pipe._pairs))
            held = sum(side.transport.get_write_buffer_size() for side in (pair.client, pair.enclave))
            assert held <= 2 * (limits.write_buffer_bytes + 256 * 1024)
            if towards == "client":
                assert await consume(reader) == total
            else:
                go.set()
                assert await done == total
            if sending is not None:
                await sending
            writer.close()

    with asyncio.Runner(loop_factory=LOOPS[loop_name]) as runner:
        runner.run(main())
    assert digest.digest() == hashlib.sha256(chunk * (total // len(chunk))).digest()


@on_every_loop
async def test_silence_ends_a_connection_and_traffic_keeps_it(tmp_path: Path) -> None:
    limits = replace(LIMITS, idle_timeout_s=3)
    async with piped(echo, tmp_path, limits) as (pipe, port), asyncio.timeout(PATIENCE_S):
        idle_reader, idle_writer = await connect(port)
        busy_reader, busy_writer = await connect(port)
        ended = asyncio.create_task(idle_reader.read())
        started = asyncio.get_running_loop().time()
        while not ended.done():
            busy_writer.write(b".")
            assert await busy_reader.readexactly(1) == b"."
            await asyncio.sleep(0.05)
        assert 2.9 <= asyncio.get_running_loop().time() - started < 30
        assert isinstance(ended.exception(), ConnectionResetError) or ended.result() == b""
        assert pipe.stats.closed["idle"] == 1
        await until(lambda: pipe.connections == 1)
        idle_writer.close()
        busy_writer.close()


@on_every_loop
async def test_a_half_closed_connection_is_not_kept_as_long(tmp_path: Path) -> None:
    limits = replace(LIMITS, half_close_timeout_s=1)
    async with piped(silent, tmp_path, limits) as (pipe, port), asyncio.timeout(PATIENCE_S):
        open_reader, open_writer = await connect(port)
        reader, writer = await connect(port)
        writer.write_eof()
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
        await until(lambda: pipe.connections == 1)
        assert not open_reader.at_eof()
        open_writer.close()
        writer.close()


@on_every_loop
async def test_beyond_the_limit_clients_are_refused_at_once_and_room_is_used_again(tmp_path: Path) -> None:
    limits = replace(LIMITS, max_connections=3)
    async with piped(echo, tmp_path, limits) as (pipe, port), asyncio.timeout(PATIENCE_S):
        kept = [await connect(port) for _number in range(3)]
        await until(lambda: pipe.connections == 3)
        reader, writer = await connect(port)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        assert pipe.stats.refused == {"limit": 1, "enclave_unreachable": 0}
        for reader, writer in kept:
            writer.write(b"still here")
            assert await reader.readexactly(10) == b"still here"
        kept[0][1].close()
        await until(lambda: pipe.connections == 2)
        reader, writer = await connect(port)
        writer.write(b"new")
        assert await reader.readexactly(3) == b"new"
        for _, kept_writer in kept[1:]:
            kept_writer.close()
        writer.close()


@on_every_loop
async def test_without_an_enclave_clients_are_refused_at_once(tmp_path: Path) -> None:
    listener = listen(Endpoint.parse("tcp:127.0.0.1:0"))
    # At once: not only when the time to connect is over.
    pipe = PipeServer(listener, Endpoint.parse(f"unix:{tmp_path}/nobody"), replace(LIMITS, connect_timeout_s=3600))
    pipe.start()
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await connect(listener.getsockname()[1])
        with pytest.raises(ConnectionResetError):
            await reader.read()
    writer.close()
    assert pipe.stats.refused["enclave_unreachable"] == 1
    assert pipe.connections == 0
    await pipe.close()


@on_every_loop
async def test_an_enclave_that_takes_no_connection_is_given_up(tmp_path: Path) -> None:
    """A full backlog: connects neither succeed nor fail until the time-out."""
    hung = socket.socket(socket.AF_UNIX)
    hung.bind(str(tmp_path / "api"))
    hung.listen(0)
    filler = []
    for _number in range(3):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        client.connect_ex(str(tmp_path / "api"))
        filler.append(client)
    listener = listen(Endpoint.parse("tcp:127.0.0.1:0"))
    pipe = PipeServer(listener, Endpoint.parse(f"unix:{tmp_path}/api"), replace(LIMITS, connect_timeout_s=1))
    pipe.start()
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await connect(listener.getsockname()[1])
        with pytest.raises(ConnectionResetError):
            await reader.read()
    writer.close()
    await pipe.close()
    for sock in (hung, *filler):
        sock.close()


@on_every_loop
async def test_a_connection_that_the_enclave_breaks_is_broken_for_the_client(tmp_path: Path) -> None:
    """An answer that was cut must not look like one that ended."""

    async def breaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Unread input makes the kernel send a reset instead of an end.
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"half an ans")
        await until(lambda: unread(writer))
        writer.transport.abort()

    async with piped(breaking, tmp_path) as (pipe, port), asyncio.timeout(PATIENCE_S):
        reader, writer = await connect(port)
        assert await reader.readexactly(11) == b"half an ans"
        writer.write(b"x" * 200_000)
        with pytest.raises(ConnectionResetError):
            while await reader.read(1000):
                pass
        await until(lambda: pipe.connections == 0)
        writer.close()


@on_every_loop
async def test_a_client_that_vanishes_takes_its_enclave_connection_with_it(tmp_path: Path) -> None:
    gone = asyncio.Event()

    async def watched(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"event" * 1000)
                await writer.drain()
                await asyncio.sleep(0.01)
        finally:
            gone.set()

    async with piped(watched, tmp_path) as (pipe, port), asyncio.timeout(PATIENCE_S):
        reader, writer = await connect(port)
        await reader.readexactly(5)
        writer.transport.abort()
        await gone.wait()
        await until(lambda: pipe.connections == 0)


@on_every_loop
async def test_cut_ends_every_connection_promptly_also_those_with_bytes_waiting(tmp_path: Path) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"f" * 100_000)
            await writer.drain()

    async with piped(flood, tmp_path) as (pipe, port), asyncio.timeout(PATIENCE_S):
        clients = [await connect(port) for _number in range(5)]
        for reader, _ in clients:
            await reader.readexactly(100)
        await pipe.cut("enclave_stopped")
        await until(lambda: pipe.connections == 0)
        assert pipe.stats.closed["enclave_stopped"] == 5
        for reader, writer in clients:
            with pytest.raises(ConnectionResetError):
                while await reader.read(1 << 20):
                    pass
            writer.close()


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
@on_every_loop
async def test_a_thousand_connections_leave_no_descriptor_behind(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    try:
        async with piped(echo, tmp_path) as (pipe, port), asyncio.timeout(PATIENCE_S):
            before = len(os.listdir("/proc/self/fd"))
            for _round in range(5):
                clients = await asyncio.gather(*(connect(port) for _number in range(200)))
                for reader, writer in clients:
                    writer.write(b"ping")
                    assert await reader.readexactly(4) == b"ping"
                    writer.close()
            await until(lambda: pipe.connections == 0 and len(os.listdir("/proc/self/fd")) <= before)
            assert pipe.stats.accepted == 1000
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class FakeTransport(asyncio.Transport):
    """Its buffer is over the high-water mark after any write."""

    def __init__(self, side: Side) -> None:
        super().__init__()
        self.side = side
        self.reading = True
        self.written = b""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)
        self.side.pause_writing()


def test_bytes_that_came_before_the_client_was_ready_are_kept_and_respect_its_pause() -> None:
    with socket.socket() as client, socket.socket() as enclave:
        pair = Pair(client, enclave, 1, lambda pair: None)
        ends = {side: FakeTransport(side) for side in (pair.enclave, pair.client)}
        pair.enclave.connection_made(ends[pair.enclave])
        pair.enclave.data_received(b"early ")
        assert not ends[pair.enclave].reading, "one read is kept, not more"
        pair.enclave.data_received(b"bytes")
        pair.client.connection_made(ends[pair.client])
        assert ends[pair.client].written == b"early bytes"
        assert not ends[pair.enclave].reading, "the client's buffer is full"
        pair.client.resume_writing()
        assert ends[pair.enclave].reading
