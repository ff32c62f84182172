"""Promises of endpoints: exact bytes, bounded time, private sockets, nobody pushed off a socket he answers on.

Unix sockets and TCP here are real. The hybrid peer is a real Unix socket whose other side misbehaves. AF_VSOCK is a
double: this machine need not have it, so these tests show which calls are made with which addresses, and no more.
"""

import asyncio
import errno
import os
import socket
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from daas_protocol.transport import endpoint as module
from daas_protocol.transport.endpoint import (
    DialError,
    DialTimeout,
    Endpoint,
    EndpointError,
    EndpointInUse,
    HybridHandshakeError,
    Kind,
    ListenError,
    TransportUnsupported,
    dial,
    listen,
)
from support.waiting import PATIENCE_S, until

unix_only = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Short relative paths: pytest's folders are longer than a socket's path may be."""
    monkeypatch.chdir(tmp_path)
    return "."


@asynccontextmanager
async def served(path: str, peer: Peer) -> AsyncIterator[None]:
    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await peer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_unix_server(guarded, path)
    try:
        yield
    finally:
        server.close()


async def receive(sock: socket.socket, count: int) -> bytes:
    loop, data = asyncio.get_running_loop(), b""
    while len(data) < count:
        piece = await loop.sock_recv(sock, count - len(data))
        if not piece:
            break
        data += piece
    return data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unix:/run/daas/api.sock", Endpoint(Kind.UNIX, path="/run/daas/api.sock")),
        ("unix:a:b", Endpoint(Kind.UNIX, path="a:b")),
        ("hybrid:/run/v.sock:5000", Endpoint(Kind.HYBRID, path="/run/v.sock", port=5000)),
        ("hybrid:/run/a:b:0", Endpoint(Kind.HYBRID, path="/run/a:b", port=0)),
        ("vsock:16:5000", Endpoint(Kind.VSOCK, cid=16, port=5000)),
        ("vsock:4294967295:4294967295", Endpoint(Kind.VSOCK, cid=2**32 - 1, port=2**32 - 1)),
        ("tcp:127.0.0.1:0", Endpoint(Kind.TCP, host="127.0.0.1", port=0)),
        ("tcp:localhost:65535", Endpoint(Kind.TCP, host="localhost", port=65535)),
        ("tcp:[::1]:80", Endpoint(Kind.TCP, host="::1", port=80)),
    ],
)
def test_an_endpoint_has_one_text(text: str, expected: Endpoint) -> None:
    assert Endpoint.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unix",
        "unix:",
        "unix:a\x00b",
        "unix:" + "x" * 104,
        "UNIX:/a",
        "http:host:80",
        "/run/a.sock",
        "hybrid:/a",
        "hybrid::5",
        "hybrid:/a:",
        "hybrid:/a:-1",
        "hybrid:/a:05",
        "hybrid:/a:4294967296",
        "hybrid:/a:５",
        "vsock:16",
        "vsock:16:5:5",
        "vsock::5",
        "vsock:x:5",
        "vsock:4294967296:5",
        "tcp::80",
        "tcp:host",
        "tcp:host:65536",
        "tcp:host:+1",
        "tcp:host:8 0",
        "tcp:::1:80",
        "tcp:a/b:80",
        "tcp:user@host:80",
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(EndpointError):
        Endpoint.parse(text)


@unix_only
async def test_unix_sockets_carry_bytes_both_ways(folder: str) -> None:
    at = Endpoint.parse("unix:api.sock")
    with listen(at) as server, await dial(at, PATIENCE_S) as client:
        loop = asyncio.get_running_loop()
        accepted, _ = await loop.sock_accept(server)
        with accepted:
            accepted.setblocking(False)
            await loop.sock_sendall(client, b"to")
            await loop.sock_sendall(accepted, b"fro")
            assert await receive(accepted, 2) == b"to"
            assert await receive(client, 3) == b"fro"
        assert client.gettimeout() == 0


@unix_only
@pytest.mark.parametrize("umask", [0o000, 0o027, 0o777])
def test_a_unix_socket_is_private_whatever_the_umask(folder: str, umask: int) -> None:
    before = os.umask(umask)
    try:
        with listen(Endpoint.parse("unix:api.sock")):
            assert stat.S_IMODE(os.stat("api.sock").st_mode) == 0o600
    finally:
        os.umask(before)


@unix_only
def test_a_stale_socket_is_replaced(folder: str) -> None:
    at = Endpoint.parse("unix:api.sock")
    listen(at).close()
    assert os.path.exists("api.sock")
    with listen(at) as server:
        assert server.getsockname() == "api.sock"


@unix_only
async def test_a_socket_on_which_somebody_answers_is_not_taken_over(folder: str) -> None:
    at = Endpoint.parse("unix:api.sock")
    with listen(at) as server:
        with pytest.raises(EndpointInUse):
            listen(at)
        accepted, _ = await asyncio.get_running_loop().sock_accept(server)  # the probe
        accepted.close()
        with await dial(at, PATIENCE_S):
            pass


@unix_only
def test_a_socket_whose_queue_is_full_is_somebodys(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at = Endpoint.parse("unix:api.sock")
    monkeypatch.setattr(module, "LISTEN_BACKLOG", 0)
    with listen(at), socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        for waiting in (first, second):
            waiting.setblocking(False)
            try:
                waiting.connect("api.sock")
            except BlockingIOError:
                pass
        with pytest.raises(EndpointInUse):
            listen(at)


@unix_only
def test_a_file_that_is_no_socket_is_never_removed(folder: str) -> None:
    Path("api.sock").write_text("precious")
    with pytest.raises(ListenError, match="no socket"):
        listen(Endpoint.parse("unix:api.sock"))
    Path("link").symlink_to("api.sock")
    with pytest.raises(ListenError):
        listen(Endpoint.parse("unix:link"))
    assert Path("api.sock").read_text() == "precious"


@unix_only
async def test_nobody_there_is_a_named_error(folder: str) -> None:
    with pytest.raises(DialError, match=r"unix:absent\.sock"):
        await dial(Endpoint.parse("unix:absent.sock"), PATIENCE_S)
    with pytest.raises(ListenError):
        listen(Endpoint.parse("unix:no/such/folder/api.sock"))


async def test_tcp_carries_bytes_and_does_not_delay_them() -> None:
    with listen(Endpoint.parse("tcp:127.0.0.1:0")) as server:
        port = server.getsockname()[1]
        with pytest.raises(EndpointInUse):
            listen(Endpoint.parse(f"tcp:127.0.0.1:{port}"))
        with await dial(Endpoint.parse(f"tcp:localhost:{port}"), PATIENCE_S) as client:
            assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert client.gettimeout() == 0
    with pytest.raises(DialError):
        await dial(Endpoint.parse(f"tcp:127.0.0.1:{port}"), PATIENCE_S)


@unix_only
async def test_a_full_queue_is_waited_for_and_never_taken_for_a_connection(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LISTEN_BACKLOG", 0)
    at = Endpoint.parse("unix:api.sock")
    loop = asyncio.get_running_loop()
    with listen(at) as server:
        dials = [asyncio.create_task(dial(at, PATIENCE_S)) for _ in range(5)]
        await until(lambda: any(task.done() for task in dials))
        await asyncio.sleep(0.05)
        assert sum(task.done() for task in dials) < 5
        for _ in range(5):
            accepted, _ = await loop.sock_accept(server)
            accepted.close()
        for sock in await asyncio.gather(*dials):
            assert sock.getpeername() == "api.sock"
            sock.close()
        waiting = [asyncio.create_task(dial(at, 0.2)) for _ in range(4)]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert DialTimeout in {type(outcome) for outcome in outcomes}
        for outcome in outcomes:
            if isinstance(outcome, socket.socket):
                outcome.close()


HYBRID = Endpoint.parse("hybrid:v.sock:5000")


@unix_only
async def test_hybrid_asks_for_the_port_and_takes_only_the_line(folder: str) -> None:
    asked = asyncio.get_running_loop().create_future()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set_result(await reader.readline())
        writer.write(b"OK 1073741824\nOK 7\n\x00first bytes of the guest")  # all in one segment
        await writer.drain()
        writer.write(await reader.readexactly(4))
        await writer.drain()

    async with served("v.sock", peer):
        with await dial(HYBRID, PATIENCE_S) as sock:
            assert await asked == b"CONNECT 5000\n"
            expected = b"OK 7\n\x00first bytes of the guest"
            assert await receive(sock, len(expected)) == expected
            await asyncio.get_running_loop().sock_sendall(sock, b"ping")
            assert await receive(sock, 4) == b"ping"


@unix_only
def test_hybrid_works_on_uvloop_too(folder: str) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"OK 1\nguest")
        await writer.drain()

    async def talk() -> bytes:
        async with served("v.sock", peer):
            with await dial(HYBRID, PATIENCE_S) as sock:
                return await receive(sock, 5)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(talk()) == b"guest"


@unix_only
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"OK",
        b"OK \n",
        b"OK\n",
        b"ok 5\n",
        b"OK 5\r\n",
        b"OK  5\n",
        b"OK -5\n",
        b"OK 5 \n",
        b"OK 12345678901\n",
        b"\nOK 5\n",
        b"ERR 5\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"OK 5" + b"5" * 100,
        b"x" * 100_000,
    ],
    ids=lambda answer: ascii(answer)[:24],
)
async def test_hybrid_refuses_every_other_answer(folder: str, answer: bytes) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        try:
            await writer.drain()
        except OSError:
            pass

    async with served("v.sock", peer):
        with pytest.raises(HybridHandshakeError):
            await dial(HYBRID, PATIENCE_S)


@unix_only
@pytest.mark.parametrize("begin", [b"", b"O", b"OK 5"])
async def test_hybrid_does_not_wait_for_a_silent_or_slow_peer(folder: str, begin: bytes) -> None:
    hung_up = asyncio.Event()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(begin)
        await reader.read()
        hung_up.set()

    async with served("v.sock", peer):
        started = time.monotonic()
        with pytest.raises(DialTimeout):
            await dial(HYBRID, 0.2)
        assert time.monotonic() - started < 20
        await asyncio.wait_for(hung_up.wait(), PATIENCE_S)  # the socket was closed, not leaked


@unix_only
async def test_a_peer_that_trickles_does_not_get_more_time(folder: str) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        for _ in range(20):
            writer.write(b"O")
            await asyncio.sleep(0.1)

    # Had each byte bought more time, the peer would have said all its bytes and hung up: another error.
    async with served("v.sock", peer):
        with pytest.raises(DialTimeout):
            await dial(HYBRID, 0.3)


@unix_only
async def test_hybrid_listens_where_the_guests_connections_come_out(folder: str) -> None:
    with listen(HYBRID) as server:
        assert server.getsockname() == "v.sock_5000"
        assert stat.S_IMODE(os.stat("v.sock_5000").st_mode) == 0o600
    with pytest.raises(ListenError, match="shorter"):
        listen(Endpoint.parse("hybrid:" + "x" * 103 + ":5000"))


@unix_only
async def test_a_cancelled_dial_leaves_no_socket_open(folder: str) -> None:
    made: list[socket.socket] = []
    asked = asyncio.Event()

    def factory(family: int, kind: int) -> socket.socket:
        made.append(socket.socket(family, kind))
        return made[-1]

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        asked.set()
        await reader.read()

    async with served("v.sock", peer):
        task = asyncio.create_task(dial(HYBRID, 60, socket_factory=factory))
        await asyncio.wait_for(asked.wait(), PATIENCE_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [sock.fileno() for sock in made] == [-1]


class VsockDouble(socket.socket):
    """A stand-in for an AF_VSOCK socket: notes the addresses and passes the bytes over one end of a socket pair."""

    calls: list[tuple[str, object]]

    in_progress = False
    later_error = 0

    def connect(self, address: object) -> None:
        self.calls.append(("connect", address))
        if self.in_progress:
            raise BlockingIOError(errno.EINPROGRESS, "in progress")

    def getsockopt(self, level: int, option: int, *size: int) -> int:
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR) and self.later_error:
            return self.later_error
        return super().getsockopt(level, option, *size)

    def bind(self, address: object) -> None:
        self.calls.append(("bind", address))

    def listen(self, backlog: int = 0) -> None:
        self.calls.append(("listen", backlog))


@pytest.fixture
def vsock(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[list[tuple[str, object]], socket.socket, module.SocketFactory]]:
    monkeypatch.setattr(socket, "AF_VSOCK", 40, raising=False)
    ours, theirs = socket.socketpair()
    calls: list[tuple[str, object]] = []

    def factory(family: int, kind: int) -> socket.socket:
        calls.append(("socket", (family, kind)))
        double = VsockDouble(fileno=ours.detach())
        double.calls = calls
        return double

    yield calls, theirs, factory
    theirs.close()
    ours.close()


async def test_vsock_is_dialled_by_cid_and_port_without_a_handshake_on_a_double(vsock: tuple) -> None:
    calls, peer, factory = vsock
    peer.sendall(b"first byte")
    with await dial(Endpoint.parse("vsock:16:5000"), PATIENCE_S, socket_factory=factory) as sock:
        assert calls == [("socket", (40, socket.SOCK_STREAM)), ("connect", (16, 5000))]
        assert sock.gettimeout() == 0
        assert await receive(sock, 10) == b"first byte"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("error", [0, errno.ECONNRESET])
def test_a_vsock_connection_that_takes_its_time_on_a_double(
    vsock: tuple, monkeypatch: pytest.MonkeyPatch, loop: str, error: int
) -> None:
    calls, _, factory = vsock
    monkeypatch.setattr(VsockDouble, "in_progress", True)
    monkeypatch.setattr(VsockDouble, "later_error", error)
    make = asyncio.new_event_loop if loop == "asyncio" else pytest.importorskip("uvloop").new_event_loop

    async def connect() -> None:
        at = Endpoint.parse("vsock:16:5000")
        if error:
            with pytest.raises(DialError, match=r"vsock:16:5000"):
                await dial(at, PATIENCE_S, socket_factory=factory)
        else:
            (await dial(at, PATIENCE_S, socket_factory=factory)).close()

    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(connect())
    assert calls[1:] == [("connect", (16, 5000))]


def test_vsock_is_listened_on_by_cid_and_port_on_a_double(vsock: tuple) -> None:
    calls, _, factory = vsock
    with listen(Endpoint.parse(f"vsock:{module.VMADDR_CID_ANY}:5001"), socket_factory=factory) as sock:
        assert sock.gettimeout() == 0
    assert calls[1:] == [("bind", (2**32 - 1, 5001)), ("listen", module.LISTEN_BACKLOG)]


@pytest.mark.parametrize(
    ("family", "text"), [("AF_VSOCK", "vsock:2:1"), ("AF_UNIX", "unix:a"), ("AF_UNIX", "hybrid:a:1")]
)
async def test_a_system_without_such_sockets_says_so(monkeypatch: pytest.MonkeyPatch, family: str, text: str) -> None:
    monkeypatch.delattr(socket, family, raising=False)
    at = Endpoint.parse(text)
    with pytest.raises(TransportUnsupported, match=family):
        await dial(at, PATIENCE_S)
    with pytest.raises(TransportUnsupported, match=family):
        listen(at)
