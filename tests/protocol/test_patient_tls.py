"""Promises of the patient transport: last words arrive, whoever pauses and whichever write fails."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from daas_protocol.transport.http1_common import ByteQueue, as_transport
from daas_protocol.transport.patient_tls import connect_patiently
from support.waiting import PATIENCE_S, until

SAID = 60_000
"""More than is read ahead, less than the first receive window: the server can close before the client has read."""


class Listener(asyncio.Protocol):
    def __init__(self) -> None:
        self.lost: list[Exception | None] = []
        self.paused = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = as_transport(transport)
        self.queue = ByteQueue(self.transport)

    def data_received(self, data: bytes) -> None:
        self.queue.feed(data)

    def eof_received(self) -> bool:
        self.queue.end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)
        self.queue.end()

    def pause_writing(self) -> None:
        self.paused += 1

    def resume_writing(self) -> None:
        self.paused -= 1


@pytest.fixture(scope="module")
def server_tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    start = datetime.datetime(2020, 1, 1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=20_000))
        .sign(key, hashes.SHA256())
    )
    pem: Path = tmp_path_factory.mktemp("tls") / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@contextlib.contextmanager
def serving(tls: ssl.SSLContext) -> Iterator[tuple[str, int]]:
    """A blocking server that says SAID bytes and closes at once, as the API server does with an upgraded stream."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listening.accept()
            wrapped = tls.wrap_socket(connection, server_side=True)
            for _ in range(SAID // 20_000):
                wrapped.sendall(b"x" * 20_000)
            wrapped.setblocking(False)
            with contextlib.suppress(ssl.SSLError):
                wrapped.unwrap()
            wrapped.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        listening.close()


async def connected(address: tuple[str, int]) -> Listener:
    client_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_tls.check_hostname = False
    client_tls.verify_mode = ssl.CERT_NONE
    sock = socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, address)
    return await connect_patiently(Listener, sock, tls=client_tls, server_name="test")


@pytest.mark.parametrize("writes", [False, True])
async def test_a_slow_reader_gets_all_that_was_said_before_the_close(server_tls: ssl.SSLContext, writes: bool) -> None:
    with serving(server_tls) as address:
        listener = await connected(address)
        await asyncio.sleep(0.5)
        got = 0
        while data := await listener.queue.read():
            got += len(data)
            if writes:
                # The server is gone: the first is answered by a reset, the next ones fail.
                listener.transport.write(b"window update")
            await asyncio.sleep(0.01)
    assert got == SAID
    assert len(listener.lost) == 1


async def test_a_slow_server_pauses_writing_and_abort_ends_it_once(server_tls: ssl.SSLContext) -> None:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    hold = threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listening.accept()
            wrapped = server_tls.wrap_socket(connection, server_side=True)
            hold.wait(PATIENCE_S)
            wrapped.close()

    threading.Thread(target=serve, daemon=True).start()
    listener = await connected(listening.getsockname())
    for _ in range(400):
        listener.transport.write(b"y" * 65536)
        await asyncio.sleep(0)
        if listener.paused:
            break
    assert listener.paused == 1
    listener.transport.abort()
    listener.transport.abort()
    await until(lambda: listener.lost)
    await asyncio.sleep(0.05)
    assert listener.lost == [None]
    assert listener.transport.is_closing()
    hold.set()
    listening.close()


async def test_a_handshake_with_something_else_fails_by_name() -> None:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()

    def serve() -> None:
        connection, _ = listening.accept()
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    with pytest.raises(OSError):
        await connected(listening.getsockname())
    listening.close()
