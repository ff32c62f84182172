"""Long answers, watches and upgrades: signed frame by frame, in bounded memory, at the reader's pace."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator

import pytest

from daas_enclave.exchange import ANSWER_SECONDS, STALL_SECONDS
from daas_enclave.stream import FrameWriter
from daas_protocol import receipt as wire
from daas_protocol.frames import MAX_FRAME_DATA, PipeDecoder, PipeType, encode_pipe, split_close
from daas_protocol.receipt import UpgradeClose
from support.enclave_path import EXPIRES_MS, EXPIRING_TOKEN, Harness, Seen, SessionKeys, reply, start
from support.waiting import PATIENCE_S, settled, until

PODS = "/api/v1/namespaces/dev/pods"
MIB = 1024 * 1024
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def path(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Harness]:
    harness = await start(tmp_path_factory.mktemp("p"))
    yield harness
    await harness.stop()


@pytest.fixture
async def session(path: Harness) -> SessionKeys:
    return await path.opened()


@contextlib.contextmanager
def traced() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def long_body(path: Harness, total: int, piece: int = 64 * 1024) -> None:
    """The double answers with `total` bytes in chunks, as fast as they are taken."""

    async def script(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(HEAD)
        block = bytes(range(256)) * (piece // 256)
        path.api.written = 0
        while path.api.written < total:
            writer.write(chunk(block))
            path.api.written += piece
            await writer.drain()
        writer.write(chunk(b""))
        await writer.drain()
        return True

    path.api.script = script


async def ask_stream(
    path: Harness, session: SessionKeys, target: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    head, digest = path.head("GET", target, session)
    reader, writer = await path.connect()
    writer.write(head)
    status, headers = await path.read_head(reader)
    assert (status, headers.get("daas-frames"), headers.get("transfer-encoding")) == (200, "1", "chunked")
    return reader, writer, digest


async def test_an_answer_of_100_mb_passes_in_bounded_memory(path: Harness, session: SessionKeys) -> None:
    long_body(path, 100 * MIB)
    with traced():
        reader, writer, digest = await ask_stream(path, session, PODS)
        base, _ = tracemalloc.get_traced_memory()
        running, offset, index, last = hashlib.sha256(), 0, 0, False
        async for data, receipt in path.frames(reader):
            assert not last
            assert len(data) <= MAX_FRAME_DATA
            assert (receipt.request_digest, receipt.index, receipt.offset) == (digest, index, offset)
            running.update(data)
            assert receipt.running_digest == running.digest()
            assert receipt.body_digest == hashlib.sha256(data).digest()
            assert data or receipt.last
            offset, index, last = offset + len(data), index + 1, receipt.last
            path.signed.clear()
        _, peak = tracemalloc.get_traced_memory()
    assert last
    assert offset == 100 * MIB
    # Enclave, client and double together; the enclave's own share is a few frames.
    assert peak - base < 16 * MIB
    writer.transport.abort()


@pytest.mark.parametrize("size", [MIB - 65536, MIB, MIB + 65536])
async def test_one_mib_is_the_longest_answer_without_frames(path: Harness, session: SessionKeys, size: int) -> None:
    long_body(path, size)
    head, _ = path.head("GET", PODS, session)
    reader, writer = await path.connect()
    writer.write(head)
    answer = await path.read(reader)
    if size <= MIB:
        assert len(answer.body) == size
    else:
        parts = [data async for data, _ in path.frames(reader)]
        assert sum(map(len, parts)) == size
    again, _ = path.head("GET", PODS, session)
    writer.write(again)
    assert (await path.read(reader)).status == 200
    writer.transport.abort()


async def test_a_slow_reader_slows_the_api_server_down(path: Harness, session: SessionKeys) -> None:
    long_body(path, 24 * MIB)
    reader, writer, _ = await ask_stream(path, session, PODS)
    writer.transport.pause_reading()
    assert await settled(lambda: path.api.written) < 12 * MIB
    writer.transport.resume_reading()
    assert sum([len(data) async for data, _ in path.frames(reader)]) == 24 * MIB
    writer.transport.abort()


async def test_a_reader_that_stopped_is_cut_off(path: Harness, session: SessionKeys) -> None:
    long_body(path, 100 * MIB)
    _, writer, _ = await ask_stream(path, session, PODS)
    writer.transport.pause_reading()
    await settled(lambda: path.api.written)
    loop = asyncio.get_running_loop()
    path.path._exchanges.sweep(loop.time() + STALL_SECONDS)
    await until(lambda: path.path.stats()["under_way"] == {"short": 0, "long": 0})
    writer.transport.abort()


async def test_a_body_that_breaks_never_gets_a_last_frame(path: Harness, session: SessionKeys) -> None:
    async def script(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(HEAD + chunk(b"x" * (2 * MIB)))
        await writer.drain()
        return False

    path.api.script = script
    reader, writer, _ = await ask_stream(path, session, PODS)
    last = False
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError, ValueError)):
        async for _, receipt in path.frames(reader):
            last = receipt.last
    assert not last
    writer.transport.abort()


async def test_a_failure_in_the_middle_of_an_answer_cuts_it(
    path: Harness, session: SessionKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_body(path, 8 * MIB)
    whole = FrameWriter.write

    async def write(self: FrameWriter, data: bytes, *, last: bool = False) -> None:
        if self._index == 2:
            raise RuntimeError("a fault of ours")
        await whole(self, data, last=last)

    monkeypatch.setattr(FrameWriter, "write", write)
    head, _ = path.head("GET", PODS, session)
    reader, writer = await path.connect()
    writer.write(head)
    got = b""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 20):
            got += data
    assert got.count(b"HTTP/1.1") == 1
    assert not got.endswith(b"0\r\n\r\n")
    writer.transport.abort()


def watch_script(path: Harness, gate: asyncio.Event, events: int = 3) -> None:
    async def script(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(HEAD)
        await writer.drain()
        for number in range(events):
            await gate.wait()
            gate.clear()
            writer.write(chunk(b'{"event":%d}\n' % number))
            await writer.drain()
        await gate.wait()
        writer.write(chunk(b""))
        return True

    path.api.script = script


async def first_frame(frames: AsyncIterator[tuple[bytes, wire.StreamReceipt]]) -> None:
    """The frame that leaves with the head of a watch, before any event: a signed status and nothing else."""
    data, receipt = await asyncio.wait_for(anext(frames), PATIENCE_S)
    assert (data, receipt.index, receipt.status, receipt.last) == (b"", 0, 200, False)


async def test_each_event_of_a_watch_is_a_frame_at_once(path: Harness, session: SessionKeys) -> None:
    gate = asyncio.Event()
    watch_script(path, gate)
    reader, writer, digest = await ask_stream(path, session, PODS + "?watch=1")
    frames = path.frames(reader)
    await first_frame(frames)
    took = []
    for number in range(3):
        began = time.monotonic()
        gate.set()
        data, receipt = await asyncio.wait_for(anext(frames), PATIENCE_S)
        took.append(time.monotonic() - began)
        assert data == b'{"event":%d}\n' % number
        assert (receipt.index, receipt.last, receipt.request_digest) == (number + 1, False, digest)
    # Not with the second's tick: a busy machine may hold up one of them, not all.
    assert min(took) < 0.5
    gate.set()
    data, receipt = await asyncio.wait_for(anext(frames), PATIENCE_S)
    assert (data, receipt.last) == (b"", True)
    writer.transport.abort()


async def test_a_followed_log_is_a_stream_and_an_ordinary_one_is_not(path: Harness, session: SessionKeys) -> None:
    gate = asyncio.Event()
    watch_script(path, gate, 1)
    reader, writer, _ = await ask_stream(path, session, PODS + "/a/log?follow=true")
    frames = path.frames(reader)
    await first_frame(frames)
    gate.set()
    data, _ = await asyncio.wait_for(anext(frames), PATIENCE_S)
    assert data == b'{"event":0}\n'
    writer.transport.abort()
    path.api.script = path.api.echo
    assert (await path.ask("GET", PODS + "/a/log", session)).receipt.status == 200


async def test_a_refused_watch_is_an_ordinary_answer(path: Harness, session: SessionKeys) -> None:
    async def script(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await reply(writer, 410, b'{"kind":"Status","code":410}')
        return True

    path.api.script = script
    answer = await path.ask("GET", PODS + "?watch=true", session)
    assert (answer.status, answer.receipt.status) == (410, 410)


async def test_200_idle_watches_stand_in_nobodys_way_and_are_let_go(path: Harness, session: SessionKeys) -> None:
    never = asyncio.Event()
    watch_script(path, never)
    watches = await asyncio.gather(*(ask_stream(path, session, PODS + "?watch=true") for _ in range(200)))
    assert path.path.stats()["under_way"]["long"] == 200
    path.api.script = path.api.echo
    assert (await asyncio.wait_for(path.ask("GET", PODS, session), PATIENCE_S)).status == 200
    for _, writer, _ in watches:
        writer.transport.abort()
    await until(lambda: path.path.stats()["under_way"] == {"short": 0, "long": 0})


async def test_a_watch_ends_with_its_token(path: Harness) -> None:
    session = await path.opened(token=EXPIRING_TOKEN)
    watch_script(path, asyncio.Event())
    reader, writer, _ = await ask_stream(path, session, PODS + "?watch=true")
    frames = path.frames(reader)
    await first_frame(frames)
    path.clock.ms = EXPIRES_MS
    data, receipt = await asyncio.wait_for(anext(frames), PATIENCE_S)
    assert (data, receipt.last) == (b"", True)
    writer.transport.abort()


async def test_a_watch_ends_when_nothing_is_known_of_its_token_any_more(path: Harness, session: SessionKeys) -> None:
    watch_script(path, asyncio.Event())
    reader, writer, _ = await ask_stream(path, session, PODS + "?watch=true")
    frames = path.frames(reader)
    await first_frame(frames)
    path.path.suspend()
    data, receipt = await asyncio.wait_for(anext(frames), PATIENCE_S)
    assert (data, receipt.last) == (b"", True)
    writer.transport.abort()


async def test_a_long_answer_cut_by_its_session_is_no_whole_answer(path: Harness) -> None:
    session = await path.opened(token=EXPIRING_TOKEN)
    long_body(path, 100 * MIB)
    reader, writer, _ = await ask_stream(path, session, PODS)
    path.clock.ms = EXPIRES_MS
    path.path._exchanges.sweep(0)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError, ValueError)):
        async for _, receipt in path.frames(reader):
            assert not receipt.last
    writer.transport.abort()


async def test_an_api_server_that_hangs_is_answered_for(path: Harness, session: SessionKeys) -> None:
    async def script(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await reader.read()
        return False

    path.api.script = script
    asking = asyncio.create_task(path.ask("GET", PODS, session))
    await until(lambda: path.api.seen)
    path.path._exchanges.sweep(asyncio.get_running_loop().time() + ANSWER_SECONDS)
    answer = await asyncio.wait_for(asking, PATIENCE_S)
    assert (answer.status, answer.cause) == (504, "ApiServerTimeout")


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n"])
@pytest.mark.parametrize(("method", "told"), [("GET", (401, "SessionUnknown")), ("POST", (503, "OutcomeUnknown"))])
async def test_a_write_under_way_when_its_session_ends_is_not_asked_for_again(
    path: Harness, method: str, told: tuple[int, str], head: bytes
) -> None:
    # SessionUnknown tells a gateway that nothing was executed and makes it ask again: a write would be done twice.
    session = await path.opened(token=EXPIRING_TOKEN)

    async def script(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(head)
        await reader.read()
        return False

    path.api.script = script
    asking = asyncio.create_task(path.ask(method, PODS, session, body=b"{}" if method == "POST" else b""))
    await until(lambda: path.api.seen)
    await asyncio.sleep(0.1)  # for the head, if there is one; what is told is the same without it
    path.clock.ms = EXPIRES_MS
    path.path._exchanges.sweep(0)
    answer = await asyncio.wait_for(asking, PATIENCE_S)
    assert (answer.status, answer.cause) == told


async def test_a_client_that_leaves_frees_the_api_server(path: Harness, session: SessionKeys) -> None:
    gone = asyncio.Event()

    async def script(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await reader.read()
        gone.set()
        return False

    path.api.script = script
    head, _ = path.head("GET", PODS, session)
    _, writer = await path.connect()
    writer.write(head)
    await until(lambda: path.api.seen)
    writer.transport.abort()
    await asyncio.wait_for(gone.wait(), PATIENCE_S)
    await until(lambda: path.path.stats()["under_way"] == {"short": 0, "long": 0})


EXEC = PODS + "/a/exec?command=sh"
WEBSOCKET = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io, v4.channel.k8s.io\r\n"
)
SPDY = (
    "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    "X-Stream-Protocol-Version: v4.channel.k8s.io\r\nX-Stream-Protocol-Version: channel.k8s.io\r\n"
)
KINDS = [
    (WEBSOCKET, "websocket;v5.channel.k8s.io, v4.channel.k8s.io", "GET"),
    (SPDY, "spdy/3.1;v4.channel.k8s.io, channel.k8s.io", "POST"),
]


def upgrade_script(path: Harness, answer: bytes = b"early") -> None:
    """The double switches, says `answer` in the same segment, then echoes until `!`."""

    async def script(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        protocol = seen.header("upgrade")[0]
        head = f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\nX-Secret: 1\r\n"
        writer.write(head.encode() + b"Sec-WebSocket-Accept: abc\r\n\r\n" + answer)
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
            if data.endswith(b"!"):
                break
        return False

    path.api.script = script


async def open_upgrade(
    path: Harness, session: SessionKeys, extra: str, bound: str, method: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, dict[str, str], bytes]:
    head, digest = path.head(method, EXEC, session, upgrade=bound, extra=extra)
    reader, writer = await path.connect()
    writer.write(head)
    status, headers = await path.read_head(reader)
    assert status == 101
    signed = wire.from_header(headers["daas-receipt"])
    path.check(signed)
    opening = signed.receipt()
    assert (opening.request_digest, opening.status, opening.body_length) == (digest, 101, 0)
    return reader, writer, headers, digest


class Pipe:
    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._decoder = PipeDecoder()
        self.data = b""
        self.closing: wire.StreamReceipt | None = None
        self.counts: UpgradeClose | None = None
        self.raw_closing = b""

    async def until(self, length: int | None) -> None:
        """Reads until `length` data bytes are there, or the close."""
        while self.closing is None and (length is None or len(self.data) < length):
            data = await asyncio.wait_for(self._reader.read(65536), PATIENCE_S)
            assert data, "cut without a closing receipt"
            for kind, payload in self._decoder.feed(data):
                if kind is PipeType.DATA:
                    self.data += payload
                else:
                    self.counts, self.raw_closing = split_close(payload)
                    self.closing = wire.SignedMessage.decode(self.raw_closing).stream_receipt()


@pytest.mark.parametrize(("extra", "bound", "method"), KINDS)
async def test_an_upgraded_stream_is_carried_raw_between_two_receipts(
    path: Harness, session: SessionKeys, extra: str, bound: str, method: str
) -> None:
    upgrade_script(path)
    reader, writer, headers, digest = await open_upgrade(path, session, extra, bound, method)
    assert "x-secret" not in headers
    assert headers["upgrade"] == bound.partition(";")[0]
    pipe = Pipe(reader)
    await pipe.until(5)
    noise = bytes(range(256)) * 1000
    for start_at in range(0, len(noise), 60_000):
        writer.write(encode_pipe(PipeType.DATA, noise[start_at : start_at + 60_000]))
    await pipe.until(5 + len(noise))
    assert pipe.data == b"early" + noise
    writer.write(encode_pipe(PipeType.DATA, b"!"))
    await pipe.until(None)
    closing = pipe.closing
    assert closing is not None
    assert pipe.counts == UpgradeClose(sent=len(pipe.data), received=len(noise) + 1)
    body = pipe.counts.to_bcs()
    assert (closing.index, closing.offset, closing.status, closing.last) == (1, 0, 101, True)
    assert closing.request_digest == digest
    assert closing.body_digest == closing.running_digest == hashlib.sha256(body).digest()
    assert closing.body_length == len(body)
    path.check(wire.SignedMessage.decode(pipe.raw_closing))
    writer.transport.abort()


async def test_the_api_server_gets_the_offer_that_was_bound(path: Harness, session: SessionKeys) -> None:
    upgrade_script(path)
    for extra, bound, method in KINDS:
        *_, writer, _, _ = await open_upgrade(path, session, extra, bound, method)
        writer.transport.abort()
    websocket, spdy = path.api.seen
    assert websocket.header("sec-websocket-protocol") == ["v5.channel.k8s.io, v4.channel.k8s.io"]
    assert websocket.header("sec-websocket-key") == ["AAAAAAAAAAAAAAAAAAAAAA=="]
    assert spdy.header("x-stream-protocol-version") == ["v4.channel.k8s.io", "channel.k8s.io"]
    assert spdy.header("upgrade") == ["SPDY/3.1"]
    assert all(seen.header("impersonate-user") for seen in path.api.seen)


async def test_a_client_that_closes_gets_the_closing_receipt(path: Harness, session: SessionKeys) -> None:
    upgrade_script(path)
    extra, bound, method = KINDS[0]
    reader, writer, _, _ = await open_upgrade(path, session, extra, bound, method)
    pipe = Pipe(reader)
    await pipe.until(5)
    writer.write(encode_pipe(PipeType.CLOSE, b""))
    await pipe.until(None)
    assert pipe.closing is not None
    assert pipe.closing.body_digest == hashlib.sha256(UpgradeClose(5, 0).to_bcs()).digest()
    writer.transport.abort()
    await until(lambda: path.path.stats()["under_way"]["long"] == 0)


async def test_an_upgraded_stream_ends_with_its_token(path: Harness) -> None:
    session = await path.opened(token=EXPIRING_TOKEN)
    upgrade_script(path)
    extra, bound, method = KINDS[0]
    reader, writer, _, _ = await open_upgrade(path, session, extra, bound, method)
    path.clock.ms = EXPIRES_MS
    pipe = Pipe(reader)
    await pipe.until(None)
    assert pipe.closing is not None
    writer.transport.abort()


@pytest.mark.parametrize("junk", [b"\x02\x00\x00\x00\x00", b"\x00\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n"])
async def test_bytes_that_are_no_pipe_frames_end_the_stream(path: Harness, session: SessionKeys, junk: bytes) -> None:
    upgrade_script(path)
    extra, bound, method = KINDS[0]
    reader, writer, _, _ = await open_upgrade(path, session, extra, bound, method)
    writer.write(junk)
    pipe = Pipe(reader)
    await pipe.until(None)
    assert pipe.closing is not None


async def test_an_upgrade_the_api_server_refuses_is_a_signed_answer(path: Harness, session: SessionKeys) -> None:
    async def script(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await reply(writer, 403, b'{"kind":"Status","code":403}')
        return True

    path.api.script = script
    extra, bound, method = KINDS[0]
    answer = await path.ask(method, EXEC, session, upgrade=bound, extra=extra)
    assert (answer.status, answer.receipt.status) == (403, 403)


@pytest.mark.parametrize(
    ("target", "extra", "cause"),
    [
        (PODS + "?watch=true", WEBSOCKET, "DoorUpgrade"),
        ("/api/v1/namespaces/dev/services/a/proxy", WEBSOCKET, "DoorProxy"),
        ("/version", WEBSOCKET, "DoorUpgrade"),
        ("/apis/x.io/v1/namespaces/dev/pods/a/exec", WEBSOCKET, "DoorUpgrade"),
    ],
)
async def test_nothing_else_can_be_upgraded(
    path: Harness, session: SessionKeys, target: str, extra: str, cause: str
) -> None:
    answer = await path.ask("GET", target, session, upgrade=KINDS[0][1], extra=extra)
    assert (answer.status, answer.cause) == (403, cause)
    assert not path.api.seen


@pytest.mark.parametrize(
    "extra",
    [
        WEBSOCKET.replace("AAAAAAAAAAAAAAAAAAAAAA==", "AAAA"),
        WEBSOCKET.replace("Version: 13", "Version: 8"),
        WEBSOCKET.replace("v5.channel.k8s.io,", "v5 x,"),
    ],
)
async def test_a_malformed_upgrade_is_refused(path: Harness, session: SessionKeys, extra: str) -> None:
    head, _ = path.head("GET", EXEC, session, upgrade=KINDS[0][1], extra=extra)
    answer = await path.raw(head)
    assert (answer.status, answer.cause) == (400, "UpgradeMalformed")


async def test_draining_lets_the_short_finish_and_ends_the_long(path: Harness, session: SessionKeys) -> None:
    watch_script(path, asyncio.Event())
    reader, writer, _ = await ask_stream(path, session, PODS + "?watch=true")
    frames = path.frames(reader)
    await first_frame(frames)
    draining = asyncio.create_task(path.path.drain(1.0))
    data, receipt = await asyncio.wait_for(anext(frames), PATIENCE_S)
    assert (data, receipt.last) == (b"", True)
    await draining
    with pytest.raises((ConnectionError, OSError)):
        await path.connect()
    writer.transport.abort()
